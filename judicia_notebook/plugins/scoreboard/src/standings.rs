//! The rules: from judged runs to ranks. Nothing here knows where runs come from or who looks at the board.
//!
//! - A team's problem is solved by its first accepted run; what comes after that does not count.
//! - A solved problem costs the minute of that run, and a penalty for each wrong run before it. One that is not solved
//!   costs nothing.
//! - More problems solved come first, then less time, then the earlier last accepted run. Who is equal in all three
//!   shares a rank. All times are whole minutes.
//! - To the public, a run from the freeze on is pending, whatever its verdict, unless it was unfrozen. A run without a
//!   judgement is pending to everybody. What is pending counts for nothing.
//! - A solve is the first of its problem once no earlier run is pending that may turn out to be it.
//!
//! The order in which runs arrive makes no difference: they are put into the order in which they were submitted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::contest::{by_id, Run, Settings};
use crate::verdicts::Meaning;

/// Who looks at the board: the public does not see frozen runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    Public,
    Jury,
}

/// What was unfrozen: pairs of team and problem, where `""` stands for all of them.
pub type Unfrozen = BTreeSet<(String, String)>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standings {
    pub view: View,
    /// Whether this view hides verdicts.
    pub frozen: bool,
    pub problems: Vec<Problem>,
    pub rows: Vec<Row>,
    /// Runs that do not count: too early, too late, of another team or problem.
    pub ignored: usize,
    /// Runs that are pending because of the freeze.
    #[serde(skip)]
    pub hidden: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub problem: String,
    /// What it is called on the board.
    pub label: String,
    pub solved: usize,
    pub pending: usize,
    /// The team that solved it first; nobody while an earlier run is pending.
    pub first: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub rank: usize,
    pub team: String,
    pub name: String,
    pub solved: usize,
    pub penalty_minutes: i64,
    pub last_accepted_minute: Option<i64>,
    /// One for each problem, in their order.
    pub cells: Vec<Cell>,
}

/// A team's problem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub problem: String,
    pub state: State,
    /// Wrong runs that count.
    pub wrong: usize,
    pub pending: usize,
    /// When it was solved.
    pub minute: Option<i64>,
    /// Whether nobody solved it earlier.
    pub first: bool,
    /// As boards write it: `tries/minute`, `tries/--`, `?` or nothing.
    pub shown: String,
    #[serde(skip)]
    pub solved_by: Option<Run>,
    /// The place of that run among all, in the order of their submission.
    #[serde(skip)]
    pub solved_at: Option<usize>,
    /// The place of the first run that is pending.
    #[serde(skip)]
    pending_since: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Untried,
    Tried,
    Pending,
    Solved,
}

impl Cell {
    /// Takes the next run of this team and problem, in the order of their submission; `at` is its place among all.
    fn add(&mut self, run: &Run, at: usize, settings: &Settings, hidden: bool) {
        if self.solved_by.is_some() {
            return;
        }
        match settings.meaning(&run.verdict) {
            _ if hidden => self.wait_for(at),
            Some(Meaning::Solves) => {
                self.minute = Some(settings.minute(run));
                self.solved_by = Some(run.clone());
                self.solved_at = Some(at);
            }
            Some(Meaning::Costs) => self.wrong += 1,
            Some(Meaning::Free) => {}
            // A verdict that the settings do not know any more is shown rather than punished.
            Some(Meaning::Pending) | None => self.wait_for(at),
        }
    }

    fn wait_for(&mut self, at: usize) {
        self.pending += 1;
        self.pending_since.get_or_insert(at);
    }

    fn finish(&mut self) {
        self.state = match (self.minute, self.pending, self.wrong) {
            (Some(_), _, _) => State::Solved,
            (None, 0, 0) => State::Untried,
            (None, 0, _) => State::Tried,
            _ => State::Pending,
        };
        self.shown = match (self.state, self.minute) {
            (State::Solved, Some(minute)) => format!("{}/{}", self.wrong + 1, minute),
            (State::Tried, _) => format!("{}/--", self.wrong),
            (State::Pending, _) => "?".into(),
            _ => String::new(),
        };
    }

    fn cost(&self, settings: &Settings) -> i64 {
        self.minute.map_or(0, |minute| minute + settings.penalty_minutes * self.wrong as i64)
    }
}

