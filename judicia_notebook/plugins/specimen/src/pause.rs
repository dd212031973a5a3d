//! Sleeping, the way a plugin can: one relative subscription to the monotonic clock in WASI's `poll_oneoff`.

use judicia_guest::Fail;

const MONOTONIC: u32 = 1;

/// WASI's `subscription` with the clock member of its union; the layout is that of `wasi_snapshot_preview1`.
#[repr(C)]
struct Subscription {
    userdata: u64,
    tag: u64,
    clock: u32,
    timeout_ns: u64,
    precision_ns: u64,
    flags: u16,
}

/// WASI's `event`, of which only the error is of interest.
#[repr(C)]
struct Event {
    userdata: u64,
    error: u16,
    kind: u8,
    rest: [u64; 2],
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn poll_oneoff(subscriptions: *const Subscription, events: *mut Event, count: usize, happened: *mut usize) -> u32;
}

#[cfg(not(target_arch = "wasm32"))]
unsafe fn poll_oneoff(_: *const Subscription, _: *mut Event, _: usize, _: *mut usize) -> u32 {
    52
}

/// Waits for `ms` milliseconds.
pub fn sleep(ms: f64) -> Result<(), Fail> {
    let subscription = Subscription {
        userdata: 0,
        tag: 0,
        clock: MONOTONIC,
        timeout_ns: (ms * 1e6) as u64,
        precision_ns: 0,
        flags: 0,
    };
    let mut event = Event { userdata: 0, error: 0, kind: 0, rest: [0; 2] };
    let mut happened = 0;
    // SAFETY: the three regions are of the sizes that one subscription needs.
    let errno = unsafe { poll_oneoff(&subscription, &mut event, 1, &mut happened) };
    if errno != 0 || event.error != 0 {
        return Err(Fail::new("failed", format!("poll_oneoff answered errno {}", errno.max(event.error.into()))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::size_of;

    #[test]
    fn the_structures_have_the_sizes_of_wasi() {
        assert_eq!((size_of::<Subscription>(), size_of::<Event>()), (48, 32));
    }
}
