"""Signals at bad moments: nothing a handler raises is lost, and nothing of it reaches Wasmtime."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Survives = Callable[[str], list[str]]

RAISING = """
class Alarm(Exception): pass
fired = 0
def raise_alarm(number, frame):
    global fired
    fired += 1
    raise Alarm
signal.signal(signal.SIGALRM, raise_alarm)
gc.disable()  # what a handler raises in some finalizer, Python itself drops

def alarmed(after, function, *arguments):
    global fired
    fired = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            function(*arguments)
            ended = "returned"
        except jn.CallError as error: ended = type(error).__name__
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm: ended = "alarm"
    finally: signal.setitimer(signal.ITIMER_REAL, 0)
    assert ended == "alarm" or not fired, f"lost: {ended}"
    return ended
"""

ENDINGS = {
    "spins on": "(loop $on (br $on))",
    "goes out of bounds": "(drop (i32.load (i32.const 0x7fff0000)))",
    "divides by zero": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "traps": "unreachable",
    "overflows its stack": "(call $run (local.get 0))",
    "grows": "(drop (memory.grow (i32.const 1))) (i32.store (i32.const 65600) (i32.const 1))",
    "fails to grow": "(drop (memory.grow (i32.const 60000)))",
    "calls the host": "(drop (call $judicia:log.write (i32.const 0) (i32.const 0)))",
    "asks for a denied service": "(drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))",
    "returns": "",
}


def test_a_handler_that_raises_while_the_guest_computes(survives: Survives) -> None:
    said = survives(
        RAISING
        + f"""
for ending, body in {ENDINGS!r}.items():
    print(ending, flush=True)
    cell = f'(func $run (export "run") (param i32) (call $work (local.get 0)) {{body}})'
    p = load(WORK + cell, name=ending.replace(" ", "_"), quota={{"cpu": "500ms"}})
    run = p.raw("run")
    ends = set()
    for turn in range(15):  # the alarm is pending when the guest next causes a callback, a trap or its return
        ends.add(alarmed(0.0005 + turn * 0.0001, run, 2_000_000 + turn * 300_000))
    assert "alarm" in ends, ends
    assert p.call("echo", 1) == 1
alive(p)
"""
    )
    assert said == [*ENDINGS, "alive"]


def test_a_handler_that_raises_while_an_instance_is_made(survives: Survives) -> None:
    said = survives(
        RAISING
        + """
p = load(WORK + '''(memory (export "memory") 1) (memory 1)
  (func $start (call $work (i32.const 3000000)) (drop (memory.grow (i32.const 1)))) (start $start)''',
  instances="fresh")
ends = {alarmed(0.0003 + turn * 0.0001, p.call, "echo", 1) for turn in range(40)}
assert "alarm" in ends, ends
assert rt._platform.pool.used == 0
alive(p)
"""
    )
    assert said == ["alive"]


def test_a_handler_that_raises_while_the_guest_sleeps(survives: Survives) -> None:
    said = survives(
        RAISING
        + """
p = rt.load("example:specimen")
p.call("echo", 1)
for turn in range(10):
    began = time.monotonic()
    assert alarmed(0.02 + turn * 0.003, p.call, "sleep", {"ms": 9000}) == "alarm"
    assert time.monotonic() - began < 5
alive(p)
"""
    )
    assert said == ["alive"]


def test_a_handler_that_raises_while_a_call_waits_for_its_turn(survives: Survives) -> None:
    said = survives(
        RAISING
        + """
p = rt.load("example:specimen")
p.call("echo", 1)
from judicia_notebook.engine import ticks
for turn in range(3):
    inside = threading.Thread(target=p.attempt, args=("sleep", {"ms": 9000}))
    inside.start()
    while not ticks.running(): time.sleep(0.001)
    assert alarmed(0.05, p.call, "echo", 1) == "alarm"
    p.cancel_calls()
    inside.join()
    assert p.call("echo", 2) == 2  # nobody stands in the queue who will never come
