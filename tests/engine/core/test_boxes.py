"""A box takes nothing that is another's: functions of other stores, a second thread, pages that were not zeroed."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.core import CORE, functions
from judicia_notebook.engine.core.builtin import write
from judicia_notebook.engine.core.structs import Status
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.memory import recycled_bytes
from judicia_notebook.engine.sandbox import Sandbox
from tests.support.guests import wat
from tests.support.waiting import until

Load = Callable[..., jn.Plugin]
Make = Callable[[], Sandbox]

PAGE = 1 << 16
ELEMENTS = 100
CELL = """(memory (export "memory") 4)
(func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
(func (export "fill") (param i32) (result i32)
  (memory.fill (i32.const 0) (i32.const 0xAB) (i32.const 0x40000)) (i32.const 0))"""

ASK = """(func (export "ask") (param i32 i32) (result i64)
  (call $judicia:clock.now (i32.const 0) (i32.const 0)))"""
ASK_AND_STAY = """(module
  (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (global $stays (mut i32) (i32.const 0))
  (func (export "judicia_alloc") (param i32) (result i32)
    (loop $on (br_if $on (global.get $stays)))
    (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "stay") (global.set $stays (i32.const 1)))
  (func (export "ask") (param i32 i32) (result i64) (call $now (i32.const 0) (i32.const 0))))"""


@pytest.fixture
def call() -> Iterator[Invocation]:
    call = Invocation(FixedBudget(Limits()))
    yield call
    call.release()


@pytest.fixture
def make(rt: jn.Runtime, load: Load, call: Invocation) -> Iterator[Make]:
    """``make()``: an instance in a store of its own, which no thread is inside of."""
    linkage = load(CELL)._code.linkage
    made: list[Sandbox] = []

    def make() -> Sandbox:
        sandbox = Sandbox(linkage, rt._platform.pool)
        made.append(sandbox)
        sandbox.enter(call)
        sandbox.instantiate()
        sandbox.export("add")
        sandbox.export("fill")
        sandbox.leave()
        return sandbox

    yield make
    for sandbox in made:
        sandbox.close()


def test_a_function_of_another_store_is_refused(make: Make, call: Invocation) -> None:
    """Wasmtime would end the process."""
    one, other = make(), make()
    one.enter(call)
    theirs = other.export("add")
    assert functions.run(one.pointer, *theirs.arguments[1:]) == Status.FOREIGN
    assert functions.exchange(one.pointer, theirs.function, b"", 0) == Status.FOREIGN
    ctypes.memmove(one.box.fields.alloc, theirs.function, 16)
    assert write(one.box.pointer, b"abc") == -Status.FOREIGN
    one.export("add").write((41).to_bytes(16, "little"))
    one.run(one.export("add"))
    assert one.export("add").read() == (42,)
    one.leave()


def test_a_host_function_of_code_that_is_closed_ends_the_call(rt: jn.Runtime, load: Load, call: Invocation) -> None:
    """Wasmtime still has it, for the instances that are there; Python does not."""
    linkage = load(ASK)._code.linkage
    sandbox = Sandbox(linkage, rt._platform.pool)
    sandbox.enter(call)
    sandbox.instantiate()
    linkage.close()
    with pytest.raises(jn.HostFailure) as caught:
        sandbox.run_pair(sandbox.export("ask"), 0, 0)
    assert str(caught.value.__cause__) == "a host call outside any call"
    sandbox.leave()
    sandbox.close()


def test_an_allocator_that_goes_on_for_long_in_a_host_call_gives_the_lock_away(rt: jn.Runtime) -> None:
    """Short calls keep Python's lock. A thread that needs it to cancel this one gets it at a tick."""
    plugin = rt.load(wat(ASK_AND_STAY), name="guest", grant=["wall_clock"], quota={"cpu": "5s", "wall": "20s"})
    for _ in range(3):
        assert "ok" in plugin.call("ask")
    plugin.raw("stay")()
    is_over = threading.Event()

    def cancel() -> None:
        while not is_over.is_set():
            for running in plugin._deployment.running_calls:
                running.scope.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        outcome = plugin.attempt("ask")
    finally:
        is_over.set()
        thread.join()
    assert isinstance(outcome.error, jn.Cancelled)
    assert outcome.record is not None
    assert outcome.record.cpu_ms < 5000  # or the limit of CPU time has stopped it, and the cancel came behind that


def test_a_box_that_no_thread_is_inside_of_runs_nothing(make: Make) -> None:
    sandbox = make()
    export = sandbox.export("add")
    assert functions.run(*export.arguments) == Status.FOREIGN
    assert functions.exchange(sandbox.pointer, export.function, b"", 0) == Status.FOREIGN
    assert functions.exchange_end(sandbox.pointer) == Status.FOREIGN
    assert write(sandbox.box.pointer, b"abc") == -Status.FOREIGN
    assert functions.instantiate(sandbox.pointer, sandbox.linkage.pre, None, None, 0) == Status.FOREIGN
    sandbox.close()
    assert functions.run(*export.arguments) == Status.FOREIGN


def test_a_second_thread_is_refused_and_the_one_inside_closes(make: Make, call: Invocation) -> None:
    sandbox = make()
    found: list[int] = []

    def enter() -> None:
        second = Invocation(FixedBudget(Limits()))
        found.append(functions.enter(sandbox.pointer, second.attach(), ELEMENTS))
        second.release()

    def elsewhere(work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    sandbox.enter(call)
    elsewhere(enter)
    elsewhere(sandbox.close)
    elsewhere(enter)
    assert sandbox.box.fields.store  # its guest may be running
    sandbox.run(sandbox.export("add"))
    sandbox.leave()
    assert not sandbox.box.fields.store
    elsewhere(enter)
    assert found == [Status.OCCUPIED, Status.SHUT, Status.SHUT]


def test_one_thread_at_a_time_is_inside_and_the_store_goes_once(make: Make) -> None:
    """Entries and leaves without Python's lock, so that two of them meet within the core."""
    enter = CORE.function("jc_enter", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    leave = CORE.function("jc_leave", None, ctypes.c_void_p)

    def work(sandbox: Sandbox, inside: list[int], most: set[int], statuses: set[int]) -> None:
        own = Invocation(FixedBudget(Limits()))
        pointer = own.attach()
        while (status := enter(sandbox.pointer, pointer, ELEMENTS)) != Status.SHUT:
            statuses.add(status)
            if status == Status.OK:
                inside.append(1)
                most.add(len(inside))
                inside.pop()
                leave(sandbox.pointer)
        own.release()

    for _ in range(6):
        sandbox = make()
        most, statuses = set[int](), set[int]()
        inside: list[int] = []
        threads = [threading.Thread(target=work, args=(sandbox, inside, most, statuses)) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda most=most: most)  # type: ignore[misc]
        time.sleep(0.1)
        sandbox.close()
        for thread in threads:
            thread.join()
        assert most == {1}
        assert statuses <= {Status.OK, Status.OCCUPIED}
        assert not sandbox.box.fields.store


@pytest.mark.address_space
@pytest.mark.skipif(sys.platform != "linux", reason="mlock as Linux has it; enable: run on Linux")
def test_a_memory_that_could_not_be_zeroed_is_no_next_instances(make: Make, call: Invocation) -> None:
    """The system gives no pages back that are locked. Such a memory is unmapped."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    sandbox = make()
    sandbox.enter(call)
    sandbox.run(sandbox.export("fill"))
    memory = sandbox.memory
    assert memory is not None
    base = memory.base
    sandbox.leave()
    if libc.mlock(base, 4 * PAGE):
        pytest.skip("no memory may be locked; enable: ulimit -l unlimited")
    before = recycled_bytes()
    sandbox.close()
    assert recycled_bytes() == before
    for _ in range(3):
        successor = make().memory
        assert successor is not None
        assert ctypes.string_at(successor.base, 4 * PAGE) == bytes(4 * PAGE)


def test_a_memory_that_was_zeroed_is_the_next_instances(make: Make, call: Invocation) -> None:
    sandbox = make()
    sandbox.enter(call)
    sandbox.run(sandbox.export("fill"))
    memory = sandbox.memory
    assert memory is not None
    base = memory.base
    sandbox.leave()
    sandbox.close()
    successor = make().memory
    assert successor is not None
    assert successor.base == base
    assert ctypes.string_at(base, 4 * PAGE) == bytes(4 * PAGE)
