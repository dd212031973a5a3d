//! Files: `judicia:files`. Reading needs the capability `read_files`, changing `write_files`.
//!
//! Paths are relative, with `/` between components; `""` is the plugin's own root. In it are the plugin's private files
//! and, under its alias, each folder the user has mapped.

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};
use crate::random::decode_base64;

imports!("judicia:files": read, write, list, stat, delete);

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    File,
    Directory,
    /// A link, a pipe or a device: it can be neither read nor written.
    Other,
}

/// One line of a folder's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Entry {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A file's size; 0 for everything else.
    pub bytes: u64,
}

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct Stat {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub bytes: u64,
    /// When it was changed, in milliseconds since 1970; `None` without the capability `wall_clock`.
    pub modified: Option<f64>,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
}

#[derive(Serialize)]
struct Write<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
    content_base64: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    bytes: u64,
}

#[derive(Deserialize)]
struct Done {}

/// Reads a file.
///
/// # Errors
/// `capability_denied` without `read_files` for this path; `not_found`; `conflict` for a folder; `quota_exceeded` for a
/// file larger than the platform reads at once.
pub fn read(path: &str) -> Result<Vec<u8>, Error> {
    // SAFETY: the import is a host function of ABI v1.
    let answer: Content = unsafe { call(imports::read, &Place { path }) }?;
    match (answer.content, answer.content_base64) {
        (Some(text), _) => Ok(text.into_bytes()),
        (None, Some(text)) => decode_base64(&text).ok_or_else(|| failed("the host's answer is not base64")),
        (None, None) => Err(failed("the host's answer has no content")),
    }
}

/// Writes a file, with the folders on its way: all of it, or nothing. Answers the bytes written.
///
/// # Errors
/// `capability_denied` without `write_files` for this path; `quota_exceeded`; `conflict` where a folder is.
pub fn write(path: &str, content: impl AsRef<[u8]>) -> Result<u64, Error> {
    let bytes = content.as_ref();
    let request = match std::str::from_utf8(bytes) {
        Ok(text) => Write { path, content: Some(text), content_base64: None },
        Err(_) => Write { path, content: None, content_base64: Some(encode_base64(bytes)) },
    };
    // SAFETY: the import is a host function of ABI v1.
    let answer: Written = unsafe { call(imports::write, &request) }?;
    Ok(answer.bytes)
}

/// Lists a folder, by name.
///
/// # Errors
/// `capability_denied` without `read_files` for this path; `not_found`; `conflict` where no folder is.
pub fn list(path: &str) -> Result<Vec<Entry>, Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call(imports::list, &Place { path }) }
}

/// Looks at what is at a path.
///
/// # Errors
/// `capability_denied` without `read_files` for this path; `not_found`.
pub fn stat(path: &str) -> Result<Stat, Error> {
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call(imports::stat, &Place { path }) }
}

/// Removes a file or an empty folder.
///
/// # Errors
/// `capability_denied` without `write_files` for this path; `not_found`; `conflict` for a folder that is not empty.
pub fn delete(path: &str) -> Result<(), Error> {
    // SAFETY: the import is a host function of ABI v1.
    let _: Done = unsafe { call(imports::delete, &Place { path }) }?;
    Ok(())
}

fn failed(message: &str) -> Error {
    Error { code: "failed".into(), message: message.into() }
}

/// Encodes as base64 of the standard alphabet with padding (RFC 4648, section 4).
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity((bytes.len() + 2) / 3 * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encode_base64;
    use crate::random::decode_base64;

    #[test]
    fn encodes_the_vectors_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode_base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_itself() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            assert_eq!(decode_base64(&encode_base64(&bytes[..length])).unwrap(), &bytes[..length]);
        }
    }
}
