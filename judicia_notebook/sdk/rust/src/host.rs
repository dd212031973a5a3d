//! Calls from the plugin to the platform: the imports, the request and answer format, the error value.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a host function answers when it did not do what was asked, for instance because a capability is missing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Error {
    pub code: String,
    pub message: String,
}

impl Error {
    /// Whether the plugin was denied the capability that the call needs.
    pub fn is_denied(&self) -> bool {
        self.code == "capability_denied"
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// A host function: `(ptr, len)` of the request, answering `ptr << 32 | len`.
pub type HostFunction = unsafe extern "C" fn(*const u8, usize) -> u64;

#[derive(Deserialize)]
enum Answer<A> {
    #[serde(rename = "ok")]
    Ok(A),
    #[serde(rename = "error")]
    Error(Error),
}

/// Calls a host function with a JSON request and reads its JSON answer.
///
/// The services of this crate go through here; a plugin calls it itself for an import that the crate does not wrap.
///
/// # Errors
/// What the host answers as an error, and `failed` for an answer that is not of the agreed form.
///
/// # Safety
/// `function` must be an import that follows ABI v1 for host functions.
pub unsafe fn call<A: DeserializeOwned>(function: HostFunction, request: &impl Serialize) -> Result<A, Error> {
    let request = serde_json::to_vec(request).map_err(|error| failed(error.to_string()))?;
    match serde_json::from_slice(&send(function, &request)) {
        Ok(Answer::Ok(answer)) => Ok(answer),
        Ok(Answer::Error(error)) => Err(error),
        Err(error) => Err(failed(format!("the host's answer cannot be read: {}", error))),
    }
}

#[cfg(target_arch = "wasm32")]
unsafe fn send(function: HostFunction, request: &[u8]) -> Vec<u8> {
    crate::memory::take(function(request.as_ptr(), request.len()))
}

#[cfg(not(target_arch = "wasm32"))]
unsafe fn send(_: HostFunction, _: &[u8]) -> Vec<u8> {
    br#"{"error": {"code": "failed", "message": "host services exist only inside a runtime"}}"#.to_vec()
}

fn failed(message: String) -> Error {
    Error { code: "failed".into(), message }
}

/// The imports themselves. The linker keeps one only if something calls it.
#[cfg(target_arch = "wasm32")]
pub(crate) mod imports {
    #[link(wasm_import_module = "judicia:host")]
    extern "C" {
        pub fn fail(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:log")]
    extern "C" {
        #[link_name = "write"]
        pub fn log_write(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:clock")]
    extern "C" {
        #[link_name = "now"]
        pub fn clock_now(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:random")]
    extern "C" {
        #[link_name = "bytes"]
        pub fn random_bytes(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:events")]
    extern "C" {
        #[link_name = "emit"]
        pub fn events_emit(ptr: *const u8, len: usize) -> u64;
        #[link_name = "subscribe"]
        pub fn events_subscribe(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:database")]
    extern "C" {
        #[link_name = "query"]
        pub fn database_query(ptr: *const u8, len: usize) -> u64;
        #[link_name = "execute"]
        pub fn database_execute(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:files")]
    extern "C" {
        #[link_name = "read"]
        pub fn files_read(ptr: *const u8, len: usize) -> u64;
        #[link_name = "write"]
        pub fn files_write(ptr: *const u8, len: usize) -> u64;
        #[link_name = "list"]
        pub fn files_list(ptr: *const u8, len: usize) -> u64;
        #[link_name = "stat"]
        pub fn files_stat(ptr: *const u8, len: usize) -> u64;
        #[link_name = "delete"]
        pub fn files_delete(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:http")]
    extern "C" {
        #[link_name = "request"]
        pub fn http_request(ptr: *const u8, len: usize) -> u64;
        #[link_name = "register_route"]
        pub fn http_register_route(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:notifications")]
    extern "C" {
        #[link_name = "send"]
        pub fn notifications_send(ptr: *const u8, len: usize) -> u64;
    }
    #[link(wasm_import_module = "judicia:shared_memory")]
    extern "C" {
        #[link_name = "read"]
        pub fn shared_memory_read(ptr: *const u8, len: usize) -> u64;
        #[link_name = "write"]
        pub fn shared_memory_write(ptr: *const u8, len: usize) -> u64;
        #[link_name = "info"]
        pub fn shared_memory_info(ptr: *const u8, len: usize) -> u64;
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod imports {
    pub unsafe extern "C" fn fail(_: *const u8, _: usize) -> u64 {
        0
    }
    pub use fail as log_write;
    pub use fail as clock_now;
    pub use fail as database_execute;
    pub use fail as database_query;
    pub use fail as events_emit;
    pub use fail as events_subscribe;
    pub use fail as random_bytes;
    pub use fail as files_delete;
    pub use fail as files_list;
    pub use fail as files_read;
    pub use fail as files_stat;
    pub use fail as files_write;
    pub use fail as http_register_route;
    pub use fail as http_request;
    pub use fail as notifications_send;
    pub use fail as shared_memory_info;
    pub use fail as shared_memory_read;
    pub use fail as shared_memory_write;
}
