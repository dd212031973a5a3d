"""A profile in the Firefox Profiler's processed format, for profiler.firefox.com.

The format is defined by that project's types (``src/types/profile``). This is its version 55, the one that Wasmtime's
own profiler writes; newer viewers upgrade it when they load it. A table is an object of columns of equal length, and
rows refer to each other by index: sample -> stack -> (frame, the stack that called it); frame -> function -> name.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from judicia_notebook.analysis.profiles.stacks import HOST

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks, Step

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
    functions: dict[_Function, int] = {}
    frames: dict[_FrameKey, int] = {}
    stacks: dict[tuple[int | None, int], int] = {}

    def stack_of(steps: Sequence[Step]) -> int | None:
        stack: int | None = None
        depth = 0
        for frame, line in steps:
            depth = depth + 1 if frame.is_inlined else 0
            function = functions.setdefault((frame, line.file if line is not None else None), len(functions))
            key = _FrameKey(function, frame.module == HOST, line.line if line is not None else None, depth)
            stack = stacks.setdefault((stack, frames.setdefault(key, len(frames))), len(stacks))
        return stack

    found = [stack_of(sample.steps()) for sample in profile.samples]
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
            "frame": [frame for _, frame in stacks],
        },
        "frameTable": _frame_table(list(frames)),
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


_Function = tuple["Frame", str | None]  # and the file that it is in


class _FrameKey(NamedTuple):
    """What tells frames apart: the samples have no addresses."""

    function: int
    is_host: bool
    line: int | None
    inline_depth: int


def _frame_table(frames: Sequence[_FrameKey]) -> dict[str, Any]:
    size = len(frames)
    return {
        "length": size,
        "address": [-1] * size,
        "inlineDepth": [frame.inline_depth for frame in frames],
        "category": [_HOST if frame.is_host else _GUEST for frame in frames],
        "subcategory": [0] * size,
        "func": [frame.function for frame in frames],
        "nativeSymbol": [None] * size,
        "innerWindowID": [0] * size,
        "line": [frame.line for frame in frames],
        "column": [None] * size,
    }


def _function_table(functions: dict[_Function, int], texts: _Texts) -> dict[str, Any]:
    size = len(functions)
    return {
        "length": size,
        "name": [texts.of(frame.name) for frame, _ in functions],
        "isJS": [False] * size,
        "relevantForJS": [False] * size,
        "resource": [1 if frame.module == HOST else 0 for frame, _ in functions],
        "fileName": [None if file is None else texts.of(file) for _, file in functions],
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
