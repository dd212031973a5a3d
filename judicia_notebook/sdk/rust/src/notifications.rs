//! Notifications: `judicia:notifications`. Sending needs the capability `send_notifications`.
//!
//! A plugin says to whom and what; where it goes (a mailbox, a chat, nowhere but the notebook) the user decides.
//!
//! ```
//! # use judicia_guest::notifications::{Kind, Notification, Urgency};
//! # fn tell() -> Result<(), judicia_guest::Error> {
//! Notification::new("balloons", "First solve", "Problem C goes to team 7.")
//!     .kind(Kind::Success)
//!     .urgency(Urgency::High)
//!     .send()?;
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};

imports!("judicia:notifications": send);

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Info,
    Success,
    Warning,
    Error,
    Announcement,
}

/// How soon it should be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    Low,
    Normal,
    High,
    Critical,
}

/// A notification that can be sent, also more than once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notification<'a> {
    recipient: &'a str,
    title: &'a str,
    message: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<Urgency>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
}

impl<'a> Notification<'a> {
    /// `recipient` and `title` are one line each; `message` may have several.
    pub fn new(recipient: &'a str, title: &'a str, message: &'a str) -> Self {
        Notification { recipient, title, message, kind: None, urgency: None, metadata: serde_json::Map::new() }
    }

    /// What it is about; [`Kind::Info`] without this.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// How soon it should be seen; [`Urgency::Normal`] without this.
    #[must_use]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = Some(urgency);
        self
    }

    /// Adds a value for programs that read the history. It is kept with the notification and not sent on.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Sends it and returns its id. It does not wait until it has arrived anywhere.
    ///
    /// # Errors
    /// `capability_denied` without `send_notifications`; `bad_request` for control characters; `quota_exceeded` for a
    /// field too long or too many in a second.
    pub fn send(&self) -> Result<String, Error> {
        // SAFETY: the import is a host function of ABI v1.
        let sent: Sent = unsafe { call(imports::send, self) }?;
        Ok(sent.id)
    }
}

/// Sends a plain notification and returns its id.
///
/// # Errors
/// As [`Notification::send`].
pub fn send(recipient: &str, title: &str, message: &str) -> Result<String, Error> {
    Notification::new(recipient, title, message).send()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Notification, Urgency};

    #[test]
    fn what_is_not_given_is_not_sent() {
        let bare = serde_json::to_string(&Notification::new("a", "b", "c")).unwrap();
        assert_eq!(bare, r#"{"recipient":"a","title":"b","message":"c"}"#);
    }

    #[test]
    fn what_is_given_is_sent_under_the_names_of_the_abi() {
        let full = Notification::new("a", "b", "c").kind(Kind::Success).urgency(Urgency::Critical).with("team", 7);
        let json = r#"{"recipient":"a","title":"b","message":"c","type":"success","urgency":"critical","metadata":{"team":7}}"#;
        assert_eq!(serde_json::to_string(&full).unwrap(), json);
    }
}
