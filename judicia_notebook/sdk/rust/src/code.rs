//! The codes of failures that the platform's own services give, as an enum.

use std::fmt;

use crate::{Error, Fail};

/// Why a service did not do what was asked, or why a call failed.
///
/// On the wire a code is text, and [`Fail::new`] takes either: `Fail::new(Code::NotFound, ...)`, `Fail::new("full", ...)`.
///
/// ```
/// use judicia_guest::{Code, Fail};
///
/// assert_eq!(Fail::new(Code::NotFound, "no team 7").kind(), Code::NotFound);
/// assert_eq!(Fail::new("full", "no room").kind(), Code::Other);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The plugin does not have the capability now.
    CapabilityDenied,
    /// It would go beyond a limit.
    QuotaExceeded,
    /// A field is missing, repeated, of the wrong type or out of range; the message names it.
    BadRequest,
    /// What it is about is not there.
    NotFound,
    /// What it is about is already there, or something else is in the way.
    Conflict,
    /// It took longer than the time that was left or asked for.
    Timeout,
    /// Another reason.
    Failed,
    /// A code of a plugin's own, or of a later version of the ABI.
    Other,
}

const NAMES: [(Code, &str); 7] = [
    (Code::CapabilityDenied, "capability_denied"),
    (Code::QuotaExceeded, "quota_exceeded"),
    (Code::BadRequest, "bad_request"),
    (Code::NotFound, "not_found"),
    (Code::Conflict, "conflict"),
    (Code::Timeout, "timeout"),
    (Code::Failed, "failed"),
];

impl Code {
    /// The code for a text; [`Code::Other`] for one that is not the platform's.
    #[inline]
    pub fn of(text: &str) -> Self {
        NAMES.iter().find(|(_, name)| *name == text).map_or(Code::Other, |(code, _)| *code)
    }

    /// The code as it stands in JSON.
    #[inline]
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self).map_or("other", |(_, name)| name)
    }
}

impl fmt::Display for Code {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Code> for String {
    #[inline]
    fn from(code: Code) -> Self {
        code.as_str().into()
    }
}

impl Error {
    /// The code as an enum, to match on.
    #[inline]
    pub fn kind(&self) -> Code {
        Code::of(&self.code)
    }
}

impl Fail {
    /// The code as an enum, to match on.
    #[inline]
    pub fn kind(&self) -> Code {
        Code::of(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, NAMES};

    #[test]
    fn every_code_is_read_as_it_is_written() {
        for (code, name) in NAMES {
            assert_eq!((Code::of(name), code.to_string().as_str()), (code, name));
        }
        assert_eq!(Code::of("other"), Code::Other);
        assert_eq!(Code::of("Failed"), Code::Other);
    }
}
