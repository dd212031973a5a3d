//! Solved problems, told to whoever wants to know: a plugin that hands out balloons, for instance.
//!
//! - `scoreboard.solved` for each team's problem, `scoreboard.first_solve` for the first team of each problem; of frozen
//!   runs only once they are unfrozen, and of a first solve once no earlier run is pending to the public.
//! - Each is marked after it was emitted. So a call that ends in between announces again rather than never, and who
//!   counts should count pairs of team and problem. If an earlier first solve turns up later, it is announced as well.
//! - Without the capability to emit, or to read what was announced, nothing is announced or marked; the standings are
//!   none the worse for it.

use judicia_guest::{events, Error, Fail};
use serde::Serialize;

use crate::contest::Run;
use crate::standings::{compute, View};
use crate::store;

#[derive(Serialize)]
struct Solve<'a> {
    team: &'a str,
    name: &'a str,
    problem: &'a str,
    /// What the problem is called on the board, where that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    submission: &'a str,
    time_ms: i64,
    minute: i64,
    first: bool,
}

/// Announces what is solved, to the public's knowledge, and was not announced before: of one problem, or of all.
/// Answers how many events that took.
///
/// # Errors
/// What another reason than a missing capability stood against.
pub fn announce(problem: Option<&str>) -> Result<usize, Fail> {
    let mut count = 0;
    match announce_counting(problem, &mut count) {
        Err(fail) if fail.code == "capability_denied" => Ok(count),
        Err(fail) => Err(fail),
        Ok(()) => Ok(count),
    }
}

fn announce_counting(problem: Option<&str>, count: &mut usize) -> Result<(), Fail> {
    let settings = store::settings()?;
    let board = compute(&settings, store::runs(problem)?, &store::unfrozen()?, View::Public);
    let announced = store::announced()?;
    let mut solved: Vec<(Option<usize>, &Run, Solve)> = Vec::new();
    for row in &board.rows {
        for cell in &row.cells {
            if let (Some(run), Some(minute)) = (&cell.solved_by, cell.minute) {
                let Run { team, problem, submission, time_ms, .. } = run;
                let (name, time_ms, first) = (&row.name, *time_ms, cell.first);
                let label = settings.labels.get(problem).map(String::as_str);
                let solve = Solve { team, name, problem, label, submission, time_ms, minute, first };
                solved.push((cell.solved_at, run, solve));
            }
        }
    }
    solved.sort_by_key(|(at, ..)| *at);
    for (_, run, solve) in &solved {
        for (what, due) in [("solved", true), ("first_solve", solve.first)] {
            if due && !announced.contains(&(what.to_string(), run.problem.clone(), run.team.clone())) {
                tell(what, solve)?;
                *count += 1;
            }
        }
    }
    Ok(())
}

fn tell(what: &str, solve: &Solve) -> Result<(), Error> {
    events::emit(&format!("scoreboard.{}", what), solve)?;
    store::mark_announced(what, solve.problem, solve.team)
}
