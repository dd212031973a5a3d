"""A project of ``new`` in each language: its cases pass at once, and a mistake in its source is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from judicia_notebook.__main__ import main
from judicia_notebook.languages.project import new_project
from tests.languages.compilers import need_serde

Captured = pytest.CaptureFixture[str]


def test_the_cases_of_a_new_project_pass(lang: str, tmp_path: Path, capsys: Captured) -> None:
    if lang == "rust":
        need_serde()
    new_project("greet-2", lang, tmp_path / "there")
    assert main(["test", str(tmp_path / "there")]) == 0
    printed = capsys.readouterr()
    assert "5 passed in " in printed.out
    assert "warning" not in printed.err
    assert not (tmp_path / "there" / "greet-2.wasm").exists()


def test_a_mistake_in_the_source_ends_the_run_with_its_line(c_compiler: str, tmp_path: Path, capsys: Captured) -> None:
    source, *_ = new_project("greet", "c", tmp_path / "there")
    source.write_text(source.read_text().replace("jn_put_int(answer, sum);", "jn_put_int(answer, summ);"))
    assert main(["test", str(tmp_path / "there")]) == 1
    printed = capsys.readouterr()
    assert "undeclared identifier 'summ'" in printed.err
    assert " passed" not in printed.out


def test_a_header_beside_the_source_is_found_and_flags_reach_the_compiler(
    c_compiler: str, tmp_path: Path, capsys: Captured
) -> None:
    source, cases, *_ = new_project("greet", "c", tmp_path / "there")
    (source.parent / "greeting.h").write_text('#define GREETING "Hello, "\n')
    text = source.read_text().replace('"Hello, %s!"', 'GREETING MARK "%s!"')
    source.write_text(text.replace('#include "judicia.h"', '#include "judicia.h"\n#include "greeting.h"'))
    cases.write_text(f"level = '-O2'\nflags = ['-DMARK=\"\"']\n{cases.read_text()}")
    assert main(["test", str(source.parent)]) == 0
