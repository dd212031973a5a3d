//! The ways to use up CPU, memory and stack.

/// Turns of the loop in [`burn`] that take about a millisecond on a machine of 2020.
const TURNS_A_MS: f64 = 500_000.0;

/// A page of linear memory, in bytes.
pub const PAGE: u64 = 65_536;

static mut SINK: u64 = 0;

/// Counts for about `ms` milliseconds and answers the number of turns.
pub fn burn(ms: f64) -> u64 {
    let turns = (ms * TURNS_A_MS) as u64;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..turns {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    // Somebody must want the result, or the compiler removes the loop.
    // SAFETY: a plugin has one thread.
    unsafe { std::ptr::addr_of_mut!(SINK).write_volatile(state) };
    turns
}

/// Adds `bytes` of memory in steps; answers the bytes added and the steps refused.
///
/// A refused step traps, as the failure of a real allocator does, unless `keep_going`.
pub fn grow(bytes: u64, step: u64, keep_going: bool) -> (u64, u64) {
    let pages_a_step = (step + PAGE - 1) / PAGE;
    let (mut grown, mut refused, mut asked) = (0, 0, 0);
    while asked < bytes {
        if grow_pages(pages_a_step) {
            grown += pages_a_step * PAGE;
        } else if keep_going {
            refused += 1;
        } else {
            unreachable();
        }
        asked += pages_a_step * PAGE;
    }
    (grown, refused)
}

/// Grows the memory and writes to each new operating system page, or the memory would only be promised.
#[cfg(target_arch = "wasm32")]
fn grow_pages(pages: u64) -> bool {
    let before = core::arch::wasm32::memory_grow(0, pages as usize);
    if before == usize::MAX {
        return false;
    }
    let start = before as u64 * PAGE;
    for at in (start..start + pages * PAGE).step_by(4096) {
        // SAFETY: inside the pages that were just added and that the allocator does not know.
        unsafe { (at as usize as *mut u8).write_volatile(1) };
    }
    true
}

#[cfg(not(target_arch = "wasm32"))]
fn grow_pages(_: u64) -> bool {
    false
}

/// Recurses without end. What is done with the result of the inner call keeps it from becoming a loop.
#[inline(never)]
pub fn descend(depth: u32) -> u32 {
    // SAFETY: a plugin has one thread.
    if unsafe { std::ptr::addr_of!(SINK).read_volatile() } == u64::MAX {
        return depth;
    }
    descend(depth + 1).rotate_left(7) ^ depth
}

pub fn unreachable() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}
