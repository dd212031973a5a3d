//! Judgements that a judge's author would look up.

use super::*;

const TOKENS: Mode = Mode::Tokens { case_sensitive: true };
const ANY_CASE: Mode = Mode::Tokens { case_sensitive: false };
const FLOAT: Mode = Mode::Float { case_sensitive: true, tolerance: Tolerance { absolute: 1e-6, relative: 1e-6 } };

fn verdict(output: &str, answer: &str, mode: Mode) -> Verdict {
    compare(output.as_bytes(), answer.as_bytes(), mode).verdict
}

fn difference(output: &str, answer: &str, mode: Mode) -> Difference {
    compare(output.as_bytes(), answer.as_bytes(), mode).difference.unwrap()
}

#[test]
fn tokens_do_not_care_about_whitespace() {
    for output in ["1 2 3\n", "1 2 3", "1\r\n2\r\n3\r\n", "  1\t2\n\n3   \n", "1 2 3\n\n\n"] {
        assert_eq!(verdict(output, "1 2 3\n", TOKENS), Verdict::Accepted, "{:?}", output);
    }
}

#[test]
fn two_empty_texts_are_equal_in_every_mode() {
    for mode in [Mode::Exact, TOKENS, FLOAT] {
        let comparison = compare(b"", b"", mode);
        assert_eq!((comparison.verdict, comparison.tokens), (Verdict::Accepted, 0));
    }
}

#[test]
fn the_first_differing_token_is_placed_in_the_output() {
    let found = difference("1 2\n  7 4\n", "1 2 3 4", TOKENS);
    assert_eq!((found.token, found.line, found.column), (3, 2, 3));
    assert_eq!((found.expected.as_deref(), found.found.as_deref()), (Some("3"), Some("7")));
    assert_eq!(compare(b"1 2\n  7 4\n", b"1 2 3 4", TOKENS).tokens, 3);
}

#[test]
fn a_missing_token_is_placed_after_the_last_one() {
    let found = difference("1 2\n\n", "1 2 3", TOKENS);
    assert_eq!((found.token, found.line, found.column), (3, 1, 4));
    assert_eq!((found.expected.as_deref(), found.found), (Some("3"), None));
    assert_eq!(found.reason, "the output ends after 2 tokens");
}

#[test]
fn an_extra_token_is_placed_where_it_stands() {
    let found = difference("1 2\n3", "1 2", TOKENS);
    assert_eq!((found.token, found.line, found.column), (3, 2, 1));
    assert_eq!((found.expected, found.found.as_deref()), (None, Some("3")));
}

#[test]
fn nothing_was_written() {
    let found = difference("", "1", TOKENS);
    assert_eq!((found.token, found.line, found.column), (1, 1, 1));
    assert_eq!(found.reason, "the output ends after 0 tokens");
}

#[test]
fn columns_count_characters() {
    assert_eq!(difference("é ü x", "é ü y", TOKENS).column, 5);
}

#[test]
fn case_matters_unless_told() {
    assert_eq!(verdict("YES", "Yes", TOKENS), Verdict::WrongAnswer);
    assert_eq!(verdict("YES ÄÖ", "Yes äö", ANY_CASE), Verdict::Accepted);
    assert_eq!(verdict("YEP", "Yes", ANY_CASE), Verdict::WrongAnswer);
}

#[test]
fn tokens_are_texts_unless_the_mode_is_float() {
    assert_eq!(verdict("1.0", "1", TOKENS), Verdict::WrongAnswer);
    assert_eq!(verdict("1.0", "1", FLOAT), Verdict::Accepted);
}

#[test]
fn a_text_among_floats_is_compared_as_text() {
    assert_eq!(verdict("Case 1: 0.3333333", "Case 1: 0.33333333", FLOAT), Verdict::Accepted);
    assert_eq!(verdict("case 1: 0.3333333", "Case 1: 0.33333333", FLOAT), Verdict::WrongAnswer);
    assert_eq!(difference("0x1p0", "1", FLOAT).reason, "not a decimal number");
}

#[test]
fn a_number_too_far_off_says_how_far() {
    assert_eq!(difference("2.5", "2", FLOAT).reason, "differs by 0.5, relatively by 0.25");
    assert_eq!(difference("1", "0", FLOAT).reason, "differs by 1");
    assert_eq!(difference("0.3", "0.1", FLOAT).reason, "differs by 0.2, relatively by 2");
    assert_eq!(difference("1e300", "0.00001", FLOAT).reason, "differs by 1e300, relatively by 1e305");
}

