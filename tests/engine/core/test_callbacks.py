"""A Python function that the core called and that did not come to its last line: the guest stops, the error is raised.

Also what ends such a function before its first line: a tracer, an exception that waited for its thread, a handler.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

Survives = Callable[[str], list[str]]

SERVING = """
from judicia_notebook.host.clock import ClockService
served, first = [], lambda: None
def now(self, scope, request):
    served.append(scope.plugin)
    first()
    return {}
ClockService.now = now
rt.close()
rt = jn.Runtime()
TWICE = WORK + '''(func (export "twice") (param i32 i32) (result i64)
  (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
  (call $work (global.get $turns))
  (call $judicia:clock.now (i32.const 0) (i32.const 0)))
(global $turns (mut i32) (i32.const 1))
(func (export "set_turns") (param i32) (global.set $turns (local.get 0)))'''
def ended(p, function="twice"):
    served.clear()
    try: p.call(function)
    except BaseException as error:
        cause = error.__cause__ or error
        return f"{type(error).__name__} by {type(cause).__name__}, served {len(served)}, {p.last.outcome}"
    return "it went on"
"""

DEATHS = {
    "a tracer raises at its entry": (
        """
class Struck(Exception): pass
def strike(frame, event, argument):
    if frame.f_code.co_name == "_answer" and served: raise Struck
def first(): sys.settrace(strike) if len(served) == 1 else None
""",
        "HostFailure by Struck, served 1, host_failure",
    ),
    "a tracer raises, and the error goes to the hook of others": (
        """
class Struck(Exception): pass
def strike(frame, event, argument):
    if frame.f_code.co_name == "_answer" and served: raise Struck
def first():
    sys.unraisablehook = lambda _: None
    if len(served) == 1: sys.settrace(strike)
""",
        "HostFailure by Struck, served 1, host_failure",
    ),
    "an exception waits for its thread": (
        """
import ctypes
class Struck(Exception): pass
def throw(thread):
    time.sleep(0.002)  # the guest is at work by now
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Struck))
def first(): threading.Thread(target=throw, args=(threading.get_ident(),)).start() if len(served) == 1 else None
turns = 30_000_000
""",
        "HostFailure by Struck, served 1, host_failure",
    ),
    "an interrupt waits for its thread": (
        """
import ctypes
def throw(thread):
    time.sleep(0.002)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
def first(): threading.Thread(target=throw, args=(threading.get_ident(),)).start() if len(served) == 1 else None
turns = 30_000_000
""",
        "KeyboardInterrupt by KeyboardInterrupt, served 1, cancelled",
    ),
    "a signal's handler waits for its thread": (
        """
def first(): signal.setitimer(signal.ITIMER_REAL, 0.002) if len(served) == 1 else None
turns = 30_000_000
signal.signal(signal.SIGALRM, signal.default_int_handler)
""",
        "KeyboardInterrupt by KeyboardInterrupt, served 1, cancelled",
    ),
}
"""What a service does in its first call, so that the second one dies before its first line; and how the call ends."""


@pytest.mark.parametrize("death", DEATHS)
def test_a_host_function_that_dies_before_its_first_line_is_never_believed(survives: Survives, death: str) -> None:
    program, expected = DEATHS[death]
    said = survives(
        SERVING
        + "turns = 1\nfrom judicia_notebook.engine import ticks\n"
        + program
        + """
p = load(TWICE, grant=["wall_clock"], quota={"cpu": "20s", "wall": "20s"})
p.raw("set_turns")(turns)
ticks.set_interval(0.4)  # no tick is to come between two callbacks
time.sleep(0.05)
said = ended(p)
sys.settrace(None)
ticks.set_interval(ticks.TICK)
print(said)
first = lambda: None
assert p.call("twice") == {"ok": {}}
alive(p)
"""
    )
    assert said == [expected, "alive"]


def test_the_function_that_is_asked_behind_signal_handlers_is_not_believed_either(survives: Survives) -> None:
    said = survives(
        SERVING
        + """
class Struck(Exception): pass
def strike(frame, event, argument):
    if frame.f_code.co_name == "is_interrupted": raise Struck
signal.signal(signal.SIGALRM, lambda *_: None)
p = load('(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)',
         quota={"cpu": "20s", "wall": "20s"})
signal.setitimer(signal.ITIMER_REAL, 0.05)
sys.settrace(strike)
print(ended(p, "spin"))
signal.setitimer(signal.ITIMER_REAL, 0)
sys.settrace(None)
alive(p)
"""
    )
    assert said == ["Struck by Struck, served 0, cancelled", "alive"]
