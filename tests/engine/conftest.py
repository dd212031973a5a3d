"""Guests as text, loaded into a runtime of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat

ECHO = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'


@pytest.fixture
def load(rt: jn.Runtime) -> Callable[..., jn.Plugin]:
    """``load(cell, **options)``: a plugin with an ``echo`` beside what the cell says."""

    def load(cell: str = "", *, name: str = "guest", **options: Any) -> jn.Plugin:
        return rt.load(compile_wat(f"{cell} {ECHO}").encode(), name=name, **options)

    return load


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    """A specimen of one's own, since tests change its policy."""
    return rt.load("example:specimen")
