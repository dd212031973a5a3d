//! Judicia's scoreboard: ICPC standings from `submission.judged` events.
//!
//! This file knows the wire format; the rules are in [`standings`], the tables in [`store`], the pages in [`web`] and
//! [`page`], what other systems hand over in [`clics`] and [`import`].

mod announce;
mod clics;
mod contest;
mod import;
mod page;
mod standings;
#[cfg(test)]
mod standings_tests;
mod store;
mod times;
mod verdicts;
mod web;

use std::fmt;

use judicia_guest::events::Event;
use judicia_guest::routes::{Request, Response};
use judicia_guest::{export, Fail};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use contest::{Run, Settings};
use standings::{compute, Standings, View};
use store::Submission;

const LONGEST_NAME: usize = 200;

/// What an event says of a judged run. Other fields are somebody else's business.
#[derive(Deserialize)]
struct Judged {
    id: Name,
    team: Name,
    problem: Name,
    time_ms: i64,
    verdict: Name,
    #[serde(default)]
    revision: i64,
}

/// Keeps the run, then announces what it solved; doing either again changes nothing.
fn on_event(event: Event) -> Result<(), Fail> {
    if event.kind != "submission.judged" {
        return Ok(());
    }
    let judged =
        Judged::deserialize(&event.payload).map_err(|error| Fail::bad_request(format!("payload: {}", error)))?;
    let Judged { id, team, problem, time_ms, verdict, revision } = judged;
    let run = Run { submission: id.0, team: team.0, problem: problem.0, time_ms, verdict: verdict.0, revision };
    let solves_nothing = verdicts::never_solves(&run.verdict);
    if !solves_nothing {
        refuse_unknown(&run)?;
    }
    let was_pending = store::record(&run)?;
    // A rejudgement may make another team the first, and so may a judgement that the others waited for.
    if was_pending || run.revision > 0 || !solves_nothing {
        announce::announce(Some(&run.problem))?;
    }
    Ok(())
}

/// What no setting names would be scored by chance.
fn refuse_unknown(run: &Run) -> Result<(), Fail> {
    if verdicts::by_default(&run.verdict).is_some() || store::settings()?.meaning(&run.verdict).is_some() {
        return Ok(());
    }
    Err(Fail::bad_request(verdicts::unknown(&format!("submission `{}`", run.submission), &run.verdict)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `view`, or nothing")]
struct Look {
    view: View,
}

fn standings(request: Option<Look>) -> Result<Standings, Fail> {
    Ok(board(request.map_or(View::Public, |look| look.view))?.1)
}

fn board(view: View) -> Result<(Settings, Standings), Fail> {
    let settings = store::settings()?;
    let standings = compute(&settings, store::runs(None)?, &store::unfrozen()?, view);
    Ok((settings, standings))
}

/// Without fields, the settings as they are.
fn configure(request: Option<Map<String, Value>>) -> Result<Settings, Fail> {
    let settings = store::settings()?;
    let fields = request.unwrap_or_default();
    if fields.is_empty() {
        return Ok(settings);
    }
    let settings = settings.changed(&fields).map_err(Fail::bad_request)?;
    store::keep_settings(&settings)?;
    // Other settings may show the public what it was not told before.
    announce::announce(None)?;
    Ok(settings)
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, expecting = "an object with `team`, `problem`, `limit`, or nothing")]
struct Selection {
    team: Option<Name>,
    problem: Option<Name>,
    limit: Option<usize>,
}

fn submissions(request: Option<Selection>) -> Result<Vec<Submission>, Fail> {
    let Selection { team, problem, limit } = request.unwrap_or_default();
    Ok(store::submissions(text(&team), text(&problem), limit.unwrap_or(1000))?)
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, expecting = "an object with `team`, `problem`, or nothing")]
struct Reveal {
    team: Option<Name>,
    problem: Option<Name>,
}

#[derive(Serialize)]
struct Revealed {
    announced: usize,
}

/// Shows the public what was frozen: of a team, a problem, both or, without fields, of everybody.
fn unfreeze(request: Option<Reveal>) -> Result<Revealed, Fail> {
    let Reveal { team, problem } = request.unwrap_or_default();
    store::unfreeze(text(&team).unwrap_or(""), text(&problem).unwrap_or(""))?;
    Ok(Revealed { announced: announce::announce(text(&problem))? })
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, expecting = "an object with `settings`, or nothing")]
struct Reset {
    settings: bool,
}

#[derive(Serialize)]
struct Forgotten {
    submissions: u64,
}

/// Forgets all runs; the settings only where that is asked for.
fn reset(request: Option<Reset>) -> Result<Forgotten, Fail> {
    Ok(Forgotten { submissions: store::reset(request.unwrap_or_default().settings)? })
}

/// Takes over what a CLICS Contest API says of a contest: its settings, its runs and their judgements.
fn import_contest(package: clics::Package) -> Result<import::Imported, Fail> {
    import::import(package)
}

/// The board for a browser: the public's view, as a page or as JSON.
fn on_http_request(request: Request) -> Result<Response, Fail> {
    web::answer(&request)
}

fn text(name: &Option<Name>) -> Option<&str> {
    name.as_ref().map(|name| name.0.as_str())
}

/// An identifier: text, or a whole number that is taken as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a name of 1 to {} bytes or a whole number", LONGEST_NAME)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
                if text.is_empty() || text.len() > LONGEST_NAME {
                    return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self));
                }
                Ok(Name(text.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }
        }

        deserializer.deserialize_any(NameVisitor)
    }
}

export!(configure, import_contest, on_event, on_http_request, reset, standings, submissions, unfreeze);
