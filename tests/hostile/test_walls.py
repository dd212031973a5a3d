"""Every attack that names its wall succeeds when that wall is taken down: otherwise it would pass for another reason.

A test is an attack by its mark, ``@pytest.mark.wall({"module:attribute": "replacement"})``: the functions that are the
wall, each with the expression that takes its place (see takedown/sitecustomize.py). A child process runs the attacks of
one wall together, with the wall down in it and in all processes that it starts; each attack's own assertion must fail.

``make walls`` takes all of them down, which takes minutes; otherwise it is one wall of each file of attacks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.waiting import LONG_PATIENCE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def _pytest(*arguments: str, wall: str = "") -> list[dict[str, str]]:
    """Run pytest in a child process; the lines of takedown/report_walls.py."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        report.touch()
        paths = [str(HERE / "takedown"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "JUDICIA_WALL_DOWN": wall,
            "JUDICIA_WALL_REPORT": str(report),
        }
        if "judicia_notebook.wasm." in wall:  # what a reader without its check finds is kept
            environment["JUDICIA_NOTEBOOK_CACHE"] = folder
        options = ("-p", "report_walls", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-q")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG_PATIENCE,
        )
        lines = report.read_text("utf-8").splitlines()
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), done.stdout + done.stderr
    return [json.loads(line) for line in lines]


def _attacks() -> dict[str, list[str]]:
    """Walls as JSON, each with the node ids of its attacks."""
    walls = defaultdict(list)
    for line in _pytest("--collect-only", "-m", "wall", "--ignore", __file__, "tests/hostile"):
        walls[json.dumps(line["wall"])].append(line["attack"])
    return walls


def _few(attacks: dict[str, list[str]]) -> dict[str, list[str]]:
    """The first wall of each file."""
    files = {nodes[0].partition("::")[0]: wall for wall, nodes in reversed(attacks.items())}
    return {wall: attacks[wall] for wall in files.values()}


ATTACKS = _attacks() if os.environ.get("ALL_WALLS") else _few(_attacks())


def _name(wall: str) -> str:
    return str(next(iter(json.loads(wall)))).removeprefix("judicia_notebook.")


@pytest.mark.parametrize("wall", ATTACKS, ids=_name)
def test_each_attack_succeeds_with_its_wall_taken_down(wall: str) -> None:
    ran = {line["attack"]: line for line in _pytest(*ATTACKS[wall], wall=wall) if "ended" in line}
    assert set(ran) == set(ATTACKS[wall])
    stands = [f"{attack}: {line['ended']}: {line['text']}" for attack, line in ran.items() if line["ended"] != "fell"]
    assert not stands, "\n".join(stands)
