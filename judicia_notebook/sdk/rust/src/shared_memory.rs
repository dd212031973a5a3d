//! Shared memory: `judicia:shared_memory`. Reading needs the capability `read_shared_memory`, writing
//! `write_shared_memory`, each for the region's name.
//!
//! A region is bytes that the platform and several plugins see. They are copied once, straight between the region and
//! the plugin's memory; nothing of them goes through JSON.

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};

imports!("judicia:shared_memory": read, write, info);

/// What a region is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Info {
    /// Bytes.
    pub size: u64,
    /// What its numbers are, as NumPy writes it: `|u1`, `<i4`, `<f8`.
    pub dtype: String,
    pub shape: Vec<u64>,
    /// Even, and two more after each write; odd while somebody writes.
    pub sequence: u64,
}

#[derive(Serialize)]
struct Copy<'a> {
    name: &'a str,
    offset: u64,
    ptr: usize,
    length: usize,
}

#[derive(Deserialize)]
struct Copied {
    copied: usize,
    sequence: u64,
}

#[derive(Serialize)]
struct Region<'a> {
    name: &'a str,
}

/// Fills `bytes` with those of the region from `offset` on, as they were at one moment. Answers the sequence they
/// belong to: where it is the same again, nobody has written in between.
///
/// # Errors
/// `capability_denied` without `read_shared_memory` for this region; `not_found`; `bad_request` beyond its end;
/// `conflict` when somebody writes into it all the time: `bytes` may then hold halves of several writes.
pub fn read(name: &str, offset: u64, bytes: &mut [u8]) -> Result<u64, Error> {
    let request = Copy { name, offset, ptr: bytes.as_mut_ptr() as usize, length: bytes.len() };
    // SAFETY: the import is a host function of ABI v1. It writes into `bytes` and nowhere else.
    complete(unsafe { call(imports::read, &request) }?, bytes.len())
}

/// Writes `bytes` to the region from `offset` on, while nobody else writes. Answers the sequence after it.
///
/// # Errors
/// As [`read`], with `write_shared_memory`; after an error nothing was written.
pub fn write(name: &str, offset: u64, bytes: &[u8]) -> Result<u64, Error> {
    let request = Copy { name, offset, ptr: bytes.as_ptr() as usize, length: bytes.len() };
    // SAFETY: the import is a host function of ABI v1. It reads `bytes` and nothing else.
    complete(unsafe { call(imports::write, &request) }?, bytes.len())
}

/// Tells what a region is.
///
/// # Errors
/// `capability_denied` without `read_shared_memory` for this region; `not_found`.
pub fn info(name: &str) -> Result<Info, Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call(imports::info, &Region { name }) }
}

fn complete(answer: Copied, length: usize) -> Result<u64, Error> {
    if answer.copied == length {
        return Ok(answer.sequence);
    }
    Err(Error { code: "failed".into(), message: format!("{} of {} bytes were copied", answer.copied, length) })
}

#[cfg(test)]
mod tests {
    use super::{complete, Copied, Info};

    #[test]
    fn what_the_host_says_of_a_region_is_read() {
        let json = r#"{"size": 24, "dtype": "<i4", "shape": [2, 3], "sequence": 2}"#;
        let info: Info = serde_json::from_str(json).unwrap();
        assert_eq!((info.size, info.dtype.as_str(), info.shape), (24, "<i4", vec![2, 3]));
    }

    #[test]
    fn a_copy_that_is_not_whole_is_an_error() {
        assert_eq!(complete(Copied { copied: 4, sequence: 2 }, 4), Ok(2));
        assert_eq!(complete(Copied { copied: 3, sequence: 2 }, 4).unwrap_err().code, "failed");
    }
}
