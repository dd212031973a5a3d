//! The balloons that were handed out: in a table or, without the grants for that, in this instance's memory.

use std::cell::RefCell;

use judicia_guest::database::{execute, query};
use judicia_guest::{Error, Fail};
use serde::{Deserialize, Serialize};

/// One balloon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Balloon {
    pub problem: String,
    pub team: String,
    pub minute: i64,
    pub first: bool,
    /// The id of the notification that said so.
    pub notification: String,
}

#[derive(Deserialize)]
struct Row {
    problem: String,
    team: String,
    minute: i64,
    first: i64,
    notification: String,
}

impl From<Row> for Balloon {
    fn from(Row { problem, team, minute, first, notification }: Row) -> Self {
        Balloon { problem, team, minute, first: first != 0, notification }
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS balloons (problem text NOT NULL, team text NOT NULL, \
                     minute bigint NOT NULL, first bigint NOT NULL, notification text NOT NULL, \
                     PRIMARY KEY (problem, team, first))";
const COLUMNS: &str = "SELECT problem, team, minute, first, notification FROM balloons";
const PAGE: usize = 1000;

thread_local! {
    static MEMORY: RefCell<Vec<Balloon>> = RefCell::default();
}

/// Whether this balloon was handed out already.
pub fn knows(problem: &str, team: &str, first: bool) -> Result<bool, Fail> {
    let in_memory = MEMORY.with(|memory| {
        memory.borrow().iter().any(|one| one.problem == problem && one.team == team && one.first == first)
    });
    if in_memory {
        return Ok(true);
    }
    let sql = "SELECT minute FROM balloons WHERE problem = $1 AND team = $2 AND first = $3";
    let found: Vec<(i64,)> = where_there_is_a_table(query(sql, (problem, team, i64::from(first))))?;
    Ok(!found.is_empty())
}

/// Keeps a balloon.
pub fn remember(balloon: Balloon) -> Result<(), Fail> {
    match insert(&balloon) {
        Err(error) if error.code == "capability_denied" => {
            MEMORY.with(|memory| memory.borrow_mut().push(balloon));
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Makes the balloon of an ordinary solve that of the first.
pub fn mark_first(problem: &str, team: &str, notification: &str) -> Result<(), Fail> {
    MEMORY.with(|memory| {
        for one in memory.borrow_mut().iter_mut().filter(|one| one.problem == problem && one.team == team) {
            one.first = true;
            one.notification = notification.into();
        }
    });
    let sql = "UPDATE balloons SET first = 1, notification = $3 WHERE problem = $1 AND team = $2 AND first = 0";
    match execute(sql, (problem, team, notification)) {
        Err(error) if error.code == "not_found" || error.code == "capability_denied" => Ok(()),
        done => Ok(done.map(|_| ())?),
    }
}

fn insert(balloon: &Balloon) -> Result<(), Error> {
    let Balloon { problem, team, minute, first, notification } = balloon;
    let sql = "INSERT INTO balloons (problem, team, minute, first, notification) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT DO NOTHING";
    let params = (problem, team, minute, i64::from(*first), notification);
    match execute(sql, params) {
        Err(error) if error.code == "not_found" => {
            execute(TABLE, ())?;
            execute(sql, params).map(|_| ())
        }
        done => done.map(|_| ()),
    }
}

/// All balloons, the earliest solve first.
pub fn all() -> Result<Vec<Balloon>, Fail> {
    let sql = format!("{} ORDER BY minute, problem, team, first LIMIT {}", COLUMNS, PAGE);
    let kept: Vec<Row> = where_there_is_a_table(query(&sql, ()))?;
    let mut all: Vec<Balloon> = kept.into_iter().map(Balloon::from).collect();
    MEMORY.with(|memory| all.extend(memory.borrow().iter().cloned()));
    all.sort_by(|one, other| (one.minute, &one.problem, &one.team).cmp(&(other.minute, &other.problem, &other.team)));
    Ok(all)
}

/// Nothing where there is no table yet, or none may be read.
fn where_there_is_a_table<T>(rows: Result<Vec<T>, Error>) -> Result<Vec<T>, Fail> {
    match rows {
        Err(error) if error.code == "not_found" || error.code == "capability_denied" => Ok(Vec::new()),
        rows => Ok(rows?),
    }
}
