"""An error that was caught goes at once, and with it the frames it came through: nothing of ours keeps it in a cycle.

Otherwise what the caller of a failed call had in its variables, an array for example, stayed until Python's collector
came, and a finalizer ran wherever it came to.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.threads import once_it_runs
from tests.support.waiting import PATIENCE

PACKAGE = Path(jn.__file__).parent

CAUGHT: dict[str, Callable[[jn.Plugin], Any]] = {
    "the guest's own error": lambda p: p.call("fail"),
    "a trap": lambda p: p.call("trap"),
    "no stack left": lambda p: p.call("recurse"),
    "over its CPU time": lambda p: p.call("spin", {"ms": 20000}, quota={"cpu": "20ms"}),
    "over its memory": lambda p: p.call("grow", {"bytes": 1 << 30}),
    "over its wall time, in a wait": lambda p: p.call("sleep", {"ms": 20000}, quota={"wall": "20ms"}),
    "over its host calls": lambda p: p.call("call_host", {"service": "clock", "n": 30}, quota={"host_calls": 3}),
    "over its payload": lambda p: p.call("echo", "x" * 99, quota={"payload": 9}),
    "denied by a service": lambda p: p.call("call_host", {"service": "db"}),
    "a wrong request": lambda p: p.call("call_host", {"service": 3}),
    "no such function": lambda p: p.call("nothing"),
    "in the background": lambda p: p.submit("fail").result(),
    "attempted": lambda p: p.attempt("trap"),
    "benched": lambda p: p.bench("nothing", repeats=2),
    "monitored": lambda p: p.monitor("fail"),
    "checked": lambda p: jn.check(p.attempt("echo", 1), answer=2),
}


class Mine:
    """Something that a caller has in a variable."""


def caught(act: Callable[[], object], errors: tuple[type[BaseException], ...]) -> weakref.ref[Mine]:
    """A reference to what this frame had, which is gone with it."""
    mine = Mine()
    with contextlib.suppress(*errors):
        act()
    return weakref.ref(mine)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("kind", CAUGHT)
@pytest.mark.parametrize("instances", [1, "fresh"])
def test_what_a_caller_had_goes_with_the_error_of_its_call(rt: jn.Runtime, kind: str, instances: Any) -> None:
    act = CAUGHT[kind]
    p = rt.load("example:specimen", grant=["wall_clock"], instances=instances)
    p.call("echo", 1)
    left = caught(lambda: act(p), (jn.JudiciaError, AssertionError, TypeError))
    assert left() is None


@pytest.mark.usefixtures("_no_collector")
def test_what_a_caller_had_goes_with_a_cancelled_call(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"cpu": PATIENCE})
    canceller = once_it_runs(rt, p.cancel_calls)
    left = caught(lambda: p.call("spin", {"ms": 1000 * PATIENCE}), (jn.Cancelled,))
    canceller.join()
    assert left() is None


def test_what_a_caller_had_goes_with_an_interrupt(survives: Callable[[str], list[str]]) -> None:
    said = survives(
        """
import weakref
class Mine: pass
def interrupted(call):
    mine = Mine()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        call()
    except KeyboardInterrupt: pass
    timer.join()
    return weakref.ref(mine)
p = rt.load("example:specimen", grant=["wall_clock"], quota={"cpu": "30s"})
fresh = rt.load("example:specimen", name="fresh", instances="fresh", quota={"cpu": "30s"})
p.call("echo", 1)
gc.collect()
gc.disable()
for text in (
    'p.call("spin", {"ms": 30000})',
    'fresh.call("spin", {"ms": 30000})',
    'p.call("sleep", {"ms": 30000})',
    'p.attempt("sleep", {"ms": 30000})',
    'p.submit("sleep", {"ms": 30000}).result()',
    'p.bench("sleep", {"ms": 30000}, repeats=2)',
):
    print(text, interrupted(eval("lambda: " + text))() is None)
p.cancel_calls()
"""
    )
    assert len(said) == 6
    assert [line for line in said if not line.endswith(" True")] == []


def raised_variables() -> Iterator[tuple[Path, ast.Raise, str, set[str | None]]]:
    """Each ``raise name`` in a function, with the names that the function forgets in a ``finally``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            forgotten: set[str | None] = {
                name.id
                for block in ast.walk(function)
                if isinstance(block, ast.Try)
                for line in block.finalbody
                for name in ast.walk(line)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Del | ast.Store)
            }
            forgotten |= {block.name for block in ast.walk(function) if isinstance(block, ast.ExceptHandler)}
            for line in ast.walk(function):
                if isinstance(line, ast.Raise) and isinstance(line.exc, ast.Name):
                    yield path, line, line.exc.id, forgotten


def test_no_function_of_ours_keeps_what_it_raises_in_a_variable() -> None:
    found = list(raised_variables())
    assert len(found) > 5
    kept = [
        f"{path.relative_to(PACKAGE)}:{line.lineno}: raise {name}"
        for path, line, name, forgotten in found
        if name not in forgotten and name.lstrip("_")[0].islower()
    ]
    assert kept == []
