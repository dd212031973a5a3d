//! The comparison itself: two texts and a mode in, a verdict and the first difference out.
//!
//! Texts are bytes, so that an output that is not UTF-8 can be judged too.

use serde::Serialize;

pub use crate::number::Tolerance;
use crate::number::{close, Number};
use crate::position::{characters, excerpt, first_difference, line_and_column};
use crate::tokens::{is_space, Tokens};
use crate::unseen::{self, token_around, without_mark};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Byte for byte; texts that differ in whitespace alone are a presentation error.
    Exact,
    /// Token by token; the whitespace between them does not matter.
    Tokens { case_sensitive: bool },
    /// As `Tokens`, but two tokens that are both numbers are compared as numbers.
    Float { case_sensitive: bool, tolerance: Tolerance },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    WrongAnswer,
    PresentationError,
}

/// The first difference, placed in the contestant's output. Everything is counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub token: usize,
    pub line: usize,
    pub column: usize,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub verdict: Verdict,
    /// Pairs of tokens that were compared, the differing one included.
    pub tokens: usize,
    pub difference: Option<Difference>,
}

/// A byte order mark at the beginning of either text is no part of it; in mode exact it is a presentation error.
pub fn compare(output: &[u8], answer: &[u8], mode: Mode) -> Comparison {
    let (marked, expected_marked) = (output, answer);
    let (output, answer) = (without_mark(output), without_mark(answer));
    match mode {
        Mode::Exact => {
            let comparison = compare_exactly(output, answer);
            let alike = (marked.len() > output.len()) == (expected_marked.len() > answer.len());
            if alike || comparison.verdict == Verdict::WrongAnswer {
                return comparison;
            }
            mark_differs(marked, expected_marked, comparison.tokens)
        }
        Mode::Tokens { case_sensitive } => compare_tokens(output, answer, |found, expected| {
            if same_text(found, expected, case_sensitive) {
                Ok(())
            } else {
                Err(text_reason(found, expected))
            }
        }),
        Mode::Float { case_sensitive, tolerance } => compare_tokens(output, answer, |found, expected| {
            if same_text(found, expected, case_sensitive) {
                return Ok(());
            }
            match (Number::read(found), Number::read(expected)) {
                (Some(found), Some(expected)) => close(found, expected, tolerance),
                (None, Some(_)) => Err("not a decimal number".into()),
                _ => Err(text_reason(found, expected)),
            }
        }),
    }
}

/// Walks both texts token by token up to the first pair that `matches` refuses, with its reason.
fn compare_tokens(output: &[u8], answer: &[u8], matches: impl Fn(&[u8], &[u8]) -> Result<(), String>) -> Comparison {
    let (mut found, mut expected) = (Tokens::new(output), Tokens::new(answer));
    let (mut tokens, mut end) = (0, 0);
    let difference = loop {
        match (found.next(), expected.next()) {
            (None, None) => break None,
            (Some((at, found)), Some((_, expected))) => {
                tokens += 1;
                if let Err(reason) = matches(found, expected) {
                    let around = first_difference(found, expected);
                    let reason = naming_the_unseen(reason, found, expected);
                    break Some((at, Some(excerpt(expected, around)), Some(excerpt(found, around)), tokens, reason));
                }
                end = at + found.len();
            }
            (None, Some((_, expected))) => {
                let reason = naming_the_unseen(format!("the output ends after {}", counted(tokens)), b"", expected);
                break Some((end, Some(excerpt(expected, 0)), None, tokens + 1, reason));
            }
            (Some((at, found)), None) => {
                let reason = format!("the output goes on after the {} of the answer", counted(tokens));
                let reason = naming_the_unseen(reason, found, b"");
                break Some((at, None, Some(excerpt(found, 0)), tokens + 1, reason));
            }
        }
    };
    let difference = difference.map(|(at, expected, found, token, reason)| {
        let (line, column) = line_and_column(output, at);
        Difference { token, line, column, expected, found, reason }
    });
    let verdict = if difference.is_none() { Verdict::Accepted } else { Verdict::WrongAnswer };
    Comparison { verdict, tokens, difference }
}

/// A reason, with the character that makes two texts differ where it is one that readers do not see.
fn naming_the_unseen(reason: String, found: &[u8], expected: &[u8]) -> String {
    match unseen::difference(found, expected) {
        Some(named) => format!("{}: {}", reason, named),
        None => reason,
    }
}

