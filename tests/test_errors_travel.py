"""Errors are data: they come whole through pickle, copies, process pools and joblib; what cannot travel says so."""

from __future__ import annotations

import copy
import copyreg
import multiprocessing
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import resource_tracker
from typing import Any

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend import resource_tracker as lokys_resource_tracker

import judicia_notebook as jn
from judicia_notebook.errors import describe
from judicia_notebook.records.diagnostics import Diagnostic
from judicia_notebook.records.findings import Finding
from judicia_notebook.records.guest_frames import Backtrace, GuestFrame
from tests.support.waiting import LONG_PATIENCE

TRAVELS = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "old pickle": lambda error: pickle.loads(pickle.dumps(error, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def told(error: jn.CallError) -> jn.CallError:
    """The error with a backtrace that is looked up when it is asked for, which no pickle takes along."""
    frame = GuestFrame("a", "a.c", 3, 1, is_inlined=True, function_index=0, offset=40)
    error.set_backtrace(lambda: Backtrace((frame,), "a note"))
    return error


SAMPLES: dict[str, Callable[[], jn.JudiciaError]] = {
    **{
        name: lambda name=name: getattr(jn, name)("said", hint="try this")  # type: ignore[misc]
        for name in (
            *("JudiciaError", "PolicyError", "PluginNotReady", "InvalidPayload", "NoSuchPlugin", "NoSuchFunction"),
            *("NoSuchExport", "NoSuchExample", "ResourceExhausted", "DebugInfoError"),
        )
    },
    **{
        name: lambda name=name: getattr(jn, name)("said", source="a.wasm", hint="try this")  # type: ignore[misc]
        for name in ("LoadError", "InvalidModule", "ManifestError", "AbiMismatch", "CompileError", "CompileLimit")
    },
    **{
        name: lambda name=name: getattr(jn, name)("said", plugin="p", function="f")  # type: ignore[misc]
        for name in ("CallError", "HostFailure", "AbiViolation", "Killed", "Cancelled")
    },
    "BuildError": lambda: jn.BuildError(
        "clang found 1 error",
        rows=[Diagnostic(3, 5, "error", "no", "line 1: here", "    int", 5)],
        source="a.c",
        unchanged="a",
    ),
    "RewriteError": lambda: jn.RewriteError("said", function=3, offset=70, source="a.wasm", hint="try this"),
    "PolicyLocked": lambda: jn.PolicyLocked("said", by="Ada", since=datetime(2026, 11, 30, tzinfo=UTC), hint="none"),
    "InvalidCheck": lambda: jn.InvalidCheck("said", criterion="denied", hint="try this"),
    "CheckFailed": lambda: jn.CheckFailed(
        "p.f", findings=[Finding("denied", False, "1 host call was denied, expected 0")], worth=2.5
    ),
    "UnknownImport": lambda: jn.UnknownImport("env", "x", kind="table", known=["judicia:log"]),
    "GuestError": lambda: jn.GuestError("said", code="bad", data={"deep": [1, None]}, plugin="p", function="f"),
    "GuestTrap": lambda: told(jn.GuestTrap(trap="unreachable", backtrace=("a", "b"), plugin="p", function="f")),
    "QuotaExceeded": lambda: jn.QuotaExceeded(
        quota="cpu", limit=0.1, used=0.2, unit="s", per_call=True, ceiling=60.0, plugin="p", function="f"
    ),
    "CapabilityDenied": lambda: jn.CapabilityDenied(
        capability="read_files", scope="home", host_function="judicia:files.read", plugin="p", function="f"
    ),
}


def test_every_error_of_the_tree_has_a_sample() -> None:
    def below(kind: type[Any]) -> set[str]:
        names: set[str] = {kind.__name__}
        return names.union(*(below(child) for child in kind.__subclasses__()))

    assert {name for name in below(jn.JudiciaError) if hasattr(jn, name)} == set(SAMPLES)


@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_error_comes_back_with_all_its_fields(name: str, travel: Callable[[Any], Any]) -> None:
    error = SAMPLES[name]()
    error.add_note("seen in a lecture")
    again = travel(error)
    assert again is not error
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert (str(again), again.args, describe(again)) == (str(error), error.args, describe(error))


@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS)
def test_an_error_of_a_real_call_brings_its_record(rt: jn.Runtime, travel: Callable[[Any], Any]) -> None:
    p = rt.load("example:specimen")
    for function, payload, quota in (("trap", None, {}), ("fail", None, {}), ("spin", {"ms": 900}, {"cpu": "10ms"})):
        outcome = p.attempt(function, payload, quota=quota)
        again = travel(outcome)
        assert again.record == outcome.record == again.error.record
        assert str(again.error) == str(outcome.error)
        assert again.error.where == f"specimen.{function}"
        assert again.error.outcome == again.record.outcome


# One of an error with a group of imports, by its protocol 0, from when all errors were in one file.
EARLIER = rb"""cjudicia_notebook.errors
_revived
(cjudicia_notebook.errors
UnknownImport
(Vimports env.x
ttR(dVmessage
Vimports env.x
sVmodule
Venv
sVname
Vx
sVgroups
(cjudicia_notebook.errors
ImportGroup
(VEmscripten's
Vfunc
I1
(Venv.x
t(Vdo this
ttRtsb."""


def test_a_pickle_names_no_file_within_the_errors() -> None:
    error = pickle.loads(EARLIER)
    assert (type(error), error.module, error.groups[0].title) == (jn.UnknownImport, "env", "1 function, Emscripten's")
    assert set(re.findall(rb"judicia_notebook[\w.]*", pickle.dumps(error, 0))) == {b"judicia_notebook.errors"}
    assert str(jn.PolicyLocked) == "<class 'judicia_notebook.errors.PolicyLocked'>"


class Stubborn(Exception):
    """Can be pickled and not made again, as many exceptions of others."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def test_a_cause_comes_along_and_as_text_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    # Dask has tblib pickle every class of exceptions that is there, ours too; it hands on causes as they are.
    for pickled in (jn.HostFailure, Stubborn):
        monkeypatch.delitem(copyreg.dispatch_table, pickled, raising=False)
    for cause, kind, text in (
        (ZeroDivisionError("by zero"), ZeroDivisionError, "by zero"),
        (Stubborn("no way", "back"), RuntimeError, "Stubborn: no way"),
        (RuntimeError(lambda: 1), RuntimeError, "RuntimeError: <function"),
    ):
        error = jn.HostFailure("raised", plugin="p", function="f")
        error.__cause__ = cause
        again = pickle.loads(pickle.dumps(error))
        assert type(again.__cause__) is kind
        assert text in str(again.__cause__)


def test_what_a_host_function_attached_and_cannot_travel_comes_as_text() -> None:
    error = jn.GuestError("said", code="bad", data={"callback": lambda: 1}, plugin="p", function="f")
    assert "lambda" in pickle.loads(pickle.dumps(error)).data


@pytest.fixture(autouse=True, scope="module")
def _trackers() -> None:
    """The first pool of a process starts a tracker that stays: it is there before what a test leaves is looked for."""
    resource_tracker.ensure_running()
    lokys_resource_tracker.ensure_running()


def trap_here(number: int) -> Any:
    """Run in a process of a pool."""
    with jn.Runtime() as rt:
        return rt.load("example:specimen").call("trap" if number == 1 else "echo", number)


def test_a_process_pool_hands_over_the_error_and_goes_on() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(trap_here, number) for number in range(3)]
        assert [futures[0].result(LONG_PATIENCE), futures[2].result(LONG_PATIENCE)] == [0, 2]
        with pytest.raises(jn.GuestTrap, match="`unreachable`") as caught:
            futures[1].result(LONG_PATIENCE)
    assert caught.value.record is not None
    assert caught.value.record.outcome == "trap"


def test_a_multiprocessing_pool_answers() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(jn.GuestTrap, match="`unreachable`"):
        pool.map_async(trap_here, range(3)).get(LONG_PATIENCE)


def test_joblib_raises_the_error() -> None:
    try:
        with pytest.raises(jn.GuestTrap, match="`unreachable`"):
            joblib.Parallel(n_jobs=2, timeout=LONG_PATIENCE)(joblib.delayed(trap_here)(number) for number in range(3))
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_is_part_of_this_process_says_what_to_do_instead(rt: jn.Runtime, way: Callable[[Any], Any]) -> None:
    p = rt.load("example:specimen")
    handle = p.submit("echo", 1)
    handle.result()
    for what, instead in (
        (rt, "jn.Runtime()"),
        (p, "load(source)"),
        (p.policy, "policy.snapshot()"),
        (handle, "handle.result()"),
        (rt.host, "frame"),
        (rt.host.database, "table(name)"),
        (rt.host.files, "file"),
        (rt.host.http, "frames"),
        (rt.host.events, "frames"),
        (rt.host.notifications, "frames"),
    ):
        with pytest.raises(TypeError, match="it is part of this process") as caught:
            way(what)
        assert instead in str(caught.value)
        assert type(what).__name__ in str(caught.value)
