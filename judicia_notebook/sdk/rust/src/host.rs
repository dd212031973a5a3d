//! Calls from the plugin to the platform, whichever service it is: the request and answer format, the error value, and
//! the form in which the file of each service declares what it imports.

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

/// Declares what the file of a service imports, as its module `imports`. A new service changes nothing here.
///
/// The linker keeps an import only if something calls it. On any target but wasm32 each of them is [`absent`].
macro_rules! imports {
    ($service:tt: $($function:ident),+) => {
        #[cfg(target_arch = "wasm32")]
        mod imports {
            #[link(wasm_import_module = $service)]
            extern "C" {
                $(pub fn $function(ptr: *const u8, len: usize) -> u64;)+
            }
        }

        #[cfg(not(target_arch = "wasm32"))]
        mod imports {
            $(pub(crate) use crate::host::absent as $function;)+
        }
    };
}
pub(crate) use imports;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) unsafe extern "C" fn absent(_: *const u8, _: usize) -> u64 {
    0
}
