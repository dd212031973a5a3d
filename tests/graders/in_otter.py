"""Run by the Python of otter-grader's environment: makes the autograder, grades what students hand in, prints points.

``python in_otter.py FOLDER`` prints one JSON object on its last line: ``points``, by student and by test.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

import nbformat
from otter.api import grade_submission
from otter.generate import main as generate

from tests.graders import submissions

# Each test imports the package itself: what the submission calls `jn` may be anything.
OWN = "import judicia_notebook as jn\n\nrt = jn.get_runtime()"
SEEN = f"""\
OK_FORMAT = False

from otter.test_files import test_case

name = "seen"
points = {submissions.SEEN}


@test_case()
def test_seen():
{indent(OWN, "    ")}
    {submissions.CHECK}
"""
HIDDEN = f"""\
OK_FORMAT = True

test = {{
    "name": "hidden",
    "points": {submissions.HIDDEN},
    "suites": [{{"type": "doctest", "cases": [{{"hidden": True, "code": '''
{{code}}
'''}}]}}],
}}
"""


def as_doctest(source: str) -> str:
    """Python as a doctest that expects no output: what a check gives would be one."""
    lines = [line for line in source.splitlines() if line]
    return "\n".join(f">>> {line.replace('jn.check(', '_ = jn.check(')}" for line in lines)


def notebook(work: str | None) -> Any:
    """What a student hands in."""
    sources = [submissions.SETUP, *([] if work is None else [work])]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def main(folder: Path) -> dict[str, Any]:
    """Everything from the tests to the points."""
    tests = folder / "tests"
    tests.mkdir()
    (tests / "seen.py").write_text(SEEN)
    (tests / "hidden.py").write_text(HIDDEN.replace("{code}", as_doctest(f"{OWN}\n{submissions.HIDDEN_CHECK}")))
    os.chdir(folder)
    generate(
        tests_dir=str(tests), output_path="autograder.zip", no_environment=True, no_requirements=True, no_config=True
    )
    works = {"empty": None, **{student: work for student, (work, _) in submissions.SUBMISSIONS.items()}}
    points = {}
    for student, work in works.items():
        path = folder / f"{student}.ipynb"
        nbformat.write(notebook(work), path)
        results = grade_submission(str(path), "autograder.zip", quiet=True)
        points[student] = {name: result.score for name, result in results.results.items()}
    return {"points": points}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
