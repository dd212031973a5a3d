"""Interrupts in the middle of loads, unloads and closes, and guests that hold up what others do.

A step is an instruction of this package, those left aside that only compute. A signal is sent before the n-th of them,
for many n, until the operation ends by itself; whatever was interrupted is as it was or as it was to be, and goes on to
work. The programs run in processes of their own, since some of what can go wrong hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.waiting import PATIENCE, in_some_try

Survives = Callable[[str], list[str]]
OPEN = "type('open', (), {'__enter__': lambda self: None, '__exit__': lambda *_: None})"
DEFERRED = pytest.mark.wall({"judicia_notebook.engine.interrupts:deferred": OPEN})

AT_EACH_STEP = """
from judicia_notebook.engine.finalizers import sweep
HERE = os.path.dirname(jn.__file__)
signal.signal(signal.SIGALRM, signal.default_int_handler)
hooks = ("on_event", "on_http_request", "on_cleanup", "go")
cell = "".join(f'(func (export "{name}") (param i32 i32) (result i64) (i64.const 0))' for name in hooks)
code = compile_wat(cell).encode()
other = compile_wat(cell + '(func (export "more") (param i32 i32) (result i64) (i64.const 0))').encode()
COMPUTING = {
    "abi", "admission", "binary_format", "cache", "errors", "info", "limits", "quotas", "schema", "sections", "units",
}
steps = chosen = 0
def trace(frame, event, argument):
    global steps
    file = frame.f_code.co_filename
    if not file.startswith(HERE) or os.path.basename(file)[:-3] in COMPUTING: return None
    frame.f_trace_opcodes = True
    if event == "opcode":
        steps += 1
        if steps == chosen: os.kill(os.getpid(), signal.SIGALRM)
    return trace

def interrupted_at(step, act):
    global steps, chosen
    steps, chosen = 0, step
    try:
        sys.settrace(trace)
        try: act()
        finally: sys.settrace(None)
    except KeyboardInterrupt: return "raised"
    return "ended" if steps < step else "lost"

def others_can(rt):
    \"\"\"Nothing is locked and no name is dead: another thread does everything that there is.\"\"\"
    done = []
    def work():
        for name in list(rt.plugins): rt.plugins[name].call("go")
        if "a" in rt.plugins: rt.unload("a")
        rt.load(code, name="a").call("go")
        done.append(True)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    return bool(done)

def state(rt):
    \"\"\"What is loaded with what, and what the audit says: an interrupt leaves the old or the new of all that.\"\"\"
    loaded = {name: (p.digest, p.policy.granted, p.instances, dict(p.config)) for name, p in rt.plugins.items()}
    return loaded, rt.audit.what.tolist()

def wrong(act, every):
    \"\"\"Steps at which an interrupt did harm, and how many were tried.\"\"\"
    with jn.Runtime() as rt:
        rt.load(code, name="a").call("go")
        old = state(rt)
        act(rt)
        new = state(rt)
    found, tried, step, how = [], 0, 1, ""
    while how != "ended" and not found:
        rt = jn.Runtime()
        rt.load(code, name="a").call("go")
        how = interrupted_at(step, lambda: act(rt))
        tried += 1
        if state(rt) not in (old, new): found.append((step, how, "half"))
        if how == "lost" or not (rt.closed or others_can(rt)): found.append((step, how))
        rt.close()
        gc.collect()
        sweep()
        if rt._platform.pool.used: found.append((step, how, rt._platform.pool.used))
        step += every
    return found, tried
