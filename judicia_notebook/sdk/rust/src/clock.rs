//! The platform's clock: `judicia:clock now`. Needs the capability `wall_clock`.

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};

imports!("judicia:clock": now);

/// One reading of the clock, in milliseconds with fractions.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct Now {
    /// Since 1970-01-01T00:00:00Z; may jump when the machine's clock is set.
    pub unix_ms: f64,
    /// Since an arbitrary point; never runs backwards.
    pub monotonic_ms: f64,
}

#[derive(Serialize)]
struct Request {}

/// Reads the clock.
///
/// # Errors
/// `capability_denied` without `wall_clock`.
pub fn now() -> Result<Now, Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call(imports::now, &Request {}) }
}
