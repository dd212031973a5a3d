"""What a process can do to itself around a sandbox: fork, toggle faulthandler, run out of stack or frames, exit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

Survives = Callable[[str], list[str]]

OUT_OF_BOUNDS = '(func (export "wild") (param i32 i32) (result i64) (i64.load (i32.const 0x7fff0000)))'


# --- fork ------------------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks; enable: run on Linux or macOS")

CHILD = """
def in_a_child(function):
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(8, exit=True)
        code = 1
        try: function()
        except jn.ResourceExhausted as error: code = 0 if "spawn" in str(error) else 2
        except BaseException as error: print(type(error), error, flush=True)
        finally: os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def test_a_forked_child_is_told_so_instead_of_hanging(survives: Survives) -> None:
    said = survives(
        CHILD
        + """
p = load('(func (export "add") (param i32) (result i32) (local.get 0))')
q = load(name="unused")
p.call("echo", 1)
ways = {
    "a call": lambda: p.call("echo", 1),
    "a first call": lambda: q.call("echo", 1),
    "a raw call": lambda: p.raw("add")(1),
    "an attempt": lambda: p.attempt("echo", 1),
    "a load": lambda: rt.load(b"(module)", name="late"),
    "initialize": lambda: q.initialize(),
    "another runtime": lambda: jn.Runtime().load(b"(module)", name="late"),
}
print({way: code for way, code in ((way, in_a_child(call)) for way, call in ways.items()) if code})
alive(p, q)
"""
    )
    assert said == ["{}", "alive"]


def test_a_child_that_was_forked_while_another_thread_was_inside(survives: Survives) -> None:
    said = survives(
        CHILD
        + """
p = rt.load("example:specimen")
p.call("echo", 1)
inside = threading.Thread(target=p.attempt, args=("sleep", {"ms": 700}))
inside.start()
time.sleep(0.2)
print(in_a_child(lambda: p.call("echo", 1)))
inside.join()
alive(p)
"""
    )
    assert said == ["0", "alive"]


def test_a_child_may_end_without_touching_what_is_its_parents(survives: Survives) -> None:
    said = survives(
        """
p = load()
p.call("echo", 1)
folder = rt.data_dir
pid = os.fork()
if pid == 0:
    del p
    rt.close()
    gc.collect()
    sys.exit(0)  # with everything that runs at an ordinary exit
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), folder.is_dir())
alive(p)
"""
    )
    assert said == ["0 True", "alive"]


# --- signal handlers of C --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["enable", "disable"])
def test_faulthandler_may_be_switched_at_any_time(survives: Survives, first: str) -> None:
    said = survives(
        f"""
faulthandler.{first}()
p = load('{OUT_OF_BOUNDS}')
def wild():
    error = p.attempt("wild").error
    assert isinstance(error, jn.GuestTrap) and error.trap == "out_of_bounds_memory", error
wild()
for switches in ("disable", "enable", "disable enable", "enable disable", "disable enable disable", "enable", "enable",
                 "disable disable enable"):
    for switch in switches.split():
        getattr(faulthandler, switch)()
    wild()
    wild()
alive(p)
"""
    )
    assert said == ["alive"]


def test_faulthandler_may_be_switched_between_calls_on_another_thread(survives: Survives) -> None:
    said = survives(
        f"""
p = load('{OUT_OF_BOUNDS}', instances=2)
wrong = []
def work():
    for _ in range(100):
        error = p.attempt("wild").error
        if not isinstance(error, jn.GuestTrap): wrong.append(error)
work()
faulthandler.enable()
thread = threading.Thread(target=work)
thread.start()
thread.join()
faulthandler.disable()
work()
assert wrong == [], wrong
alive(p)
"""
    )
    assert said == ["alive"]


