"""The pages of docs/ whose examples are run.

- `run_examples`: Python blocks alone, each of which prints the block that follows it, to the letter.
- `Page`: every block of a page, in a kernel and a folder of the page's own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.kernels import Kernel
from tests.support.waiting import LONG_PATIENCE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?://|#|;;) ([\w/.-]+\.\w+)\n")
_NUMBER = re.compile(r"-?\d+(?:[.\u00a0\u2009\u202f ,]\d+)*(?: ?(?:[nµm]?s|[KM]iB|[kM]?B|%))?(?![\w.])")
_COMPILER = re.compile(r"by \w+ \S+ in|from the cache in")
_DIGEST = re.compile(r"\b[0-9a-f]{12,64}\b")


def run_examples(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run every Python block of a page, one after the other; each must print the block that follows it."""
    text = (DOCS / page).read_text("utf-8")
    examples = _EXAMPLE.findall(text)
    assert len(examples) == text.count("```python") > 0
    names: dict[str, Any] = {}
    try:
        for code, said in examples:
            exec(code, names)
            assert capsys.readouterr().out == said
    finally:
        names["rt"].close()


def shape(text: str) -> list[str]:
    """The lines of an output without what differs from run to run: numbers, digests, and how wide they are."""
    plain = _COMPILER.sub("by", _DIGEST.sub("#", text))
    return [" ".join(_NUMBER.sub("#", line).split()) for line in plain.splitlines() if line.strip()]


class Block(NamedTuple):
    """A fenced block: its language, and its text."""

    kind: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page in their order, those of MyST's directives left out."""
    for kind, text in _BLOCK.findall(page.read_text("utf-8")):
        if not kind.startswith("{"):
            yield Block(kind, text)


class Page:
    """A page that a reader carries out from top to bottom, in a folder of its own.

    - ``ipython`` and ``python`` are cells of one notebook, which must end well.
    - ``sh`` holds lines for a shell. What installs from a registry is not run: its extras are those of pyproject.toml.
    - A block that begins with a comment which is a path is a file; one in any other language has to be.
    - A block without a language is what the block before it showed. Numbers may differ, words may not; a line of three
      dots stands for any lines.
    """

    def __init__(self, folder: Path, kernel: Kernel | None = None) -> None:
        self.said = ""
        """What there is to read below the last block, but for standard error."""
        self._folder = folder
        self._kernel = kernel
        if kernel is not None:
            reply = kernel.run(f"import os\nos.chdir({str(folder)!r})")
            assert reply.status == "ok", reply.output

    def carry_out(self, block: Block) -> None:
        """Do what a block says, or compare what it shows."""
        if block.kind == "":
            assert_shown(block.text, self.said)
        elif block.kind == "sh":
            self.said = "".join(self._run_line(line) for line in block.text.splitlines())
        elif file := _FILE.match(block.text):
            self._write(file[1], block.text)
        else:
            assert block.kind in ("ipython", "python"), f"a block of {block.kind} names its file in its first line"
            self.said = self._run_cell(block.text)

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        self.said = ""

    def _run_cell(self, code: str) -> str:
        assert self._kernel is not None, f"there is no kernel for\n{code}"
        reply = self._kernel.run(code)
        assert reply.status == "ok", f"{code}\n{reply.output}"
        shown = (str(bundle.get("text/plain", "")) for bundle in reply.shown)
        return "\n".join([reply.stdout, *shown, reply.text])  # progress goes to stderr, and not the same each time

    def _run_line(self, line: str) -> str:
        if " pip install " in f" {line}":
            assert_installable(line)
            return ""
        assert line.startswith("python -m "), line
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        ours = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", os.defpath)]),
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "-p no:judicia -p judicia_notebook.pytest_plugin -W error",
        }
        words = [sys.executable, *shlex.split(line)[1:]]
        done = subprocess.run(
            words, cwd=self._folder, env=clean | ours, capture_output=True, text=True, timeout=2 * LONG_PATIENCE
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def assert_shown(expected: str, said: str) -> None:
    """Compare what a page shows with what was said. Lines of three dots in the page stand for any lines."""
    assert expected.strip(), "an empty block shows nothing"
    rest = shape(said)
    parts = [shape(part) for part in re.split(r"^\.\.\.$", expected, flags=re.MULTILINE)]
    for number, part in enumerate(parts):
        places = [at for at in range(len(rest) - len(part) + 1) if rest[at : at + len(part)] == part]
        free = places if number else places[:1] if places[:1] == [0] else []
        assert free, f"the page shows\n{expected}\nand there was\n{said}"
        rest = rest[free[0] + len(part) :]
    assert not rest or not parts[-1], f"the page shows\n{expected}\nand there was more\n{said}"


def assert_installable(line: str) -> None:
    """The extras and packages that a line installs from a registry are those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = re.findall(r"(judicia-notebook|\.)?\[([\w,]+)\]", line)
    extras = {extra for _, names in asked for extra in names.split(",")}
    assert extras <= set(project["optional-dependencies"]), line
    assert asked or re.search(r"install \.$", line), line
