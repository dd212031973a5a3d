//! Judicia's balloons: what the scoreboard announces as solved becomes a notification for those who carry balloons.
//!
//! - Settings (`config`): `recipient`, to whom it goes; `every`, whether each solve gets a balloon or only the first of a
//!   problem; `colours`, the colour of each problem's balloon.
//! - Events come at least once, so what was handed out is remembered: in the plugin's own tables or, where it was not
//!   granted any, for as long as this instance lives.
//! - It is remembered after it was sent. A call that ends in between sends again rather than never.

mod handed;
mod wording;

use std::cell::RefCell;
use std::collections::BTreeMap;

use judicia_guest::events::Event;
use judicia_guest::notifications::{Kind, Notification, Urgency};
use judicia_guest::{export, Fail};
use judicia_guest::{Anything, Initialize};
use serde::Deserialize;

use handed::Balloon;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    recipient: String,
    every: bool,
    colours: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { recipient: "balloons".into(), every: false, colours: BTreeMap::new() }
    }
}

thread_local! {
    static CONFIG: RefCell<Config> = RefCell::default();
}

/// What `scoreboard.solved` and `scoreboard.first_solve` say. Other fields are somebody else's business.
#[derive(Deserialize)]
struct Solve {
    team: String,
    #[serde(default)]
    name: String,
    problem: String,
    /// What the problem is called on the board; empty: as it is.
    #[serde(default)]
    label: String,
    minute: i64,
    #[serde(default)]
    first: bool,
}

fn on_initialize(request: Initialize<Config>) -> Result<(), Fail> {
    CONFIG.with(|config| *config.borrow_mut() = request.config);
    Ok(())
}

fn on_event(event: Event) -> Result<(), Fail> {
    let config = CONFIG.with(|config| config.borrow().clone());
    let first = event.kind == "scoreboard.first_solve";
    if !first && event.kind != "scoreboard.solved" {
        return Ok(());
    }
    let solve = Solve::deserialize(&event.payload).map_err(|error| Fail::bad_request(format!("payload: {}", error)))?;
    // A first solve is announced by both events; it gets one balloon.
    if !first && (solve.first || !config.every) {
        return Ok(());
    }
    let Solve { team, name, problem, label, minute, .. } = solve;
    if handed::knows(&problem, &team, first)? || (!first && handed::knows(&problem, &team, true)?) {
        return Ok(());
    }
    // Who turns out to be the first only later may have the balloon of an ordinary solve already.
    let has_one = first && handed::knows(&problem, &team, false)?;
    let label = if label.is_empty() { &problem } else { &label };
    let colour = config.colours.get(&problem).or_else(|| config.colours.get(label)).map(String::as_str);
    let called = if name.is_empty() { &team } else { &name };
    let (title, message) = wording::of(label, called, minute, first, has_one, colour);
    let notification = Notification::new(&config.recipient, &title, &message)
        .kind(Kind::Success)
        .urgency(if first { Urgency::High } else { Urgency::Normal })
        .with("team", team.as_str())
        .with("problem", problem.as_str())
        .with("minute", minute)
        .with("first", first)
        .with("colour", colour)
        .send()?;
    if has_one {
        return handed::mark_first(&problem, &team, &notification);
    }
    handed::remember(Balloon { problem, team, minute, first, notification })
}

fn handed(_: Anything) -> Result<Vec<Balloon>, Fail> {
    handed::all()
}

export!(on_initialize);
export!(on_event);
export!(handed);
