//! Every host function of the platform, by its name: the burglar's list of doors.
//!
//! The import section of a plugin is its attack surface. This one leaves nothing out.

use judicia_guest::host::HostFunction;

/// Declares the host functions of each module, and [`find`] that looks one up by name.
macro_rules! doors {
    ($($service:ident $module:literal: $($function:ident)+;)+) => {
        $(
            #[cfg(target_arch = "wasm32")]
            mod $service {
                #[link(wasm_import_module = $module)]
                extern "C" {
                    $(pub fn $function(ptr: *const u8, len: usize) -> u64;)+
                }
            }

            // Nowhere but in a runtime is there a host.
            #[cfg(not(target_arch = "wasm32"))]
            mod $service {
                $(
                    pub unsafe extern "C" fn $function(_: *const u8, _: usize) -> u64 {
                        0
                    }
                )+
            }
        )+

        /// The host function of a name such as `judicia:files read`.
        pub fn find(name: &str) -> Option<HostFunction> {
            $($(
                if name == concat!($module, " ", stringify!($function)) {
                    return Some($service::$function);
                }
            )+)+
            None
        }
    };
}

doors! {
    log "judicia:log": write;
    clock "judicia:clock": now;
    random "judicia:random": bytes;
    database "judicia:database": query execute;
    events "judicia:events": emit subscribe;
    files "judicia:files": read write list stat delete;
    http "judicia:http": request register_route;
    notifications "judicia:notifications": send;
    shared_memory "judicia:shared_memory": read write info;
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn path_open(
        fd: u32,
        lookup: u32,
        path: *const u8,
        len: usize,
        flags: u32,
        rights: u64,
        inheriting: u64,
        fd_flags: u32,
        opened: *mut u32,
    ) -> u32;
}

/// Asks WASI to open a path for reading; the error number, 0 for success.
#[cfg(target_arch = "wasm32")]
pub fn open(fd: u32, path: &str) -> u32 {
    const FD_READ: u64 = 1 << 1;
    let mut opened = 0;
    // SAFETY: the path is a region of ours, and there is room for the new descriptor.
    unsafe { path_open(fd, 0, path.as_ptr(), path.len(), 0, FD_READ, 0, 0, &mut opened) }
}

#[cfg(not(target_arch = "wasm32"))]
pub fn open(_: u32, _: &str) -> u32 {
    52
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_door_is_found_by_its_whole_name() {
        assert!(find("judicia:files read").is_some());
        assert!(find("judicia:shared_memory read").is_some());
        assert!(find("judicia:files send").is_none());
        assert!(find("read").is_none());
    }
}
