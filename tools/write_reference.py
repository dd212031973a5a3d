"""Write docs/reference.md, and the tables of limits in sdk/ABI.md, from the tables in the code; `--check` compares."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine.traps import TRAPS
from judicia_notebook.policy.limits import LimitKind, LimitTable
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.wasm.makers import FILES, MAKERS, OTHERS, WASI_COMMAND, WASI_MODULE, WASI_REACTOR, Maker
from tools.generated import write_or_compare

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
ABI = ROOT / "judicia_notebook" / "sdk" / "ABI.md"

_HEAD = """# Quotas, capabilities and limits

Written by `tools/write_reference.py` from the tables in the code.

## Quotas

Sizes take an int of bytes, or text such as `"16MiB"` (1024) and `"16MB"` (1000). Times take float seconds, a
`timedelta`, or text such as `"50ms"`; magics and the command line insist on a unit. In force is the least of the
call's own (`quota=`), the plugin's (live) and the runtime's ceiling. Asking above the ceiling is a `PolicyError`.

A change of `cpu`, `wall` or `memory` takes effect within one tick (10 ms), plus one bulk instruction. A grant or revoke
counts from the next host call, `fuel` from the next call.
"""

_CAPABILITIES = """
## Capabilities

Nothing is granted by default. `file_storage` stands for `read_files` and `write_files`.
"""

_SERVICE = """
## Limits on {on}

`rt.host.{service}.set_limits({example})` changes them.{note}
"""

_NOTES = {"http": " `routes` and what begins with\n`served_` is about requests to plugins."}

_TRAPS = """
## Traps

What `GuestTrap.trap` can be, besides `unknown_import` (under `unknown_imports="trap"`).
"""

_MAKERS = """
## What is this file?

A module is judged by the names of its imports, exports and functions, its custom sections and the tools that its
`producers` section names, before anything of it is compiled. `rt.inspect(file)`, `p.inspect()`,
`%plugin inspect FILE`, a plugin's card, `python -m judicia_notebook inspect FILE` and the error of a load that was
refused say the same:

- what it looks like (`Inspection.recognized`, `LoadError.recognized`). A file can pretend; what it looks like allows
  nothing.
- the languages, tools and features that it names itself (`Inspection.made_by`, `.target_features`).
- the imports that are not offered here (`Inspection.groups`, `UnknownImport.groups`), by maker and kind: how many, the
  first 20 names, and the ways out. `UnknownImport` says in three lines the best way for each group;
  `print(error.details)` shows all. `unknown_imports="trap"` (`--unknown-imports trap` on a `%plugin load` or
  `%%plugin define` line and in a shell) loads a module whose missing imports are all functions; each is a trap when it
  is called.
"""

_OTHER_IMPORTS = """
Imports that no maker in this table has:
"""

_FILES = """
Files that are no modules. A component is named with its world, imports and exports, and is not loaded.
"""

_COLUMNS = ("kind", "unit", "counts per", "default", "what")
_TABLE_IN_ABI = re.compile(
    r"(<!-- limits: (?P<service>\w+)(?P<names>[ \w*]*) -->\n).*?(<!-- end of limits -->)", re.DOTALL
)


def services() -> dict[str, LimitTable[Any]]:
    """The table of each service that has limits, as ``rt.host`` names it."""
    with tempfile.TemporaryDirectory() as folder, jn.Runtime(folder) as rt:
        found = {name: getattr(rt.host, name) for name in dir(rt.host) if not name.startswith("_")}
        return {name: service.limit_kinds for name, service in found.items() if hasattr(service, "set_limits")}


def _row(name: str, kind: LimitKind) -> tuple[str, ...]:
    return (f"`{name}`", kind.unit, kind.per, kind.format(kind.default), kind.meaning)


def _beyond(kind: LimitKind) -> str:
    return kind.beyond or "`quota_exceeded`"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _service(table: LimitTable[Any]) -> list[str]:
    name, kind = next(iter(table.items()))
    half = int((kind.default or 0) / 2)
    example = f'{name}="{kind.write(half)}"' if kind.unit in ("bytes", "s") else f"{name}={half:_}"
    note = _NOTES.get(table.service, "")
    return [
        _SERVICE.format(on=table.on, service=table.service, example=example, note=note),
        _table((*_COLUMNS, "beyond it"), [(*_row(name, kind), _beyond(kind)) for name, kind in table.items()]),
    ]


def _ways(maker: Maker) -> str:
    filled = (way.replace("{imports}", 'imports={"module.name": ...}') for way in maker.ways)
    return "; ".join(filled)


def _makers() -> list[tuple[str, ...]]:
    """The makers, each with the places of its signs and its ways out."""
    places = {"imports": "", "exports": "", "functions": "function names", "sections": "", "producers": ""}
    rows = [
        (
            maker.what or f"imports: {maker.whose}",
            ", ".join(noun or place for place, noun in places.items() if getattr(maker, place)),
            _ways(maker),
        )
        for maker in MAKERS
    ]
    return [*rows, (WASI_COMMAND, "exports", ""), (WASI_REACTOR, "exports", ""), (WASI_MODULE, "imports", "")]


def _others() -> list[tuple[str, ...]]:
    nouns = {"func": "function", "env": "function of `env`"}
    return [(nouns.get(kind, kind), maker.whose, _ways(maker)) for kind, maker in OTHERS.items()]


def reference(tables: Iterable[LimitTable[Any]]) -> str:
    """The page."""
    capabilities = [(f"`{name}`", text) for name, text in CAPABILITIES.items()]
    traps = [(f"`{name}`",) for name in TRAPS.values()]
    return "\n".join(
        [
            _HEAD,
            _table(_COLUMNS, [_row(name, kind) for name, kind in KINDS.items()]),
            _CAPABILITIES,
            _table(("name", "what it allows"), capabilities),
            *(part for table in tables for part in _service(table)),
            _TRAPS,
            _table(("trap",), traps),
            _MAKERS,
            _table(("it looks like", "by its", "what to do"), _makers()),
            _OTHER_IMPORTS,
            _table(("import", "it is", "what to do"), _others()),
            _FILES,
            _table(("file", "what to do"), list(FILES.items())),
            "",
        ]
    )


def abi(page: str, tables: Mapping[str, LimitTable[Any]]) -> str:
    """The page with its tables of limits written anew: each between two comments that name what belongs into it.

    Raises
    ------
    ValueError
        A limit of a service is in none of the tables, or in two.
    """
    shown: list[tuple[str, str]] = []

    columns = ("limit", "default", "counts per", "what", "beyond it")

    def written(found: re.Match[str]) -> str:
        table, patterns = tables[found["service"]], found["names"].split() or ["*"]
        names = [name for name in table if any(Path(name).match(pattern) for pattern in patterns)]
        shown.extend((table.service, name) for name in names)
        rows = [
            (f"`{name}`", kind.format(kind.default), kind.per, kind.meaning, _beyond(kind))
            for name, kind in table.items()
            if name in names
        ]
        return f"{found[1]}\n{_table(columns, rows)}\n\n{found[4]}"

    page = _TABLE_IN_ABI.sub(written, page)
    if sorted(shown) != sorted((table.service, name) for table in tables.values() for name in table):
        raise ValueError(f"{ABI.name} shows other limits than there are, or one of them twice")
    return page


def pages() -> dict[Path, str]:
    """What each page should be."""
    tables = services()
    return {REFERENCE: reference(tables.values()), ABI: abi(ABI.read_text("utf-8"), tables)}


if __name__ == "__main__":
    write_or_compare(pages, about=__doc__, again="python tools/write_reference.py")
