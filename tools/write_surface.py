"""Write docs/surface.txt: every name that users may rely on, with its signature; `--check` only compares.

The names are those that docs/api describes. Beside them stand the numbers of the formats, the capabilities, the quotas,
the host functions, and the options of magics and command line. A change shows as lines of a diff: a line that is new is
an addition, one that is gone or changed is what docs/stability.md promises notice of.
"""

from __future__ import annotations

import argparse
import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.analysis.runs import archive
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.command_line.parser import build_parser
from judicia_notebook.experiments.sweep import journal
from judicia_notebook.host.ownership import Owners
from judicia_notebook.host.registry import make_services
from judicia_notebook.notebook.commands import CALL_CELL, COMMANDS, RUN_CELL
from judicia_notebook.policy.quotas import KINDS
from tools.generated import write_or_compare

ROOT = Path(__file__).resolve().parents[1]
SURFACE = ROOT / "docs" / "surface.txt"
# Of a module that is described without its members the page shows its docstring alone.
DIRECTIVE = re.compile(
    r"^\.\. (currentmodule|auto(?:module(?=.*\n +:members:$)|class|function|exception)):: ([\w.]+)$", re.MULTILINE
)
MADE_BY_USERS = {"jn.Import", "jn.Manifest", "jn.Quota", "jn.Runtime"}
"""Classes whose constructors users call; instances of all others are handed out."""
PLAIN = (bool, bytes, float, int, str, tuple, type(None))


def described() -> Iterator[tuple[str, Any]]:
    """Each name that docs/api describes, and what it is."""
    for page in sorted((ROOT / "docs" / "api").glob("*.md")):
        module = "judicia_notebook"
        for kind, name in DIRECTIVE.findall(page.read_text("utf-8")):
            if kind == "currentmodule":
                module = name
            elif kind == "automodule":
                yield from members_of(name)
            else:
                yield f"{module}.{name}", getattr(importlib.import_module(module), name)


def members_of(module: str) -> Iterator[tuple[str, Any]]:
    """What a module that is described as a whole defines, where it says which that is."""
    found = importlib.import_module(module)
    for name in getattr(found, "__all__", ()):
        yield f"{module}.{name}", getattr(found, name)


def short(name: str) -> str:
    """As users write it."""
    return re.sub(r"^judicia_notebook\.(?=\w+$)", "jn.", name)


def signature(what: Any) -> str:
    """The parameters with their types and defaults, and what is returned; a default that is no plain value is `...`."""
    found = inspect.signature(what)
    parameters = [
        one if one.default is one.empty or isinstance(one.default, PLAIN) else one.replace(default=...)
        for one in found.parameters.values()
    ]
    return re.sub(r"'([\w. |\[\],]+)'(?=[,)=\]]| ->|$)", r"\1", str(found.replace(parameters=parameters)))


def lines_of(name: str, what: Any, elsewhere: AbstractSet[Any]) -> Iterator[str]:
    """The lines of one name: itself, and the public members of a class, but for those of a base described elsewhere."""
    if not inspect.isclass(what):
        yield f"{name}{signature(what)}" if callable(what) else f"{name}: {type(what).__name__}"
        return
    bases = ", ".join(base.__name__ for base in what.__bases__ if base is not object)
    yield f"class {name}({bases})" if bases else f"class {name}"
    if issubclass(what, enum.Enum):
        yield from (f"{name}.{one.name} = {one.value!r}" for one in what)
        return
    if name in MADE_BY_USERS:
        yield f"{name}{signature(what)}"
    members: dict[str, Any] = {}
    for owner in reversed(what.__mro__):
        if owner.__module__.startswith("judicia_notebook") and (owner is what or owner not in elsewhere):
            fields = dict.fromkeys(vars(owner).get("__annotations__", {}), "field")
            members |= {**fields, **vars(owner)}
    for member in sorted(members):
        if not member.startswith("_"):
            yield f"{name}.{member}{kind_of(members[member])}"


def kind_of(member: Any) -> str:
    """What stands behind a member's name."""
    if isinstance(member, property | cached_property):
        getter = member.fget if isinstance(member, property) else member.func
        returned = getattr(getter, "__annotations__", {}).get("return", "")
        settable = isinstance(member, property) and member.fset is not None
        return f": {returned}".rstrip(": ") + (" (can be set)" if settable else "")
    if isinstance(member, classmethod | staticmethod):
        return signature(member.__func__)
    return signature(member) if inspect.isroutine(member) and callable(member) else ""


def options_of_the_command_line() -> Iterator[str]:
    """A line for each command of ``python -m judicia_notebook``, with its arguments."""
    (commands,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    for name, parser in sorted(commands.choices.items()):
        given = [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]  # noqa: SLF001
        words = ["/".join(one.option_strings) or str(one.metavar or one.dest) for one in given]
        yield " ".join(["python -m judicia_notebook", name, *words])


def host_functions() -> Iterator[str]:
    """A line for each function that a plugin of ABI 1 may import from the platform: what it is given, what it takes."""
    for service in make_services(owners=Owners(Path)).values():
        for one in service.operations():
            fields = ", ".join(one.request.__struct_fields__)
            yield f"{service.module} {one.name}({fields})" + (f" takes {one.capability}" if one.capability else "")


def sections() -> Iterator[tuple[str, list[str]]]:
    """What is written: titles, and their lines."""
    abi = (ROOT / "judicia_notebook" / "sdk" / "ABI.md").read_text("utf-8")
    yield (
        "Formats",
        [
            abi.splitlines()[0].lstrip("# "),
            f"saved runs: {archive.FORMAT} {archive.VERSION}",
            f"files of sweeps: {journal.FORMAT}, with counts {journal.FORMAT_WITH_COUNTS}",
        ],
    )
    names = dict(described())
    classes = {what for what in names.values() if inspect.isclass(what)}
    yield "Python", [line for name, what in sorted(names.items()) for line in lines_of(short(name), what, classes)]
    yield "Names of the package", sorted(f"jn.{name}" for name in jn.__all__)
    yield (
        "Magics",
        [
            " ".join([command.magic, command.name, *("/".join(one.names) for one in command.arguments)]).strip()
            for command in [*COMMANDS, CALL_CELL, RUN_CELL]
        ],
    )
    yield "Command line", list(options_of_the_command_line())
    yield "Capabilities", sorted(CAPABILITIES)
    yield "Quotas", sorted(KINDS)
    yield "Host functions of ABI 1", sorted(host_functions())


def surface() -> str:
    """The file."""
    parts = [f"# {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections()]
    return "\n".join(parts)


if __name__ == "__main__":
    write_or_compare(
        lambda: {SURFACE: surface()}, about=__doc__, again="python tools/write_surface.py, and read the diff"
    )
