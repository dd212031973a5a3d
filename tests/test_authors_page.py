"""docs/authors.md, carried out from top to bottom in an empty folder; and what it says that holds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.cases import reading
from judicia_notebook.languages import language, toolchain
from tests.support.documents import DOCS, Page, blocks

PAGE = DOCS / "authors.md"


def test_every_block_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    if toolchain.find_c() is None:
        pytest.skip("there is no compiler of C; enable: apt-get install clang lld (or pip install ziglang==0.17.1)")
    page, ran = Page(tmp_path), 0
    for block in blocks(PAGE):
        page.carry_out(block)
        ran += block.kind == "sh"
    assert ran == 4
    assert "6 passed" in page.said
    assert (tmp_path / "greet" / "junit.xml").is_file()


def keys_in(head: str) -> Iterator[str]:
    """The keys in the first column of the page's table with this head."""
    (table,) = re.findall(
        rf"^\| {re.escape(head)} \| what \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE
    )
    for row in table.splitlines():
        yield from re.findall(r"`(\w+)`", row.split(" | ")[0])


def test_the_tables_have_every_key_that_the_reader_knows() -> None:
    assert set(keys_in("key of a case, or of a step")) == set(reading._STEP)
    assert set(keys_in("key of a case, or of the file for all its cases")) == set(reading._SETTINGS)
    assert set(keys_in("key of the file")) == set(reading._HEAD)
    assert set(keys_in("key of a case")) == {"name", "step"}


WAT = """(module (@custom "judicia.manifest" "{}") (memory (export "memory") 1)
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 8))
  (func (export "judicia_free") (param i32 i32)))"""


def test_a_version_or_a_field_that_is_not_known_is_refused(rt: jn.Runtime) -> None:
    def load(fields: str) -> jn.Plugin:
        return rt.load(WAT.replace("{}", f'{{\\"name\\": \\"p\\"{fields}}}'))

    assert load(', \\"abi\\": 1').name == "p"
    with pytest.raises(jn.LoadError, match="2"):
        load(', \\"abi\\": 2')
    with pytest.raises(jn.ManifestError, match="unknown field"):
        load(', \\"colour\\": 1')


def test_the_crate_has_the_version_that_is_promised() -> None:
    crate = tomllib.loads((language.SDK / "rust" / "Cargo.toml").read_text("utf-8"))["package"]
    page = (DOCS / "stability.md").read_text("utf-8")
    assert f"| the Rust crate `{crate['name']}` | {crate['version']} |" in page
