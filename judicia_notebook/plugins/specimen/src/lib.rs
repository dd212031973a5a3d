//! The specimen: a plugin that runs into each wall of the sandbox on request, so that one can look at the wall.

mod appetite;
mod pause;

use judicia_guest::log::{self, Level};
use judicia_guest::{clock, export, export_bytes, random, Anything, Error, Fail};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the field `ms`")]
struct Duration {
    ms: f64,
}

impl Duration {
    fn checked(self) -> Result<f64, Fail> {
        check_ms("ms", self.ms)
    }
}

fn check_ms(field: &str, ms: f64) -> Result<f64, Fail> {
    if (0.0..=1e9).contains(&ms) {
        return Ok(ms);
    }
    Err(Fail::bad_request(format!("field `{}`: {} is not between 0 and 1e9 milliseconds", field, ms)))
}

#[derive(Serialize)]
struct Spun {
    iterations: u64,
}

fn spin(request: Duration) -> Result<Spun, Fail> {
    Ok(Spun { iterations: appetite::burn(request.checked()?) })
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object with `bytes`, `step` and `keep_going`")]
struct Grow {
    bytes: Option<u64>,
    step: u64,
    keep_going: bool,
}

impl Default for Grow {
    fn default() -> Self {
        Grow { bytes: None, step: appetite::PAGE, keep_going: false }
    }
}

#[derive(Serialize)]
struct Grown {
    grown: u64,
    refused: u64,
}

fn grow(request: Option<Grow>) -> Result<Grown, Fail> {
    let request = request.unwrap_or_default();
    if request.step == 0 || request.step > 1 << 32 {
        return Err(Fail::bad_request(format!("field `step`: {} is not between 1 and 4294967296 bytes", request.step)));
    }
    let (grown, refused) = appetite::grow(request.bytes.unwrap_or(request.step), request.step, request.keep_going);
    Ok(Grown { grown, refused })
}

fn recurse(_: Anything) -> Result<u32, Fail> {
    Ok(appetite::descend(0))
}

fn trap(_: Anything) -> Result<(), Fail> {
    appetite::unreachable()
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, expecting = "an object with `code` and `message`")]
struct Complaint {
    code: Option<String>,
    message: Option<String>,
}

fn fail(request: Option<Complaint>) -> Result<(), Fail> {
    let request = request.unwrap_or_default();
    Err(Fail::new(
        request.code.unwrap_or_else(|| "failed".into()),
        request.message.unwrap_or_else(|| "specimen was asked to fail".into()),
    ))
}

fn panic(request: Option<Complaint>) -> Result<(), Fail> {
    panic!("{}", request.and_then(|request| request.message).unwrap_or_else(|| "specimen was asked to panic".into()))
}

#[derive(Serialize)]
struct Slept {
    slept_ms: f64,
}

fn sleep(request: Duration) -> Result<Slept, Fail> {
    let slept_ms = request.checked()?;
    pause::sleep(slept_ms)?;
    Ok(Slept { slept_ms })
}

/// What came of a row of host calls.
#[derive(Serialize, Default)]
struct Tally<T> {
    ok: u64,
    failed: u64,
    last_error: Option<Error>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<T>,
}

impl<T> Tally<T> {
    fn count(&mut self, result: Result<T, Error>) {
        match result {
            Ok(value) => {
                self.ok += 1;
                self.last = Some(value);
            }
            Err(error) => {
                self.failed += 1;
                self.last_error = Some(error);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the field `n`")]
struct Lines {
    n: u64,
    #[serde(default)]
    level: LineLevel,
    message: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum LineLevel {
    Debug,
    #[default]
    Info,
    Warning,
    Error,
}

fn log(request: Lines) -> Result<Tally<()>, Fail> {
    let level = match request.level {
        LineLevel::Debug => Level::Debug,
        LineLevel::Info => Level::Info,
        LineLevel::Warning => Level::Warning,
        LineLevel::Error => Level::Error,
    };
    let mut tally = Tally::default();
    for number in 1..=request.n {
        tally.count(match &request.message {
            Some(message) => log::write(level, message),
            None => log::write(level, &format!("line {}", number)),
        });
    }
    tally.last = None;
    Ok(tally)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `service`, `n` and `every_ms`")]
struct CallHost {
    service: Service,
    #[serde(default = "once")]
    n: u64,
    #[serde(default)]
    every_ms: f64,
}

fn once() -> u64 {
    1
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Service {
    Clock,
    Random,
    Log,
}

/// The answer of whichever service was asked.
#[derive(Serialize)]
#[serde(untagged)]
enum Served {
    Clock(clock::Now),
    Random(Vec<u8>),
    Log(()),
}

fn call_host(request: CallHost) -> Result<Tally<Served>, Fail> {
    let every_ms = check_ms("every_ms", request.every_ms)?;
    let mut tally = Tally { ok: 0, failed: 0, last_error: None, last: None };
    for number in 1..=request.n {
        tally.count(match request.service {
            Service::Clock => clock::now().map(Served::Clock),
            Service::Random => random::bytes(8).map(Served::Random),
            Service::Log => log::write(Level::Info, &format!("call {}", number)).map(Served::Log),
        });
        if every_ms > 0.0 && number < request.n {
            pause::sleep(every_ms)?;
        }
    }
    Ok(tally)
}

// The payload is answered as it came: reading and writing it again could only lose digits.
fn echo(request: &[u8]) -> Result<&[u8], Fail> {
    Ok(request)
}

fn echo_bytes(request: &[u8]) -> Result<&[u8], Fail> {
    Ok(request)
}

export!(spin, grow, recurse, trap, panic, fail, sleep, log, call_host);
export_bytes!(echo, echo_bytes);
