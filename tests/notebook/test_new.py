"""``%plugin new`` in a real kernel: what it makes, says and refuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from judicia_notebook.languages import languages

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


def test_new_lays_out_a_project_that_loads_and_passes(kernel: Kernel, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    said = kernel.run(f"%plugin new greeter --lang wat --folder {folder}").stdout.splitlines()
    assert said[:4] == [str(folder / name) for name in ("greeter.wat", "cases.toml", "README.md", ".gitignore")]
    load, test = (line.partition(":  ")[2] for line in said[4:])
    assert load == f"%plugin load {folder / 'greeter.wat'}"
    assert test.endswith(f" -m judicia_notebook test {folder}")
    kernel.run(load)
    assert kernel.run("%plugin call greeter.hello {}").text == "'Hello, world!'"
    assert "2 passed in " in kernel.run(test).stdout


@pytest.mark.parametrize(
    ("path", "python"), [(str(Path(sys.executable).parent), "python"), (os.devnull, sys.executable)]
)
def test_the_line_that_tests_it_runs_this_interpreter(kernel: Kernel, tmp_path: Path, path: str, python: str) -> None:
    kernel.run(f"import os; os.environ['PATH'] = {path!r} + os.pathsep + '/usr/bin:/bin'")
    said = kernel.run(f"%plugin new greeter --lang wat --folder {tmp_path / 'there'}").stdout
    assert f"To test it:  !{python} -m judicia_notebook test " in said
    assert "2 passed in " in kernel.run(said.splitlines()[-1].partition(":  ")[2]).stdout


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("greeter", "%plugin new needs a language: --lang c|cpp|rust|wat|zig"),
        ("greeter --lang go", "there is no language 'go'"),
        ("../up --lang c", "'../up' is no name of a plugin"),
        ("", "the following arguments are required: NAME"),
        ("greeter --lang c --folder /dev/null", "/dev/null is there already"),
    ],
)
def test_a_wrong_line_makes_nothing(kernel: Kernel, line: str, told: str) -> None:
    assert told in kernel.run(f"%plugin new {line}").stderr


def test_its_help_has_the_compilers_and_tab_the_languages(kernel: Kernel) -> None:
    said = kernel.run("%plugin new --help").stdout
    assert "--folder FOLDER" in said
    assert "WAT   part of the package" in said
    assert [text.split(" ")[-1] for text in kernel.complete("%plugin new greeter --lang ")] == list(languages())
