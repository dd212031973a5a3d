//! Write Judicia plugins in Rust.
//!
//! A plugin is a `cdylib` for `wasm32-unknown-unknown`. A typed function becomes an export with [`export!`], a
//! function from bytes to bytes with [`export_bytes!`]; the services of the platform are the modules [`log`],
//! [`clock`], [`random`], [`files`], [`database`], [`events`], [`http`], [`routes`], [`notifications`] and
//! [`shared_memory`]. The wire format is ABI v1 (`ABI.md`, two folders up from this file).
//!
//! ```
//! use judicia_guest::{export, Fail};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Request { name: String }
//!
//! #[derive(Serialize)]
//! struct Answer { greeting: String }
//!
//! fn greet(request: Request) -> Result<Answer, Fail> {
//!     if request.name.is_empty() {
//!         return Err(Fail::bad_request("field `name` is empty"));
//!     }
//!     Ok(Answer { greeting: format!("Hello, {}!", request.name) })
//! }
//!
//! export!(greet);
//! # fn main() {}
//! ```
//!
//! - The import section of a plugin is its attack surface: a service appears there only if the plugin calls it.
//! - The lifecycle hooks are ordinary exports: `export!(on_initialize)` of a function that takes an [`Initialize`],
//!   `export!(on_cleanup)` of one that takes [`Anything`].
//! - An `Err` ends the call as a failure with a code and a message; a panic writes its text to the plugin's log and traps.
//! - On any target but wasm32 the exports keep mangled names and every service answers an error, so that
//!   `cargo test` runs the plain parts of a plugin on the developer's machine.

pub mod clock;
mod code;
pub mod database;
mod entry;
pub mod events;
mod fail;
pub mod files;
pub mod host;
pub mod http;
pub mod log;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod memory;
pub mod notifications;
pub mod random;
pub mod routes;
pub mod shared_memory;

pub use code::Code;
pub use entry::{Anything, Initialize, Request};
pub use fail::Fail;
pub use host::Error;

/// Exports functions `fn(Input) -> Result<Output, Fail>` under their own names.
///
/// `Input` is anything serde can read, also by borrowing from the request; an empty request is read as `null`.
/// `Output` is anything serde can write. A request that does not fit ends the call with `bad_request`, naming the field.
#[macro_export]
macro_rules! export {
    ($($name:ident),+ $(,)?) => { $($crate::__export!($name, json);)+ };
}

/// Exports functions `fn(&[u8]) -> Result<R, Fail>` under their own names, where `R` is `Vec<u8>` or `&[u8]`.
///
/// Returning the request itself costs no copy inside the plugin.
#[macro_export]
macro_rules! export_bytes {
    ($($name:ident),+ $(,)?) => { $($crate::__export!($name, raw);)+ };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($name:ident, $kind:ident) => {
        // The block gives the export a scope of its own; `self::` reaches past it to the plugin's function.
        const _: () = {
            #[cfg_attr(target_arch = "wasm32", no_mangle)]
            #[allow(dead_code)]
            extern "C" fn $name(ptr: *mut u8, len: usize) -> u64 {
                // SAFETY: the host passes a region that it wrote and keeps until this call has returned.
                let request = unsafe { $crate::Request::from_host(ptr, len) };
                request.$kind(self::$name)
            }
        };
    };
}

/// Puts the manifest into the module: a constant text of JSON, once in a plugin. `ABI.md` has its fields.
///
/// ```
/// judicia_guest::manifest!(r#"{"name": "adder", "version": "1.0.0", "capabilities": ["wall_clock"]}"#);
/// ```
#[macro_export]
macro_rules! manifest {
    ($json:expr) => {
        const _: () = {
            const JSON: &[u8] = str::as_bytes($json);

            #[cfg_attr(target_arch = "wasm32", link_section = "judicia.manifest")]
            #[used]
            static SECTION: [u8; JSON.len()] = {
                let (mut bytes, mut at) = ([0; JSON.len()], 0);
                while at < JSON.len() {
                    bytes[at] = JSON[at];
                    at += 1;
                }
                bytes
            };
        };
    };
}

/// A [`Fail`] with a formatted message: `Err(fail!("full", "no room for {}", name))`.
#[macro_export]
macro_rules! fail {
    ($code:expr, $($message:tt)+) => { $crate::Fail::new($code, ::std::format!($($message)+)) };
}
