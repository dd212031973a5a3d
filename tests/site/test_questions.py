"""The first page, the start and the twenty questions: every block of theirs is carried out, in one kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from judicia_notebook.languages import toolchain
from tests.languages.compilers import cache_folder, need_serde
from tests.support.documents import DOCS, Page, blocks
from tests.support.kernels import Kernel
from tests.support.waiting import LONG_PATIENCE

INDEX = DOCS / "how-to" / "index.md"
QUESTIONS = sorted(set(INDEX.parent.glob("*.md")) - {INDEX})
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
BEFORE = """
before = set(globals())
"""
ANEW = """
%load_ext judicia_notebook
import judicia_notebook as jn
_ = jn.get_runtime().reset(confirm=True)
jn.get_runtime().close()
%unload_ext judicia_notebook
for name in set(globals()) - before - {"before"}:
    del globals()[name]
"""


@pytest.fixture(scope="module")
def page_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    cache = cache_folder(tmp_path_factory.getbasetemp())
    kernel = Kernel(
        tmp_path_factory.mktemp("pages") / "kernel", within=LONG_PATIENCE, JUDICIA_NOTEBOOK_CACHE=str(cache)
    )
    kernel.run(BEFORE)
    try:
        yield kernel
    finally:
        kernel.close()


def need_compilers(page: Path) -> None:
    text = page.read_text("utf-8")
    if "--lang c\n" in text and toolchain.find_c() is None:
        pytest.skip("there is no compiler of C; enable: apt-get install clang lld (or pip install ziglang==0.17.1)")
    if "--lang rust\n" in text:
        need_serde()


@pytest.mark.parametrize("page", [DOCS / "index.md", DOCS / "start.md", *QUESTIONS], ids=lambda page: page.stem)
def test_every_block_of_a_page_does_what_it_says(page: Path, page_kernel: Kernel, tmp_path: Path) -> None:
    need_compilers(page)
    page_kernel.run(ANEW)
    reader = Page(tmp_path, page_kernel)
    for block in blocks(page):
        reader.carry_out(block)


def linked(page: Path, folder: str) -> dict[str, str]:
    """The questions that a page links to: their files, and what the links say."""
    found = re.findall(rf"\[([^\]]+)\]\({folder}([\w-]+\.md)\)", page.read_text("utf-8"))
    return {file: text for text, file in found if (INDEX.parent / file) in QUESTIONS}


def test_the_first_page_and_the_list_lead_to_each_question_in_its_own_words() -> None:
    titles = {page.name: TITLE.findall(page.read_text("utf-8"))[0] for page in QUESTIONS}
    assert len(titles) == 20
    assert linked(INDEX, "") == titles
    assert linked(DOCS / "index.md", "how-to/") == titles


def test_a_page_that_shows_what_is_not_so_is_found_out(tmp_path: Path) -> None:
    reader = Page(tmp_path)
    reader.said = "specimen.spin used 51 ms\nand was stopped\n"
    (tmp_path / "page.md").write_text("```\n...\nand was stopped\n```\n\n```\nspecimen.spin used 3 ms\n```\n")
    good, short = blocks(tmp_path / "page.md")
    reader.carry_out(good)
    with pytest.raises(AssertionError, match="there was more"):
        reader.carry_out(short)
    with pytest.raises(AssertionError, match="the page shows"):
        reader.carry_out(good._replace(text="specimen.spin used 51 ms\nand went on\n"))
