"""Rewritten modules on disk: a new kernel finds a module with the counters of the same monitors as it was made before.

They lie in a folder of their own beside the compiled modules, under the rules of `judicia_notebook.engine.cache`: the
folder is this user's alone, a file is read through a checked descriptor, and begins with a digest of its name and
content. What is cut short, damaged, renamed or another user's is not used, and the module is rewritten.

A file is found by what makes the result: the digest of the module, the instruments with their options, the rewriter's
version, and the sources of the rewriter and the monitors, so that no other version of them reads it.
"""

from __future__ import annotations

import functools
import hashlib
import pkgutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import judicia_notebook.experiments.monitors
import judicia_notebook.wasm.rewriting
from judicia_notebook.engine import cache
from judicia_notebook.wasm.rewriting import rewriter
from judicia_notebook.wasm.rewriting.packing import pack, unpack

if TYPE_CHECKING:
    from judicia_notebook.wasm.rewriting.instrument import Instrument
    from judicia_notebook.wasm.rewriting.rewriter import Original, Rewritten

FOLDER: Final = "rewritten"
MOST_BYTES: Final = 512 << 20
"""Of the folder: it is trimmed to this, oldest files first."""
MOST_FILE: Final = MOST_BYTES // 2


@functools.cache
def _writers() -> str:
    """A digest of the sources that make a rewritten module; empty where they cannot be read, and nothing is kept."""
    digest = hashlib.sha256()
    try:
        for package, name in _sources():
            source = pkgutil.get_data(package, f"{name}.py") or b""
            digest.update(f"{package}.{name} {len(source)}\0".encode() + source)
    except OSError:
        return ""
    return digest.hexdigest()[:16]


def _sources() -> Iterator[tuple[str, str]]:
    for package in (judicia_notebook.wasm, judicia_notebook.wasm.rewriting, judicia_notebook.experiments.monitors):
        names = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if not found.ispkg)
        yield from ((package.__name__, name) for name in names)


def _name(original: Original, instruments: Sequence[Instrument], *, calls_end_blocks: bool) -> str:
    return rewriter.key(original, instruments, calls_end_blocks=calls_end_blocks)


def recall(original: Original, instruments: Sequence[Instrument], *, calls_end_blocks: bool) -> Rewritten | None:
    """The module as it was rewritten before; None where nothing is kept that can be trusted.

    Parameters
    ----------
    original : Original
    instruments : sequence of Instrument
        Fresh ones. They are not fresh afterwards, whatever was found.
    calls_end_blocks : bool
    """
    folder, writers = cache.default_folder(FOLDER), _writers()
    if folder is None or not writers:
        return None
    name = _name(original, instruments, calls_end_blocks=calls_end_blocks)
    packed = cache.find_info(folder, name, writers, MOST_FILE)
    return None if packed is None else unpack(original, instruments, packed)


def keep(rewritten: Rewritten) -> None:
    """Keep a rewritten module for other kernels; nothing is said where that is impossible, or it is too large."""
    folder, writers = cache.default_folder(FOLDER), _writers()
    if folder is None or not writers or not cache.usable(folder):
        return
    packed = pack(rewritten)
    if len(packed) <= MOST_FILE:
        calls_end_blocks = rewritten.calls_end_blocks
        name = _name(rewritten.original, rewritten.instruments, calls_end_blocks=calls_end_blocks)
        cache.keep_info(folder, name, writers, packed, most=MOST_BYTES)
