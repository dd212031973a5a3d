"""The core counts the signals that Python handles, and leaves all other handlers alone."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

Survives = Callable[[str], list[str]]

SPIN = """
import ctypes
SPIN = '''(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)
(func (export "ask") (param i32 i32) (result i64) (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
  (loop $on (br $on)) unreachable)'''
LONG = {"cpu": "60s", "wall": "60s"}
from judicia_notebook.engine import ticks
def pressed(call, after=0.05, number=signal.SIGINT):
    "How a call ends while another thread sends a signal once a guest is entered, and within what: seconds."
    going = threading.Event()
    def send():
        going.wait()  # or the signal may come while this thread is being started
        while not ticks.running(): time.sleep(0.0001)
        time.sleep(after)
        os.kill(os.getpid(), number)
    thread = threading.Thread(target=send)
    began = time.monotonic()
    thread.start()
    try:
        going.set()
        ended = type(call().error).__name__
    except BaseException as error: ended = type(error).__name__
    thread.join()
    return ended, "at once" if time.monotonic() - began < 20 else "late"
sigaction = ctypes.CDLL(None).sigaction
def handler_of(number):
    action = ctypes.create_string_buffer(256)
    assert sigaction(number, None, action) == 0
    return ctypes.c_void_p.from_buffer(action).value
"""


def test_faulthandler_may_be_put_before_pythons_handler_at_any_time(survives: Survives) -> None:
    """Two handlers that call "the one before" would call each other for ever."""
    said = survives(
        SPIN
        + """
p = load(SPIN, quota=LONG)
p.call("echo", 1)
before = handler_of(signal.SIGINT)
faulthandler.register(signal.SIGINT, chain=True, all_threads=False, file=open(os.devnull, "w"))
theirs = handler_of(signal.SIGINT)
assert theirs != before
p.call("echo", 1)
print(handler_of(signal.SIGINT) == theirs)
for _ in range(3): print(*pressed(lambda: p.attempt("spin")))
print(handler_of(signal.SIGINT) == theirs)
faulthandler.unregister(signal.SIGINT)
print(handler_of(signal.SIGINT) == before, *pressed(lambda: p.attempt("spin")))
alive(p)
"""
    )
    ended = "KeyboardInterrupt at once"
    assert said == ["True", ended, ended, ended, "True", f"True {ended}", "alive"]


def test_faulthandler_that_was_there_before_us_stays_in_front(survives: Survives) -> None:
    """Nothing tells whether it calls Python's, and then no signal is counted: Python is asked now and then."""
    said = survives(
        SPIN
        + """
faulthandler.register(signal.SIGINT, chain=True, all_threads=False, file=open(os.devnull, "w"))
theirs = handler_of(signal.SIGINT)
p = load(SPIN, quota=LONG)
print(*pressed(lambda: p.attempt("spin")), p.last.outcome)
print(handler_of(signal.SIGINT) == theirs)
alive(p)
"""
    )
    assert said == ["KeyboardInterrupt at once cancelled", "True", "alive"]


@pytest.mark.parametrize("kind", ["SIG_IGN", "SIG_DFL", "foreign"])
def test_handlers_that_are_not_pythons_are_left_alone(survives: Survives, kind: str) -> None:
    said = survives(
        SPIN
        + f"""
kind = "{kind}"
number = signal.SIGINT if kind == "SIG_IGN" else signal.SIGUSR1
p = load(SPIN, quota={{"cpu": "300ms", "wall": "20s"}})
p.call("echo", 1)
libc = ctypes.CDLL(None)
libc.signal.restype = libc.signal.argtypes = None
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
if kind == "foreign":  # a function of C that takes a number and does nothing
    libc.signal(number, ctypes.cast(libc.abs, ctypes.c_void_p).value)
else: signal.signal(number, getattr(signal, kind))
before = handler_of(number)
for other in (signal.SIGALRM, signal.SIGUSR2):  # so that the handlers are looked through again
    signal.signal(other, lambda *_: None)
    p.call("echo", 1)
print(handler_of(number) == before)
if kind != "SIG_DFL": print(*pressed(lambda: p.attempt("spin"), number=number))
print(handler_of(number) == before)
alive(p)
"""
    )
    calm = [] if kind == "SIG_DFL" else ["QuotaExceeded at once"]
    assert said == ["True", *calm, "True", "alive"]


def test_each_interrupt_ends_a_guest_that_computes(survives: Survives) -> None:
    said = survives(
        SPIN
        + """
p = load(SPIN, quota=LONG)
print({pressed(lambda: p.attempt("spin"), after=0.0005 * turn) for turn in range(20)})
print(sorted(set(p.calls.outcome)))
alive(p)
"""
    )
    assert said == ["{('KeyboardInterrupt', 'at once')}", "['cancelled']", "alive"]