alive(p)
"""
    )
    assert said == ["alive"]


def test_a_handler_that_returns_changes_nothing(survives: Survives) -> None:
    said = survives(
        """
seen = []
signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
p = load(WORK + '(func (export "run") (param i32) (call $work (local.get 0)) (drop (memory.grow (i32.const 1))))')
for turn in range(10):
    p.raw("run")(10_000_000)
    assert p.call("echo", turn) == turn
signal.setitimer(signal.ITIMER_REAL, 0)
assert len(seen) > 10, seen
assert set(p.calls.outcome) == {"ok"}
alive(p)
"""
    )
    assert said == ["alive"]


def test_a_handler_still_works_after_a_call_as_it_did_before(survives: Survives) -> None:
    said = survives(
        RAISING
        + """
p = load()
p.call("echo", 1)
assert alarmed(0.02, time.sleep, 10) == "alarm"
p.call("echo", 1)
def other(number, frame): raise KeyError("other")
signal.signal(signal.SIGALRM, other)  # set after a call
p.call("echo", 1)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try: time.sleep(10)
except KeyError: print("other")
"""
    )
    assert said == ["other"]


def test_a_handler_that_wraps_what_it_found_is_called_once(survives: Survives) -> None:
    said = survives(
        """
p = load()
p.call("echo", 1)
for wrapped in range(3):
    found = signal.getsignal(signal.SIGINT)
    def wrapper(number, frame, found=found, wrapped=wrapped):
        print("wrapper", wrapped)
        found(number, frame)
    signal.signal(signal.SIGINT, wrapper)
    p.call("echo", 1)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupt")
alive(p)
"""
    )
    assert said == ["wrapper 2", "wrapper 1", "wrapper 0", "interrupt", "alive"]


def test_ignored_and_default_signals_stay_so(survives: Survives) -> None:
    said = survives(
        """
signal.signal(signal.SIGINT, signal.SIG_IGN)
p = rt.load("example:specimen")
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
p.call("sleep", {"ms": 200})
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
alive(p)
"""
    )
    assert said == ["alive"]


INTERRUPTING = """
signal.signal(signal.SIGINT, signal.default_int_handler)
import random
dropped = []
def drop(unraised):
    \"\"\"Python drops what a handler raises in a finalizer, such as the standard library's for a thread.\"\"\"
    if not str(getattr(unraised.object, "__module__", "")).startswith("judicia_notebook"):
        dropped.append(unraised.exc_type)
sys.unraisablehook = drop
def interrupting(call, rounds, latest):
    \"\"\"Ctrl-C at random moments: each one arrives, whatever the call is doing.\"\"\"
    random.seed(7)
    for _ in range(rounds):
        timer = threading.Timer(random.uniform(0, latest), os.kill, (os.getpid(), signal.SIGINT))
        dropped.clear()
        began = time.monotonic()
        try:
            timer.start()
            while not dropped and time.monotonic() - began < 20: call()
            assert dropped == [KeyboardInterrupt], "an interrupt was lost"
        except KeyboardInterrupt: pass
        except jn.QuotaExceeded:
            if not dropped: raise
        timer.join()
"""


CALLS = [
    'p.call("spin", {"ms": 20000})',
    'p.call("spin", {"ms": 0})',
    'p.call("sleep", {"ms": 9000})',
    'p.call("sleep", {"ms": 1})',
    'p.call("call_host", {"service": "log", "n": 50})',
    'p.call("call_host", {"service": "clock", "n": 30, "every_ms": 0.05})',
    'p.call("grow", {"bytes": 1 << 20})',
    'p.attempt("trap")',
    'p.attempt("recurse")',
    'fresh.call("echo", 1)',
]


def test_an_interrupt_at_any_moment_of_a_call(survives: Survives) -> None:
    said = survives(
        INTERRUPTING
        + f"""
