"""The files other programs read: each is held against what that program's published format asks for.

The formats are not repeated here as their authors wrote them. `SPEEDSCOPE` says in the words of JSON Schema what
speedscope's file-format-schema.json asks of a sampled profile; `check_firefox` what the Firefox Profiler's types ask of
version 55 of its processed format: which columns a table has, and which table the numbers in a column point into.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.profiles.profile import Profile

NUMBER, TEXT = {"type": "number"}, {"type": "string"}
SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": TEXT,
        "exporter": TEXT,
        "activeProfileIndex": NUMBER,
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": TEXT, "file": TEXT, "line": NUMBER, "col": NUMBER},
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "properties": {
                    "type": {"const": "sampled"},
                    "name": TEXT,
                    "unit": {"enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"]},
                    "startValue": NUMBER,
                    "endValue": NUMBER,
                    "samples": {"type": "array", "items": {"type": "array", "items": NUMBER}},
                    "weights": {"type": "array", "items": NUMBER},
                },
            },
        },
    },
}

META = {
    "version": int, "preprocessedProfileVersion": int, "product": str, "processType": int, "startTime": float,
    "interval": float, "categories": list, "markerSchema": list, "extensions": dict, "sampleUnits": dict,
}  # fmt: skip
THREAD = {
    "name": str, "processType": str, "processName": str, "isMainThread": bool, "pid": str, "tid": str,
    "registerTime": float, "unregisterTime": float, "processStartupTime": float, "processShutdownTime": float,
    "pausedRanges": list, "stringArray": list,
}  # fmt: skip
# Table -> column -> what it holds: the table it points into, or the types it may have.
TABLES: dict[str, dict[str, Any]] = {
    "samples": {
        "stack": "stackTable?", "timeDeltas": (float,), "weight": (float,), "threadCPUDelta": (int,),
    },
    "stackTable": {"frame": "frameTable", "prefix": "stackTable?"},
    "frameTable": {
        "address": (int,), "inlineDepth": (int,), "category": "categories", "subcategory": (int,),
        "func": "funcTable", "nativeSymbol": "nativeSymbols?", "innerWindowID": (int,),
        "line": (int, type(None)), "column": (int, type(None)),
    },
    "funcTable": {
        "name": "stringArray", "isJS": (bool,), "relevantForJS": (bool,), "resource": "resourceTable",
        "fileName": "stringArray?", "lineNumber": (int, type(None)), "columnNumber": (int, type(None)),
    },
    "resourceTable": {"lib": "libs?", "name": "stringArray", "host": "stringArray?", "type": (int,)},
    "nativeSymbols": {"libIndex": "libs", "address": (int,), "name": "stringArray", "functionSize": (int,)},
    "markers": {
        "data": (dict,), "name": "stringArray", "startTime": (float,), "endTime": (float,), "phase": (int,),
        "category": "categories",
    },
}  # fmt: skip


def check_types(found: dict[str, Any], wanted: dict[str, type]) -> None:
    assert {name: type(found.get(name)) for name in wanted} == wanted


def check_firefox(document: dict[str, Any]) -> None:
    """Raises AssertionError where the document is not in the format."""
    assert set(document) >= {"meta", "libs", "threads", "pages", "profilerOverhead", "counters"}
    check_types(document["meta"], META)
    assert document["meta"]["preprocessedProfileVersion"] == 55
    for category in document["meta"]["categories"]:
        assert category["subcategories"][0] == "Other"
    for library in document["libs"]:
        keys = {"arch", "name", "path", "debugName", "debugPath", "breakpadId", "codeId"}
        assert set(library) == keys
    for thread in document["threads"]:
        check_types(thread, THREAD)
        assert thread["samples"]["weightType"] in {"samples", "tracing-ms", "bytes"}
        sizes = {name: thread[name]["length"] for name in TABLES} | {
            "stringArray": len(thread["stringArray"]),
            "libs": len(document["libs"]),
            "categories": len(document["meta"]["categories"]),
        }
        for table, columns in TABLES.items():
            for column, holds in columns.items():
                check_column(thread[table][column], thread[table]["length"], holds, sizes)
        for child, parent in enumerate(thread["stackTable"]["prefix"]):
            assert parent is None or parent < child  # a stack stands behind the one that called it


def check_column(values: list[Any], length: int, holds: Any, sizes: dict[str, int]) -> None:
    assert len(values) == length
    for value in values:
        if isinstance(holds, tuple):
            assert type(value) in holds
        elif value is None:
            assert holds.endswith("?")
        else:
            assert type(value) is int
            assert 0 <= value < sizes[holds.removesuffix("?")]


def stacks_of(thread: dict[str, Any]) -> list[tuple[str, ...]]:
    """The samples' stacks as a viewer reads them."""
    table, functions, texts = thread["stackTable"], thread["funcTable"]["name"], thread["stringArray"]
    found = []
    for stack in thread["samples"]["stack"]:
        names: list[str] = []
        at = stack
        while at is not None:
            names.insert(0, texts[functions[thread["frameTable"]["func"][table["frame"][at]]]])
            at = table["prefix"][at]
        found.append(tuple(names))
    return found


