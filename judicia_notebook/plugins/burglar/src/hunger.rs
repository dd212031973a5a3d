//! The ways to use up what everybody shares: memory and time.

/// A mebibyte, in pages of 64 KiB.
#[cfg(target_arch = "wasm32")]
const MEBIBYTE: usize = 16;

/// Takes memory until it is refused; answers the mebibytes.
pub fn hoard() -> u32 {
    let mut taken = 0;
    while take_a_mebibyte() {
        taken += 1;
    }
    taken
}

#[cfg(target_arch = "wasm32")]
fn take_a_mebibyte() -> bool {
    core::arch::wasm32::memory_grow(0, MEBIBYTE) != usize::MAX
}

#[cfg(not(target_arch = "wasm32"))]
fn take_a_mebibyte() -> bool {
    false
}

/// Counts for ever. The counter is written where it counts, or the compiler might see that nobody reads it.
pub fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        // SAFETY: the counter is this function's own.
        unsafe { std::ptr::addr_of_mut!(turns).write_volatile(turns.wrapping_add(1)) };
    }
}
