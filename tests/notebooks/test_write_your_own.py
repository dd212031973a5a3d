"""The lesson on writing plugins: what is saved in it, and that each wall stands against what a student compiles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from judicia_notebook.languages import toolchain
from tests.languages.compilers import cache_folder, need_serde
from tests.support.lessons import NOTEBOOKS, cell_of, check_saved, execute, said
from tests.support.waiting import LONG_PATIENCE

NAME = "05-write-your-own.ipynb"


@pytest.fixture(scope="module")
def compilers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this run's own: what a compiler builds once is built with no help of the user's."""
    if toolchain.find_c() is None:
        pytest.skip("there is no compiler for C; enable: apt-get install clang lld")
    need_serde()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUDICIA_NOTEBOOK_CACHE", str(cache_folder(tmp_path_factory.getbasetemp())))
        yield


@pytest.fixture(scope="module")
def lesson(compilers: None, folder: Path) -> Any:
    return execute(folder / NAME)


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("words", ["words 0.0.0", "count"]),
        ("count", ["ok", "fuel", "6"]),
        ("no-text", ["As expected (guest_error)", "text"]),
        ("mistake", ["line 4, column 18", "expected ';'", "int words = 6"]),
        ("mistakes", ["severity", "error", "expected ';'"]),
        ("greedy", ["spin, hoard, recurse, reach, lie", "memory 32 MiB", "cpu 200 ms"]),
        ("spin", ["As expected (quota_cpu)", "of 200 ms CPU and was stopped"]),
        ("hoard", ["ok", "31"]),
        ("recurse", ["As expected (trap)", "stack overflow", "deep"]),
        ("reach", ["As expected (trap)", "out of bounds memory"]),
        ("lie", ["As expected (abi_violation)", "0xf0000000 with 16 bytes lies beyond its memory"]),
        ("greedy-rows", ["spin", "quota_cpu", "hoard", "recurse", "trap", "lie", "abi_violation"]),
        ("nosy", ["network_access, read_files", "granted    nothing"]),
        ("read", ["As expected (denied)", "read_files"]),
        ("phone", ["As expected (denied)", "network_access"]),
        ("read-granted", ["As expected (guest_error)", "the plugin's own root"]),
        ("climb", ["As expected (guest_error)"]),
        ("dress-up", ["<script>"]),
        ("host-calls", ["judicia:files read", "judicia:http request", "denied", "allowed"]),
        ("rust-count", ["ok", "6"]),
        ("rust-third", ["As expected (trap)", "index out of bounds", "cell.rs:20"]),
        ("rust-spin", ["As expected (quota_cpu)"]),
        ("rust-reach", ["As expected (trap)", "out of bounds memory"]),
        ("rust-read", ["As expected (denied)"]),
        ("alive", ["6"]),
    ],
)
def test_each_step_shows_what_it_is_about(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for run in (lesson, saved):
        shown = said(run, cell)
        assert [word for word in words if word not in shown] == [], shown


def test_nothing_of_a_plugin_is_more_than_text(lesson: Any, saved: Any) -> None:
    for run in (lesson, saved):
        (answer,) = cell_of(run, "dress-up").outputs
        assert "text/html" not in answer.data


def test_without_a_compiler_the_first_cell_says_what_brings_one(folder: Path) -> None:
    """In a kernel that finds no program but Python: the magic that a student runs, in a shell of its own."""
    source = next(cell.source for cell in nbformat.read(NOTEBOOKS / NAME, 4).cells if cell.id == "words")
    program = (
        "import sys\nsys.modules['ziglang'] = None\n"  # it may be installed here
        "from IPython.testing.globalipapp import start_ipython\n"
        "shell = start_ipython()\nshell.run_line_magic('load_ext', 'judicia_notebook')\n"
        f"done = shell.run_cell({source!r})\nprint(type(done.error_in_exec).__name__)\nprint(done.error_in_exec)\n"
        "shell.run_cell('%plugin call example.x')\n"
    )
    nothing = folder / "nothing"
    nothing.mkdir()
    environment = {**os.environ, "PATH": str(nothing)}
    for named in ("JUDICIA_NOTEBOOK_CLANG", "JUDICIA_NOTEBOOK_ZIG"):
        environment.pop(named, None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=LONG_PATIENCE
    )
    assert "there is no compiler for C here" in done.stdout, done.stderr
    assert toolchain.WAYS["c"] in done.stdout
