"""The checker's judgements: known cases, and a second opinion from a plain Python judge on random ones."""

from __future__ import annotations

import json
import re
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import judicia_notebook as jn
from tests.support.effort import fuzz

# Few letters, so that random texts are often nearly equal; every kind of whitespace and characters of 2 to 4 bytes.
TEXTS = st.text(alphabet="abAB1 \n\r\t\u00a0\u00e9\u20ac\U0001f600", max_size=24)
OPTIONS = fuzz(150)


def judge(checker: jn.Plugin, output: str, answer: str, **options: Any) -> dict[str, Any]:
    judgement = checker.call("check", {"output": output, "answer": answer, **options})
    assert isinstance(judgement, dict)
    return judgement


def verdict(checker: jn.Plugin, output: str, answer: str, **options: Any) -> str:
    return str(judge(checker, output, answer, **options)["verdict"])


def refusal(checker: jn.Plugin, payload: Any) -> jn.GuestError:
    with pytest.raises(jn.GuestError) as caught:
        checker.call("check", payload)
    return caught.value


def tokens_of(text: str) -> list[tuple[int, str]]:
    """Tokens with their offsets."""
    return [(match.start(), match.group()) for match in re.finditer(r"[^ \t-\r]+", text)]


def place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


# --- what it may touch -----------------------------------------------------------------------------------------------


def test_it_imports_failing_the_log_and_what_tells_a_judgement(checker: jn.Plugin) -> None:
    imports = {f"{one.module} {one.name}" for one in checker.imports}
    assert imports == {"judicia:host fail", "judicia:log write", "judicia:events emit"}


def test_judging_makes_no_host_call(checker: jn.Plugin) -> None:
    record = checker.attempt("check", {"output": "1", "answer": "2"}).record
    assert record is not None
    assert record.host_calls == 0


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["1 2 3\n", "1 2 3", "1\r\n2\r\n3\r\n", "\t1  2\n\n3 \n\n"])
def test_whitespace_between_tokens_does_not_matter(checker: jn.Plugin, output: str) -> None:
    assert judge(checker, output, "1 2 3\n") == {"verdict": "accepted", "score": 100, "tokens": 3, "difference": None}


@given(output=TEXTS, answer=TEXTS)
@OPTIONS
def test_tokens_are_judged_as_a_plain_judge_would(checker: jn.Plugin, output: str, answer: str) -> None:
    found, expected = tokens_of(output), [token for _, token in tokens_of(answer)]
    judgement = judge(checker, output, answer)
    difference = judgement["difference"]
    if [token for _, token in found] == expected:
        assert (judgement["verdict"], judgement["score"], difference) == ("accepted", 100, None)
        assert judgement["tokens"] == len(expected)
        return
    assert (judgement["verdict"], judgement["score"]) == ("wrong_answer", 0)
    common = sum(1 for _ in iter_alike([token for _, token in found], expected))
    assert difference["token"] == common + 1
    assert difference["found"] == (found[common][1] if common < len(found) else None)
    assert difference["expected"] == (expected[common] if common < len(expected) else None)
    end = found[common - 1][0] + len(found[common - 1][1]) if common else 0
    assert (difference["line"], difference["column"]) == place(output, found[common][0] if common < len(found) else end)


def iter_alike(found: list[str], expected: list[str]) -> Any:
    """The tokens that are alike, up to the first that is not."""
    for one, other in zip(found, expected, strict=False):
        if one != other:
            return
        yield one


@given(output=TEXTS, answer=TEXTS)
@OPTIONS
def test_case_can_be_ignored(checker: jn.Plugin, output: str, answer: str) -> None:
    same = [token.lower() for _, token in tokens_of(output)] == [token.lower() for _, token in tokens_of(answer)]
    assert (verdict(checker, output, answer, case_sensitive=False) == "accepted") == same


def test_excerpts_of_huge_tokens_are_short_and_show_the_difference(checker: jn.Plugin) -> None:
    output, answer = "9" * 200_000 + "1" + "9" * 9, "9" * 200_010
    difference = judge(checker, output, answer)["difference"]
    assert "1" in difference["found"]
    assert max(len(difference["found"]), len(difference["expected"])) < 100
    assert "200001" in difference["reason"]


# --- exact -----------------------------------------------------------------------------------------------------------