p = rt.load("example:specimen", grant=["wall_clock"], quota={{"cpu": "10s", "memory": "1GiB"}})
fresh = rt.load("example:specimen", name="fresh", instances="fresh")
p.call("echo", 1)
for call in {CALLS!r}:
    print(call, flush=True)
    interrupting(eval("lambda: " + call), 15, 0.02)
    assert p.call("echo", 2) == 2
assert not set(rt.calls.outcome) & {{"host_failure"}}, set(rt.calls.outcome)
alive(p, fresh)
"""
    )
    assert said == [*CALLS, "alive"]


AT_EACH_LINE = """
class Alarm(Exception): pass
def raise_alarm(number, frame): raise Alarm
signal.signal(signal.SIGALRM, raise_alarm)
signal.signal(signal.SIGINT, signal.default_int_handler)
from judicia_notebook.engine import ticks
HERE = os.path.dirname(jn.__file__)
lines = chosen = 0
def trace(frame, event, argument):
    global lines
    if not frame.f_code.co_filename.startswith(HERE): return None
    if event == "line":
        lines += 1
        if lines == chosen: os.kill(os.getpid(), number)
    return trace
def signalled_at(line, call):
    global lines, chosen
    lines, chosen = 0, line
    try:
        sys.settrace(trace)
        try: call()
        finally: sys.settrace(None)
    except (KeyboardInterrupt, Alarm): return "raised"
    return "ended" if lines < line else "lost"
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGALRM"])
def test_a_signal_at_each_line_of_ours_in_a_call_is_raised_and_leaves_nothing_half_done(
    survives: Survives, number: str
) -> None:
    """The lines of a load or unload are not tried: a tracer can raise where no signal does, on leaving a with."""
    calls = {
        'fresh.call("echo", 1)': 30,
        'fresh.attempt("trap")': 200,
        '(p.attempt("trap"), p.call("echo", 1))': 400,  # an instance is made in Python
        'p.call("call_host", {"service": "clock"})': 100,
        'p.call("echo", 1)': 30,
        'p.attempt("echo", "x" * 5000)': 30,
        'p.raw("echo")(0, 0)': 15,
    }
    said = survives(
        AT_EACH_LINE
        + f"""
number = signal.{number}
p = rt.load("example:specimen", grant=["wall_clock"])
fresh = rt.load("example:specimen", name="fresh", instances="fresh")
p.call("echo", 1)
fresh.call("echo", 1)
for text, least in {calls!r}.items():
    call, line, ended = eval("lambda: " + text), 0, ""
    while ended != "ended":
        line += 1
        ended = signalled_at(line, call)
        assert ended != "lost", (text, line)
        if line % 5 == 0 or ended == "ended":
            assert p.call("echo", line) == line
            left = ticks.running(), *(each._deployment.running_calls for each in (p, fresh))
            assert left == (0, (), ()), (text, line)
    assert line > least, (text, line)
alive(p, fresh)
rt.clear()
gc.collect()
print(rt._platform.pool.used)
"""
    )
    assert said == ["alive", "0"]


@pytest.mark.parametrize("file", ["handle.py", "threading.py"])
def test_an_interrupt_while_a_call_is_submitted_loses_no_instance_and_no_worker(survives: Survives, file: str) -> None:
    said = survives(
        AT_EACH_LINE.replace("frame.f_code.co_filename.startswith(HERE)", "interesting(frame)")
        + f"""
def interesting(frame):
    return os.path.basename(frame.f_code.co_filename) == "{file}"
number = signal.SIGINT
faulthandler.dump_traceback_later(20, exit=True)
p = rt.load("example:specimen")
assert p.submit("echo", 1).result() == 1
line, ended = 0, ""
while ended != "ended":
    line += 1
    ended = signalled_at(line, lambda: p.submit("echo", 1))
    assert ended != "lost", line
    assert p.call("echo", line) == line
    assert p.submit("echo", line).result(10) == line
assert line > 5, line
alive(p)
"""
    )
    assert said == ["alive"]


