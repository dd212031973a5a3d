"""The lines of modules, kept: reading them takes a second for each few megabytes, and each trap asks for them.

What cannot be read is kept as well, so that a module whose debug information lies costs its reading once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from judicia_notebook.errors import DebugInfoError
from judicia_notebook.wasm.dwarf.sections import DEFAULT, DwarfLimits
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.source_map import SourceMap, read_source_map

BRIEF: Final = DwarfLimits(
    rows=200_000, instructions=1_000_000, files=20_000, entries=800_000, attributes=2_000_000, declarations=60_000,
    ranges=100_000, units=5_000, texts_bytes=4 << 20,
)  # fmt: skip
"""For what was not asked for by itself, such as the text of an error: four times Rust's library, and a few seconds."""

_MOST_PLACES: Final = 400_000
"""Of all maps together, but for the last."""
_MOST_MAPS: Final = 64

_kept: OrderedDict[tuple[str, DwarfLimits], SourceMap | str] = OrderedDict()
_lock = threading.Lock()


def kept_source_map(module: ModuleInfo, digest: str, limits: DwarfLimits = DEFAULT) -> SourceMap:
    """`read_source_map` of a module with this digest, read once.

    Raises
    ------
    DebugInfoError
        Each time anew.
    InvalidModule, CompileLimit
    """
    with _lock:
        for read_within in (DEFAULT, limits):
            found = _kept.get((digest, read_within))
            if isinstance(found, SourceMap) or (found is not None and read_within == limits):
                _kept.move_to_end((digest, read_within))
                break
        else:
            found = None
    if found is None:
        found = _read(module, limits)
        with _lock:
            _kept[digest, limits] = found
            _forget()
    if isinstance(found, str):
        raise DebugInfoError(found)
    return found


def _read(module: ModuleInfo, limits: DwarfLimits) -> SourceMap | str:
    try:
        return read_source_map(module, limits)
    except DebugInfoError as error:
        return error.message


def _forget() -> None:
    """Let go of what was not asked for longest; the last one stays, however large."""
    places = sum(len(each.places) for each in _kept.values() if isinstance(each, SourceMap))
    while len(_kept) > 1 and (places > _MOST_PLACES or len(_kept) > _MOST_MAPS):
        _, gone = _kept.popitem(last=False)
        places -= len(gone.places) if isinstance(gone, SourceMap) else 0
