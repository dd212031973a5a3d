"""A small profile whose every number is known."""

from __future__ import annotations

import pytest

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import HOST, Frame, Sample, SourceLine

CHECK, JUDGE, COMPARE = (Frame(name, "checker") for name in ("check", "checker::judge", "<b>compare & co</b>"))
CLOCK = Frame("judicia:clock now", HOST)


@pytest.fixture
def profile() -> Profile:
    """10 ms: check 1 by itself, judge 3, compare 4 below it (2 of them calling itself), the clock 2."""
    samples = (
        Sample(1.0, (CHECK,), 1.0),
        Sample(2.0, (CHECK, JUDGE), 3.0),
        Sample(3.5, (CHECK, JUDGE, COMPARE), 2.0),
        Sample(4.5, (CHECK, JUDGE, COMPARE, COMPARE), 2.0),
        Sample(6.5, (CHECK, JUDGE, CLOCK), 2.0),
    )
    return Profile("checker", "check", "9f" * 32, 3, samples, guest_ms=8.0, host_ms=2.0)


MAIN, MIDDLE, LEAF = (
    SourceLine("a.c", 9, "main", ""),
    SourceLine("a.c", 5, "middle", "", True),
    SourceLine("b/<i>.h", 2, "leaf", "x & y", True),
)
MAIN_LATER = SourceLine("a.c", 11, "main", "")


@pytest.fixture
def with_lines() -> Profile:
    """10 ms of main: 6 in leaf, which was inlined into middle, and that into main; 1 in middle itself, 3 in main."""
    main = (Frame("main", "k"),)
    samples = (
        Sample(1.0, main, 6.0, ((LEAF, MIDDLE, MAIN),)),
        Sample(2.0, main, 1.0, ((MIDDLE, MAIN),)),
        Sample(3.0, main, 3.0, ((MAIN_LATER,),)),
    )
    return Profile("k", "main", "9f" * 32, 1, samples, guest_ms=10.0, host_ms=0.0)


@pytest.fixture
def empty() -> Profile:
    return Profile("checker", "check", "9f" * 32, 1, (), guest_ms=0.0, host_ms=0.0)
