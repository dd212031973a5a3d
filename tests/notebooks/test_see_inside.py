"""The lesson on monitors: what is saved in it, and that a run shows what its text says."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import toolchain
from tests.support.lessons import cell_of, check_saved, said

NAME = "06-see-inside.ipynb"
MENDED = "word.at + at + 1, word.length - at - 1"


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("load", ["alike_1 1.0.0", "alike_2 2.0.0"]),
        ("slower", ["630 letters", "alike_1", "alike_2"]),
        ("functions", ["jn_check_text", "edits"]),
        ("painted-2", ["793 800     7  static unsigned smaller", "396 900    18              unsigned replaced"]),
        ("painted-1", ["144    22              unsigned replaced"]),
        ("branches", ["12    223", "14    395"]),
        ("other", ["alike_1       527", "alike_2       527"]),
        ("complaint", ["('wrong answer', 'accepted')"]),
        ("divergence", ["function='judge'", "file='close_1.c', line=79"]),
        ("decided", ["blocks alike, then line 79", "if (number - right > TOLERANCE)"]),
        ("mended", ["('wrong answer', 'wrong answer')"]),
        ("pass", ["(0, 0)"]),
        ("coverage", ["not run    21  static bool read_integer", " 1    80              return", "<- not run: "]),
        ("missing", ["2e3   2000  accepted  no number"]),
        ("exponent", ["1 times  26              return false;", "0 times  27"]),
    ],
)
def test_each_step_shows_what_it_is_about(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for run in (lesson, saved):
        shown = said(run, cell)
        assert [word for word in words if word not in shown] == [], shown


def test_the_numbers_that_the_text_tells_hold(lesson: Any) -> None:
    """Counts are the same on every machine."""
    rows = [line.split() for line in said(lesson, "slower").splitlines()[2:]]
    (one, two) = (int(row[2]) for row in rows if len(row) == 4)
    assert 90 * one < two < 100 * one
    assert 630 - 223 - 395 == 12
    assert 12 * 12 == 144
    assert 630 * 630 == 396_900
    (one, pages), (two, more) = (map(int, line.split()[2:]) for line in said(lesson, "other").splitlines()[1:])
    assert one < two < 1.2 * one
    assert more == 21 * pages
    sides = {row.split()[2]: row.split()[3:] for row in said(lesson, "one-sided").splitlines()[1:]}
    assert sides == {"84": ["0", "12"], "77": ["11", "0"], "79": ["10", "0"], "48": ["6", "0"], "54": ["4", "0"]}
    assert 1800 <= int(said(lesson, "decided").split()[0]) < 1900
    before, after = (float(share.rstrip("%")) for share in ast.literal_eval(said(lesson, "percent")))
    assert before < after < 100


def test_pictures_and_paintings_are_there_without_a_kernel(lesson: Any, saved: Any) -> None:
    for run in (lesson, saved):
        for cell, kind in (("pages-1", "image/png"), ("painted-2", "text/html"), ("coverage", "text/html")):
            (output,) = cell_of(run, cell).outputs
            assert kind in output.data
        assert "jc-missed" in cell_of(run, "coverage").outputs[0].data["text/html"]


def test_what_the_lesson_says_of_the_mistake_mends_it(folder: Path, lesson: Any) -> None:
    if toolchain.find_c() is None:
        pytest.skip("there is no compiler for C; enable: apt-get install clang lld")
    source = (folder / "inside" / "close_2" / "close_2.c").read_text("utf-8")
    wrong = "word.at + at, word.length - at"
    assert wrong in source.splitlines()[49]
    cells = [cell_of(lesson, name).source for name in ("pass", "missing")]
    program = cells[0].partition("\n\n\ndef")[0] + "\n" + cells[1].partition("\n")[0]
    known: dict[str, Any] = {}
    exec(program, known)
    with jn.Runtime() as rt:
        p = rt.load(jn.build(source.replace(wrong, MENDED), "c").wasm, name="close_3")
        for output, answer, verdict in known["tests"] + known["missing"]:
            assert p.call("check", {"output": output, "answer": answer}) == verdict