"""


def nothing_wrong(said: list[str], at_least: int) -> None:
    found, tried = said[-1].rsplit(" ", 1)
    assert found == "[]"
    assert int(tried) >= at_least


@DEFERRED
def test_an_interrupt_at_any_step_of_an_unload_leaves_the_old_or_the_new(survives: Survives) -> None:
    said = survives(AT_EACH_STEP + 'print(*wrong(lambda rt: rt.unload("a"), 83))')
    nothing_wrong(said, 20)


@DEFERRED
def test_an_interrupt_at_any_step_of_a_load_over_a_name_leaves_the_old_or_the_new(survives: Survives) -> None:
    act = 'lambda rt: rt.load(other, name="a", grant=["random"], instances=2, config={"a": 1})'
    said = survives(AT_EACH_STEP + f"print(*wrong({act}, 103))")
    nothing_wrong(said, 20)


@DEFERRED
def test_an_interrupt_at_any_step_of_a_first_load_leaves_the_name_free_or_taken(survives: Survives) -> None:
    said = survives(AT_EACH_STEP + 'print(*wrong(lambda rt: rt.load(other, name="b"), 67))')
    nothing_wrong(said, 20)


def test_an_interrupt_at_any_step_of_a_reload_leaves_the_old_or_the_new(survives: Survives) -> None:
    said = survives(AT_EACH_STEP + 'print(*wrong(lambda rt: rt.reload("a"), 83))')
    nothing_wrong(said, 20)


@pytest.mark.wall(
    {
        "judicia_notebook.engine.interrupts:deferred": OPEN,
        "judicia_notebook.engine.interrupts:do_all": "lambda *steps: [step() for step in steps]",
    }
)
def test_an_interrupt_at_any_step_of_a_close_leaves_no_memory_booked(survives: Survives) -> None:
    said = survives(AT_EACH_STEP + "print(*wrong(lambda rt: rt.close(), 97))")
    nothing_wrong(said, 20)


@pytest.mark.wall(
    {
        "judicia_notebook.engine.interrupts:deferred": OPEN,
        "judicia_notebook.runtime.runtime:Runtime._forget": "lambda self, plugin: not plugin._unloaded and (setattr("
        "plugin, '_unloaded', True), self.host.plugin_unloaded(plugin), self._plugins.pop(plugin.name, None)) and True",
    }
)
def test_alarms_at_random_moments_of_unloads_kill_no_name_and_book_no_memory(survives: Survives) -> None:
    said = survives(
        AT_EACH_STEP
        + """
import random
random.seed(3)
dead = kept = interrupted = 0
for name in "bcdef":  # how long one takes
    rt.load(code, name=name).call("go")
began = time.perf_counter()
for name in "bcdef": rt.unload(name)
each = (time.perf_counter() - began) / 5
until = time.time() + 6
while interrupted < 150 and time.time() < until:
    rt = jn.Runtime()
    rt.load(code, name="a").call("go")
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, random.random() * each + 1e-6)
            rt.unload("a")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
        if "a" in rt.plugins:
            rt.unload("a")
            rt.load(code, name="a")
            dead += rt.plugins["a"]._unloaded or rt.plugins["a"].attempt("go").error is not None
    rt.close(); gc.collect(); sweep()
    kept += rt._platform.pool.used > 0
print(interrupted > 5, dead, kept)
"""
    )
    assert said == ["True 0 0"]


@pytest.mark.wall(
    {
        "judicia_notebook.runtime.deployment:Deployment.retire": "lambda self, idle: "
        "[(self._clean_up(one), one.sandbox.close()) for one in idle]"
    }
)
def test_an_interrupt_ends_a_cleanup_that_hangs_and_the_rest_is_freed(survives: Survives) -> None:
    said = survives(
        """
signal.signal(signal.SIGALRM, signal.default_int_handler)
cell = '''(func (export "wait") (param i32 i32) (result i64) (local $n i32) (local.set $n (i32.const 100000000))
  (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i64.const 0))
  (func (export "on_cleanup") (param i32 i32) (result i64) (loop $l (br $l)) unreachable)'''
p = rt.load(compile_wat(cell).encode(), name="slow", instances=3, quota={"cpu": "10s"})
for handle in [p.submit("wait") for _ in range(3)]: handle.result()
assert p._deployment.instances.idle == 3, p._deployment.instances.idle
signal.setitimer(signal.ITIMER_REAL, 0.2)
try: rt.unload("slow")
except KeyboardInterrupt: print("raised", "cancelled" in set(rt.calls.outcome[rt.calls.function == "on_cleanup"]))
print(rt._platform.pool.used, dict(rt.plugins))
rt.load(compile_wat(cell).encode(), name="slow")
alive()
"""
    )
    assert said == ["raised True", "0 {}", "alive"]


# --- no code of a guest or an observer under a lock ------------------------------------------------------------------

ECHO = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
HANGS = ECHO + '(func (export "on_cleanup") (param i32 i32) (result i64) (loop $l (br $l)) unreachable)'


def code(cell: str) -> bytes:
    return wat(cell)


RETIRES = "lambda self, *a, **b: self.retire(original(self, *a, **b)) or []"


@pytest.mark.wall({"judicia_notebook.runtime.deployment:Deployment.replace": RETIRES})
def test_a_cleanup_that_hangs_while_its_plugin_is_replaced_holds_nobody_up(rt: jn.Runtime) -> None:
    def attempt() -> None:
        rt.load(code(HANGS), name="slow", quota={"cpu": "10s"}).call("echo", 1)
        for name in ("other", "another"):
            rt.load(code(ECHO), name=name)
        replacing = threading.Thread(target=rt.load, args=(code(ECHO),), kwargs={"name": "slow"})
        replacing.start()
        while not any(call.scope.function == "on_cleanup" for call in rt.plugins["slow"]._deployment.running_calls):
            time.sleep(0.001)
            assert replacing.is_alive()
        began = time.monotonic()
        rt.unload("other")
        rt.reload("another")
        took = time.monotonic() - began
        replacing.join(PATIENCE)
        assert took < 0.7

    in_some_try(attempt)


@pytest.mark.wall(
    {"judicia_notebook.policy.policy:Policy.merge": "lambda self, *a, **b: original(self, *a, **b) and self.tell()"}
)
def test_an_observer_of_a_policy_may_wait_for_a_thread_that_loads(rt: jn.Runtime) -> None:
    p = rt.load(code(ECHO), name="watched")
    waited: list[bool] = []

    def observe(_: object) -> None:
        loading = threading.Thread(target=rt.load, args=(code(ECHO),), kwargs={"name": "other"}, daemon=True)
        loading.start()
        loading.join(PATIENCE / 4)
        waited.append(loading.is_alive())

    p.policy.observe(observe)
    rt.load(code(ECHO), name="watched", grant=["random"])
    assert waited == [False]


# --- waiting ---------------------------------------------------------------------------------------------------------

AT_EACH_LINE_OF_WAITING = """
import concurrent.futures._base as futures
signal.signal(signal.SIGALRM, signal.default_int_handler)
faulthandler.dump_traceback_later(13 if os.environ.get("JUDICIA_WALL_DOWN") else 50, exit=True)
lines = chosen = 0
def trace(frame, event, argument):
    global lines
    if frame.f_code.co_filename not in (threading.__file__, futures.__file__): return None
    if event == "line":
        lines += 1
        if lines == chosen: os.kill(os.getpid(), signal.SIGALRM)
    return trace
