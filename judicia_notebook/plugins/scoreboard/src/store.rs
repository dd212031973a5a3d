//! The tables: all that the scoreboard knows is in them, so that nothing is lost when the plugin is unloaded.
//!
//! - A run is kept under its submission's id. The same judgement again changes nothing, a later one (a higher revision)
//!   takes its place, an earlier one that arrives late is passed over: the order of arrival makes no difference.
//! - Tables are made when the first write finds none; where there are none, there is nothing to read.

use std::collections::BTreeSet;

use judicia_guest::database::{execute, query};
use judicia_guest::{Error, Fail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use crate::contest::{Run, Settings};
use crate::standings::Unfrozen;
use crate::verdicts::Meaning;

/// Runs fetched at once: well within what a query may give, however long their texts are.
const PAGE: usize = 2000;
/// Runs written at once: a statement takes 200 parameters.
const ROWS: usize = 33;

const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS scoreboard_runs (submission text PRIMARY KEY, team text NOT NULL, \
     problem text NOT NULL, time_ms bigint NOT NULL, verdict text NOT NULL, revision bigint NOT NULL, \
     disputed bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS scoreboard_settings (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS scoreboard_unfrozen (team text NOT NULL, problem text NOT NULL, \
     PRIMARY KEY (team, problem))",
    "CREATE TABLE IF NOT EXISTS scoreboard_announced (what text NOT NULL, problem text NOT NULL, team text NOT NULL, \
     PRIMARY KEY (what, problem, team))",
];

fn write(sql: &str, params: impl Serialize + Copy) -> Result<u64, Error> {
    match execute(sql, params) {
        Err(error) if error.code == "not_found" => {
            for table in TABLES {
                execute(table, ())?;
            }
            execute(sql, params)
        }
        done => done,
    }
}

fn read<T: DeserializeOwned>(sql: &str, params: impl Serialize) -> Result<Vec<T>, Error> {
    match query(sql, params) {
        Err(error) if error.code == "not_found" => Ok(Vec::new()),
        found => found,
    }
}

// -- runs --------------------------------------------------------------------------------------------------------------

/// Keeps a judgement. Answers whether it took the place of a pending one.
///
/// # Errors
/// `conflict`: the same revision of this submission is kept with another content, which is marked as disputed.
pub fn record(run: &Run) -> Result<bool, Fail> {
    let Run { submission, team, problem, time_ms, verdict, revision } = run;
    let kept = write(
        "INSERT INTO scoreboard_runs (submission, team, problem, time_ms, verdict, revision, disputed) \
         VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (submission) DO UPDATE SET team = excluded.team, \
         problem = excluded.problem, time_ms = excluded.time_ms, verdict = excluded.verdict, \
         revision = excluded.revision, disputed = 0 WHERE scoreboard_runs.revision < excluded.revision",
        (submission, team, problem, time_ms, verdict, revision),
    )?;
    if kept > 0 {
        return Ok(false);
    }
    let settings = settings_or_defaults()?;
    if settle(run, &settings)? {
        return Ok(true);
    }
    // That a run waits for its judgement is no news once it has one.
    if settings.meaning(verdict) != Some(Meaning::Pending) && dispute(run)? {
        return Err(Fail::new(
            "conflict",
            format!(
                "submission `{}` was judged otherwise before: what takes the place of a judgement has a higher \
                 `revision` than {}",
                submission, revision
            ),
        ));
    }
    Ok(false)
}

/// Gives a run its verdict that was kept without one; whether it was.
fn settle(run: &Run, settings: &Settings) -> Result<bool, Error> {
    let Run { submission, team, problem, time_ms, verdict, revision } = run;
    let pending = &settings.pending_verdicts;
    let places: Vec<String> = (0..pending.len()).map(|at| format!("${}", at + 7)).collect();
    let sql = format!(
        "UPDATE scoreboard_runs SET verdict = $5 WHERE submission = $1 AND revision = $6 AND team = $2 \
         AND problem = $3 AND time_ms = $4 AND verdict IN ({})",
        places.join(", ")
    );
    let mut params =
        vec![json!(submission), json!(team), json!(problem), json!(time_ms), json!(verdict), json!(revision)];
    params.extend(pending.iter().map(|one| json!(one)));
    Ok(write(&sql, &params)? > 0)
}

/// Keeps runs as they are given, whatever was kept of their submissions.
pub fn replace(runs: &[Run]) -> Result<(), Error> {
    for some in runs.chunks(ROWS) {
        let row = |at| {
            let places: Vec<String> = (1..7).map(|column| format!("${}", 6 * at + column)).collect();
            format!("({}, 0)", places.join(", "))
        };
        let rows: Vec<String> = (0..some.len()).map(row).collect();
        let sql = format!(
            "INSERT INTO scoreboard_runs (submission, team, problem, time_ms, verdict, revision, disputed) VALUES {} \
             ON CONFLICT (submission) DO UPDATE SET team = excluded.team, problem = excluded.problem, \
             time_ms = excluded.time_ms, verdict = excluded.verdict, revision = excluded.revision, disputed = 0",
            rows.join(", ")
        );
        let params = some.iter().flat_map(|run| {
            let Run { submission, team, problem, time_ms, verdict, revision } = run;
            [json!(submission), json!(team), json!(problem), json!(time_ms), json!(verdict), json!(revision)]
        });
        write(&sql, &params.collect::<Vec<Value>>())?;
    }
    Ok(())
}

/// Marks what is kept as disputed if it is another content of the same revision; whether it is.
fn dispute(run: &Run) -> Result<bool, Error> {
    let Run { submission, team, problem, time_ms, verdict, revision } = run;
    let marked = write(
        "UPDATE scoreboard_runs SET disputed = 1 WHERE submission = $1 AND revision = $6 \
         AND NOT (team = $2 AND problem = $3 AND time_ms = $4 AND verdict = $5)",
        (submission, team, problem, time_ms, verdict, revision),
    )?;
    Ok(marked > 0)
}

/// All runs, or those of one problem.
pub fn runs(problem: Option<&str>) -> Result<Vec<Run>, Error> {
    let sql = "SELECT submission, team, problem, time_ms, verdict, revision FROM scoreboard_runs \
               WHERE submission > $1 AND ($2 OR problem = $3) ORDER BY submission LIMIT $4";
    pages(|last| read(sql, (last, problem.is_none(), problem.unwrap_or(""), PAGE)), |run: &Run| &run.submission)
}

/// A run as the jury sees it.
#[derive(Deserialize, Serialize)]
pub struct Submission {
    #[serde(flatten)]
    pub run: Run,
    /// 1: another judgement of the same revision arrived, and was not taken.
    pub disputed: i64,
}

/// The first runs in the order of their submission, of one team and one problem where those are given.
pub fn submissions(team: Option<&str>, problem: Option<&str>, limit: usize) -> Result<Vec<Submission>, Error> {
    let sql = "SELECT submission, team, problem, time_ms, verdict, revision, disputed FROM scoreboard_runs \
               WHERE submission > $1 AND ($2 OR team = $3) AND ($4 OR problem = $5) ORDER BY submission LIMIT $6";
    let (team, any_team) = (team.unwrap_or(""), team.is_none());
    let (problem, any_problem) = (problem.unwrap_or(""), problem.is_none());
    let page = |last: &str| read(sql, (last, any_team, team, any_problem, problem, PAGE));
    let mut all = pages(page, |one: &Submission| &one.run.submission)?;
    // Databases order ids as texts.
    all.sort_by(|one, other| one.run.submitted_before(&other.run));
    all.truncate(limit.min(PAGE));
    Ok(all)
}

/// All that a query gives, page by page; each begins after the last id of the one before.
fn pages<T>(page: impl Fn(&str) -> Result<Vec<T>, Error>, id: impl Fn(&T) -> &str) -> Result<Vec<T>, Error> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let some = page(all.last().map_or("", &id))?;
        let ended = some.len() < PAGE;
        all.extend(some);
        if ended {
            return Ok(all);
        }
    }
}

