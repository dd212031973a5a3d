"""How often a test repeats what chance decides: briefly in `make test`, for long in `make soak`, which sets SOAK."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

LONG = bool(os.environ.get("SOAK"))


def turns(brief: int, long: int) -> int:
    """How many times to do something."""
    return long if LONG else brief


def fuzz(brief: int, **more: Any) -> settings:
    """Settings of Hypothesis with this many examples, or fifty times as many for long; no example has a time limit."""
    return settings(max_examples=turns(brief, 50 * brief), deadline=None, **more)