@given(output=TEXTS, answer=TEXTS)
@OPTIONS
def test_exact_is_byte_for_byte_and_whitespace_alone_is_presentation(
    checker: jn.Plugin, output: str, answer: str
) -> None:
    judgement = judge(checker, output, answer, mode="exact")
    if output == answer:
        assert (judgement["verdict"], judgement["difference"]) == ("accepted", None)
        return
    same_tokens = [token for _, token in tokens_of(output)] == [token for _, token in tokens_of(answer)]
    assert judgement["verdict"] == ("presentation_error" if same_tokens else "wrong_answer")
    assert judgement["score"] == 0
    common = next((at for at, pair in enumerate(zip(output, answer, strict=False)) if pair[0] != pair[1]), None)
    offset = min(len(output), len(answer)) if common is None else common
    assert (judgement["difference"]["line"], judgement["difference"]["column"]) == place(output, offset)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("1 2", "the line end at the end of the output is missing"),
        ("1 2\r\n", "a line ends with CR LF instead of LF"),
        ("1 2 \n", "whitespace at the end of a line"),
        ("1 2\n\n", "the output ends with more line ends than the answer"),
        ("1  2\n", "the whitespace differs"),
    ],
)
def test_a_presentation_error_says_what_is_wrong(checker: jn.Plugin, output: str, reason: str) -> None:
    assert judge(checker, output, "1 2\n", mode="exact")["difference"]["reason"] == reason


# --- what readers do not see -----------------------------------------------------------------------------------------

MARK = "\ufeff"


@pytest.mark.parametrize("mode", ["tokens", "float", "exact"])
@pytest.mark.parametrize(("output", "answer"), [(f"{MARK}1 2\n", "1 2\n"), ("1 2\n", f"{MARK}1 2\n")])
def test_a_byte_order_mark_is_no_token(checker: jn.Plugin, output: str, answer: str, mode: str) -> None:
    judgement = judge(checker, output, answer, mode=mode)
    if mode == "exact":
        assert judgement["verdict"] == "presentation_error"
        assert "begins with U+FEFF (byte order mark)" in judgement["difference"]["reason"]
    else:
        assert judgement == {"verdict": "accepted", "score": 100, "tokens": 2, "difference": None}
    framed_judgement = checker.call_bytes("check_bytes", framed(output.encode(), answer.encode(), {"mode": mode}))
    assert json.loads(framed_judgement) == judgement


@given(output=TEXTS, answer=TEXTS, mode=st.sampled_from(["tokens", "float"]), marked=st.sampled_from(["", MARK]))
@OPTIONS
def test_a_mark_changes_no_judgement(checker: jn.Plugin, output: str, answer: str, mode: str, marked: str) -> None:
    plain = judge(checker, output, answer, mode=mode)
    assert judge(checker, MARK + output, marked + answer, mode=mode) == plain


def test_both_texts_may_begin_with_a_mark_in_mode_exact(checker: jn.Plugin) -> None:
    assert verdict(checker, f"{MARK}1\n", f"{MARK}1\n", mode="exact") == "accepted"
    assert verdict(checker, f"{MARK}1\n", "2\n", mode="exact") == "wrong_answer"


def test_one_mark_is_skipped_and_another_is_named(checker: jn.Plugin) -> None:
    for output in (f"{MARK}{MARK}1", f"1 {MARK}"):
        judgement = judge(checker, output, "1")
        assert judgement["verdict"] == "wrong_answer"
        assert "U+FEFF (byte order mark)" in judgement["difference"]["reason"]


@pytest.mark.parametrize("mode", ["tokens", "float", "exact"])
@pytest.mark.parametrize(
    ("output", "answer", "named"),
    [
        ("1\u00a02", "1 2", "U+00A0 (no-break space)"),
        ("1\u200b 2", "1 2", "U+200B (zero width space)"),
        ("1 2", "1 \u20602", "U+2060 (word joiner)"),
        ("1 2\n\u001a", "1 2\n", "U+001A (end of file under DOS)"),
        ("1\u3000", "1", "U+3000 (ideographic space)"),
        ("a\0b", "ab", "U+0000 (null)"),
        ("so\u00adlid", "solid", "U+00AD (soft hyphen)"),
        ("cafe\u0301", "caf\u00e9", "U+0301 (combining mark)"),
        ("\u202e1", "1", "U+202E (mark of the writing direction)"),
        ("1\u200d", "1\u200c", "U+200C (zero width non-joiner)"),
    ],
)
def test_a_character_that_is_not_seen_is_named(
    checker: jn.Plugin, output: str, answer: str, named: str, mode: str
) -> None:
    judgement = judge(checker, output, answer, mode=mode)
    assert judgement["verdict"] == "wrong_answer"
    assert named in judgement["difference"]["reason"]


