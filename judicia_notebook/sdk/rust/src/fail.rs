//! How a plugin says that a call failed.

use serde::Serialize;

use crate::host::{imports, Error};

imports!("judicia:host": fail);

/// The failure of a call: a code for programs, a message for people, and optional data.
///
/// The caller sees a `GuestError` with the same code and message. The codes of the platform's own services are
/// `capability_denied quota_exceeded bad_request not_found conflict timeout failed`; a plugin may use its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    pub code: String,
    pub message: String,
    data: Option<String>,
}

impl Fail {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Fail { code: code.into(), message: message.into(), data: None }
    }

    /// The request cannot be answered because of what it says.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Fail::new("bad_request", message)
    }

    /// Attaches data that serde can write as JSON.
    pub fn with_data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::to_string(data).ok();
        self
    }

    /// Tells the host; the call is a failure from here on, whatever it returns.
    pub(crate) fn report(&self) {
        let mut json = String::from("{\"code\":");
        push_text(&mut json, &self.code);
        json.push_str(",\"message\":");
        push_text(&mut json, &self.message);
        if let Some(data) = &self.data {
            json.push_str(",\"data\":");
            json.push_str(data);
        }
        json.push('}');
        // SAFETY: the region is this plugin's own and lives until the call returns.
        unsafe { imports::fail(json.as_ptr(), json.len()) };
    }
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Fail::new(error.code, error.message)
    }
}

impl From<String> for Fail {
    fn from(message: String) -> Self {
        Fail::new("failed", message)
    }
}

impl From<&str> for Fail {
    fn from(message: &str) -> Self {
        Fail::new("failed", message)
    }
}