@pytest.fixture(params=["known", "empty", "real", "lines"])
def any_profile(
    request: pytest.FixtureRequest, profile: Profile, empty: Profile, with_lines: Profile, rt: jn.Runtime
) -> Profile:
    if request.param == "real":
        specimen = rt.load("example:specimen", grant=["wall_clock"])
        return specimen.profile("call_host", {"service": "clock", "n": 500}, samples=20)
    return {"known": profile, "empty": empty, "lines": with_lines}[request.param]


def test_speedscope_gets_what_its_schema_asks_for(any_profile: Profile, tmp_path: Path) -> None:
    import jsonschema  # it takes a second or two, which other workers need not wait for

    document = json.loads(any_profile.save(tmp_path / "x.speedscope.json").read_bytes())
    jsonschema.validate(document, SPEEDSCOPE)
    [sampled] = document["profiles"]
    assert len(sampled["samples"]) == len(sampled["weights"]) == len(any_profile.samples)
    frames = len(document["shared"]["frames"])
    assert all(0 <= frame < frames for stack in sampled["samples"] for frame in stack)
    assert sampled["endValue"] - sampled["startValue"] == pytest.approx(sum(sampled["weights"]))


def test_the_firefox_profiler_gets_what_its_types_ask_for(any_profile: Profile, tmp_path: Path) -> None:
    check_firefox(json.loads(any_profile.save(tmp_path / "x.json").read_bytes()))


def test_both_tell_the_same_stacks_and_times(profile: Profile, tmp_path: Path) -> None:
    speedscope = json.loads(profile.save(tmp_path / "x.speedscope.json").read_bytes())
    firefox = json.loads(profile.save(tmp_path / "x.json").read_bytes())
    frames = [frame["name"].removesuffix(" (host)") for frame in speedscope["shared"]["frames"]]
    [sampled], [thread] = speedscope["profiles"], firefox["threads"]
    told = [tuple(frames[frame] for frame in stack) for stack in sampled["samples"]]
    assert told == stacks_of(thread) == [tuple(frame.name for frame in one.stack) for one in profile.samples]
    assert sampled["weights"] == thread["samples"]["weight"] == [1.0, 3.0, 2.0, 2.0, 2.0]
    assert thread["samples"]["timeDeltas"] == [1.0, 1.0, 1.5, 1.0, 2.0]


def test_both_name_lines_and_tell_inlined_functions_apart(with_lines: Profile, tmp_path: Path) -> None:
    frames = json.loads(with_lines.save(tmp_path / "x.speedscope.json").read_bytes())["shared"]["frames"]
    assert frames == [
        {"name": "main", "file": "a.c", "line": 9},
        {"name": "middle (inlined)", "file": "a.c", "line": 5},
        {"name": "leaf (inlined)", "file": "b/<i>.h", "line": 2},
    ]
    [thread] = json.loads(with_lines.save(tmp_path / "x.json").read_bytes())["threads"]
    assert stacks_of(thread) == [("main", "middle", "leaf"), ("main", "middle"), ("main",)]
    table, functions = thread["frameTable"], thread["funcTable"]
    assert list(zip(table["line"], table["inlineDepth"], strict=True)) == [(9, 0), (5, 1), (2, 2), (11, 0)]
    assert [thread["stringArray"][name] for name in functions["fileName"]] == ["a.c", "a.c", "b/<i>.h"]


def test_a_file_that_breaks_the_format_is_found(profile: Profile, tmp_path: Path) -> None:
    import jsonschema

    document = json.loads(profile.save(tmp_path / "x.json").read_bytes())
    document["threads"][0]["stackTable"]["frame"][0] = 99
    with pytest.raises(AssertionError):
        check_firefox(document)
    document = json.loads(profile.save(tmp_path / "x.speedscope.json").read_bytes())
    del document["profiles"][0]["unit"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SPEEDSCOPE)
