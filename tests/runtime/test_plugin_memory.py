"""A plugin's memory and globals: at rest and in a host function, and refused whenever a call could be in them."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import Operation
from tests.support.documents import run_examples
from tests.support.guests import load, wat
from tests.support.services import offered
from tests.support.threads import Start, start
from tests.support.waiting import PATIENCE, until

__all__ = ["start"]

GUEST = """(module (memory (export "memory") 1 40) (data (i32.const 8) "hello")
  (global $count (export "count") (mut i32) (i32.const -5))
  (global (export "long") (mut i64) (i64.const 7))
  (global (export "single") (mut f32) (f32.const 1.5))
  (global (export "double") (mut f64) (f64.const nan))
  (global (export "fixed") i32 (i32.const 3))
  (global (export "vector") (mut v128) (v128.const i32x4 1 2 3 4))
  (global (export "reference") (mut funcref) (ref.null func))
  (global $inner (mut i32) (i32.const 1))
  (func (export "count_now") (result i32) (global.get $count))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "sum") (param $at i32) (param $n i32) (result i32) (local $s i32)
    (block (loop (br_if 1 (i32.eqz (local.get $n)))
      (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br 0)))
    (local.get $s))
  (func (export "trap") unreachable)
  (func (export "spin") (loop (br 0))))"""


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    p = rt.load(GUEST, name="guest")
    p.initialize()
    return p


def accesses(p: jn.Plugin) -> list[Callable[[], object]]:
    """One of each kind."""
    return [
        lambda: p.memory.read(0, 1),
        lambda: p.memory.write(0, b"x"),
        lambda: p.memory.text(8),
        p.memory.view,
        p.memory.pages,
        lambda: p.memory.size,
        lambda: p.globals["count"],
        lambda: p.globals.__setitem__("count", 1),
        lambda: list(p.globals),
    ]


def refuses(p: jn.Plugin, match: str, kind: type[jn.JudiciaError] = jn.PluginNotReady) -> None:
    for access in accesses(p):
        with pytest.raises(kind, match=match):
            access()


# --- at rest ---------------------------------------------------------------------------------------------------------


def test_what_is_written_the_guest_reads(guest: jn.Plugin) -> None:
    assert guest.memory.text(8, 5) == "hello"
    guest.memory.write(100, bytes(range(10)))
    assert guest.raw("sum")(100, 10) == 45
    assert guest.raw("grow")(2) == 1
    assert guest.memory.size == 3 << 16
    guest.memory.write((3 << 16) - 1, b"!")
    assert guest.raw("sum")((3 << 16) - 1, 1) == 33


def test_one_object_follows_the_memory(guest: jn.Plugin) -> None:
    memory, numbers = guest.memory, guest.globals
    guest.raw("grow")(1)
    assert memory.size == 2 << 16
    with pytest.raises(jn.GuestTrap) as caught:
        guest.raw("trap")()
    assert caught.value.memory.text(8, 5) == "hello"
    with pytest.raises(jn.PluginNotReady, match=r"no instance now.*error\.memory"):
        memory.size  # noqa: B018
    guest.initialize()
    assert memory.size == 1 << 16
    assert numbers["count"] == -5


def test_globals_are_numbers_by_name(guest: jn.Plugin) -> None:
    numbers = guest.globals
    assert list(numbers) == ["count", "long", "single", "double", "fixed"]
    assert len(numbers) == 5
    assert (numbers["count"], numbers["long"], numbers["single"], numbers["fixed"]) == (-5, 7, 1.5, 3)
    assert math.isnan(numbers["double"])
    numbers["count"] = 2**32 - 1
    assert numbers["count"] == guest.raw("count_now")() == -1
    numbers["long"] = -(2**63)
    numbers["single"], numbers["double"] = math.nan, -0.0
    assert numbers["long"] == -(2**63)
    assert math.isnan(numbers["single"])
    assert math.copysign(1, numbers["double"]) == -1
    assert numbers.get("nothing", 5) == 5
    assert "count" in numbers
    assert not {"nothing", "vector", 5} & set(numbers)
    assert repr(guest.globals).startswith("<globals of guest: count=-1, ")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("fixed", 4, "immutable"),
        ("vector", 1, "v128, and no number"),
        ("reference", 0, "a reference, and no number"),
        ("count", 2**32, "not within 32 bits"),
        ("count", -(2**31) - 1, "not within 32 bits"),
        ("count", 1.5, "a float"),
        ("count", "1", "a text"),
        ("count", None, "None"),
        ("long", 2**64, "not within 64 bits"),
        ("single", 1e300, "range of f32"),
        ("double", 10**400, "range of f64"),
    ],
)
def test_a_global_that_cannot_be_so_stays(guest: jn.Plugin, name: str, value: Any, match: str) -> None:
    before, rows = repr(dict(guest.globals)), len(guest.audit)
    with pytest.raises(jn.InvalidPayload, match=match):
        guest.globals[name] = value
    assert repr(dict(guest.globals)) == before
    assert len(guest.audit) == rows


@pytest.mark.parametrize(
    "name", ["nothing", "inner", "memory", "spin", "", "x" * 1_000_000, "\0", "\ud800", 5, None, []]
)
def test_only_exported_globals_are_there(guest: jn.Plugin, name: Any) -> None:
    for access in (lambda: guest.globals[name], lambda: guest.globals.__setitem__(name, 1)):
        with pytest.raises(jn.NoSuchExport, match="No global") as caught:
            access()
        assert isinstance(caught.value, KeyError)
        assert len(str(caught.value)) < 2000
    for name_of_no_number in ("vector", "reference"):
        with pytest.raises(jn.InvalidPayload, match="no number"):
            guest.globals[name_of_no_number]


def test_each_write_is_a_row_and_tells_no_bytes(guest: jn.Plugin) -> None:
    guest.memory.write(40, b"secret")
    guest.globals["count"] = 12
    guest.memory.read(40, 6)
    with pytest.raises(jn.InvalidPayload):
        guest.memory.write(1 << 16, b"secret")
    rows = guest.audit[["what", "plugin", "detail", "via"]].to_numpy().tolist()
    assert rows[-2:] == [
        ["memory", "guest", "6 bytes at pointer 40", "Python"],
        ["global", "guest", "count = 12", "Python"],
    ]
    assert "secret" not in guest.audit.to_string()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('(memory (export "memory") 1) (memory (export "b") 2)', 1),
        ('(memory (export "b") 2) (memory (export "memory") 1)', 1),
        ('(memory 3) (memory (export "c") 2)', 2),
        ('(memory (export "a") (export "b") 2)', 2),
        ("(memory 1)", "exports no memory"),
        ("", "exports no memory"),
        ('(memory (export "a") 1) (memory (export "b") 1)', "none of them is named memory: a, b"),
    ],
)
def test_the_memory_is_the_one_of_that_name_or_the_only_one(rt: jn.Runtime, text: str, found: int | str) -> None:
    p = rt.load(f"(module {text})", name="guest")
    p.initialize()
    if isinstance(found, str):
        with pytest.raises(jn.NoSuchExport, match=found):
            p.memory.size  # noqa: B018
        assert found in repr(p.memory)
    else:
        assert p.memory.size == found << 16


# --- refused ---------------------------------------------------------------------------------------------------------


def test_without_an_instance_it_says_what_makes_one(rt: jn.Runtime) -> None:
    p = rt.load(GUEST, name="guest")
    refuses(p, r"(?s)has no instance now.*error\.memory.*p\.initialize\(\)")
    p.raw("count_now")()
    assert p.memory.text(8, 5) == "hello"


def test_fresh_and_several_instances_are_refused(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(GUEST, name="guest", instances="fresh")
    p.raw("count_now")()
    refuses(p, r"keeps no instance between calls.*error\.memory")
    p = rt.load(GUEST, name="guest", instances=2)
    p.raw("count_now")()
    assert p.memory.size == 1 << 16  # there is only one as yet
    handle = p.submit("spin", numbers=())
    until(lambda: handle.running)
    p.raw("count_now")()
    refuses(p, r"A call of guest runs or waits.*error\.memory")
    handle.cancel()
    with pytest.raises(jn.Cancelled):
        handle.result(PATIENCE)
    p.raw("count_now")()
    assert p.memory.size == 1 << 16


def test_two_instances_at_rest_are_refused(rt: jn.Runtime) -> None:
    ready, go = threading.Barrier(3), threading.Event()

    def wait(*_: Any) -> None:
        ready.wait(PATIENCE)
        assert go.wait(PATIENCE)

    with offered(Operation("wait", wait, answers=False)), jn.Runtime() as runtime:
        p = runtime.load(WAITS, name="guest", instances=2)
        handles = [p.submit("f", numbers=()) for _ in range(2)]
        ready.wait(PATIENCE)
        go.set()
        for handle in handles:
            handle.result(PATIENCE)
        with pytest.raises(jn.PluginNotReady, match=r"has 2 instances.*error\.memory"):
            p.memory.read(0, 1)


WAITS = wat('(func (export "f") (drop (call $judicia:test.wait (i32.const 0) (i32.const 0))))')


def test_while_a_call_runs_no_other_thread_gets_in(guest: jn.Plugin, start: Start) -> None:
    handle = guest.submit("spin", numbers=())
    until(lambda: handle.running)
    refuses(guest, r"A call of guest runs or waits.*error\.memory")
    handle.cancel()
    with pytest.raises(jn.Cancelled):
        handle.result(PATIENCE)


def test_unloaded_and_closed_are_refused(rt: jn.Runtime, guest: jn.Plugin) -> None:
    memory, numbers = guest.memory, guest.globals
    guest.unload()
    refuses(guest, "is unloaded")
    assert repr(memory) == "<GuestMemory: guest is unloaded.>"
    assert repr(numbers) == "<globals of guest: guest is unloaded.>"
    rt.close()
    refuses(guest, "is unloaded")


def test_after_a_reload_it_is_the_new_instance(rt: jn.Runtime, guest: jn.Plugin) -> None:
    memory = guest.memory
    memory.write(8, b"HELLO")
    guest.globals["count"] = 99
    rt.load(GUEST.replace("hello", "other"), name="guest")
    with pytest.raises(jn.PluginNotReady, match="no instance now"):
        memory.read(0, 1)
    guest.initialize()
    assert memory.text(8, 5) == "other"
    assert guest.globals["count"] == -5


def test_a_wasi_command_has_no_memory_between_runs(rt: jn.Runtime) -> None:
    p = rt.load('(module (memory (export "memory") 1) (func (export "_start")))', name="command", abi="wasi")
    p.run()
    with pytest.raises(jn.PluginNotReady, match="keeps no instance"):
        p.memory.read(0, 1)


def test_a_forked_child_is_refused_and_hangs_on_nothing(guest: jn.Plugin) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            guest.memory.read(0, 1)
        except jn.ResourceExhausted as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert b"was forked" in pipe.read()
    os.waitpid(pid, 0)
    assert guest.memory.text(8, 5) == "hello"


# --- exclusive -------------------------------------------------------------------------------------------------------


def test_no_call_begins_during_an_access_and_none_is_lost(guest: jn.Plugin, start: Start) -> None:
    entered, go = threading.Event(), threading.Event()

    def work(_: Any) -> str:
        entered.set()
        assert go.wait(PATIENCE)
        return "done"

    access = start(lambda: guest._access().reach(work))
    assert entered.wait(PATIENCE)
    calls = [start(guest.raw("count_now")) for _ in range(3)]
    with pytest.raises(jn.PluginNotReady, match="Another thread looks"):
        start_and_get(start, lambda: guest.memory.size)
    assert calls == [[], [], []]
    go.set()
    until(lambda: access and all(calls))
    assert access == ["done"]
    assert calls == [[-5]] * 3
    assert guest.memory.size == 1 << 16


def start_and_get(start: Start, work: Callable[[], object]) -> object:
    """Do it in another thread, which may not wait for the pool's lock: the thread inside has it."""
    found = start(work)
    until(lambda: found or None)
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def test_accesses_of_threads_and_calls_take_turns(guest: jn.Plugin, start: Start) -> None:
    stop = threading.Event()
    made: list[bool] = []

    def calls() -> bool:
        while not stop.is_set():
            assert guest.raw("sum")(8, 5) == sum(b"hello")
            made.append(True)
        return True

    def looks() -> bool:
        while not stop.is_set():
            with contextlib.suppress(jn.PluginNotReady):
                assert guest.memory.text(8, 5) == "hello"
        return True

    found = [start(calls), start(calls), start(looks), start(looks)]
    stop.wait(0.5)
    until(lambda: made or any(found))
    stop.set()
    until(lambda: all(found))
    assert found == [[True]] * 4
    assert guest.memory.text(8, 5) == "hello"
    assert len(guest._deployment.instances._kept) == 1


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError, MemoryError, RecursionError])
def test_an_exception_gives_the_instance_back(guest: jn.Plugin, raised: type[BaseException]) -> None:
    def work(_: Any) -> None:
        raise raised

    with pytest.raises(raised):
        guest._access().reach(work)
    assert guest.memory.text(8, 5) == "hello"
    assert guest.raw("count_now")() == -5


