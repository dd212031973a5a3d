"""Reading a magic's line: words, and JSON in the middle of it."""

from __future__ import annotations

from typing import Any

import pytest

from judicia_notebook.notebook.line_parser import LineError, RunLine, decode, read_call, read_run, split

WITH_VALUE = {"--text", "--expect", "-o"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a  b\tc ", ["a", "b", "c"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        (r"my\ plugin.wasm", ["my plugin.wasm"]),
        (r"C:\plugins\a.wasm", [r"C:\plugins\a.wasm"]),
        (r'"C:\plugins\new file.wasm"', [r"C:\plugins\new file.wasm"]),
        (r'"a \"b\""', ['a "b"']),
        ("--name='x y' ''", ["--name=x y", ""]),
        ("", []),
    ],
)
def test_words_are_divided_by_spaces_outside_of_quotes(line: str, words: list[str]) -> None:
    assert [piece.text for piece in split(line)] == words


def test_a_quote_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(LineError, match="not closed"):
        split("load 'my plugin.wasm")


@pytest.mark.parametrize(
    ("line", "payload", "words"),
    [
        ('a.b {"x": [1, -2], "y": "--text \' z"} -v', {"x": [1, -2], "y": "--text ' z"}, ["a.b", "-v"]),
        ('-v a.b {"a": 1} --expect trap', {"a": 1}, ["-v", "a.b", "--expect=trap"]),
        ('--expect trap a.b "a text"', "a text", ["--expect=trap", "a.b"]),
        ("a.b -1", -1, ["a.b"]),
        ("a.b -1.5e3 -v", -1500.0, ["a.b", "-v"]),
        ("a.b true", True, ["a.b"]),
        ("a.b null -v", None, ["a.b", "-v"]),
        ('a.b  [ {} , "]" ]  ', [{}, "]"], ["a.b"]),
        ("a.b 12345678901234567890", 12345678901234567890, ["a.b"]),
        ('a.b {"n":\n 1}', {"n": 1}, ["a.b"]),
    ],
)
def test_json_ends_where_its_value_ends_and_options_stand_on_either_side(
    line: str, payload: Any, words: list[str]
) -> None:
    call = read_call(line, WITH_VALUE)
    assert call.given == "json"
    assert call.payload == payload
    assert call.words == words


@pytest.mark.parametrize("name", ["data", "nullable", "_x1", "größe", "NaN"])
def test_a_bare_name_is_a_variable(name: str) -> None:
    call = read_call(f"a.b {name} -v", WITH_VALUE)
    assert (call.given, call.payload, call.words) == ("variable", name, ["a.b", "-v"])


def test_a_text_keeps_its_quotes_spaces_and_dashes() -> None:
    assert read_call("a.b --text '--verbose \"1\"' -v", WITH_VALUE).words == ["a.b", '--text=--verbose "1"', "-v"]


def test_numbers_after_raw_may_be_negative_hexadecimal_or_none_at_all() -> None:
    assert read_call("a.b --raw 1 -2 0x10 -0xf 1e3 -2.5 .5 007 -v", WITH_VALUE).raw == [
        1,
        -2,
        16,
        -15,
        1000.0,
        -2.5,
        0.5,
        7,
    ]
    none = read_call("a.b --raw", WITH_VALUE)
    assert none.raw == []
    assert read_call("a.b", WITH_VALUE).raw is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('a.b {"a": 1', "its end"),
        ('a.b {"a": 1}}', "'}'"),
        ('a.b {"a": 1, "a": 2}', "'a' twice"),
        ("a.b [NaN]", "NaN is not JSON"),
        ("a.b [1, -Infinity]", "-Infinity is not JSON"),
        ("a.b {x}", "double quotes, at 'x}'"),
        ("a.b $x", "'$x'"),
        ("a.b '{}'", "single quote"),
        ("a.b x y", "'y' after the payload"),
        ("a.b 1 2", "'2' after the payload"),
        ('a.b "open', "unterminated string, at"),
        ("a.b " + "[" * 200_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(line: str, complaint: str) -> None:
    with pytest.raises(LineError) as caught:
        read_call(line, WITH_VALUE)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_cells_json_is_read_whole_and_its_mistakes_have_line_and_column() -> None:
    assert decode('\n{"a":\n [1]}\n') == {"a": [1]}
    with pytest.raises(LineError, match="line 3, column 2"):
        decode('{"a":\n\n x}')
    with pytest.raises(LineError, match="more text after the JSON value, at line 2, column 1"):
        decode("{}\n{}")


@pytest.mark.parametrize(
    ("line", "words", "args"),
    [
        ("sort", ["sort"], []),
        ("sort a 'b c' -1 {} $x", ["sort"], ["a", "b c", "-1", "{}", "$x"]),
        ("sort -- -r --cpu -- x", ["sort"], ["-r", "--cpu", "--", "x"]),
        ("-v sort a --cpu 1s b --stdin '-- x'", ["-v", "--cpu=1s", "--stdin=-- x", "sort"], ["a", "b"]),
        ("sort '--' a", ["sort"], ["--", "a"]),
        ("sort --cpu", ["--cpu", "sort"], []),
        ("-- sort -r", ["sort"], ["-r"]),
        ("", [], []),
    ],
)
def test_what_a_command_is_given_is_told_apart_from_what_is_meant_for_us(
    line: str, words: list[str], args: list[str]
) -> None:
    divided = line in ("sort -- -r --cpu -- x", "-- sort -r")
    assert read_run(line, {"--cpu", "--stdin"}) == RunLine(words, args, divided)
