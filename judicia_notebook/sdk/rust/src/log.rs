//! The plugin's log: `judicia:log write`. Needs no capability, but has a quota in bytes a call.

use serde::Serialize;

use crate::host::{call, imports, Error};

imports!("judicia:log": write);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

#[derive(Serialize)]
struct Line<'a, F> {
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<F>,
}

#[derive(serde::Deserialize)]
struct Written {}

/// Writes one line.
///
/// # Errors
/// `quota_exceeded` when the call has written all that its quota allows.
pub fn write(level: Level, message: &str) -> Result<(), Error> {
    send(&Line::<()> { level, message, fields: None })
}

/// Writes one line with fields: a struct or a map that serde can write as a JSON object.
///
/// # Errors
/// As [`write`]; `bad_request` when `fields` is not an object.
pub fn write_fields(level: Level, message: &str, fields: &impl Serialize) -> Result<(), Error> {
    send(&Line { level, message, fields: Some(fields) })
}

fn send(line: &impl Serialize) -> Result<(), Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call::<Written>(imports::write, line) }.map(|_| ())
}

/// Writes one line at level debug; a line that the quota refuses is lost.
pub fn debug(message: impl AsRef<str>) {
    let _ = write(Level::Debug, message.as_ref());
}

/// Writes one line at level info; a line that the quota refuses is lost.
pub fn info(message: impl AsRef<str>) {
    let _ = write(Level::Info, message.as_ref());
}

/// Writes one line at level warning; a line that the quota refuses is lost.
pub fn warning(message: impl AsRef<str>) {
    let _ = write(Level::Warning, message.as_ref());
}

/// Writes one line at level error; a line that the quota refuses is lost.
pub fn error(message: impl AsRef<str>) {
    let _ = write(Level::Error, message.as_ref());
}
