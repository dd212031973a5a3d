"""docs/grading.md: its blocks of Python run as they stand, and its table has every criterion there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import toolchain
from tests.graders import submissions

ROOT = Path(jn.__file__).parents[1]
PAGE = (ROOT / "docs" / "grading.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_blocks_of_the_page_run_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if toolchain.find_c() is None:
        pytest.skip("there is no compiler of C; enable: apt-get install clang lld (or pip install ziglang==0.17.1)")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    try:
        for kind, text in BLOCK.findall(PAGE):
            if kind == "c":
                (tmp_path / "checks.c").write_text(text)
            else:
                exec(text, names)
        wrong = jn.get_runtime().load(jn.build(submissions._CONSTANT.format(3), "wat").wasm, name="wrong")
        with pytest.raises(jn.CheckFailed, match="5 of 5 criteria are not met"):
            jn.check(wrong, by="checks.c")
        with pytest.raises(jn.PolicyLocked, match="the lecturer"):
            names["q"].policy.grant("random")  # type: ignore[attr-defined]
    finally:
        if "room" in names:
            names["room"].close()  # type: ignore[attr-defined]
        jn.get_runtime().close()


def test_the_table_has_every_criterion() -> None:
    (table,) = re.findall(r"^\| criterion \| of \| met where \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert set(named) == set(inspect.signature(jn.check).parameters) - {"subject", "points"}


def test_the_page_names_the_graders_that_it_was_tried_with() -> None:
    for grader, name in (("nbgrader", "nbgrader"), ("otter", "otter-grader")):
        pin = (ROOT / "tests" / "graders" / f"{grader}.txt").read_text("utf-8").split("==")[1].strip()
        assert f"Tried with {name} {pin}" in PAGE
