"""Every kind of quota, set in every way there is, is exceeded, and each time the limit holds.

A new kind needs one row in `CASES`, a new way one in `WAYS`; without it a test fails. The first test of each kind shows
that the same guest is let through where the limit is the default.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.command_line.run import QUOTAS
from judicia_notebook.engine.compiler import assemble
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.notebook import commands
from judicia_notebook.notebook.magics import PluginMagic
from judicia_notebook.policy.quotas import KINDS, Quota, limits_of
from tests.support.panel_page import Page
from tests.support.waiting import PATIENCE

TRIES = 3
DEEP = "[" * 20 + "]" * 20
WIDE = '"' + "a" * 2000 + '"'

# Sleeps 100 ms, with what poll_oneoff reads at 1024.
GUEST = rf"""
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 2)
(table $table 10 funcref)
(data (i32.const 1040) "\01\00\00\00\00\00\00\00\00\e1\f5\05")
(data (i32.const 2048) "{DEEP}")
(data (i32.const 4096) "\22{WIDE.strip('"')}\22")
(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
(func (export "log") (param i32 i32) (result i64) (call $judicia:log.write (local.get 0) (local.get 1)))
(func (export "deep") (param i32 i32) (result i64) (call $reply (i32.const 2048) (i32.const {len(DEEP)})))
(func (export "wide") (param i32 i32) (result i64) (call $reply (i32.const 4096) (i32.const {len(WIDE)})))
(func (export "nap") (param i32 i32) (result i64)
  (drop (call $poll (i32.const 1024) (i32.const 512) (i32.const 1) (i32.const 600))) (i64.const 0))
(func (export "spin") (param i32 i32) (result i64) (local $left i32)
  (local.set $left (i32.const 400000000))
  (loop $next (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))) (i64.const 0))
(func (export "grow") (param i32 i32) (result i64)
  (if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) (i64.const 0))
(func (export "widen") (result i32) (table.grow $table (ref.null func) (i32.const 100)))
(func (export "ask") (param i32 i32) (result i64) (local $left i32)
  (local.set $left (i32.const 40))
  (loop $next
    (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (i64.const 0))
"""
WASM = assemble(compile_wat(GUEST))

Exceed = Callable[[jn.Plugin, Any], bool]


@dataclass(frozen=True)
class Case:
    """A limit, as each way writes it, and what would exceed it: whether it was held."""

    low: Any
    exceed: Exceed
    function: str = ""  # the one whose call is ended, where a command line can make it
    instances: Any = 1
    payload: str = ""
    not_by: dict[str, str] = field(default_factory=dict)  # ways there are not, and why


def ended(kind: str, function: str, payload: Any = None) -> Exceed:
    """The call ends with this quota."""

    def exceed(p: jn.Plugin, quota: Any) -> bool:
        error = p.attempt(function, payload, quota=quota).error
        if error is None:
            return False
        assert isinstance(error, jn.QuotaExceeded), error
        return error.quota == kind and error.record is not None and error.record.outcome == f"quota_{kind}"

    return exceed


def answer_refused(p: jn.Plugin, quota: Any) -> bool:
    """The answer is nested deeper than JSON may be here."""
    error = p.attempt("deep", quota=quota).error
    assert error is None or isinstance(error, jn.AbiViolation), error
    return error is not None


def log_refused(p: jn.Plugin, quota: Any) -> bool:
    answer = p.call("log", {"level": "info", "message": "x" * 200}, quota=quota)
    return str(answer.get("error", {}).get("code")) == "quota_exceeded"


def table_refused(p: jn.Plugin, quota: Any) -> bool:
    return bool(p.raw("widen")(quota=quota) == -1)


def calls_limited(p: jn.Plugin, _: Any) -> bool:
    p.call("ask")
    return "limited" in p.host_calls["decision"].tail(40).tolist()


def one_at_a_time(p: jn.Plugin, _: Any) -> bool:
    for handle in [p.submit("nap") for _ in range(3)]:
        handle.result(PATIENCE)
    rows = p.calls.tail(3).sort_values("started_ms")
    ends = (rows["started_ms"] + rows["wall_ms"]).tolist()
    return all(begin >= end for begin, end in zip(rows["started_ms"].tolist()[1:], ends, strict=False))


def queue_refused(p: jn.Plugin, _: Any) -> bool:
    return any(four_are_too_many(p) for _ in range(TRIES))  # unless the machine pauses until there is room again


def four_are_too_many(p: jn.Plugin) -> bool:
    handles, refused = [], False
    for _ in range(4):
        try:
            handles.append(p.submit("nap"))
        except jn.ResourceExhausted:
            refused = True
    for handle in handles:
        handle.result(PATIENCE)
    return refused


OF_THE_PLUGIN = {"call": "it counts for the whole plugin", "call of a new instance": "it counts for the whole plugin"}
CASES: dict[str, Case] = {
    "memory": Case("3MiB", ended("memory", "grow"), "grow"),
    "cpu": Case("20ms", ended("cpu", "spin"), "spin"),
    "wall": Case("30ms", ended("wall", "nap"), "nap"),
    "fuel": Case(10_000, ended("fuel", "spin"), "spin"),
    "payload": Case("1KiB", ended("payload", "echo", "x" * 2000), "echo", payload='"' + "x" * 2000 + '"'),
    "answer": Case("1KiB", ended("answer", "wide"), "wide"),
    "log": Case("100B", log_refused, "log", payload='{"level": "info", "message": "' + "x" * 200 + '"}'),
    "host_calls": Case(5, ended("host_calls", "ask")),
    "host_call_rate": Case(5, calls_limited, not_by=OF_THE_PLUGIN),
    "table_elements": Case(50, table_refused),
    "instances": Case(1, one_at_a_time, instances="fresh", not_by=OF_THE_PLUGIN),
    "queue": Case(1, queue_refused, not_by=OF_THE_PLUGIN),
    "json_depth": Case(10, answer_refused),
    "json_values": Case(10, ended("json_values", "deep"), "deep"),
}


def load(rt: jn.Runtime, case: Case, **options: Any) -> jn.Plugin:
    return rt.load(WASM, name="guest", grant=["wall_clock"], instances=case.instances, **options)


# --- the ways --------------------------------------------------------------------------------------------------------


def by_load(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        return case.exceed(load(rt, case, quota={kind: case.low}), None)


def by_load_again(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        load(rt, case).call("echo", 1)
        return case.exceed(load(rt, case, quota={kind: case.low}), None)


def by_call(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        p = load(rt, case)
        p.call("echo", 1)
        return case.exceed(p, {kind: case.low})


def by_call_of_a_new_instance(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        return case.exceed(load(rt, case), jn.Quota(**{kind: case.low}))


def live(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        p = load(rt, case)
        # One of a few tries: those that are to run at once may not, where the machine pauses between their beginnings.
        through = any(not case.exceed(p, None) for _ in range(TRIES))
        assert through, "the guest is not let through without the limit either"
        p.policy.set_quota(**{kind: case.low})
        return case.exceed(p, None)


def temporarily(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        p = load(rt, case)
        with p.policy.temporarily(**{kind: case.low}):
            return case.exceed(p, None)


def by_ceiling(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime(ceiling=jn.Quota(**{kind: case.low})) as rt:
        return case.exceed(load(rt, case), None)


def by_ceiling_over_what_is_restored(kind: str, case: Case, _: Path) -> bool:
    """A snapshot that was taken where there is no such ceiling is brought back."""
    with jn.Runtime() as other:
        snapshot = load(other, case).policy.snapshot()
    with jn.Runtime(ceiling=jn.Quota(**{kind: case.low})) as rt:
        p = load(rt, case)
        p.policy.restore(snapshot)
        return case.exceed(p, None)


def by_manifest(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        return case.exceed(load(rt, case, manifest={"name": "guest", "quota": {kind: case.low}}), None)


def by_panel(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt:
        p = load(rt, case)
        page = Page(p.panel())
        page.hello()
        try:
            assert page.do("set_quota", "guest", kind=kind, value=str(case.low))["type"] == "done"
            return case.exceed(p, None)
        finally:
            page.panel.close()


def by_magic(kind: str, case: Case, _: Path) -> bool:
    with jn.Runtime() as rt, pytest.MonkeyPatch.context() as patch:
        patch.setattr("judicia_notebook.runtime.runtime.get_runtime", lambda: rt)
        p = load(rt, case)
        PluginMagic(None).run(f"quota guest {option(kind, case)}")
        return case.exceed(p, None)


def by_magic_that_loads(kind: str, case: Case, folder: Path) -> bool:
    (folder / "guest.wasm").write_bytes(WASM)
    with jn.Runtime() as rt, pytest.MonkeyPatch.context() as patch:
        patch.setattr("judicia_notebook.runtime.runtime.get_runtime", lambda: rt)
        patch.setattr("judicia_notebook.notebook.reprs.show_now", lambda *_: None)
        line = f"load {folder / 'guest.wasm'} --name guest --grant wall_clock {option(kind, case)}"
        return case.exceed(PluginMagic(None).run(line), None)


def by_command_line(kind: str, case: Case, folder: Path) -> bool:
    (folder / "guest.wasm").write_bytes(WASM)
    words = [case.function, *([case.payload] if case.payload else [])]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["run", str(folder / "guest.wasm"), *words, *option(kind, case).split()])
    return code != 0 or "quota_exceeded" in said.getvalue()


def option(kind: str, case: Case) -> str:
    return f"--{kind.replace('_', '-')} {case.low}"


WAYS: dict[str, Callable[[str, Case, Path], bool]] = {
    "load": by_load,
    "load again": by_load_again,
    "call": by_call,
    "call of a new instance": by_call_of_a_new_instance,
    "live": live,
    "temporarily": temporarily,
    "ceiling": by_ceiling,
    "ceiling over what is restored": by_ceiling_over_what_is_restored,
    "manifest": by_manifest,
    "panel": by_panel,
    "%plugin quota": by_magic,
    "%plugin load": by_magic_that_loads,
    "command line": by_command_line,
}
OFFERED = {"%plugin load": commands.LOAD_KINDS, "command line": tuple(QUOTAS)}
"""Ways that offer some kinds only."""


def test_every_kind_has_a_case_and_its_place_among_the_limits_in_force() -> None:
    assert list(CASES) == list(KINDS)
    for kind, case in CASES.items():
        ways = set(OF_THE_PLUGIN) if KINDS[kind].per in ("plugin", "second") else set()
        assert set(case.not_by) == ways
        lowest = Quota(**{kind: case.low})
        assert limits_of(lowest) != limits_of(Quota())
        assert limits_of(Quota(), lowest) == limits_of(lowest)
    assert len(limits_of(Quota())) == len(KINDS)


def test_every_option_that_sets_a_quota_is_among_the_ways() -> None:
    assert {kind for kinds in OFFERED.values() for kind in kinds} <= set(KINDS)
    assert set(commands.RUN_KINDS) <= set(KINDS)
    for kind in QUOTAS:
        assert CASES[kind].function


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_it_holds(kind: str, way: str, tmp_path: Path) -> None:
    case = CASES[kind]
    if kind not in OFFERED.get(way, KINDS):
        return
    if way not in case.not_by:
        assert WAYS[way](kind, case, tmp_path)
        return
    with pytest.raises(jn.PolicyError, match="holds for the whole plugin"):
        WAYS["call"](kind, Case(case.low, ended(kind, "echo", 1)), tmp_path)
