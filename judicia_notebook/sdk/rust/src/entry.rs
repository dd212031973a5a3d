//! What happens between an export and the plugin's function: reading the request, writing the answer, panics.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::memory::{give, pack};
use crate::Fail;

/// A request value that is not looked at, for functions without parameters: accepts every JSON value.
pub type Anything = serde::de::IgnoredAny;

/// What `on_initialize` receives, once for each instance.
#[derive(Debug, Clone, Deserialize)]
pub struct Initialize<Config = serde_json::Value> {
    pub name: String,
    pub version: String,
    /// The grants in force, such as `read_database=submissions`.
    pub granted: Vec<String>,
    pub config: Config,
}

/// The request of one call, in memory that stays the host's.
pub struct Request {
    ptr: *mut u8,
    len: usize,
}

impl Request {
    /// # Safety
    /// The region must stay readable and unchanged while this value lives.
    pub unsafe fn from_host(ptr: *mut u8, len: usize) -> Self {
        report_panics();
        Request { ptr, len }
    }

    fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: promised by the caller of `from_host`.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// Runs a function from JSON to JSON.
    pub fn json<'a, I, O>(&'a self, function: impl FnOnce(I) -> Result<O, Fail>) -> u64
    where
        I: Deserialize<'a>,
        O: Serialize,
    {
        let answer = self.read().and_then(function).and_then(|answer| {
            serde_json::to_vec(&answer).map_err(|error| Fail::new("failed", format!("answer: {}", error)))
        });
        match answer {
            Ok(json) if json == b"null" => 0,
            Ok(json) => give(json),
            Err(fail) => refuse(&fail),
        }
    }

    /// Runs a function from bytes to bytes.
    pub fn raw<'a, R: Into<Cow<'a, [u8]>>>(&'a self, function: impl FnOnce(&'a [u8]) -> Result<R, Fail>) -> u64 {
        match function(self.bytes()).map(Into::into) {
            Ok(Cow::Owned(bytes)) => give(bytes),
            // The request buffer itself may be the answer: the host frees it once.
            Ok(Cow::Borrowed(bytes)) if std::ptr::eq(bytes, self.bytes()) => pack(self.ptr, self.len),
            Ok(Cow::Borrowed(bytes)) => give(bytes.to_vec()),
            Err(fail) => refuse(&fail),
        }
    }

    fn read<'a, I: Deserialize<'a>>(&'a self) -> Result<I, Fail> {
        let json = if self.len == 0 { b"null" } else { self.bytes() };
        serde_json::from_slice(json).map_err(|error| bad_request(json, &error))
    }
}

fn refuse(fail: &Fail) -> u64 {
    fail.report();
    0
}

/// Says what is wrong with a request. serde_json knows the place of a value of the wrong type but not its field.
fn bad_request(json: &[u8], error: &serde_json::Error) -> Fail {
    let text = error.to_string();
    if !error.is_data() {
        return Fail::bad_request(format!("the request is not JSON: {}", text));
    }
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    match field_before(json, error.line(), error.column()) {
        Some(field) if what.starts_with("invalid ") || what.starts_with("unknown variant ") => {
            Fail::bad_request(format!("field `{}`: {}", field, what))
        }
        _ => Fail::bad_request(what),
    }
}

/// The last key of the outermost object that begins before a position (serde_json's: 1-based, columns in bytes).
fn field_before(json: &[u8], line: usize, column: usize) -> Option<String> {
    let start =
        json.split_inclusive(|&byte| byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    let end = (start + column).min(json.len());
    let (mut depth, mut text, mut key) = (0usize, None, None);
    let mut at = 0;
    while at < end {
        match json[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => key = text.take(),
            b'"' => {
                let first = at + 1;
                at = first;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                text = Some(first..at.min(json.len()));
            }
            _ => {}
        }
        at += 1;
    }
    key.map(|range| String::from_utf8_lossy(&json[range]).into_owned())
}

/// Installs the panic hook at the first entry. A trap alone would say nothing about the reason.
#[cfg(all(target_arch = "wasm32", feature = "panic-log"))]
fn report_panics() {
    use std::sync::Once;
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| std::panic::set_hook(Box::new(|panic| crate::log::error(panic.to_string()))));
}

#[cfg(not(all(target_arch = "wasm32", feature = "panic-log")))]
fn report_panics() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample<'a> {
        #[serde(borrow)]
        output: Cow<'a, str>,
        #[serde(default)]
        list: Vec<u32>,
        #[serde(default)]
        mode: Mode,
    }

    #[derive(Debug, Default, Deserialize)]
    enum Mode {
        #[default]
        Plain,
    }

    fn message(json: &str) -> String {
        bad_request(json.as_bytes(), &serde_json::from_str::<Sample>(json).unwrap_err()).message
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_field() {
        assert_eq!(message(r#"{"output":5}"#), "field `output`: invalid type: integer `5`, expected a string");
        assert_eq!(message(r#"{"output": [1, 2]}"#), "field `output`: invalid type: sequence, expected a string");
        assert_eq!(message(r#"{"output": null, "list": []}"#), "field `output`: invalid type: null, expected a string");
    }

    #[test]
    fn an_unknown_choice_names_its_field() {
        let text = message(r#"{"output": "", "mode": "Fancy"}"#);
        assert_eq!(text, "field `mode`: unknown variant `Fancy`, expected `Plain`");
    }

    #[test]
    fn a_wrong_value_inside_names_the_outermost_field() {
        let json = "{\"output\": \"a \\\" b: {\",\n \"list\": [1, {\"x\": 1}]}";
        assert!(message(json).starts_with("field `list`: invalid type: map"), "{}", message(json));
    }

    #[test]
    fn missing_unknown_and_repeated_fields_are_named_once() {
        assert_eq!(message("{}"), "missing field `output`");
        assert!(message(r#"{"output": "", "x": 1}"#).starts_with("unknown field `x`"));
        assert_eq!(message(r#"{"output": "", "output": ""}"#), "duplicate field `output`");
    }

    #[test]
    fn broken_json_gives_the_position() {
        assert!(message("{\"output\": ").contains("not JSON: EOF while parsing"));
    }
}
