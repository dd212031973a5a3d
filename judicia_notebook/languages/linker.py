"""What a linker for WebAssembly says, as diagnostics: the name it misses, its use in the source, what it means."""

from __future__ import annotations

import re

from judicia_notebook.languages.clang_text import MOST_LINE, at
from judicia_notebook.languages.messages import Messages
from judicia_notebook.languages.source_code import SourceCode
from judicia_notebook.records.diagnostics import Diagnostic

_LINKER = re.compile(
    r"\s*(?:rust-lld|wasm-ld[\w.-]*|[\w./-]*/wasm-ld[\w.-]*): (?P<severity>error|warning): (?P<message>.*)"
)
_UNDEFINED = re.compile(r"undefined symbol: (?P<name>.*)")
_TWICE = re.compile(r"duplicate symbol: (?P<name>.*)")
_OBJECT = re.compile(r"[^\s:]*\.(?:o|rlib|a)(?:\([^)]*\))?: ")

_COPIES = frozenset({"memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"})
_LIBRARY = frozenset(
    {
        *("malloc", "calloc", "realloc", "free", "printf", "puts", "putchar", "sprintf", "snprintf", "fprintf"),
        *("strcmp", "strncmp", "strcpy", "strcat", "strchr", "strstr", "strtol", "strtod", "atoi", "atof"),
        *("abort", "exit", "qsort", "rand", "srand", "time", "assert", "__assert_fail", "sqrt", "pow", "sin", "cos"),
    }
)
SDK_LINE = '#include "judicia.h"'
WASI_FLAG = "--target=wasm32-wasi"
_CHECKS = "__ubsan_"
_MOST_NAME = 200  # characters


def read(said: str, text: str) -> list[Diagnostic]:
    """The diagnostics of a linker in an output; each name once, at its first use in the source.

    Examples
    --------
    >>> row = read("wasm-ld: error: cell.o: undefined symbol: area", "int f(void) { return area(2); }")[0]
    >>> row.line, row.column, row.message
    (1, 22, '`area` is used and nowhere defined')
    """
    reader = LinkerReader(text)
    for line in said.split("\n"):
        reader.hear(line)
    return reader.rows()


class LinkerReader:
    """What hears a linker among a compiler's lines."""

    def __init__(self, text: str) -> None:
        self._source = SourceCode(text)
        self._lines = text.split("\n")
        self._messages = Messages()
        self._told: set[str] = set()
        self._checks: dict[str, None] = {}

    def rows(self) -> list[Diagnostic]:
        return [*self._messages.rows(), *_of_checks(list(self._checks))]

    def hear(self, line: str) -> None:
        found = _LINKER.match(line[:MOST_LINE])
        if found is None or found["message"].startswith("too many errors"):
            return
        message = _OBJECT.sub("", found["message"])
        undefined = _UNDEFINED.search(message)
        if undefined and undefined["name"].startswith(_CHECKS):
            self._checks.setdefault(undefined["name"].strip()[:_MOST_NAME])
        elif undefined:
            name = undefined["name"].strip()
            self._add(name, f"`{name}` is used and nowhere defined", meaning(name))
        elif twice := _TWICE.search(message):
            name = twice["name"].strip()
            note = "The SDK or another function has this name, too; rename it, or make it static."
            self._add(name, f"`{name}` is defined twice", note)
        elif message not in self._told:
            self._told.add(message)
            self._messages.add(Diagnostic(None, None, found["severity"], message))

    def _add(self, name: str, message: str, note: str) -> None:
        if name in self._told:
            return
        self._told.add(name)
        place = self._source.first_use(name)
        here = at(self._lines, *place, "error", message, note) if place is not None else None
        self._messages.add(here or Diagnostic(None, None, "error", message, note))


def _of_checks(names: list[str]) -> list[Diagnostic]:
    """The checks for undefined behaviour, which are one mistake however many they are."""
    if not names:
        return []
    first = ", ".join(f"`{name}`" for name in names[:2])
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    verb = "is" if len(names) == 1 else "are"
    return [Diagnostic(None, None, "error", f"{first}{more} {verb} used and nowhere defined", meaning(names[0]))]


def belongs_to_a_library(name: str) -> bool:
    """Whether a function is one of the C library."""
    return name in _LIBRARY or name in _COPIES


def meaning(name: str) -> str:
    """What it usually means that a linker misses this name.

    Examples
    --------
    >>> meaning("__ubsan_handle_add_overflow")
    'Checks for undefined behaviour call a library that is not here; -fsanitize-trap=undefined traps instead.'
    """
    if name.startswith(_CHECKS):
        return (
            "Checks for undefined behaviour call a library that is not here; -fsanitize-trap=undefined traps instead."
        )
    if name in _COPIES:
        return f"Compilers also call it themselves, to copy or compare structs and arrays; {SDK_LINE} supplies it."
    if name in {"judicia_alloc", "judicia_free"}:
        return f"Every plugin of ABI 1 exports it; {SDK_LINE} supplies it."
    if name in _LIBRARY:
        return f"It belongs to the C library, which is not linked: --flags {WASI_FLAG} links it."
    if name.startswith(
        ("__cxa_", "__gxx_", "_ZTV", "vtable for", "typeinfo", "operator new", "operator delete", "std::")
    ):
        return (
            "It belongs to the C++ library, which is not linked: exceptions, RTTI, new and containers need "
            f"--flags {WASI_FLAG}."
        )
    if re.fullmatch(r"__\w*(?:ti|tf|xf)[23456]?\w*", name) or name.startswith(("__mul", "__div", "__udiv", "__float")):
        return (
            "Arithmetic on 128 bits or long double calls the compiler's own library, which is not linked; use 64 bits."
        )
    return (
        "It is declared and not defined, or spelled differently where it is defined. A function of the host is "
        "declared with import_module and import_name."
    )
