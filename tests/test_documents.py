"""The documents: what they say of the code is so."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import judicia_notebook as jn

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "judicia_notebook"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def tables(document: str) -> Iterator[list[list[str]]]:
    """The rows of each table, its head first."""
    for block in re.findall(r"(?:^\|.*\n)+", document, re.MULTILINE):
        rows = [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in block.splitlines()]
        yield [rows[0], *rows[2:]]


def table_of(document: str, head: str) -> list[list[str]]:
    """The rows of the table whose first column has this head."""
    (rows,) = (rows[1:] for rows in tables(document) if rows[0][0].strip("| ") == head)
    return rows


def named_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# --- the map ---------------------------------------------------------------------------------------------------------


def contracted_layers() -> list[set[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == "layers")
    return [{room.strip() for room in re.split(r"[|:]", layer)} for layer in contract["layers"]]


def test_the_map_has_the_rooms_in_the_order_of_the_contract() -> None:
    assert [set(named_in(row[0])) for row in table_of(CONTRIBUTING, "room")] == contracted_layers()


def test_the_map_names_every_folder_of_the_package() -> None:
    section = CONTRIBUTING.partition("## Where things are")[2].partition("\n## ")[0]
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {name.rstrip("/") for name in named_in(section)} == set()


def test_the_picture_of_the_rooms_is_that_of_the_contract() -> None:
    assert_current("draw_rooms.py")


# --- names -----------------------------------------------------------------------------------------------------------

A_PLACE = re.compile(r"([a-z_0-9]+(?:/[a-z_0-9]+)*\.(?:py|js|css))(?::([A-Za-z_0-9.]+))?")


def places(document: str) -> list[tuple[str, str]]:
    """Each file that a document names, and what in it."""
    return [(match[1], match[2] or "") for name in named_in(document) if (match := A_PLACE.fullmatch(name))]


def names_in(nodes: Iterable[ast.stmt], before: str = "") -> Iterator[str]:
    """Everything that a module defines, with the classes it stands in."""
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield before + node.name
            if isinstance(node, ast.ClassDef):
                yield from names_in(node.body, f"{before}{node.name}.")


def is_in(path: Path, name: str) -> bool:
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        return name in names_in(ast.parse(source).body)
    kind, _, member = name.rpartition(".")
    body = source.partition(f"class {kind} ")[2].partition("\n}\n")[0] if kind else source
    return bool(re.search(rf"^\s*(?:export )?(?:function |class )?{re.escape(member)}\b.*\{{$", body, re.MULTILINE))


def folder_of(name: str) -> Path:
    """A document names files of the package from there, and others from the repository's root."""
    return ROOT if name.partition("/")[0] in {"tests", "tools", "benchmarks", "docs"} else PACKAGE


@pytest.mark.parametrize(
    "document", [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md", *DECISIONS], ids=lambda path: path.name
)
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [
        f"{file}:{name}".rstrip(":")
        for file, name in places(text)
        if "/" in file or name
        if not (path := folder_of(file) / file).exists() or (name and not is_in(path, name))
    ]
    assert missing == []


def test_the_ways_through_the_rooms_name_functions() -> None:
    for title in ("One call", "One host call", "One click"):
        walk = ARCHITECTURE.partition(f"## {title}\n")[2].partition("\n## ")[0]
        (rows,) = tables(walk)
        assert len(rows) > 8
        assert all(places(row[1])[0][1] for row in rows[1:])


def test_the_words_stand_in_order() -> None:
    words = [row[0].lower() for row in table_of(ARCHITECTURE, "word")]
    assert words == sorted(set(words))


# --- threads ---------------------------------------------------------------------------------------------------------

OUR_THREADS = re.compile(r"(?:watch-of-)?judicia-[a-z-]+")


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def texts_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        one.value
        for node in nodes
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and OUR_THREADS.fullmatch(one.value)
    }


class ThreadsInCode:
    """The names of all threads that the package starts, read from its source.

    What starts a thread is a `Thread`, a `Timer`, an executor, a class derived from one of them, or a class that is
    given the name and hands it on to one of those.
    """

    def __init__(self) -> None:
        self.modules = [ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")]
        self.starters = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread", "to_thread", "run_in_executor"}
        self.names: set[str] = set()
        known: set[str] = set()
        while known != self.starters:
            known = set(self.starters)
            for module in self.modules:
                for node in module.body:
                    self._read(node)

    def _read(self, top: ast.stmt) -> None:
        if isinstance(top, ast.ClassDef) and {last_name(base) for base in top.bases} & self.starters:
            self.starters.add(top.name)
        for node in ast.walk(top):
            if isinstance(node, ast.Call) and last_name(node.func) in self.starters:
                self._started(node, top)

    def _started(self, call: ast.Call, top: ast.stmt) -> None:
        given = texts_in([*call.args, *(keyword.value for keyword in call.keywords)])
        if given:
            self.names |= given
        elif last_name(call.func) == "Timer":
            self.names.add("Timer")  # it takes no name
        elif isinstance(top, ast.ClassDef) and (call.args or call.keywords):
            self.starters.add(top.name)
            self.names |= self._default(top.name)
        else:
            self.names |= self._default(last_name(call.func)) or {f"{ast.unparse(call)}, which has no name"}

    def _default(self, owner: str) -> set[str]:
        """The name that a class gives its threads where it is told none."""
        classes = [node for module in self.modules for node in module.body if isinstance(node, ast.ClassDef)]
        made = [node for kind in classes if kind.name == owner for node in kind.body]
        return texts_in(one.args for one in made if isinstance(one, ast.FunctionDef) and one.name == "__init__")


def test_every_thread_the_package_starts_has_its_row() -> None:
    rows = table_of(ARCHITECTURE, "thread")
    assert {name for row in rows for name in named_in(row[0])} == ThreadsInCode().names
    assert all(len(row) == 4 and all(row) and places(row[1]) for row in rows)


# --- what is generated -----------------------------------------------------------------------------------------------


def assert_current(tool: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_magics_page_is_what_the_table_of_commands_says() -> None:
    assert_current("write_magics.py")


def test_the_page_of_the_command_line_is_what_its_parser_says() -> None:
    assert_current("write_command_line.py")


def test_every_public_name_has_its_place_among_the_python_names() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    described = re.findall(r"^\.\. auto(?:class|function|exception):: (\w+)$", pages, re.MULTILINE)
    modules = {
        "plots": "judicia_notebook.analysis.plots",
        "presets": "judicia_notebook.runtime.presets",
        "widgets": "judicia_notebook.notebook.live.widgets.stock",
    }
    shown = set(re.findall(r"^\.\. automodule:: ([\w.]+)$", pages, re.MULTILINE))
    assert {name for name, module in modules.items() if module not in shown} == set()
    assert set(jn.__all__) - {"__version__", *modules} - set(described) == set()
    assert len(described) == len(set(described))
