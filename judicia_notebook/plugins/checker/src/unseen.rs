//! Characters that readers do not see, or take for others: what makes two texts differ that look alike on a page.

use crate::tokens::is_space;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// The text without a byte order mark at its beginning, which editors and runtimes put there. testlib skips it, too.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Says which unseen character is in one of two differing texts and not in the other; `None`: there is none.
pub fn difference(found: &[u8], expected: &[u8]) -> Option<String> {
    if is_utf16(found) != is_utf16(expected) {
        let text = if is_utf16(found) { "output" } else { "answer" };
        return Some(format!("the {} begins with the byte order mark of UTF-16, and is no UTF-8", text));
    }
    let (found, expected) = (String::from_utf8_lossy(found), String::from_utf8_lossy(expected));
    let (mut output, mut answer) = (unseen(&found), unseen(&expected));
    loop {
        match (output.next(), answer.next()) {
            (Some((_, one)), Some((_, other))) if one == other => {}
            (Some((at, one)), None) => {
                return Some(format!("character {} of the output's token is {}", at, named(one)))
            }
            (None, Some((at, other))) => {
                return Some(format!("character {} of the answer's token is {}", at, named(other)))
            }
            (Some((at, one)), Some((place, other))) => {
                let (one, other) = (named(one), named(other));
                return Some(format!(
                    "character {} of the output's token is {}, and {} of the answer's {}",
                    at, one, place, other
                ));
            }
            (None, None) => return None,
        }
    }
}

/// Says which whitespace stands where another is expected.
pub fn whitespace(found: u8, expected: u8) -> Option<String> {
    let differ = found != expected && is_space(found) && is_space(expected);
    differ.then(|| format!("{} instead of {}", named(found.into()), named(expected.into())))
}

/// The run of bytes that are no whitespace around an offset.
pub fn token_around(text: &[u8], at: usize) -> &[u8] {
    let start = text[..at].iter().rposition(|&byte| is_space(byte)).map_or(0, |space| space + 1);
    let end = text[at..].iter().position(|&byte| is_space(byte)).map_or(text.len(), |space| at + space);
    &text[start..end]
}

fn is_utf16(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff")
}

/// The characters that are not seen, each with its place, counted from 1.
fn unseen(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    (1..).zip(text.chars()).filter(|&(_, one)| name(one).is_some())
}

fn named(one: char) -> String {
    format!("U+{:04X} ({})", u32::from(one), name(one).unwrap_or("a character"))
}

fn name(one: char) -> Option<&'static str> {
    Some(match one {
        '\t' => "tab",
        '\n' => "line feed",
        '\u{b}' => "vertical tab",
        '\u{c}' => "form feed",
        '\r' => "carriage return",
        ' ' => "space",
        '\0' => "null",
        '\u{1a}' => "end of file under DOS",
        '\u{1b}' => "escape",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{feff}' => "byte order mark",
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' => "another space",
        '\u{2800}' => "braille pattern blank",
        '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "mark of the writing direction",
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}' => {
            "variation selector"
        }
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' => {
            "filler"
        }
        '\u{2061}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' => {
            "invisible character"
        }
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}' => "invisible character",
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' => "combining mark",
        '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' => "combining mark",
        one if one.is_control() => "control character",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(found: &str, expected: &str) -> Option<String> {
        difference(found.as_bytes(), expected.as_bytes())
    }

    #[test]
    fn one_mark_is_skipped_at_the_beginning_alone() {
        assert_eq!(without_mark("\u{feff}\u{feff}1".as_bytes()), "\u{feff}1".as_bytes());
        assert_eq!(without_mark("1\u{feff}".as_bytes()), "1\u{feff}".as_bytes());
        assert_eq!(without_mark(b"\xef\xbb"), b"\xef\xbb");
    }

    #[test]
    fn the_character_that_only_one_text_has_is_named_with_its_place() {
        assert_eq!(said("é\u{200b}1", "é1").unwrap(), "character 2 of the output's token is U+200B (zero width space)");
        assert_eq!(
            said("1", "1\u{1a}").unwrap(),
            "character 2 of the answer's token is U+001A (end of file under DOS)"
        );
        let both = "character 2 of the output's token is U+00A0 (no-break space), and 2 of the answer's U+2009 (another space)";
        assert_eq!(said("1\u{a0}2", "1\u{2009}2").unwrap(), both);
    }

    #[test]
    fn what_both_texts_have_is_not_the_difference() {
        assert_eq!(said("a\u{200d}b", "a\u{200d}c"), None);
        assert_eq!(said("1", "2"), None);
    }

    #[test]
    fn a_text_in_utf16_is_called_that() {
        assert!(difference(b"\xff\xfe1\0", b"1")
            .unwrap()
            .starts_with("the output begins with the byte order mark of UTF-16"));
    }
}
