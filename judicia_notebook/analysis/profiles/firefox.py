"""A profile in the Firefox Profiler's processed format, for profiler.firefox.com.

The format is defined by that project's types (``src/types/profile``). This is its version 55, the one that Wasmtime's
own profiler writes; newer viewers upgrade it when they load it. A table is an object of columns of equal length, and
rows refer to each other by index: sample -> stack -> (frame, the stack that called it); frame -> function -> name.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.analysis.profiles.stacks import HOST

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks

VERSION = 55
GECKO_VERSION = 24
_GUEST, _HOST = 0, 1
_CATEGORIES = (("Guest", "orange"), ("Host", "blue"))
_LIBRARY_ID = "0" * 33


def document(profile: Stacks) -> dict[str, Any]:
    """The profile as one thread of one process."""
    began_ms = time.time() * 1e3 - (profile.samples[-1].at_ms if profile.samples else 0.0)
    return {
        "meta": _meta(profile, began_ms),
        "libs": [_library(profile)],
        "threads": [_thread(profile)],
        "pages": [],
        "profilerOverhead": [],
        "counters": [],
    }


def encode(profile: Stacks) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(document(profile))


def _meta(profile: Stacks, began_ms: float) -> dict[str, Any]:
    return {
        "version": GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "product": f"judicia_notebook: {profile.title}",
        "processType": 0,
        "startTime": began_ms,
        "interval": profile.interval_ms,
        "symbolicated": True,
        "debug": False,
        "usesOnlyOneStackType": True,
        "sourceCodeIsNotOnSearchfox": True,
        "categories": [{"name": name, "color": color, "subcategories": ["Other"]} for name, color in _CATEGORIES],
        "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
        "markerSchema": [],
    }


def _library(profile: Stacks) -> dict[str, Any]:
    return {
        "arch": "wasm32",
        "name": profile.plugin,
        "path": profile.plugin,
        "debugName": profile.plugin,
        "debugPath": profile.plugin,
        "breakpadId": _LIBRARY_ID,
        "codeId": profile.digest or None,
    }


def _thread(profile: Stacks) -> dict[str, Any]:
    texts = _Texts()
    module, host = texts.of(profile.plugin), texts.of(HOST)
    functions: dict[Frame, int] = {}
    stacks: dict[tuple[int | None, int], int] = {}

    def stack_of(frames: Sequence[Frame]) -> int | None:
        stack: int | None = None
        for frame in frames:
            function = functions.setdefault(frame, len(functions))
            stack = stacks.setdefault((stack, function), len(stacks))
        return stack

    found = [stack_of(sample.stack) for sample in profile.samples]
    until = profile.samples[-1].at_ms if profile.samples else 0.0
    return {
        "name": profile.title,
        "processName": profile.plugin,
        "processType": "default",
        "isMainThread": True,
        "pid": "0",
        "tid": "0",
        "registerTime": 0.0,
        "unregisterTime": until,
        "processStartupTime": 0.0,
        "processShutdownTime": until,
        "pausedRanges": [],
        "showMarkersInTimeline": False,
        "samples": _samples(profile, found),
        "stackTable": {
            "length": len(stacks),
            "prefix": [prefix for prefix, _ in stacks],
            "frame": [function for _, function in stacks],
        },
        "frameTable": _frame_table(functions),
        "funcTable": _function_table(functions, texts),
        "resourceTable": {"length": 2, "lib": [0, None], "name": [module, host], "host": [None, None], "type": [1, 0]},
        "nativeSymbols": {"length": 0, "address": [], "functionSize": [], "libIndex": [], "name": []},
        "markers": {
            "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [], "startTime": [],
        },
        "stringArray": texts.list,
    }  # fmt: skip


def _samples(profile: Stacks, stacks: list[int | None]) -> dict[str, Any]:
    times = [0.0, *(sample.at_ms for sample in profile.samples)]
    return {
        "length": len(stacks),
        "stack": stacks,
        "timeDeltas": [max(0.0, after - before) for before, after in pairwise(times)],
        "weight": [sample.ms for sample in profile.samples],
        "weightType": "tracing-ms",
        "threadCPUDelta": [round(sample.ms * 1e3) if sample.is_guest else 0 for sample in profile.samples],
    }


def _frame_table(functions: dict[Frame, int]) -> dict[str, Any]:
    """One frame for each function: the samples have no addresses that would tell more frames apart."""
    size = len(functions)
    return {
        "length": size,
        "address": [-1] * size,
        "inlineDepth": [0] * size,
        "category": [_HOST if frame.module == HOST else _GUEST for frame in functions],
        "subcategory": [0] * size,
        "func": list(range(size)),
        "nativeSymbol": [None] * size,
        "innerWindowID": [0] * size,
        "line": [None] * size,
        "column": [None] * size,
    }


def _function_table(functions: dict[Frame, int], texts: _Texts) -> dict[str, Any]:
    size = len(functions)
    return {
        "length": size,
        "name": [texts.of(frame.name) for frame in functions],
        "isJS": [False] * size,
        "relevantForJS": [False] * size,
        "resource": [1 if frame.module == HOST else 0 for frame in functions],
        "fileName": [None] * size,
        "lineNumber": [None] * size,
        "columnNumber": [None] * size,
    }


class _Texts:
    """The texts of a thread, each once."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self._index.setdefault(text, len(self._index))

    @property
    def list(self) -> list[str]:
        return list(self._index)