/// Computes a board.
pub fn compute(settings: &Settings, mut runs: Vec<Run>, unfrozen: &Unfrozen, view: View) -> Standings {
    let all = runs.len();
    runs.retain(|run| settings.counts(run));
    runs.sort_by(Run::submitted_before);
    let mut problems = listed(&settings.problems, runs.iter().map(|run| &run.problem));
    if settings.problems.is_empty() {
        problems.sort_by(|one, other| by_id(one, other));
    }
    let teams = listed(&settings.teams, runs.iter().map(|run| &run.team));
    let is_hidden = |run: &Run| view == View::Public && is_frozen(settings, run) && !is_unfrozen(unfrozen, run);

    let place: BTreeMap<&str, usize> = problems.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let empty: Vec<Cell> =
        problems.iter().map(|problem| Cell { problem: problem.clone(), ..Cell::default() }).collect();
    let mut cells: BTreeMap<&str, Vec<Cell>> = teams.iter().map(|team| (team.as_str(), empty.clone())).collect();
    let mut hidden = 0;
    for (at, run) in runs.iter().enumerate() {
        if let (Some(cells), Some(&column)) = (cells.get_mut(run.team.as_str()), place.get(run.problem.as_str())) {
            let is_hidden = is_hidden(run);
            hidden += usize::from(is_hidden && cells[column].solved_by.is_none());
            cells[column].add(run, at, settings, is_hidden);
        }
    }
    let mut rows: Vec<Row> = cells.into_iter().map(|(team, cells)| row(settings, team, cells)).collect();
    let summaries =
        problems.iter().enumerate().map(|(at, problem)| summary(settings, problem, at, &mut rows)).collect();
    rank(&mut rows);
    let frozen = view == View::Public && settings.freeze_minute.is_some() && !unfrozen.contains(&all_of_it());
    Standings { view, frozen, problems: summaries, rows, ignored: all - runs.len(), hidden }
}

fn listed<'a>(given: &[String], found: impl Iterator<Item = &'a String>) -> Vec<String> {
    if given.is_empty() {
        return found.cloned().collect::<BTreeSet<String>>().into_iter().collect();
    }
    given.to_vec()
}

fn is_frozen(settings: &Settings, run: &Run) -> bool {
    settings.freeze_minute.map_or(false, |minute| settings.minute(run) >= minute)
}

fn is_unfrozen(unfrozen: &Unfrozen, run: &Run) -> bool {
    unfrozen.iter().any(|(team, problem)| {
        (team.is_empty() || *team == run.team) && (problem.is_empty() || *problem == run.problem)
    })
}

/// What stands for every team and every problem.
pub fn all_of_it() -> (String, String) {
    (String::new(), String::new())
}

fn row(settings: &Settings, team: &str, mut cells: Vec<Cell>) -> Row {
    cells.iter_mut().for_each(Cell::finish);
    Row {
        rank: 0,
        team: team.into(),
        name: settings.names.get(team).cloned().unwrap_or_else(|| team.into()),
        solved: cells.iter().filter(|cell| cell.minute.is_some()).count(),
        penalty_minutes: cells.iter().map(|cell| cell.cost(settings)).sum(),
        last_accepted_minute: cells.iter().filter_map(|cell| cell.minute).max(),
        cells,
    }
}

/// Sums up the problem of one column, and marks who solved it first.
fn summary(settings: &Settings, problem: &str, at: usize, rows: &mut [Row]) -> Problem {
    let solves = || rows.iter().enumerate().filter_map(|(row, one)| Some((one.cells[at].solved_at?, row)));
    let solved = solves().count();
    let pending_since = rows.iter().filter_map(|row| row.cells[at].pending_since).min();
    let first = solves().min().filter(|(solved_at, _)| pending_since.map_or(true, |pending| pending > *solved_at));
    let pending = rows.iter().map(|row| row.cells[at].pending).sum();
    let first = first.map(|(_, row)| {
        rows[row].cells[at].first = true;
        rows[row].team.clone()
    });
    let label = settings.labels.get(problem).cloned().unwrap_or_else(|| problem.into());
    Problem { problem: problem.into(), label, solved, pending, first }
}

fn rank(rows: &mut [Row]) {
    let merit = |row: &Row| (Reverse(row.solved), row.penalty_minutes, row.last_accepted_minute);
    rows.sort_by(|a, b| (merit(a), &a.name, &a.team).cmp(&(merit(b), &b.name, &b.team)));
    for at in 0..rows.len() {
        let shared = at > 0 && merit(&rows[at - 1]) == merit(&rows[at]);
        rows[at].rank = if shared { rows[at - 1].rank } else { at + 1 };
    }
}