#[test]
fn equal_spellings_match_even_beyond_doubles() {
    assert_eq!(verdict("1e400 nan", "1e400 NaN", FLOAT), Verdict::Accepted);
    assert_eq!(verdict("1e400", "10e399", FLOAT), Verdict::WrongAnswer);
}

#[test]
fn exact_forgives_nothing_but_calls_whitespace_presentation() {
    assert_eq!(verdict("1 2\n", "1 2\n", Mode::Exact), Verdict::Accepted);
    for (output, reason) in [
        ("1 2", "the line end at the end of the output is missing"),
        ("1 2\r\n", "a line ends with CR LF instead of LF"),
        ("1 2 \n", "whitespace at the end of a line"),
        ("1 2\n\n", "the output ends with more line ends than the answer"),
        ("1  2\n", "the whitespace differs"),
        (" 1 2\n", "the whitespace differs"),
    ] {
        assert_eq!(verdict(output, "1 2\n", Mode::Exact), Verdict::PresentationError, "{:?}", output);
        assert_eq!(difference(output, "1 2\n", Mode::Exact).reason, reason, "{:?}", output);
    }
}

#[test]
fn joined_or_split_tokens_are_wrong_answers() {
    assert_eq!(verdict("12\n", "1 2\n", Mode::Exact), Verdict::WrongAnswer);
    assert_eq!(verdict("1 2\n", "12\n", Mode::Exact), Verdict::WrongAnswer);
}

#[test]
fn exact_points_at_the_character() {
    let found = difference("one\ntwo tree four\nx", "one\ntwo three four\nx", Mode::Exact);
    assert_eq!((found.token, found.line, found.column), (3, 2, 6));
    assert_eq!((found.expected.as_deref(), found.found.as_deref()), (Some("hree four\n"), Some("ree four\n")));
}

#[test]
fn exact_counts_a_token_cut_short_as_that_token() {
    assert_eq!(difference("1 2", "1 22", Mode::Exact).token, 2);
    assert_eq!(difference("1 22", "1 2", Mode::Exact).token, 2);
    assert_eq!(difference("1 2 ", "1 2 3", Mode::Exact).token, 3);
}

#[test]
fn exact_places_what_is_missing_at_the_end() {
    let found = difference("1 2", "1 2 3", Mode::Exact);
    assert_eq!((found.token, found.line, found.column), (3, 1, 4));
    assert_eq!((found.expected.as_deref(), found.found), (Some(" 3"), None));
}

#[test]
fn huge_tokens_are_shown_around_their_difference() {
    let (output, answer) = (format!("{}1{}", "7".repeat(100_000), "7".repeat(9)), "7".repeat(100_010));
    let found = difference(&output, &answer, TOKENS);
    assert_eq!(found.reason, "the token differs from its character 100001 on");
    assert!(found.found.unwrap().starts_with("…7777"));
    assert!(found.expected.unwrap().chars().count() < 100);
}

#[test]
fn an_output_that_is_not_text_is_judged_and_shown() {
    let comparison = compare(b"\xff\xfe 2", b"1 2", TOKENS);
    assert_eq!(comparison.verdict, Verdict::WrongAnswer);
    assert_eq!(comparison.difference.unwrap().found.unwrap(), "\u{fffd}\u{fffd}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    for (output, answer) in [("\u{feff}1 2\n", "1 2\n"), ("1 2\n", "\u{feff}1 2\n"), ("\u{feff}1 2\n", "\u{feff}1 2\n")]
    {
        for mode in [TOKENS, ANY_CASE, FLOAT] {
            assert_eq!(verdict(output, answer, mode), Verdict::Accepted, "{:?}", output);
        }
    }
    assert_eq!(verdict("\u{feff}1\n", "\u{feff}1\n", Mode::Exact), Verdict::Accepted);
    let found = difference("\u{feff}1\n", "1\n", Mode::Exact);
    assert_eq!(found.reason, "the output begins with U+FEFF (byte order mark), and the answer does not");
    assert_eq!(verdict("\u{feff}1\n", "2\n", Mode::Exact), Verdict::WrongAnswer);
    assert_eq!(difference("\u{feff}1 3", "1 2", TOKENS).column, 3);
}

#[test]
fn whitespace_that_looks_alike_is_named() {
    let reason = difference("1\t2\n", "1 2\n", Mode::Exact).reason;
    assert_eq!(reason, "the whitespace differs: U+0009 (tab) instead of U+0020 (space)");
}
