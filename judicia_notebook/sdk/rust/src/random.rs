//! Random bytes from the platform: `judicia:random bytes`. Needs the capability `random`.

use serde::{Deserialize, Serialize};

use crate::host::{call, imports, Error};

imports!("judicia:random": bytes);

#[derive(Serialize)]
struct Request {
    length: usize,
}

#[derive(Deserialize)]
struct Answer {
    base64: String,
}

/// Fetches `length` random bytes.
///
/// # Errors
/// `capability_denied` without `random`; `bad_request` for a length beyond what the platform gives at once.
pub fn bytes(length: usize) -> Result<Vec<u8>, Error> {
    // SAFETY: the import is a host function of ABI v1.
    let answer: Answer = unsafe { call(imports::bytes, &Request { length }) }?;
    decode_base64(&answer.base64)
        .ok_or_else(|| Error { code: "failed".into(), message: "the host's answer is not base64".into() })
}

/// Decodes base64 of the standard alphabet (RFC 4648, section 4), with or without padding.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for &digit in digits {
        bits = bits << 6 | u32::from(value_of(digit)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn decodes_the_vectors_of_rfc_4648() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")] {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode_base64("+/8").unwrap(), [0xfb, 0xff]);
    }

    #[test]
    fn refuses_what_is_not_base64() {
        assert_eq!(decode_base64("Zm9v!"), None);
        assert_eq!(decode_base64("Z"), None);
    }
}