/// The judgement of two texts that are alike but for the byte order mark that one of them begins with.
fn mark_differs(output: &[u8], answer: &[u8], tokens: usize) -> Comparison {
    let reason = match without_mark(output).len() < output.len() {
        true => "the output begins with U+FEFF (byte order mark), and the answer does not",
        false => "the answer begins with U+FEFF (byte order mark), and the output does not",
    };
    let (expected, found) = (rest_of_line(answer, 0), rest_of_line(output, 0));
    let difference = Difference { token: 1, line: 1, column: 1, expected, found, reason: reason.into() };
    Comparison { verdict: Verdict::PresentationError, tokens, difference: Some(difference) }
}

fn compare_exactly(output: &[u8], answer: &[u8]) -> Comparison {
    let by_tokens =
        compare_tokens(output, answer, |found, expected| if found == expected { Ok(()) } else { Err(String::new()) });
    if output == answer {
        return by_tokens;
    }
    let at = first_difference(output, answer);
    let only_whitespace = by_tokens.difference.is_none();
    let (verdict, reason) = if only_whitespace {
        (Verdict::PresentationError, whitespace_reason(&output[at..], &answer[at..]))
    } else {
        let reason = exact_reason(output, answer, at);
        (Verdict::WrongAnswer, naming_the_unseen(reason, token_around(output, at), token_around(answer, at)))
    };
    let (line, column) = line_and_column(output, at);
    let difference = Difference {
        token: token_at(output, answer, at),
        line,
        column,
        expected: rest_of_line(answer, at),
        found: rest_of_line(output, at),
        reason,
    };
    Comparison { verdict, tokens: by_tokens.tokens, difference: Some(difference) }
}

/// The number of the output's token that the difference is in, or that comes next.
fn token_at(output: &[u8], answer: &[u8], offset: usize) -> usize {
    let goes_on = |text: &[u8]| text.get(offset).map_or(false, |&byte| !is_space(byte));
    let inside = offset > 0 && !is_space(output[offset - 1]) && (goes_on(output) || goes_on(answer));
    Tokens::new(&output[..offset]).count() + usize::from(!inside)
}

/// What follows an offset, up to and with the line's end; `None` at the end of the text.
fn rest_of_line(text: &[u8], offset: usize) -> Option<String> {
    let rest = &text[offset..];
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
    (!rest.is_empty()).then(|| excerpt(&rest[..end], 0))
}

fn exact_reason(output: &[u8], answer: &[u8], at: usize) -> String {
    match (at == output.len(), at == answer.len()) {
        (true, _) => format!("the output ends after {} of {} bytes", output.len(), answer.len()),
        (_, true) => format!("the output goes on after the {} bytes of the answer", answer.len()),
        _ => "the texts differ".into(),
    }
}

/// Names the whitespace that differs, given both texts from the first difference on.
fn whitespace_reason(found: &[u8], expected: &[u8]) -> String {
    let blank = |text: &[u8]| text.iter().all(|&byte| is_space(byte));
    let blank_up_to_line_end = |text: &[u8]| blank(text.split(|&byte| byte == b'\n').next().unwrap_or(text));
    match (found.first(), expected.first()) {
        (Some(b'\r'), Some(b'\n')) => "a line ends with CR LF instead of LF",
        (Some(b'\n'), Some(b'\r')) => "a line ends with LF instead of CR LF",
        (None, _) if expected.contains(&b'\n') => "the line end at the end of the output is missing",
        (Some(b'\n'), None) => "the output ends with more line ends than the answer",
        (Some(b' ' | b'\t'), None | Some(b'\n' | b'\r')) if blank_up_to_line_end(found) => {
            "whitespace at the end of a line"
        }
        (Some(&found), Some(&expected)) => match unseen::whitespace(found, expected) {
            Some(named) => return format!("the whitespace differs: {}", named),
            None => "the whitespace differs",
        },
        _ => "the whitespace differs",
    }
    .into()
}

fn counted(tokens: usize) -> String {
    format!("{} token{}", tokens, if tokens == 1 { "" } else { "s" })
}

fn same_text(found: &[u8], expected: &[u8], case_sensitive: bool) -> bool {
    if found == expected || case_sensitive {
        return found == expected;
    }
    match (std::str::from_utf8(found), std::str::from_utf8(expected)) {
        (Ok(found), Ok(expected)) => lowered(found).eq(lowered(expected)),
        _ => found.eq_ignore_ascii_case(expected),
    }
}

fn lowered(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

fn text_reason(found: &[u8], expected: &[u8]) -> String {
    let at = first_difference(found, expected);
    if at == found.len() {
        return "the token ends too early".into();
    }
    if at == expected.len() {
        return "the token goes on too long".into();
    }
    if at == 0 {
        return "another token".into();
    }
    format!("the token differs from its character {} on", characters(&found[..at]) + 1)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
