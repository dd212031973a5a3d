//! Events: `judicia:events`. Emitting needs the capability `emit_event`, receiving `subscribe_events`.
//!
//! A plugin receives events by exporting `on_event`, a function that takes an [`Event`]; what it receives its manifest
//! says (`subscriptions`), or [`subscribe`] while it runs:
//!
//! ```
//! # use judicia_guest::{events::Event, export, log, Fail};
//! # use serde::Deserialize;
//! #[derive(Deserialize)]
//! struct Judged { team: String, accepted: bool }
//!
//! fn on_event(event: Event<Judged>) -> Result<(), Fail> {
//!     log::info(format!("{} by {}", event.kind, event.payload.team));
//!     Ok(())
//! }
//!
//! export!(on_event);
//! # fn main() {}
//! ```
//!
//! An `Err` has the event delivered again later, with the same `id`; so may a trap in the middle.

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};

imports!("judicia:events": emit, subscribe);

/// What `on_event` receives. A field that later versions of the ABI add is ignored.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Event<Payload = serde_json::Value> {
    /// Unique; the same each time this event is delivered.
    pub id: String,
    /// Such as `submission.judged`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The plugin that emitted it, as the host knows it; `@platform` for the platform itself.
    pub source: String,
    /// ISO 8601, in UTC; `None` without the capability `wall_clock`.
    pub timestamp: Option<String>,
    pub payload: Payload,
    /// What the emitter added, and the host's `hops` and `cause`.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Emit<'a, P, M> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<M>,
}

#[derive(Deserialize)]
struct Emitted {
    id: String,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    pattern: &'a str,
}

#[derive(Deserialize)]
struct Subscribed {}

/// Publishes an event and returns its id. It does not wait for anybody who receives it.
///
/// # Errors
/// `capability_denied` for a type that is not granted (without a scope: one not under the plugin's own name);
/// `quota_exceeded` for a payload too large, too many events in a second, or one too many events away from its cause.
pub fn emit(kind: &str, payload: &impl Serialize) -> Result<String, Error> {
    send(&Emit::<_, ()> { kind, payload, metadata: None })
}

/// [`emit`] with metadata: a struct or a map that serde can write as a JSON object.
///
/// # Errors
/// As [`emit`]; `bad_request` when `metadata` is not an object, or has a field of the host's (`hops`, `cause`).
pub fn emit_with(kind: &str, payload: &impl Serialize, metadata: &impl Serialize) -> Result<String, Error> {
    send(&Emit { kind, payload, metadata: Some(metadata) })
}

fn send(request: &impl Serialize) -> Result<String, Error> {
    // SAFETY: the import is a host function of ABI v1.
    let emitted: Emitted = unsafe { call(imports::emit, request) }?;
    Ok(emitted.id)
}

/// Has events of a pattern delivered to `on_event`: a type, `contest.*` (one more segment), `contest.**` (one or more).
/// It holds until the plugin is unloaded or its code exchanged, and may be asked for twice.
///
/// # Errors
/// `capability_denied` for a pattern that is not granted (without a scope: one not under the plugin's own name);
/// `not_found` when the plugin does not export `on_event`; `quota_exceeded` for too many patterns.
pub fn subscribe(pattern: &str) -> Result<(), Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call::<Subscribed>(imports::subscribe, &Subscribe { pattern }) }.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{Emit, Event};

    #[test]
    fn an_event_is_read_with_a_payload_of_the_plugins_own_type() {
        let json = r#"{"id": "a-1", "type": "submission.judged", "source": "checker", "timestamp": null,
                       "payload": [1, 2], "metadata": {"hops": 0, "cause": null}, "later": 1}"#;
        let event: Event<(u8, u8)> = serde_json::from_str(json).unwrap();
        assert_eq!((event.kind.as_str(), event.payload), ("submission.judged", (1, 2)));
        assert_eq!(event.metadata["hops"], 0);
    }

    #[test]
    fn metadata_that_is_not_given_is_not_sent() {
        let bare = serde_json::to_string(&Emit::<_, ()> { kind: "a.b", payload: 1, metadata: None }).unwrap();
        assert_eq!(bare, r#"{"type":"a.b","payload":1}"#);
    }
}