def endings(wait):
    global lines, chosen
    lines, chosen, found = 0, 0, set()
    while lines >= chosen:
        lines, chosen = 0, chosen + 1
        try:
            finish = wait[0]()
            sys.settrace(trace)
            try: wait[1](finish)
            finally: sys.settrace(None)
        except KeyboardInterrupt: found.add("KeyboardInterrupt")
        except Exception as error: found.add(f"{type(error).__name__}: {error}")
        wait[2](finish)
    return found
"""


@pytest.mark.wall({"judicia_notebook.engine.interrupts:wait_until": "lambda look, seconds=None: look(seconds)"})
def test_an_interrupt_while_a_result_is_waited_for_is_just_that(survives: Survives) -> None:
    said = survives(
        AT_EACH_LINE_OF_WAITING
        + """
p = rt.load("example:specimen", instances=4)
result = lambda handle: handle.result(5)
print(*endings((lambda: p.submit("sleep", {"ms": 5}), result, result)))
alive(p)
"""
    )
    assert said == ["KeyboardInterrupt", "alive"]


@pytest.mark.wall(
    {
        "judicia_notebook.engine.interrupts:Changed": "type('Open', (threading.Condition,), "
        "{'wait_until': lambda self, predicate, seconds=None: self.__enter__() and (self.wait_for(predicate, seconds), "
        "self.__exit__())[0]})"
    }
)
def test_an_interrupt_while_events_are_flushed_leaves_nothing_locked(survives: Survives) -> None:
    said = survives(
        AT_EACH_LINE_OF_WAITING
        + """
events = rt.host.events
seen = []
events.subscribe("a", lambda event: (time.sleep(0.004), seen.append(event.id)))
def work(_):
    done = []
    thread = threading.Thread(target=lambda: (events.emit("b"), events.flush(5), done.append(True)), daemon=True)
    thread.start()
    thread.join(5)
    if not done:
        print("locked", flush=True)
        os._exit(0)
print(*endings((lambda: events.emit("a"), lambda _: (events.emit("c"), events.flush(5)), work)))
"""
    )
    assert said == ["KeyboardInterrupt"]


@pytest.mark.wall(
    {
        "judicia_notebook.engine.invocation:Latch.wait": "lambda self, seconds=-1: "
        "self._lock.acquire(timeout=seconds) and (self.set() or True)"
    }
)
def test_an_interrupt_at_a_latch_keeps_nobody_waiting(survives: Survives) -> None:
    said = survives(
        """
from judicia_notebook.engine.invocation import Latch
signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupted = late = 0
for chosen in range(1, 40):
    latch, steps = Latch(), 0
    latch.set()
    def trace(frame, event, argument):
        global steps
        frame.f_trace_opcodes = frame.f_code.co_name in ("wait", "<lambda>")
        if event == "opcode":
            steps += 1
            if steps == chosen: os.kill(os.getpid(), signal.SIGALRM)
        return trace
    try:
        sys.settrace(trace)
        try: latch.wait(1)
        finally: sys.settrace(None)
    except KeyboardInterrupt: interrupted += 1
    late += not latch.wait(0.05)
print(interrupted > 5, late)
"""
    )
    assert said == ["True 0"]