def test_a_crash_outside_of_a_guest_is_still_a_crash(survives: Survives) -> None:
    said = survives(
        """
import subprocess
program = '''
import ctypes, faulthandler, judicia_notebook as jn
with jn.Runtime() as rt:
    rt.load("example:specimen").attempt("recurse")
    ctypes.string_at(8)
'''
done = subprocess.run([sys.executable, "-c", program], capture_output=True)
print(done.returncode == -signal.SIGSEGV)
"""
    )
    assert said == ["True"]


# --- native stack ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's stack is measured on Linux; enable: run on Linux")
def test_a_thread_with_a_small_stack_is_refused_and_not_overrun(survives: Survives) -> None:
    said = survives(
        """
p = rt.load("example:specimen")
p.call("echo", 1)
def work(kib):
    for function in ("recurse", "echo"):
        try: print(kib, type(p.attempt(function, 1).error).__name__, flush=True)
        except jn.ResourceExhausted as error: print(kib, "refused", "stack" in str(error))
for kib in (128, 256, 512, 1024, 4096):
    threading.stack_size(kib << 10)
    thread = threading.Thread(target=work, args=(kib,))
    thread.start()
    thread.join()
alive(p)
"""
    )
    refused = [f"{kib} refused True" for kib in (128, 256, 512) for _ in range(2)]
    called = [f"{kib} {error}" for kib in (1024, 4096) for error in ("GuestTrap", "NoneType")]
    assert said == [*refused, *called, "alive"]


NESTING = """
from judicia_notebook.host.clock import ClockService
def now(self, scope, request):
    level = int(scope.plugin.removeprefix("p"))
    if level + 1 < len(plugins):
        deepest(plugins[level + 1])
    return {}
ClockService.now = now
rt.close()
rt = jn.Runtime()
DOWN = '''(func $down (export "down") (param i32) (result i32)
  (if (result i32) (local.get 0)
    (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
    (else (i32.wrap_i64 (call $judicia:clock.now (i32.const 0) (i32.const 0))))))'''
plugins = []
def deepest(plugin):
    for depth in (10000, 8000, 6000, 4000, 2000):  # as deep as it goes
        try: return plugin.raw("down")(depth)
        except jn.GuestTrap: pass
"""


@pytest.mark.parametrize(("kib", "levels"), [(1024, 4), (4096, 12)])
def test_plugins_that_call_plugins_do_not_overrun_the_stack_together(survives: Survives, kib: int, levels: int) -> None:
    said = survives(
        NESTING
        + f"""
plugins += [load(DOWN, name=f"p{{number}}", grant=["wall_clock"]) for number in range({levels})]
for plugin in plugins: plugin.call("echo", 1)
def work():
    try: deepest(plugins[0])
    except jn.JudiciaError as error: print("refused", type(error).__name__, file=sys.stderr)
threading.stack_size({kib} << 10)
thread = threading.Thread(target=work)
thread.start()
thread.join()
threading.stack_size(4 << 20)
for plugin in plugins: assert plugin.call("echo", 1) == 1
alive()
"""
    )
    assert said == ["alive"]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's stack is measured on Linux; enable: run on Linux")
def test_a_guest_may_not_overrun_a_stack_that_python_has_used_most_of(survives: Survives) -> None:
    said = survives(
        """
p = rt.load("example:specimen")
p.call("echo", 1)
def deep(frames):  # each goes through C, and takes some KiB of the native stack
    if frames: return sorted([frames], key=lambda _: deep(frames - 1))
    try: p.attempt("recurse")
    except jn.ResourceExhausted: pass
def work():
    for frames in range(20, 150, 10): deep(frames)
threading.stack_size(1 << 20)
thread = threading.Thread(target=work)
thread.start()
thread.join()
threading.stack_size(4 << 20)
alive(p)
"""
    )
    assert said == ["alive"]


# --- Python frames ---------------------------------------------------------------------------------------------------


