//! Places in a text, for people: line and column, and excerpts of bounded length.

/// The longest excerpt, in characters.
const EXCERPT: usize = 60;
/// How much of what is alike an excerpt shows before the first difference, in characters.
const BEFORE: usize = 20;
const CUT: &str = "\u{2026}";

fn continues_character(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

pub fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| !continues_character(byte)).count()
}

/// Line and column of a byte offset, both counted from 1, columns in characters. Lines end with a line feed.
pub fn line_and_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    (line, characters(&before[start..]) + 1)
}

/// The first byte at which two texts differ, moved back to where its character begins.
pub fn first_difference(one: &[u8], other: &[u8]) -> usize {
    let alike = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let inside = |text: &[u8], at: usize| text.get(at).map_or(false, |&byte| continues_character(byte));
    let mut at = alike;
    while at > 0 && (inside(one, at) || inside(other, at)) {
        at -= 1;
    }
    at
}

/// The part of a text around an offset; an ellipsis stands for what was cut off.
pub fn excerpt(text: &[u8], around: usize) -> String {
    let start = step_back(text, around.min(text.len()), BEFORE);
    let end = step_forward(text, start, EXCERPT);
    let mut shown = String::new();
    if start > 0 {
        shown.push_str(CUT);
    }
    shown.push_str(&String::from_utf8_lossy(&text[start..end]));
    if end < text.len() {
        shown.push_str(CUT);
    }
    shown
}

fn step_back(text: &[u8], mut at: usize, characters: usize) -> usize {
    for _ in 0..characters {
        if at == 0 {
            break;
        }
        at -= 1;
        while at > 0 && continues_character(text[at]) {
            at -= 1;
        }
    }
    // A cut that would save no more than the ellipsis takes is not made.
    if at < 4 {
        0
    } else {
        at
    }
}

fn step_forward(text: &[u8], mut at: usize, characters: usize) -> usize {
    for _ in 0..characters {
        if at >= text.len() {
            break;
        }
        at += 1;
        while at < text.len() && continues_character(text[at]) {
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "ab\nçé x\n".as_bytes();
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 3), (2, 1));
        assert_eq!(line_and_column(text, 8), (2, 4));
        assert_eq!(line_and_column(text, text.len()), (3, 1));
    }

    #[test]
    fn a_carriage_return_alone_ends_no_line() {
        assert_eq!(line_and_column(b"a\rb\r\nc", 2), (1, 3));
        assert_eq!(line_and_column(b"a\rb\r\nc", 5), (2, 1));
    }

    #[test]
    fn a_difference_inside_a_character_is_at_its_beginning() {
        assert_eq!(first_difference("aé".as_bytes(), "aè".as_bytes()), 1);
        assert_eq!(first_difference(b"ab", b"abc"), 2);
        assert_eq!(first_difference(b"ab", b"ab"), 2);
    }

    #[test]
    fn long_texts_are_cut_around_the_difference() {
        let long = format!("{}X{}", "é".repeat(1000), "b".repeat(1000));
        let shown = excerpt(long.as_bytes(), 2000);
        assert!(shown.starts_with("…é") && shown.ends_with("b…") && shown.contains('X'), "{}", shown);
        assert_eq!(shown.chars().count(), EXCERPT + 2);
        assert_eq!(excerpt(b"short", 2), "short");
    }

    #[test]
    fn bytes_that_are_not_text_show_as_replacement_characters() {
        assert_eq!(excerpt(b"a\xffb", 0), "a\u{fffd}b");
    }
}
