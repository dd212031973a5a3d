"""Plugins written in a notebook cell: source text in, a module that `Runtime.load` takes out.

Knows source languages and their compilers. It does not know runtimes, plugins, policies or IPython.

- `wat.py`, `c.py`, `cpp.py`, `zig.py` and `rust.py` are a language each. WAT is assembled in this process; the others
  are a `language.Language`, whose compiler is a process of its own.
- `build.py` takes a source to a module: a look into the cache, the compiler, its messages as data.
- `toolchain.py` finds compilers, `compiler_process.py` bounds and ends them, `clang_text.py`, `rustc_json.py` and
  `linker.py` read what they say.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, cast

from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.languages.language import Language

SUFFIXES: Final = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".rs": "rust",
    ".wat": "wat",
    ".zig": "zig",
}
"""The language of a file, by its suffix."""

Compiler = Callable[[str], str | bytes]


def languages() -> tuple[str, ...]:
    """The names of the languages a cell may be written in.

    Examples
    --------
    >>> languages()
    ('c', 'cpp', 'rust', 'wat', 'zig')
    """
    return tuple(sorted(set(SUFFIXES.values())))


def language_of(path: str | os.PathLike[str]) -> str | None:
    """The language that a file is written in, by its suffix; None where it is none of these.

    Examples
    --------
    >>> language_of("plugin.cc"), language_of("plugin.wasm")
    ('cpp', None)
    """
    return SUFFIXES.get(PurePath(path).suffix.lower())


def language_named(name: str) -> str:
    """A language by its name as people write it.

    Raises
    ------
    ValueError
        There is no such language.

    Examples
    --------
    >>> language_named("C++"), language_named("Rust")
    ('cpp', 'rust')
    """
    if not isinstance(name, str):
        raise ValueError(f"a language is text such as 'c', not {name!r}")
    short = name.lower().replace("c++", "cpp")
    if short not in languages():
        raise ValueError(f"there is no compiler for {printable(name, 80)!r}.{did_you_mean(name[:80], languages())}")
    return short


def compiled_language(name: str) -> Language:
    """A language that has a compiler of its own: every one but ``wat``.

    Raises
    ------
    LookupError
        There is no such language.
    """
    if name not in languages() or name == "wat":
        raise LookupError(f"no compiler for the language {name!r}")
    return cast("Language", importlib.import_module(f"{__name__}.{name}").LANGUAGE)


def compile_source(language: str, source: str) -> str | bytes:
    r"""A cell's source as WebAssembly, binary or text, ready for `Runtime.load`.

    Raises
    ------
    LookupError
        No such language.
    LoadError
        The compiler refused the source; the text names the cell's own lines.

    Examples
    --------
    >>> compile_source("wat", '(memory (export "memory") 1)').startswith("(memory")
    True
    """
    if language not in languages():
        raise LookupError(f"no compiler for the language {language!r}")
    if language == "wat":
        return cast("Compiler", importlib.import_module(f"{__name__}.wat").compile_wat)(source)
    wasm: bytes = importlib.import_module(f"{__name__}.build").build(source, language).wasm
    return wasm
