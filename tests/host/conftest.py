"""A guest that hands its request to one host function and answers what the host answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
from tests.support.services import offered

FUNCTIONS = {
    "log": "judicia:log.write",
    "fail": "judicia:host.fail",
    "now": "judicia:clock.now",
    "random": "judicia:random.bytes",
}


def caller(*names: str) -> bytes:
    """A module with one export for each host function; each is called with the request, its answer is the answer."""
    exports = [
        f'(func (export "{name}") (param i32 i32) (result i64) (call ${FUNCTIONS[name]} (local.get 0) (local.get 1)))'
        for name in names
    ]
    return compile_wat("\n".join(exports)).encode()


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    """May read the clock and draw random bytes."""
    return rt.load(caller("log", "fail", "now", "random"), name="guest", grant=["wall_clock", "random"])


Offer = Callable[..., None]


@pytest.fixture
def offer() -> Iterator[Offer]:
    """Have runtimes made from now on offer one service more, with operations of the test's own."""
    with ExitStack() as until_the_end:
        yield lambda *operations: until_the_end.enter_context(offered(*operations))
