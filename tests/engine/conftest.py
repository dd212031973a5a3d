"""Guests as text, loaded into a runtime of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import ECHO, wat


@pytest.fixture
def load(rt: jn.Runtime) -> Callable[..., jn.Plugin]:
    """``load(cell, **options)``: a plugin with an ``echo`` beside what the cell says."""

    def load(cell: str = "", *, name: str = "guest", **options: Any) -> jn.Plugin:
        return rt.load(wat(f"{cell} {ECHO}"), name=name, **options)

    return load
