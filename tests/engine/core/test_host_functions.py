"""Numbers on their way between a guest and a function of Python's that it imports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import capi
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.linkage import HostFunction, Linkage
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.slots import pack_numbers
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.wasm.sections import read_module

Answer = Callable[..., Any]
TYPES = ("i32", "i64", "f32", "f64")


@contextmanager
def importing(params: tuple[str, ...], results: tuple[str, ...], answer: Answer) -> Iterator[Callable[..., Any]]:
    """What calls a guest that hands its numbers on to `answer`."""
    kind = f"(param {' '.join(params)}) (result {' '.join(results)})"
    given = " ".join(f"(local.get {place})" for place in range(len(params)))
    text = f'(module (import "test" "ask" (func $ask {kind})) (func (export "ask") {kind} (call $ask {given})))'
    info = read_module(capi.wat_to_wasm(text.encode()))
    engine = get_engine()
    module = engine.compile(info, "asks")
    linkage = Linkage(engine, module, info, [HostFunction("test", "ask", params, results, answer)])
    sandbox, call = Sandbox(linkage, MemoryPool(1 << 30)), Invocation(FixedBudget(Limits()))
    sandbox.enter(call)

    def ask(*numbers: float) -> Any:
        export = sandbox.export("ask")
        export.write(pack_numbers(params, numbers))
        sandbox.run(export)
        return export.read()

    try:
        sandbox.instantiate()
        yield ask
    finally:
        sandbox.leave()
        call.release()
        sandbox.close()
        linkage.close()
        module.close()


def test_integers_come_unsigned_and_floats_as_they_are() -> None:
    came: list[tuple[Any, ...]] = []
    with importing(TYPES, (), lambda _sandbox, _call, *numbers: came.append(numbers)) as ask:
        assert ask(-1, -2, 0.1, math.inf) == ()
        ask(1 << 31, 1 << 63, -1.0, 0.1)
    assert came == [
        ((1 << 32) - 1, (1 << 64) - 2, 0.10000000149011612, math.inf),
        (1 << 31, 1 << 63, -1.0, 0.1),
    ]


@pytest.mark.parametrize(
    ("kind", "answer", "comes"),
    [
        ("i32", (1 << 32) - 1, -1),
        ("i32", -1, -1),
        ("i32", (1 << 32) + 5, 5),
        ("i32", True, 1),
        ("i64", (1 << 64) - 1, -1),
        ("i64", -(1 << 63), -(1 << 63)),
        ("f32", 0.1, 0.10000000149011612),
        ("f32", -1.0, -1.0),
        ("f64", -1.0, -1.0),
        ("f64", 7, 7.0),
    ],
)
def test_a_result_has_its_type(kind: str, answer: float, comes: float) -> None:
    with importing((), (kind,), lambda _sandbox, _call: answer) as ask:
        assert ask() == (comes,)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("answer", [None, "7", b"7"], ids=repr)
def test_a_result_that_is_no_number_ends_the_call(kind: str, answer: Any) -> None:
    with importing((), (kind,), lambda _sandbox, _call: answer) as ask, pytest.raises(jn.HostFailure) as caught:
        ask()
    assert isinstance(caught.value.__cause__, TypeError)
