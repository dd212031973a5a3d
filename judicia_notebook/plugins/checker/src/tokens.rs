//! Cutting a text into tokens: runs of bytes that are not ASCII whitespace.

/// The whitespace of C's `isspace`, which is what contestants' programs and testlib go by. A no-break space is text.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The tokens of a text, each with the offset at which it begins.
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Tokens { text, at: 0 }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.iter().position(|&byte| !is_space(byte))?;
        let token = &self.text[start..];
        let token = &token[..token.iter().position(|&byte| is_space(byte)).unwrap_or(token.len())];
        self.at = start + token.len();
        Some((start, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(usize, &[u8])> {
        Tokens::new(text.as_bytes()).collect()
    }

    #[test]
    fn all_ascii_whitespace_separates() {
        assert_eq!(tokens(" a\r\n\tbc\x0b\x0cd "), [(1, &b"a"[..]), (5, b"bc"), (9, b"d")]);
    }

    #[test]
    fn nothing_but_whitespace_has_no_tokens() {
        assert!(tokens("").is_empty() && tokens(" \r\n").is_empty());
    }

    #[test]
    fn a_no_break_space_belongs_to_its_token() {
        assert_eq!(tokens("a\u{a0}b").len(), 1);
    }
}
