"""docs/runs.md: what it shows runs, and what it lists is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import judicia_notebook as jn
from judicia_notebook.analysis.runs import archive
from judicia_notebook.analysis.runs.effect import Effect

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "runs.md").read_text(encoding="utf-8")


def test_the_example_runs_and_prints_a_comparison(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                         env=os.environ | {"PYTHONPATH": str(DOCS.parent)})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("kept against fresh · medians")
    assert "letters=100 " in ran.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compared.png", "run.zip"]
    assert len(jn.read_run(tmp_path / "run.zip").calls) == 120
    assert f"`version` ({archive.VERSION})" in PAGE
    with zipfile.ZipFile(tmp_path / "run.zip") as file:
        members = file.namelist()
    assert all(f"`{member.removesuffix('.csv')}`" in PAGE for member in members)


def test_every_column_of_a_summary_is_on_the_page() -> None:
    named = [field.name for field in fields(Effect) if not field.name.endswith(("_low", "_high"))]
    assert [name for name in named if name not in {"group", "column"} and f"`{name}`" not in PAGE] == []


def test_its_picture_is_there_on_both_grounds() -> None:
    for ground in ("light", "dark"):
        assert f"plots/compare-{ground}.png" in PAGE
        assert (DOCS / "plots" / f"compare-{ground}.png").read_bytes().startswith(b"\x89PNG")