NEAR_THE_LIMIT = [
    'p.call("echo", 1)',
    'p.call("grow", {"bytes": 65536})',
    'p.call("call_host", {"service": "clock", "n": 2})',
    'p.call("log", {"n": 1})',
    'p.call("sleep", {"ms": 0.1})',
    'p.call("spin", {"ms": 15})',
    'fresh.call("echo", 1)',
    'wild.call("wild")',
]


def test_few_python_frames_are_an_error_and_never_a_wrong_answer(survives: Survives) -> None:
    said = survives(
        f"""
p = rt.load("example:specimen", grant=["wall_clock"], quota={{"memory": "1GiB"}})
fresh = rt.load("example:specimen", name="fresh", instances="fresh")
wild = load('{OUT_OF_BOUNDS}')
def known(value):  # what must be the same each time
    same = ("ok", "failed", "grown")
    return {{key: value[key] for key in same if key in value}} if isinstance(value, dict) else value
def call():
    try: return known(eval(chosen))
    except jn.GuestTrap as error: return error.trap
def at_depth(frames):
    return at_depth(frames - 1) if frames else call()
def outcome(frames):
    try: answer = at_depth(frames)
    except (RecursionError, jn.InvalidPayload): return "refused"
    except jn.CallError as error: return f"ended as {{error.outcome}}"
    assert answer == right, (frames, answer)
    return "answered"
limit = sys.getrecursionlimit()
for chosen in {NEAR_THE_LIMIT!r}:
    print(chosen, flush=True)
    call()
    right = call()
    outcomes = [outcome(frames) for frames in range(limit - 90, limit)]
    assert set(outcomes) <= {{"answered", "refused", "ended as host_failure", "ended as abi_violation"}}, set(outcomes)
    assert outcomes[0] == "answered" and outcomes[-1] == "refused", outcomes
alive(p, fresh, wild)
rt.clear()
gc.collect()
print(rt._platform.pool.used)
"""
    )
    assert said == [*NEAR_THE_LIMIT, "alive", "0"]


def test_others_hooks_for_unraisable_errors_still_hear_of_theirs(survives: Survives) -> None:
    said = survives(
        """
import weakref
heard = []
p = load()
p.call("echo", 1)
before = sys.unraisablehook
def hook(unraisable):
    heard.append(type(unraisable.exc_value).__name__)
    before(unraisable)
sys.unraisablehook = hook
p.call("echo", 1)
assert sys.unraisablehook is hook
class Thing: pass
class Unhashable:
    __hash__ = None
    def __call__(self, _): raise ValueError
for callback in (Unhashable(), lambda _: 1 / 0):
    thing = Thing()
    reference = weakref.ref(thing, callback)
    del thing
class Loud:
    def __del__(self): raise KeyError
Loud()
print(heard)
alive(p)
"""
    )
    assert said == ["['ValueError', 'ZeroDivisionError', 'KeyError']", "alive"]


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["spin", "sleep", "call_host", "recurse"])
def test_a_process_may_end_while_daemon_threads_are_inside(survives: Survives, function: str) -> None:
    said = survives(
        f"""
p = rt.load("example:specimen", instances=4, grant=["wall_clock"])
p.call("echo", 1)
payload = {{"spin": {{"ms": 60000}}, "sleep": {{"ms": 9000}}, "recurse": None,
            "call_host": {{"service": "clock", "n": 100000}}}}["{function}"]
def work():
    for _ in range(1000): p.attempt("{function}", payload)
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("leaving", flush=True)
"""
    )
    assert said == ["leaving"]


def test_leaving_from_inside_a_host_call(survives: Survives) -> None:
    said = survives(
        """
from judicia_notebook.host.clock import ClockService
def leave(self, scope, request): sys.exit(5)
ClockService.now = leave
rt = jn.Runtime()
p = rt.load("example:specimen", grant=["wall_clock"])
try: p.call("call_host", {"service": "clock"})
except jn.HostFailure as error: print(repr(error.__cause__))
alive(p)
"""
    )
    assert said == ["SystemExit(5)", "alive"]
