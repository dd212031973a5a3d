"""Submissions through real graders: right, empty and endless ones, and those that would like to be marked well."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graders.submissions import SUBMISSIONS
from tests.support.kernels import environment
from tests.support.lessons import ROOT

GRADERS = ("nbgrader", "otter")
SECONDS = 600  # for all submissions of a grader, on a machine that does much besides


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What came of the submissions, by grader. Both grade at the same time."""
    place = Path(os.environ["GRADERS"])
    running: dict[str, tuple[subprocess.Popen[str], Path]] = {}
    try:
        for grader in GRADERS:
            folder = tmp_path_factory.mktemp(grader)
            programs = place / grader / "bin"
            settings = environment(folder) | {"PYTHONPATH": str(ROOT)}
            settings["PATH"] = os.pathsep.join([str(programs), settings.get("PATH", os.environ["PATH"])])
            course = folder / "course"
            course.mkdir()
            command = [programs / "python", ROOT / "tests" / "graders" / f"in_{grader}.py", course]
            with (folder / "errors").open("w") as errors:
                process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=errors, text=True)
            running[grader] = process, folder / "errors"
        found = {}
        for grader, (process, errors_file) in running.items():
            printed, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, f"{grader}: {printed}{errors_file.read_text()}"
            found[grader] = json.loads(printed.splitlines()[-1])
        yield found
    finally:
        for process, _ in running.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("grader", GRADERS)
def test_each_submission_gets_the_points_of_its_work(results: dict[str, Any], grader: str) -> None:
    points = {student: sum(each.values()) for student, each in results[grader]["points"].items()}
    assert points == {"empty": 0, **{student: worth for student, (_, worth) in SUBMISSIONS.items()}}


@pytest.mark.parametrize("grader", GRADERS)
def test_the_check_that_students_do_not_see_tells_the_hard_coded_answer_from_work(
    results: dict[str, Any], grader: str
) -> None:
    points = results[grader]["points"]
    assert points["hard_coded"] == {"seen": 2, "hidden": 0}
    assert points["right"] == {"seen": 2, "hidden": 3}


def test_students_get_neither_solutions_nor_hidden_checks_from_nbgrader(results: dict[str, Any]) -> None:
    released = results["nbgrader"]["released"]
    assert released["adding"][1].splitlines()[:2] == ["%%plugin define mine --cpu 200ms", "# YOUR CODE HERE"]
    c = released["greeting"][1]
    assert c.startswith('%%plugin define greeter --lang c\n#include "judicia.h"\n\nJUDICIA_EXPORT(hello) {\n    # YOUR')
    assert c.endswith("\n}")
    for cells in released.values():
        assert "jn.check(" in cells[2]
        assert cells[3] == ""
        assert not any(word in "".join(cells) for word in ("i32.add", "jn_put_text", "SOLUTION", "base64"))
