"""Blocks that are not run, since what they load is the reader's: their names, parameters and options are real.

All other blocks of the site's Python are carried out: those of the questions in `test_questions`, the rest in the tests
of their rooms.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.monitoring.result import Monitored
from judicia_notebook.experiments.monitors import monitor_names
from judicia_notebook.notebook import commands
from judicia_notebook.runtime.measurement import Measurement
from tests.support.documents import DOCS, Block, blocks

PAGES = ("features", "gallery", "languages", "metering", "monitors", "plots", "profiling", "statistics", "sweeps")
KNOWN: dict[str, Any] = {  # what a name of these pages is
    "jn": jn,
    "rt": jn.Runtime,
    **dict.fromkeys(("p", "q", "checker"), jn.Plugin),
    **dict.fromkeys(("r", "other", "a", "b"), Monitored),
    "m": Measurement,
    "profile": jn.Profile,
}
MAGIC = re.compile(r"^(?:\w+ = )?(%%?plugin) (\w+)(.*)$", re.MULTILINE)


def found(node: ast.expr) -> Any:
    """What an expression names, as far as that can be told without running it: a module, a class or a function."""
    if isinstance(node, ast.Name):
        return KNOWN.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = found(node.value)
        return None if owner is None or isinstance(owner, property) else getattr(owner, node.attr, None)
    return None


def is_open(owner: Any) -> bool:
    """Whether what it has can be told without an object of it."""
    return inspect.ismodule(owner) or inspect.isclass(owner)


def own_names(owner: Any) -> set[str]:
    """What only the objects of a class have: what it sets on itself, and the frame of each monitor."""
    if not inspect.isclass(owner):
        return set()
    own = set(re.findall(r"\bself\.(\w+)", inspect.getsource(owner)))
    return own | set(monitor_names()) if owner is Monitored else own


def lost_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_open(owner := found(node.value)):
            lost = not hasattr(owner, node.attr) and node.attr not in own_names(owner)
            yield from [ast.unparse(node)] if lost else []
        if isinstance(node, ast.Call) and callable(function := found(node.func)):
            given = inspect.signature(function).parameters
            if not any(one.kind is one.VAR_KEYWORD for one in given.values()):
                yield from (f"{ast.unparse(node.func)}({one.arg}=)" for one in node.keywords if one.arg not in given)


def lost_options(text: str) -> Iterator[str]:
    for magic, name, rest in MAGIC.findall(text):
        try:
            command = commands.find(name, cell=magic == "%%plugin")
        except Exception as error:  # IPython's, which its own terms forbid to derive from
            yield f"{magic} {name}: {type(error).__name__}"
        else:
            options = re.findall(r"(?<=\s)--?[a-zA-Z][\w-]*", rest.partition(" -- ")[0].partition(' --flags "')[0])
            yield from (f"{magic} {name} {one}" for one in options if one not in {*command.option_names, "--help"})


def lost_in(block: Block) -> list[str]:
    is_python = block.kind in ("python", "ipython") and not block.text.startswith("%%")
    tree = ast.parse(MAGIC.sub("pass", block.text) if is_python else "")
    return sorted([*lost_names(tree), *lost_options(block.text)])


@pytest.mark.parametrize("page", [DOCS / f"{name}.md" for name in PAGES], ids=lambda page: page.stem)
def test_what_an_illustration_names_is_there(page: Path) -> None:
    assert {block.text: lost for block in blocks(page) if (lost := lost_in(block))} == {}


def test_what_is_not_there_is_found_out() -> None:
    code = "p.benhc('f')\njn.sweep(p, 'f', repeat=3)\nr.functoins\njn.plots.usages(rt.calls)"
    assert lost_in(Block("python", code)) == ["jn.plots.usages", "jn.sweep(repeat=)", "p.benhc", "r.functoins"]
    lines = "x = %plugin time f --repeat 3\n%plugin tmie f"
    assert lost_in(Block("ipython", lines)) == ["%plugin time --repeat", "%plugin tmie: UsageError"]