def test_an_interrupt_at_any_moment_of_a_load_leaves_nothing_locked(survives: Survives) -> None:
    said = survives(
        """
import random
random.seed(11)
signal.signal(signal.SIGINT, signal.default_int_handler)
p = rt.load("example:specimen")
ways = [
    lambda: rt.load(b"(module (memory 1))", name="other"),
    lambda: rt.reload("specimen"),
    lambda: rt.load(b"(module (memory 2))", name="other") and rt.unload("other"),
    lambda: p.policy.set_quota(cpu=random.uniform(1, 5)),
    lambda: p.submit("echo", 1).result(),
]
for way in ways:
    interrupts = 0
    for _ in range(12):
        timer = threading.Timer(random.uniform(0, 0.01), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            until = time.monotonic() + 0.3
            while timer.is_alive() or time.monotonic() < until: way()
        except KeyboardInterrupt: interrupts += 1
        timer.join()
        assert p.call("echo", 1) == 1
        rt.load(b"(module)", name="other")
    assert interrupts > 6, interrupts
alive(p)
"""
    )
    assert said == ["alive"]


def test_an_interrupted_call_has_a_row_that_says_so(survives: Survives) -> None:
    said = survives(
        """
signal.signal(signal.SIGINT, signal.default_int_handler)
from judicia_notebook.engine import ticks
def press():
    while not ticks.running(): time.sleep(0.001)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
p = rt.load("example:specimen", quota={"cpu": "20s"})
for function, payload in (("spin", {"ms": 20000}), ("sleep", {"ms": 9000})):
    threading.Thread(target=press).start()
    try: p.attempt(function, payload)  # not even attempt swallows it
    except KeyboardInterrupt: print(p.last.function, p.last.outcome)
alive(p)
"""
    )
    assert said == ["spin cancelled", "sleep cancelled", "alive"]


def test_an_interrupt_while_another_thread_holds_the_instance(survives: Survives) -> None:
    said = survives(
        """
signal.signal(signal.SIGINT, signal.default_int_handler)
p = rt.load("example:specimen")
p.call("echo", 1)
from judicia_notebook.engine import ticks
for _ in range(2):
    outcomes = []
    inside = threading.Thread(target=lambda: outcomes.append(p.attempt("sleep", {"ms": 3000})))
    inside.start()
    while not ticks.running(): time.sleep(0.001)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    try: p.call("echo", 1)
    except KeyboardInterrupt: assert not outcomes  # it did not wait until the instance was free
    else: raise AssertionError("not interrupted")
    inside.join()
    assert outcomes[0].error is None  # the other thread's call is nobody's business
    assert p.call("echo", 2) == 2
alive(p)
"""
    )
    assert said == ["alive"]


@pytest.mark.parametrize("function", ["call", "wait"])
def test_an_interrupt_at_each_line_of_pythons_own_waiting(survives: Survives, function: str) -> None:
    """An Event's set takes the lock that its wait holds: a handler that sets one would wait for itself."""
    said = survives(
        f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
faulthandler.dump_traceback_later(45, exit=True)
p = rt.load("example:specimen")
p.call("echo", 1)
def call():
    if {function == "call"}:
        p.call("sleep", {{"ms": 10}})
        return
    inside = threading.Thread(target=p.attempt, args=("sleep", {{"ms": 30}}))
    inside.start()
    time.sleep(0.01)
    sys.settrace(trace)
    try: p.call("echo", 1)
    finally:
        sys.settrace(None)
        inside.join()
lines = 0
def trace(frame, event, argument):
    global lines
    if frame.f_code.co_filename != threading.__file__:
        return None
    if event == "line":
        lines += 1
        if lines == chosen:
            os.kill(os.getpid(), signal.SIGINT)
    return trace
chosen, interrupted = 0, 0
while lines >= chosen:
    lines, chosen = 0, chosen + 1
    try:
        if {function == "call"}: sys.settrace(trace)
        call()
        sys.settrace(None)
    except KeyboardInterrupt: interrupted += 1
    finally: sys.settrace(None)
assert interrupted >= chosen - 3, (interrupted, chosen)
alive(p)
"""
    )
    assert said == ["alive"]