def test_a_hint_is_given_in_any_case_and_only_where_it_is_the_difference(checker: jn.Plugin) -> None:
    reason = judge(checker, "YES\u200b", "Yes", case_sensitive=False)["difference"]["reason"]
    assert reason.endswith("character 4 of the output's token is U+200B (zero width space)")
    assert "U+" not in judge(checker, "a\u200db", "a\u200dc")["difference"]["reason"]
    assert "U+" not in judge(checker, "1", "2")["difference"]["reason"]


def test_whitespace_that_looks_alike_is_named_in_mode_exact(checker: jn.Plugin) -> None:
    reason = judge(checker, "1\t2\n", "1 2\n", mode="exact")["difference"]["reason"]
    assert reason == "the whitespace differs: U+0009 (tab) instead of U+0020 (space)"


def test_an_output_in_utf16_is_called_that(checker: jn.Plugin) -> None:
    judgement = json.loads(checker.call_bytes("check_bytes", framed("1 2\n".encode("utf-16"), b"1 2\n")))
    assert judgement["verdict"] == "wrong_answer"
    assert "the output begins with the byte order mark of UTF-16" in judgement["difference"]["reason"]


# --- float -----------------------------------------------------------------------------------------------------------

DECIMALS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12).map(repr),
    st.tuples(st.integers(-9999, 9999), st.integers(0, 9999)).map(lambda parts: f"{parts[0]}.{parts[1]:04}"),
    st.sampled_from(["+5", ".5", "5.", "-0", "0e0", "1E3", "1e-3", "00012"]),
)
TOLERANCES = st.sampled_from([0, 1e-9, 1e-6, 1e-3, 0.5])


@given(expected=DECIMALS, change=st.sampled_from(["0", "1e-10", "1e-7", "-1e-4", "0.1", "-3"]), scaled=st.booleans(),
       absolute=TOLERANCES, relative=TOLERANCES)  # fmt: skip
@OPTIONS
def test_numbers_are_judged_as_exact_arithmetic_would(
    checker: jn.Plugin, expected: str, change: str, scaled: bool, absolute: float, relative: float
) -> None:
    right = Fraction(expected)
    found = repr(float(right + Fraction(change) * (abs(right) if scaled else 1)))
    off = abs(Fraction(found) - right)
    limit = max(Fraction(absolute), Fraction(relative) * abs(right))
    # So near the limit that reading decimals as doubles may decide.
    assume(off == 0 or abs(off - limit) > (abs(right) + 1) / 10**13)
    accepted = verdict(checker, found, expected, mode="float", absolute=absolute, relative=relative) == "accepted"
    assert accepted == (off <= limit)


@pytest.mark.parametrize(
    ("output", "answer", "accepted"),
    [
        ("0.3333333", "0.33333333", True),  # the tolerances are 1e-6 unless given
        ("0.33333", "0.33333333", False),
        ("-0.0", "0", True),
        ("nan", "NaN", True),
        ("-nan", "nan", True),
        ("0", "nan", False),
        ("nan", "0", False),
        ("inf", "+Infinity", True),
        ("-inf", "inf", False),
        ("1e308", "inf", False),
        ("1e400", "inf", False),
        ("1e400", "1e400", True),
        ("1e400", "10e399", False),
        ("-1e308", "1e308", False),
        ("1e-400", "0", True),
        ("0x1p0", "1", False),
        ("1,5", "1.5", False),
        ("1_0", "10", False),
        ("\u0661", "1", False),
        ("answer: 2.0000000001 m", "answer: 2 m", True),
        ("Answer: 2", "answer: 2", False),
        ("12345678901234567890123.0", "12345678901234567890123", True),
    ],
)
def test_special_numbers_and_near_numbers(checker: jn.Plugin, output: str, answer: str, accepted: bool) -> None:
    assert (verdict(checker, output, answer, mode="float") == "accepted") == accepted


def test_integers_beyond_doubles_are_told_apart(checker: jn.Plugin) -> None:
    assert verdict(checker, str(2**53 + 1), str(2**53), mode="float", absolute=0) == "wrong_answer"


def test_one_tolerance_given_turns_the_other_off(checker: jn.Plugin) -> None:
    assert verdict(checker, "1000000.5", "1000000", mode="float") == "accepted"
    assert verdict(checker, "1000000.5", "1000000", mode="float", absolute=1e-6) == "wrong_answer"
    assert verdict(checker, "1e-9", "0", mode="float", relative=1e-6) == "wrong_answer"


