"""docs/stability.md and docs/surface.txt: what users rely on is what the code has, and a change of it is seen."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.runs import archive
from judicia_notebook.experiments.sweep import journal
from tools import write_surface

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "stability.md").read_text("utf-8")
USED = re.compile(r"\b(rt\.host\.files|p\.policy|jn\.plots|rt|p|jn)\.([a-z_A-Z]\w*)")


def rows_below(head: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    table = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def owner(of: str) -> object:
    with jn.Runtime() as rt:
        files = type(rt.host.files)
    return {"rt": jn.Runtime, "p": jn.Plugin, "p.policy": jn.Policy, "jn": jn, "jn.plots": jn.plots}.get(of, files)


def test_the_surface_is_what_the_code_has() -> None:
    written = write_surface.SURFACE.read_text("utf-8").splitlines()
    changes = list(difflib.unified_diff(written, write_surface.surface().splitlines(), lineterm="", n=0))
    assert changes == [], "tools/write_surface.py writes it anew; what is gone or changed stands in docs/stability.md"


def test_a_changed_signature_is_one_changed_line(monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_surface.surface().splitlines()
    monkeypatch.setattr(jn.Plugin, "inspect", lambda self, deep=False: None)
    monkeypatch.setattr(jn, "__all__", [name for name in jn.__all__ if name != "survey"])
    changes = [line for line in difflib.ndiff(before, write_surface.surface().splitlines()) if line[0] in "+-"]
    assert changes == [
        "- jn.Plugin.inspect(self) -> Inspection",
        "+ jn.Plugin.inspect(self, deep=False)",
        "- jn.survey",
    ]


def test_every_public_name_has_its_line() -> None:
    text = write_surface.SURFACE.read_text("utf-8")
    assert [name for name in jn.__all__ if f"\njn.{name}\n" not in text] == []
    for line in ("jn.Plugin.call(self, function: str,", "jn.sweep(plugins:", "class jn.QuotaExceeded(CallError)"):
        assert f"\n{line}" in text
    assert " at 0x" not in text  # no line differs between two runs


def test_the_formats_are_those_that_are_written() -> None:
    versions = {row[0]: row[1] for row in rows_below("what")}
    assert f"`{archive.FORMAT}` {archive.VERSION}" in versions.values()
    assert f"`{journal.FORMAT}`, with counts of monitors `{journal.FORMAT_WITH_COUNTS}`" in versions.values()
    assert f"this release reads 1 to {archive.VERSION}" in PAGE
    assert journal.FORMAT_WITHOUT_DESCRIPTION in PAGE
    abi = (ROOT / "judicia_notebook" / "sdk" / "ABI.md").read_text("utf-8")
    assert abi.startswith("# Judicia plugin ABI, version 1\n")


def test_what_is_written_instead_exists() -> None:
    written = [found for row in rows_below("in 0.1") for found in USED.findall(row[1])]
    assert len(written) > 10
    missing = [f"{of}.{name}" for of, name in written if not hasattr(owner(of), name)]
    assert missing == []


def test_what_is_gone_is_gone() -> None:
    rows = [row[0] for row in rows_below("in 0.1")]
    gone = [row for row in rows if row.startswith(("`rt.label(", "`p.begin`", "`rt.end_calls("))]
    assert len(gone) == 3
    assert [f"{of}.{name}" for row in gone for of, name in USED.findall(row) if hasattr(owner(of), name)] == []
    assert not (ROOT / "judicia_notebook" / "guest").exists()
