//! Answering requests of browsers and programs: `on_http_request`, and `judicia:http register_route`. Needs the
//! capability `register_routes`.
//!
//! ```
//! use judicia_guest::routes::{self, Response};
//! use judicia_guest::{export, Fail};
//!
//! fn on_http_request(request: routes::Request) -> Result<Response, Fail> {
//!     match request.path.as_str() {
//!         "/hello/" => Ok(Response::html(format!("<h1>Hello, {}</h1>", routes::escape(request.field("name"))))),
//!         _ => Ok(Response::text(404, "There is nothing here.")),
//!     }
//! }
//!
//! export!(on_http_request);
//! # fn main() {}
//! ```
//!
//! What is handed over the manifest says (`http_routes = ["GET /hello/"]`), or [`register`] while the plugin runs. A page
//! lives in a sandbox: it has no cookies, and loads nothing but what lies beneath the plugin's own path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::files::encode_base64;
use crate::host::{call, imports, Error};
use crate::random::decode_base64;
use crate::Fail;

imports!("judicia:http": register_route);

/// What was asked. A field that later versions of the ABI add is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Received")]
pub struct Request {
    pub method: String,
    /// With the plugin's own prefix, and without escapes: `/hello/team a`.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names are in small letters. Cookies, authorization and whatever else tells of the user are left out.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Received {
    method: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
}

impl TryFrom<Received> for Request {
    type Error = &'static str;

    fn try_from(from: Received) -> Result<Self, Self::Error> {
        let body = match (from.body, from.body_base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(text)) => decode_base64(&text).ok_or("field `body_base64`: this is not base64")?,
            (None, None) => Vec::new(),
        };
        Ok(Request { method: from.method, path: from.path, query: from.query, headers: from.headers, body })
    }
}

impl Request {
    /// A field of the query; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// A header, by its name in small letters; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `bad_request` where it is none, or another.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fail> {
        serde_json::from_slice(&self.body).map_err(|error| Fail::bad_request(format!("the body: {}", error)))
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Response {
    pub status: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl Response {
    /// An answer with a body of any type; a status is from 200 to 599.
    pub fn new(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let bytes = body.as_ref();
        let (text, base64) = match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_string()), None),
            Err(_) => (None, Some(encode_base64(bytes))),
        };
        Response { status, headers: BTreeMap::new(), body: text, body_base64: base64 }
            .header("content-type", content_type)
    }

    /// A page. What is not markup must have gone through [`escape`].
    pub fn html(page: impl AsRef<str>) -> Self {
        Response::new(200, "text/html; charset=utf-8", page.as_ref())
    }

    /// Plain text.
    pub fn text(status: u16, text: impl AsRef<str>) -> Self {
        Response::new(status, "text/plain; charset=utf-8", text.as_ref())
    }

    /// Data.
    ///
    /// # Errors
    /// `failed` for what has no JSON form.
    pub fn json(value: &impl Serialize) -> Result<Self, Fail> {
        let body = serde_json::to_vec(value).map_err(|error| Fail::new("failed", format!("answer: {}", error)))?;
        Ok(Response::new(200, "application/json", body))
    }

    /// Leads to another path of this server, such as `./board/` or `/hello/`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Response::text(status, "").header("location", location)
    }

    /// Sets a header. Those that are the platform's to say, such as `set-cookie`, are left out of what is sent.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.into());
        self
    }
}

/// Text as it stands in a page, in an attribute with quotes, too.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[derive(Serialize)]
struct Register<'a> {
    method: &'a str,
    path: &'a str,
}

#[derive(Deserialize)]
struct Registered {}

/// Has requests handed to `on_http_request`: those for just this path or, where it ends in `/*`, for all beneath. It
/// holds until the plugin is unloaded or its code exchanged, and may be asked for twice.
///
/// # Errors
/// `capability_denied` for a path that is not granted (without a scope: one not under `/NAME`); `bad_request`;
/// `not_found` when the plugin does not export `on_http_request`; `conflict` when another plugin has this route;
/// `quota_exceeded` for too many routes.
pub fn register(method: &str, path: &str) -> Result<(), Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call::<Registered>(imports::register_route, &Register { method, path }) }.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{escape, Request, Response};

    fn request(body: &str) -> Request {
        let json = r#"{"method": "GET", "path": "/a", "query": {"b": "c"}, "headers": {"accept": "d"}, "later": 1"#;
        serde_json::from_str(&format!("{}{}}}", json, body)).unwrap()
    }

    #[test]
    fn a_request_is_read_with_its_body_as_bytes() {
        let one = request(r#", "body": "[1]""#);
        assert_eq!((one.field("b"), one.field("x"), one.header("accept")), ("c", "", "d"));
        assert_eq!(one.json::<Vec<u8>>().unwrap(), [1]);
        assert_eq!(request(r#", "body_base64": "/w==""#).body, [0xff]);
        assert!(request("").body.is_empty());
        assert_eq!(request("").json::<u8>().unwrap_err().code, "bad_request");
    }

    #[test]
    fn a_response_says_what_it_is() {
        let json = |one: &Response| serde_json::to_string(one).unwrap();
        let page = Response::html("<p>").header("ETag", "1");
        let headers = r#""headers":{"content-type":"text/html; charset=utf-8","etag":"1"}"#;
        assert_eq!(json(&page), format!(r#"{{"status":200,{},"body":"<p>"}}"#, headers));
        let bytes = Response::new(200, "image/png", b"\xff");
        assert!(json(&bytes).ends_with(r#""body_base64":"/w=="}"#));
        assert!(json(&Response::json(&[1, 2]).unwrap()).ends_with(r#""body":"[1,2]"}"#));
        assert!(json(&Response::redirect(303, "./b")).contains(r#""location":"./b""#));
    }

    #[test]
    fn what_is_escaped_is_no_markup() {
        assert_eq!(escape("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
    }
}
