//! Judicia's checker: judges a contestant's output against the jury's answer.
//!
//! This file knows the wire format; the comparison is in [`compare`] and knows nothing of plugins.

mod compare;
mod number;
mod position;
mod tokens;
mod unseen;

use std::borrow::Cow;

use compare::{compare, Comparison, Difference, Mode, Tolerance, Verdict};
use judicia_guest::events::{self, Event};
use judicia_guest::{export, export_bytes, Fail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const DEFAULT_TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `output` and `answer`")]
struct Check<'a> {
    // Borrowed where the JSON has no escapes: outputs may be megabytes.
    #[serde(borrow)]
    output: Cow<'a, str>,
    #[serde(borrow)]
    answer: Cow<'a, str>,
    #[serde(default)]
    mode: ModeName,
    absolute: Option<f64>,
    relative: Option<f64>,
    #[serde(default = "yes")]
    case_sensitive: bool,
    #[serde(default = "hundred")]
    max_score: serde_json::Number,
}

/// The same without the two texts, for [`check_bytes`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of options")]
struct Options {
    #[serde(default)]
    mode: ModeName,
    absolute: Option<f64>,
    relative: Option<f64>,
    #[serde(default = "yes")]
    case_sensitive: bool,
    #[serde(default = "hundred")]
    max_score: serde_json::Number,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Exact,
    #[default]
    Tokens,
    Float,
}

fn yes() -> bool {
    true
}

fn hundred() -> serde_json::Number {
    100.into()
}

#[derive(Serialize)]
struct Judgement {
    verdict: Verdict,
    score: serde_json::Number,
    tokens: usize,
    difference: Option<Difference>,
}

fn check(request: Check) -> Result<Judgement, Fail> {
    let Check { output, answer, mode, absolute, relative, case_sensitive, max_score } = request;
    let options = Options { mode, absolute, relative, case_sensitive, max_score };
    judge(output.as_bytes(), answer.as_bytes(), options)
}

/// Raw framing: JSON would have to escape every line end of a big output, and cannot carry what is not UTF-8.
fn check_bytes(request: &[u8]) -> Result<Vec<u8>, Fail> {
    let (lengths, rest) = split(request, 8, "the two lengths")?;
    let length = |at: usize| lengths[at..at + 4].iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
    let (options, rest) = split(rest, length(0), "the options")?;
    let (output, answer) = split(rest, length(4), "the output")?;
    let options = if options.is_empty() { b"{}" } else { options };
    let options = serde_json::from_slice(options).map_err(|error| Fail::bad_request(format!("options: {}", error)))?;
    let judgement = judge(output, answer, options)?;
    serde_json::to_vec(&judgement).map_err(|error| Fail::new("failed", error.to_string()))
}

/// What `submission.received` says: what [`check`] needs, and whose submission it is. That is passed on as it came.
#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow)]
    check: Check<'a>,
    #[serde(flatten)]
    submission: Map<String, Value>,
}

/// Judges a submission that an event brings, and says so with another: `submission.judged`.
fn on_event(event: Event<Received>) -> Result<(), Fail> {
    if event.kind != "submission.received" {
        return Ok(());
    }
    let Received { check: request, mut submission } = event.payload;
    let Judgement { verdict, score, .. } = check(request)?;
    submission.insert("verdict".into(), serde_json::to_value(verdict).map_err(|error| error.to_string())?);
    submission.insert("score".into(), score.into());
    events::emit("submission.judged", &submission)?;
    Ok(())
}

fn split<'a>(bytes: &'a [u8], at: usize, what: &str) -> Result<(&'a [u8], &'a [u8]), Fail> {
    if at > bytes.len() {
        return Err(Fail::bad_request(format!("the request ends inside {}: {} of {} bytes", what, bytes.len(), at)));
    }
    Ok(bytes.split_at(at))
}

fn judge(output: &[u8], answer: &[u8], options: Options) -> Result<Judgement, Fail> {
    let max_score = options.max_score.clone();
    if max_score.as_f64().map_or(true, |score| score < 0.0) {
        return Err(Fail::bad_request(format!("field `max_score`: {} is below 0", max_score)));
    }
    let Comparison { verdict, tokens, difference } = compare(output, answer, mode(&options)?);
    let score = if verdict == Verdict::Accepted { max_score } else { 0.into() };
    Ok(Judgement { verdict, score, tokens, difference })
}

/// An option that the mode would not look at is refused: a tolerance without `float` is a mistake that fails everybody.
fn mode(options: &Options) -> Result<Mode, Fail> {
    let Options { mode, absolute, relative, case_sensitive, .. } = *options;
    for (field, value) in [("absolute", absolute), ("relative", relative)] {
        match value {
            Some(_) if mode != ModeName::Float => {
                return Err(Fail::bad_request(format!("field `{}`: a tolerance needs mode `float`", field)));
            }
            Some(value) if value < 0.0 => {
                return Err(Fail::bad_request(format!("field `{}`: {} is below 0", field, value)));
            }
            _ => {}
        }
    }
    Ok(match mode {
        ModeName::Exact if !case_sensitive => {
            return Err(Fail::bad_request("field `case_sensitive`: mode `exact` compares byte for byte"));
        }
        ModeName::Exact => Mode::Exact,
        ModeName::Tokens => Mode::Tokens { case_sensitive },
        ModeName::Float => Mode::Float { case_sensitive, tolerance: tolerance(absolute, relative) },
    })
}

fn tolerance(absolute: Option<f64>, relative: Option<f64>) -> Tolerance {
    match (absolute, relative) {
        (None, None) => Tolerance { absolute: DEFAULT_TOLERANCE, relative: DEFAULT_TOLERANCE },
        _ => Tolerance { absolute: absolute.unwrap_or(0.0), relative: relative.unwrap_or(0.0) },
    }
}

export!(check);
export_bytes!(check_bytes);
export!(on_event);