def test_a_tolerance_is_met_by_decimals_that_meet_it(checker: jn.Plugin) -> None:
    assert verdict(checker, "1.1", "1.0", mode="float", absolute=0.1) == "accepted"
    assert verdict(checker, "1.1000001", "1.0", mode="float", absolute=0.1) == "wrong_answer"


def test_a_number_too_far_off_says_how_far(checker: jn.Plugin) -> None:
    assert judge(checker, "2.5", "2", mode="float")["difference"]["reason"] == "differs by 0.5, relatively by 0.25"


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_score", [0, 1, 40, 2.5])
def test_the_score_is_all_or_nothing(checker: jn.Plugin, max_score: float) -> None:
    assert judge(checker, "1", "1", max_score=max_score)["score"] == max_score
    assert judge(checker, "2", "1", max_score=max_score)["score"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"output": 5}, "field `output`"),
        ({"output": None}, "field `output`"),
        ({"answer": ["1"]}, "field `answer`"),
        ({"mode": "fuzzy"}, "field `mode`"),
        ({"mode": "float", "absolute": "1e-6"}, "field `absolute`"),
        ({"mode": "float", "absolute": -1}, "field `absolute`"),
        ({"relative": 1e-6}, "field `relative`: a tolerance needs mode `float`"),
        ({"mode": "exact", "case_sensitive": False}, "field `case_sensitive`"),
        ({"case_sensitive": 1}, "field `case_sensitive`"),
        ({"max_score": -1}, "field `max_score`"),
        ({"max_score": "all"}, "field `max_score`"),
        ({"tolerance": 1}, "unknown field `tolerance`"),
    ],
)
def test_a_wrong_field_is_refused_by_name(checker: jn.Plugin, change: dict[str, Any], said: str) -> None:
    error = refusal(checker, {"output": "1", "answer": "1", **change})
    assert error.code == "bad_request"
    assert said in error.message


@pytest.mark.parametrize("payload", [None, 1, "text", [], {}, {"output": "1"}, {"answer": "1"}])
def test_a_request_without_both_texts_is_refused(checker: jn.Plugin, payload: Any) -> None:
    assert refusal(checker, payload).code == "bad_request"


# --- bytes and size --------------------------------------------------------------------------------------------------


def framed(output: bytes, answer: bytes, options: dict[str, Any] | None = None) -> bytes:
    """The raw framing of check_bytes."""
    header = b"" if options is None else json.dumps(options).encode()
    return struct.pack("<II", len(header), len(output)) + header + output + answer


@given(output=TEXTS, answer=TEXTS, mode=st.sampled_from(["exact", "tokens", "float"]))
@OPTIONS
def test_check_bytes_judges_as_check_does(checker: jn.Plugin, output: str, answer: str, mode: str) -> None:
    raw = checker.call_bytes("check_bytes", framed(output.encode(), answer.encode(), {"mode": mode}))
    assert json.loads(raw) == judge(checker, output, answer, mode=mode)


def test_check_bytes_judges_what_is_not_text(checker: jn.Plugin) -> None:
    judgement = json.loads(checker.call_bytes("check_bytes", framed(b"1 \xff\xfe\n", b"1 2\n")))
    assert (judgement["verdict"], judgement["difference"]["column"]) == ("wrong_answer", 3)


@pytest.mark.parametrize("cut", [0, 4, 7, 12, 23])
def test_check_bytes_refuses_a_frame_that_is_cut(checker: jn.Plugin, cut: int) -> None:
    frame = framed(b"12345", b"", {"max_score": 1})
    assert len(frame) > cut
    with pytest.raises(jn.GuestError) as caught:
        checker.call_bytes("check_bytes", frame[:cut])
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("mode", ["exact", "tokens", "float"])
def test_outputs_of_megabytes_fit_the_default_quotas(checker: jn.Plugin, mode: str) -> None:
    lines = [f"{number} {number / 7:.9f}" for number in range(120_000)]
    answer = "\n".join(lines) + "\n"
    wrong = answer.removesuffix(f"{lines[-1]}\n") + "120000 0\n"
    assert len(answer) > 2_000_000
    assert judge(checker, answer, answer, mode=mode)["tokens"] == 240_000
    assert judge(checker, wrong, answer, mode=mode)["difference"]["line"] == 120_000
