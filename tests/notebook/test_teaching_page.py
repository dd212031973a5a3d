"""docs/teaching.md: its blocks run in one kernel as they stand; its index and its plans name what is there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from judicia_notebook.languages import toolchain
from tests.support.documents import DOCS, ROOT, Page, blocks
from tests.support.kernels import Kernel

PAGE = DOCS / "teaching.md"
TEXT = PAGE.read_text("utf-8")


@pytest.fixture
def reader(kernel: Kernel, tmp_path: Path) -> Iterator[Page]:
    """Who carries the page out, in the tests' kernel; a lesson is saved as the notebook that is handed out."""
    shutil.copyfile(ROOT / "notebooks" / "02-live.ipynb", tmp_path / "handout.ipynb")
    kernel.run("%unload_ext judicia_notebook")  # the page loads it
    yield Page(tmp_path, kernel)
    kernel.run(f"%cd -q {ROOT}")


def test_every_block_of_the_page_does_what_it_says(reader: Page, tmp_path: Path) -> None:
    if toolchain.find_c() is None:
        pytest.skip("there is no compiler of C; enable: apt-get install clang lld (or pip install ziglang==0.17.1)")
    for block in blocks(PAGE):
        reader.carry_out(block)
    handout = (tmp_path / "handout.html").read_text("utf-8")
    assert all(words in handout for words in ("CPU time", "Charts of specimen", "capability_denied"))
    assert "specimen" in (tmp_path / "specimen.html").read_text("utf-8")


def anchors() -> set[str]:
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_index_leads_to_ten_sections() -> None:
    index = TEXT.partition("\n## ")[0]
    led = re.findall(r"\]\((#[\w-]+)\) \|$", index, re.MULTILINE)
    assert len(set(led)) == 10
    assert set(led) - anchors() == set()


def test_the_plans_name_lessons_and_exercises_that_are_there() -> None:
    plans = TEXT.partition("## Three plans")[2].partition("\n## ")[0]
    lessons = set(re.findall(r"[Ll]esson (\d\d)", plans))
    assert lessons == {path.name[:2] for path in (ROOT / "notebooks").glob("0*.ipynb")}
    exercises = {path.name[:2] for path in (ROOT / "notebooks" / "exercises").glob("*.ipynb")}
    named = {
        number for text in re.findall(r"[Ee]xercises? ([^:;.|]*)", plans) for number in re.findall(r"\b\d\d\b", text)
    }
    assert named <= exercises
    for lesson, sections in re.findall(r"lesson (\d\d), sections? ([\d and]+)", plans):
        (path,) = (ROOT / "notebooks").glob(f"{lesson}*.ipynb")
        titles = path.read_text("utf-8")
        assert all(f"## {number}. " in titles for number in re.findall(r"\d+", sections)), (lesson, sections)
