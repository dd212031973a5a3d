"""What a module looks like before anything of it is refused: its makers, its imports in groups, and the ways out.

One mechanism for all makers: the table in `makers` is compiled to one regular expression for each place where a module
leaves signs (imports, exports, function names, custom sections, the producers section). Knows no runtime: its caller
knows what is offered. A file's names are matched and never evaluated; a long one is no maker's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from judicia_notebook.errors import ImportGroup
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable
from judicia_notebook.wasm.claims import Producer, read_producers, read_target_features
from judicia_notebook.wasm.info import FuncType, GlobalType, Import, MemoryType, ModuleInfo
from judicia_notebook.wasm.makers import MAKERS, OTHERS, WASI_COMMAND, WASI_MODULE, WASI_REACTOR, Maker

MOST_NAMES: Final = 20
"""Names of a group of imports at most; the others are counted."""

_LONGEST: Final = 200  # characters of a name that any maker gives
_MOST_FUNCTION_NAMES: Final = 5_000  # of the name section that are looked at
_FEW, _MINIFIED = 3, 2  # functions, and the letters of their names, that a minifier leaves
_LONGEST_TYPE: Final = 60
_SHOWN: Final = 160  # characters of a name in a group
_MOST_KINDS: Final = 3
_SUPPLIED: Final = 3  # names in the line that supplies functions
_EMSCRIPTEN: Final = next(maker for maker in MAKERS if maker.name == "Emscripten for a browser")
_NUMBERS: Final = frozenset({"i32", "i64", "f32", "f64"})
_WASI: Final = "wasi_snapshot_preview1"


class Recognition(NamedTuple):
    """What a module looks like.

    Attributes
    ----------
    kinds : tuple of (str, str)
        What it is, and what to do with it or an empty text, the more special first; at most 3.
    producers : tuple of Producer
        The languages, tools and SDKs that it names.
    target_features : tuple of str
        The features that it says it was built for.
    """

    kinds: tuple[tuple[str, str], ...]
    producers: tuple[Producer, ...]
    target_features: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What it is."""
        return tuple(what for what, _ in self.kinds)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it is, each with what to do with it."""
        return tuple(f"{what}: {way}" if way else what for what, way in self.kinds)


def recognize(module: ModuleInfo) -> Recognition:
    r"""Judge a module by its imports, its exports and its custom sections.

    Examples
    --------
    >>> from judicia_notebook.wasm.sections import read_module
    >>> data = bytes.fromhex("0061736d01000000 010401600000") + b"\2\x0f\1\4wapc\6__call\0\0"
    >>> recognize(read_module(data)).labels
    ("a waPC module: build it against this runtime's ABI: judicia_notebook/sdk/ABI.md",)
    """
    producers = tuple(each for section in module.custom("producers")[:1] for each in read_producers(section))
    features = tuple(each for section in module.custom("target_features")[:1] for each in read_target_features(section))
    found = {maker.name: maker for maker in _makers(module, producers) if maker.what}
    hidden = {name for maker in found.values() for name in maker.hides}
    ordered = [maker for maker in MAKERS if maker.name in found and maker.name not in hidden]
    kinds = [(maker.what, _advice(maker)) for maker in ordered]
    kinds += [(what, "") for name, what in _wasi(module) if name not in hidden]
    return Recognition(tuple(kinds[:_MOST_KINDS]), producers, features)


def group_imports(imports: Iterable[Import]) -> tuple[ImportGroup, ...]:
    """Imports by maker and kind, in the order in which each group's first stands."""
    groups: dict[tuple[str, str], tuple[Maker, list[Import], list[int]]] = {}
    entries = tuple(dict.fromkeys(imports))
    is_minified = _is_minified(entries)
    for entry in entries:
        maker = _maker_of(entry, is_minified) or _other(entry)
        _, some, count = groups.setdefault((maker.name, entry.kind), (maker, [], [0]))
        count[0] += 1
        if len(some) < MOST_NAMES:
            some.append(entry)
    return tuple(_group(maker, kind, some, count[0]) for (_, kind), (maker, some, count) in groups.items())


# --- signs -----------------------------------------------------------------------------------------------------------


def _compiled(place: str) -> re.Pattern[str]:
    """One expression for the signs of all makers in a place; the group that matches is the maker's number."""
    patterns = []
    for number, maker in enumerate(MAKERS):
        signs = [
            "\n".join(f"(?:{part})" for part in (sign if isinstance(sign, tuple) else (sign,)))
            for sign in getattr(maker, place)
        ]
        if place == "imports":
            signs = [
                sign if len(parts) == 3 else f"{sign}\n.*" for sign, parts in zip(signs, maker.imports, strict=True)
            ]
        if signs:
            patterns.append(f"(?P<m{number}>{'|'.join(signs)})")
    return re.compile("|".join(patterns))


