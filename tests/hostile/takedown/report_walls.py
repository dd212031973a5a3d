"""A pytest plugin for the child processes of test_walls: which attacks there are, and how each of them ended.

The lines go to the file that `JUDICIA_WALL_REPORT` names, as JSON: ``{"attack": node id, "wall": {...}}`` for each
attack that was collected, and ``{"attack": node id, "ended": "held", "fell" or "error", ...}`` for each that was
run. A wall *fell* where the attack's own assertion failed; any other exception is an error of the test.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# pytest has put its own finder before the one that takes walls down, and finds the modules of this package, too: those
# of a package with a plugin for pytest are rewritten. This module is imported before that plugin is.
sys.meta_path.sort(key=lambda finder: type(finder).__name__ != "Remover")


def _say(**line: Any) -> None:
    with Path(os.environ["JUDICIA_WALL_REPORT"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("wall")
        if mark is not None:
            _say(attack=item.nodeid, wall=mark.args[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    if call.when == "call" or call.excinfo is not None:
        ended, text = "held", ""
        if call.excinfo is not None:
            fell = call.when == "call" and call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
            ended, text = "fell" if fell else "error", call.excinfo.exconly()[-2000:]
        _say(attack=item.nodeid, ended=ended, text=text, when=call.when)
    return (yield)
