"""Plugins' files: a guest that does with them what it is told, and the ways in which the host opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.files.beneath import Openat2, StepByStep
from tests.support.guests import service_forwarder, wat

OPERATIONS = ("read", "write", "list", "stat", "delete")
OPENINGS: dict[str, type[Openat2 | StepByStep]] = {"openat2": Openat2, "step-by-step": StepByStep}


def opened_by(rt: jn.Runtime, name: str) -> jn.Runtime:
    """The runtime, which opens files in this way; the test is skipped where the system has not got it."""
    opening = OPENINGS[name]()
    if isinstance(opening, Openat2) and not opening.works():
        pytest.skip("this kernel has no openat2; enable: use Linux 5.6 or newer")
    rt.host.files.opening = opening
    return rt


def caller(mark: str = "") -> bytes:
    """A module with one export for each operation; what the host answers is the answer. The mark makes it another."""
    return wat(service_forwarder("files", *OPERATIONS), f'(data (i32.const 0) "{mark}")')


def ok(p: jn.Plugin, operation: str, **request: Any) -> Any:
    """What an operation answers that succeeds."""
    answer = p.call(operation, request)
    assert "ok" in answer, answer
    return answer["ok"]


def refused(p: jn.Plugin, operation: str, **request: Any) -> tuple[str, str]:
    """The code and the message of an operation that is refused."""
    answer = p.call(operation, request)
    assert "error" in answer, answer
    return answer["error"]["code"], answer["error"]["message"]


def held(folder: Path) -> list[str]:
    """Everything beneath a folder, the service's own files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
