"""Plugins written in a notebook cell: source text in, a module that `Runtime.load` takes out.

Knows source languages and their compilers. It does not know runtimes, plugins, policies or IPython.

One file here is one language: `wat.py` is the language ``wat`` and its function ``compile_wat`` is the compiler. A file
whose name begins with an underscore is a part of a compiler. No other registration is needed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import cast

Compiler = Callable[[str], str | bytes]


def languages() -> tuple[str, ...]:
    """The names of the languages a cell may be written in.

    Examples
    --------
    >>> "wat" in languages()
    True
    """
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))


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
    module = importlib.import_module(f"{__name__}.{language}")
    return cast("Compiler", getattr(module, f"compile_{language}"))(source)