def test_an_interrupt_comes_when_the_instance_is_given_back(guest: jn.Plugin) -> None:
    steps: list[str] = []

    def work(_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("went on")

    with pytest.raises(KeyboardInterrupt):
        guest._access().reach(work)
    assert steps == ["went on"]
    assert guest._deployment.instances.idle == 1
    assert guest.raw("count_now")() == -5


def test_an_interrupted_write_has_its_row(guest: jn.Plugin) -> None:
    before = len(guest.audit)
    memory = guest.memory
    reach = memory._reach

    def interrupted(work: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return reach(work)

    memory._reach = interrupted
    with pytest.raises(KeyboardInterrupt):
        memory.write(8, b"H")
    assert guest.memory.text(8, 5) == "Hello"
    assert len(guest.audit) == before + 1


def test_an_unload_inside_an_access_frees_the_instance_afterwards(rt: jn.Runtime, guest: jn.Plugin) -> None:
    def work(sandbox: Any) -> bytes:
        guest.unload()  # what a signal's handler may do here
        return bytes(str(sandbox.shown_memory.size), "ascii")

    assert guest._access().reach(work) == b"65536"
    assert guest._deployment.instances._kept == {}
    assert guest.state == "unloaded"


def test_where_no_frames_are_left_nothing_is_taken(guest: jn.Plugin) -> None:
    def deep(left: int) -> None:
        try:
            deep(left + 1)
        except RecursionError:
            guest.memory.read(0, 1)
            raise

    with pytest.raises(RecursionError):
        deep(0)
    assert guest._deployment.instances.idle == 1
    assert guest.memory.text(8, 5) == "hello"


# --- in a host function ----------------------------------------------------------------------------------------------

Look = Callable[[], Any]


@pytest.fixture
def looking() -> Iterator[tuple[jn.Runtime, list[Look], list[Any]]]:
    """A runtime whose guests' ``judicia:test.look`` calls the last of the first list; the second has what that gave."""
    looks: list[Look] = []
    found: list[Any] = []

    def look(*_: Any) -> None:
        try:
            found.append(looks[-1]())
        except jn.JudiciaError as error:
            found.append(error)

    with offered(Operation("look", look, answers=False)), jn.Runtime() as runtime:
        yield runtime, looks, found


LOOK = "(drop (call $judicia:test.look (i32.const 0) (i32.const 0)))"
CELLS = (
    '(global $n (export "n") (mut i32) (i32.const 0))',
    '(func (export "f") (result i32) (i32.store (i32.const 40) (i32.const 77)) (global.set $n (i32.const 5))',
    f"{LOOK} (i32.add (i32.load (i32.const 40)) (global.get $n)))",
    f'(func (export "grow") (result i32) (drop (memory.grow (i32.const 1))) {LOOK} (i32.const 0))',
)
LOOKER = wat(*CELLS)


@pytest.mark.parametrize("instances", [1, 3, "fresh"])
def test_in_a_host_function_it_is_the_instance_inside(looking: Any, instances: int | str) -> None:
    runtime, looks, found = looking
    p = runtime.load(LOOKER, name="looker", instances=instances)

    def look() -> Any:
        before = p.memory.read(40, 1), p.globals["n"]
        p.memory.write(40, b"\x64")
        p.globals["n"] = 1000
        return before

    looks.append(look)
    for _ in range(3):
        assert p.raw("f")() == 1100
        assert p.attempt("f", numbers=()).value == 1100
    assert found == [(b"\x4d", 5)] * 6
    assert list(p.audit["what"])[-2:] == ["memory", "global"]


def test_a_guest_that_has_grown_has_the_size_of_now(looking: Any) -> None:
    runtime, looks, found = looking
    p = runtime.load(LOOKER, name="looker")
    looks.append(lambda: p.memory.size)
    p.raw("grow")()
    p.raw("grow")()
    assert found[1] - found[0] == 1 << 16


def test_another_plugins_host_function_sees_each_ones_own(looking: Any) -> None:
    runtime, looks, found = looking
    outer = runtime.load(LOOKER, name="outer")
    inner = runtime.load(LOOKER.replace(b"i32.const 77", b"i32.const 66"), name="inner")
    looks += [lambda: (outer.memory.read(40, 1), inner.memory.read(40, 1))]

    def nested() -> Any:
        looks.pop()
        return inner.raw("f")()

    looks.append(nested)
    outer.raw("f")()
    assert found == [(b"M", b"B"), 71]
    looks[-1] = lambda: inner.memory.read(40, 1)  # at rest, while another plugin's call is on this thread
    outer.raw("f")()
    assert found[-1] == b"B"


def test_another_thread_is_refused_during_a_host_function(looking: Any, start: Start) -> None:
    runtime, looks, found = looking
    p = runtime.load(LOOKER, name="looker")

    def look() -> Any:
        came = start(lambda: p.memory.read(0, 1))
        until(lambda: came or None)
        return came[0]

    looks.append(look)
    p.raw("f")()
    assert isinstance(found[0], jn.PluginNotReady)
    assert "runs or waits" in str(found[0])


def test_in_on_initialize_it_is_the_new_instance(looking: Any) -> None:
    runtime, looks, found = looking
    hook = f'(func (export "on_initialize") (param i32 i32) (result i64) {LOOK} (i64.const 0))'
    p = runtime.load(wat(*CELLS, hook), name="looker")
    looks.append(lambda: (p.globals["n"], p.memory.size > 0))
    p.raw("f")()
    assert found == [(0, True), (5, True)]


def test_a_dump_is_there_when_a_host_function_raises(looking: Any) -> None:
    runtime, looks, _ = looking
    p = runtime.load(LOOKER, name="looker")

    def look() -> Any:
        raise ZeroDivisionError

    looks.append(look)
    with pytest.raises(jn.HostFailure) as caught:
        p.raw("f")()
    assert caught.value.memory.read(40, 1) == b"\x4d"


def test_from_an_observer_of_the_policy_it_is_at_rest(guest: jn.Plugin) -> None:
    found: list[str] = []
    guest.policy.observe(lambda _: found.append(guest.memory.text(8, 5)))
    guest.policy.grant("wall_clock")
    assert found == ["hello"]


def test_a_plugin_with_the_abi_is_looked_at_too(rt: jn.Runtime) -> None:
    p = load(rt, '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))')
    p.call("echo", "judicia")
    size = p.memory.size
    assert b'"judicia"' in p.memory.read(0, size)


# --- the document ----------------------------------------------------------------------------------------------------


def test_the_page_says_what_its_examples_print(capsys: pytest.CaptureFixture[str]) -> None:
    run_examples("memory.md", capsys)