_IMPORTS, _EXPORTS = _compiled("imports"), _compiled("exports")
_FUNCTIONS, _SECTIONS = _compiled("functions"), _compiled("sections")
_PRODUCERS = re.compile(_compiled("producers").pattern, re.IGNORECASE)


def _found(pattern: re.Pattern[str], *parts: str) -> Maker | None:
    """The first maker whose sign this is."""
    if any(len(part) > _LONGEST for part in parts):
        return None
    match = pattern.fullmatch("\n".join(parts))  # no pattern matches a new line of its own accord
    return None if match is None or match.lastgroup is None else MAKERS[int(match.lastgroup[1:])]


def _maker_of(entry: Import, is_minified: bool) -> Maker | None:
    if is_minified and entry.module == "env" and len(entry.name) <= _MINIFIED:
        return _EMSCRIPTEN
    return _found(_IMPORTS, entry.module, entry.name, _type_of(entry))


def _is_minified(imports: Sequence[Import]) -> bool:
    """Whether a compiler has made the names of all functions of ``env`` short, as Emscripten did before 2.0."""
    names = [entry.name for entry in imports if (entry.module, entry.kind) == ("env", "func")]
    return len(names) >= _FEW and all(len(name) <= _MINIFIED for name in names)


def _type_of(entry: Import) -> str:
    """The kind of an import with its type, as far as any sign has one."""
    if isinstance(entry.type, FuncType) and entry.kind == "func":
        small = len(entry.type.params) + len(entry.type.results) <= 8
        return f"func {entry.type}"[:_LONGEST_TYPE] if small else "func"
    return "memory shared" if isinstance(entry.type, MemoryType) and entry.type.shared else entry.kind


def _makers(module: ModuleInfo, producers: Iterable[Producer]) -> Iterator[Maker]:
    is_minified = _is_minified(module.imports)
    signs = [
        *(_maker_of(entry, is_minified) for entry in module.imports),
        *(_found(_EXPORTS, export.name) for export in module.exports),
        *(_found(_FUNCTIONS, name) for name in islice(module.names.values(), _MOST_FUNCTION_NAMES)),
        *(_found(_SECTIONS, section.name) for section in module.custom_sections),
        *(_found(_PRODUCERS, producer.name) for producer in producers),
    ]
    return (maker for maker in signs if maker is not None)


def _advice(maker: Maker) -> str:
    """Its first way out, if that is for the whole module and not for a function of it."""
    return next((way for way in maker.ways[:1] if "{imports}" not in way), "")


def _wasi(module: ModuleInfo) -> Iterator[tuple[str, str]]:
    """What of WASI it is, with the name by which other makers hide it."""
    exported = {export.name: export.type for export in module.exports if export.name in {"_start", "_initialize"}}
    imported = any(entry.module == _WASI for entry in module.imports)
    if exported.get("_start") == FuncType():
        yield "WASI command", WASI_COMMAND
    elif exported.get("_initialize") == FuncType():
        yield "WASI reactor", WASI_REACTOR
    elif imported:
        yield "WASI module", WASI_MODULE


# --- groups ----------------------------------------------------------------------------------------------------------


def _other(entry: Import) -> Maker:
    """The entry for an import that no maker leaves."""
    return OTHERS["env"] if (entry.module, entry.kind) == ("env", "func") else OTHERS[entry.kind]


def _group(maker: Maker, kind: str, imports: list[Import], count: int) -> ImportGroup:
    names = tuple(printable(f"{entry.module}.{entry.name}", _SHOWN) for entry in imports)
    ways = tuple(way for text in maker.ways if (way := _filled(text, imports, count)))
    return ImportGroup(maker.whose, kind, count, names, ways)


def _filled(way: str, imports: list[Import], count: int) -> str:
    """A way out with the names of what to supply; empty where a name cannot be typed, or a value cannot be given."""
    if "{imports}" not in way:
        return way
    pairs = [_supplied(entry) for entry in imports[:_SUPPLIED]]
    if not all(pairs):
        return ""
    more = ", and one for each of the others" if count > len(pairs) else ""
    return way.replace("{imports}", f"imports={{{', '.join(pairs)}}}{more}")


def _supplied(entry: Import) -> str:
    """The name and value of an import in a dict, as `Runtime.load` takes it; empty where there is none."""
    if not (suggestions.is_quotable(entry.module) and suggestions.is_quotable(entry.name)):
        return ""
    parts = (json.dumps(entry.module), json.dumps(entry.name))
    is_clear = "." not in entry.module + entry.name
    key = json.dumps(f"{entry.module}.{entry.name}") if is_clear else f"({', '.join(parts)})"
    if isinstance(entry.type, GlobalType):
        return f"{key}: 0" if entry.type.value in _NUMBERS else ""
    return f"{key}: {'function' if entry.kind == 'func' else None}"
