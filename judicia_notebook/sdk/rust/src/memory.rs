//! The two exports through which the host places bytes in this plugin's memory, and the packing of answers.

use std::alloc::{alloc, dealloc, Layout};

// Alignment 1, because the host also frees answers, and those are the buffers of `Vec<u8>`.
const ALIGN: usize = 1;

/// Reserves `size` bytes for the host; 0 when there is no memory left.
#[cfg_attr(target_arch = "wasm32", no_mangle)]
pub extern "C" fn judicia_alloc(size: usize) -> *mut u8 {
    match Layout::from_size_align(size, ALIGN) {
        // SAFETY: the layout has a size above 0.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => std::ptr::null_mut(),
    }
}

/// Gives back a region from [`judicia_alloc`] or an answer that was handed to the host.
///
/// # Safety
/// `ptr` and `size` must be a pair from one of these two sources, given back once.
#[cfg_attr(target_arch = "wasm32", no_mangle)]
pub unsafe extern "C" fn judicia_free(ptr: *mut u8, size: usize) {
    if size > 0 {
        dealloc(ptr, Layout::from_size_align_unchecked(size, ALIGN));
    }
}

/// Hands bytes over to the host; empty bytes are the packed value 0.
pub fn give(bytes: Vec<u8>) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let bytes = Box::leak(bytes.into_boxed_slice());
    pack(bytes.as_ptr(), bytes.len())
}

pub fn pack(ptr: *const u8, len: usize) -> u64 {
    (ptr as usize as u64) << 32 | len as u64
}

/// Takes over the bytes that the host placed with [`judicia_alloc`] as the answer of a host function.
///
/// # Safety
/// `packed` must come from a host function, and be taken once.
#[cfg(target_arch = "wasm32")]
pub unsafe fn take(packed: u64) -> Vec<u8> {
    let (ptr, len) = ((packed >> 32) as usize, packed as u32 as usize);
    if len == 0 {
        return Vec::new();
    }
    Vec::from_raw_parts(ptr as *mut u8, len, len)
}