def test_an_alarm_that_raises_ends_the_guest_and_a_quiet_one_does_not(survives: Survives) -> None:
    said = survives(
        SPIN
        + """
p = load(SPIN, quota={"cpu": "700ms", "wall": "20s"})
class Alarm(Exception): pass
def raise_alarm(number, frame): raise Alarm
seen = []
for handler in (raise_alarm, lambda *_: seen.append(1), raise_alarm):
    signal.signal(signal.SIGALRM, handler)
    print(*pressed(lambda: p.attempt("spin"), number=signal.SIGALRM), seen)
alive(p)
"""
    )
    assert said == ["Alarm at once []", "QuotaExceeded at once [1]", "Alarm at once [1]", "alive"]


def test_a_handler_that_is_put_back_between_two_calls_is_counted_again(survives: Survives) -> None:
    """Python installs its C handler anew, and the list of handlers looks as it did."""
    said = survives(
        SPIN
        + """
p = load(SPIN, quota=LONG)
class Alarm(Exception): pass
def raise_alarm(number, frame): raise Alarm
signal.signal(signal.SIGALRM, raise_alarm)
p.call("echo", 1)
for number in (signal.SIGINT, signal.SIGALRM):
    before = signal.signal(number, lambda *_: None)
    signal.signal(number, before)
    print(*pressed(lambda: p.attempt("spin"), number=number))
alive(p)
"""
    )
    assert said == ["KeyboardInterrupt at once", "Alarm at once", "alive"]


SERVICES = {
    "runs an event loop": "import asyncio; asyncio.run(asyncio.sleep(0.001))",
    "sets a handler and puts the old one back": "signal.signal(signal.SIGINT, signal.signal(signal.SIGINT, quiet))",
    "sets a handler": "signal.signal(signal.SIGINT, raising)",
    "calls another plugin after it has set a handler": "signal.signal(signal.SIGINT, raising); q.call('echo', 1)",
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_handler_that_a_host_service_sets_during_the_call_is_counted(survives: Survives, service: str) -> None:
    said = survives(
        SPIN
        + f"""
from judicia_notebook.host.clock import ClockService
def quiet(*_): pass
def raising(*_): raise KeyError("its own")
def now(self, scope, request):
    {SERVICES[service]}
    return {{}}
ClockService.now = now
rt.close()
rt = jn.Runtime()
p, q = load(SPIN, quota=LONG, grant=["wall_clock"]), load(name="other")
q.call("echo", 1)
print(*pressed(lambda: p.attempt("ask"), after=0.3), p.last.outcome)
signal.signal(signal.SIGINT, signal.default_int_handler)
alive(p)
"""
    )
    raised = "KeyError" if "raising" in SERVICES[service] else "KeyboardInterrupt"
    assert said == [f"{raised} at once cancelled", "alive"]


def test_signals_leave_calls_on_other_threads_alone(survives: Survives) -> None:
    said = survives(
        SPIN
        + """
p = load(SPIN, quota={"cpu": "1500ms", "wall": "60s"})
outcomes = []
thread = threading.Thread(target=lambda: outcomes.append(p.attempt("spin").error))
thread.start()
time.sleep(0.1)
def sleep():
    time.sleep(30)
print(*pressed(sleep))
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(outcomes[0].quota, len(seen) > 10)
alive(p)
"""
    )
    assert said == ["KeyboardInterrupt at once", "cpu True", "alive"]


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc; enable: run on Linux")
def test_the_ticker_takes_no_signal(survives: Survives) -> None:
    """All that can be blocked are: also those that the thread which started it had open."""
    said = survives(
        SPIN
        + """
def threads():
    found = {}
    for task in os.listdir("/proc/self/task"):
        lines = open(f"/proc/self/task/{task}/status").read().splitlines()
        found[task] = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
    return found
p = load(SPIN, quota=LONG)
p.call("echo", 1)
until = time.monotonic() + 20  # it names itself, once it has its turn
while not (tickers := [status for status in threads().values() if status["Name"] == "judicia-ticker"]):
    assert time.monotonic() < until
    time.sleep(0.01)
[ticker] = tickers
blocked = int(ticker["SigBlk"], 16)
unblockable = {signal.SIGKILL, signal.SIGSTOP}
print([number.name for number in signal.valid_signals() if isinstance(number, signal.Signals)
       and number not in unblockable and not blocked >> (number - 1) & 1])
# A signal that every other thread has blocked waits until one of them takes it.
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
held = p.submit("spin")  # so that the ticker is awake
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
time.sleep(0.1)
os.kill(os.getpid(), signal.SIGUSR1)
held.cancel()
held.exception()
print(signal.SIGUSR1 in signal.sigpending() or seen == [1])
alive(p)
"""
    )
    assert said == ["[]", "True", "alive"]
