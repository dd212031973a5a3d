//! Requests to servers: `judicia:http request`. Needs the capability `network_access`.
//!
//! ```
//! # use judicia_guest::{http, log, Error};
//! # fn look() -> Result<(), Error> {
//! let answer = http::get("https://api.example.org/v1/standings").header("accept", "application/json").send()?;
//! if answer.status == 200 {
//!     log::info(answer.text()?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Redirects are followed as far as the grants reach. There are no cookies, and every request has a connection of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::files::encode_base64;
use crate::host::{call, imports, Error};
use crate::random::decode_base64;

imports!("judicia:http": request);

/// A request that can be sent, also more than once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request<'a> {
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// What a server said. Names of headers are in small letters; the body is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Received {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
}

/// A request for what is at a URL.
pub fn get(url: &str) -> Request<'_> {
    Request::new("GET", url)
}

/// A request that takes something to a URL; `Request::body` says what.
pub fn post(url: &str) -> Request<'_> {
    Request::new("POST", url)
}

impl<'a> Request<'a> {
    /// `method` is one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
    pub fn new(method: &'a str, url: &'a str) -> Self {
        Request { method, url, headers: BTreeMap::new(), body: None, body_base64: None, timeout_ms: None }
    }

    /// Adds a header. Some are the platform's to say, such as `host`, `content-length` and `cookie`.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// What is sent. GET and HEAD have none.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let bytes = body.as_ref();
        match std::str::from_utf8(bytes) {
            Ok(text) => (self.body, self.body_base64) = (Some(text.into()), None),
            Err(_) => (self.body, self.body_base64) = (None, Some(encode_base64(bytes))),
        }
        self
    }

    /// How long it may take, with all redirects. The call's own time ends it besides.
    pub fn timeout_ms(mut self, milliseconds: u64) -> Self {
        self.timeout_ms = Some(milliseconds);
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    ///
    /// # Errors
    /// `capability_denied` without `network_access` for this URL or one that it redirects to; `bad_request`;
    /// `quota_exceeded` for an answer that is too large; `timeout`; `failed` where there is no answer.
    pub fn send(&self) -> Result<Answer, Error> {
        // SAFETY: the import is a host function of ABI v1.
        let received: Received = unsafe { call(imports::request, self) }?;
        let body = match (received.body, received.body_base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(text)) => decode_base64(&text).ok_or_else(|| failed("the host's answer is not base64"))?,
            (None, None) => return Err(failed("the host's answer has no body")),
        };
        Ok(Answer { status: received.status, headers: received.headers, body })
    }
}

impl Answer {
    /// The body as text.
    ///
    /// # Errors
    /// `failed` where it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|_| failed("the answer's body is not UTF-8"))
    }
}

fn failed(message: &str) -> Error {
    Error { code: "failed".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::{get, post};

    fn json(request: &super::Request<'_>) -> String {
        serde_json::to_string(request).unwrap()
    }

    #[test]
    fn a_request_says_only_what_was_given() {
        assert_eq!(json(&get("http://a")), r#"{"method":"GET","url":"http://a"}"#);
        let full = post("http://a").header("x", "y").body("text").timeout_ms(5);
        let expected = r#"{"method":"POST","url":"http://a","headers":{"x":"y"},"body":"text","timeout_ms":5}"#;
        assert_eq!(json(&full), expected);
    }

    #[test]
    fn a_body_that_is_no_text_goes_as_base64() {
        assert_eq!(json(&post("u").body("a").body(b"\xff")), r#"{"method":"POST","url":"u","body_base64":"/w=="}"#);
    }
}