// -- settings ----------------------------------------------------------------------------------------------------------

pub fn settings() -> Result<Settings, Fail> {
    let kept: Vec<(String, String)> = read("SELECT name, value FROM scoreboard_settings", ())?;
    let read = |(name, text): (String, String)| Ok((name, serde_json::from_str(&text)?));
    let fields = kept.into_iter().map(read).collect::<serde_json::Result<Map<String, Value>>>();
    let fields = fields.map_err(|error| error.to_string()).and_then(Settings::kept);
    fields.map_err(|error| Fail::new("failed", format!("the settings kept: {}", error)))
}

/// The defaults where the settings may not be read.
pub fn settings_or_defaults() -> Result<Settings, Fail> {
    match settings() {
        Err(fail) if fail.code == "capability_denied" => Ok(Settings::default()),
        settings => settings,
    }
}

/// Keeps all settings, in one statement.
pub fn keep_settings(settings: &Settings) -> Result<(), Error> {
    let fields = settings.fields();
    let values: Vec<String> = (0..fields.len()).map(|at| format!("(${}, ${})", 2 * at + 1, 2 * at + 2)).collect();
    let params: Vec<String> = fields.iter().flat_map(|(name, value)| [name.clone(), value.to_string()]).collect();
    let sql = format!(
        "INSERT INTO scoreboard_settings (name, value) VALUES {} ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values.join(", ")
    );
    write(&sql, &params).map(|_| ())
}

// -- the freeze, and what was announced --------------------------------------------------------------------------------

pub fn unfrozen() -> Result<Unfrozen, Error> {
    Ok(read("SELECT team, problem FROM scoreboard_unfrozen", ())?.into_iter().collect())
}

pub fn unfreeze(team: &str, problem: &str) -> Result<(), Error> {
    let sql = "INSERT INTO scoreboard_unfrozen (team, problem) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    write(sql, (team, problem)).map(|_| ())
}

/// What was announced: triples of what, problem and team.
pub fn announced() -> Result<BTreeSet<(String, String, String)>, Error> {
    Ok(read("SELECT what, problem, team FROM scoreboard_announced", ())?.into_iter().collect())
}

pub fn mark_announced(what: &str, problem: &str, team: &str) -> Result<(), Error> {
    let sql = "INSERT INTO scoreboard_announced (what, problem, team) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    write(sql, (what, problem, team)).map(|_| ())
}

// -- the end -----------------------------------------------------------------------------------------------------------

/// Forgets all runs and what followed from them, and the settings where wanted. Answers the number of runs.
pub fn reset(settings: bool) -> Result<u64, Error> {
    write("DELETE FROM scoreboard_announced", ())?;
    write("DELETE FROM scoreboard_unfrozen", ())?;
    if settings {
        write("DELETE FROM scoreboard_settings", ())?;
    }
    write("DELETE FROM scoreboard_runs", ())
}
