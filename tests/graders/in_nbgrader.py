"""Run by the Python of nbgrader's environment: releases the assignment, hands in, grades, and prints what came of it.

``python in_nbgrader.py FOLDER`` prints one JSON object on its last line: ``released``, the cells that students get, and
``points``, by student and by grade cell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from tests.graders import submissions

ASSIGNMENT = "ps1"
HIDDEN_BEGIN, HIDDEN_END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
IN_C = (
    '%%plugin define greeter --lang c\n#include "judicia.h"\n\nJUDICIA_EXPORT(hello) {\n    // ### BEGIN SOLUTION\n'
    '    jn_put_text(answer, jn_text_of("Hello"));\n    // ### END SOLUTION\n}'
)


def cell(source: str, grade_id: str, *, solution: bool = False, points: int | None = None) -> Any:
    """A cell as nbgrader's toolbar in the notebook marks it."""
    made = nbformat.v4.new_code_cell(source)
    kind = {"solution": solution, "grade": points is not None, "locked": not solution, "schema_version": 3}
    worth = {} if points is None else {"points": points}
    made.metadata["nbgrader"] = {"grade_id": grade_id, "task": False, **kind, **worth}
    return made


def assignment() -> Any:
    """The teacher's notebook. Its cell in C is never run: what is looked at is what students get of it."""
    task = f"{submissions.HEAD}\n;; ### BEGIN SOLUTION\n{submissions.SOLUTION}\n;; ### END SOLUTION"
    hidden = f"{HIDDEN_BEGIN}\n{submissions.HIDDEN_CHECK}\n{HIDDEN_END}"
    cells = [
        cell(submissions.SETUP, "setup"),
        cell(task, "task", solution=True),
        cell(submissions.CHECK, "seen", points=submissions.SEEN),
        cell(hidden, "hidden", points=submissions.HIDDEN),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def main(folder: Path) -> dict[str, Any]:
    """Everything from the teacher's notebook to the points."""
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    config.ExecutePreprocessor.timeout = 120
    api = NbGraderAPI(config=config)
    source = folder / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    nbformat.write(assignment(), source / "adding.ipynb")
    in_c = assignment()
    in_c.cells[1] = cell(IN_C, "task", solution=True)
    nbformat.write(in_c, source / "greeting.ipynb")
    done = api.generate_assignment(ASSIGNMENT)
    assert done["success"], done["log"]
    released = folder / "release" / ASSIGNMENT
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in released.glob("*.ipynb")}
    (source / "greeting.ipynb").unlink()
    done = api.generate_assignment(ASSIGNMENT, force=True)
    assert done["success"], done["log"]
    works = {"empty": None, **{student: work for student, (work, _) in submissions.SUBMISSIONS.items()}}
    for student, work in works.items():
        handed_in = nbformat.from_dict(json.loads(json.dumps(notebooks["adding"])))
        if work is not None:
            handed_in.cells[1].source = work
        if student == "forged_log":  # and takes out the check that students see
            handed_in.cells[2].source = "print('5 of 5 points')"
        target = folder / "submitted" / student / ASSIGNMENT
        target.mkdir(parents=True)
        nbformat.write(handed_in, target / "adding.ipynb")
        done = api.autograde(ASSIGNMENT, student)
        assert done["success"], done["log"]
    with Gradebook(config.CourseDirectory.db_url) as gradebook:
        points = {
            student: {
                grade.name: grade.score
                for grade in gradebook.find_submission_notebook("adding", ASSIGNMENT, student).grades
            }
            for student in works
        }
    return {
        "released": {name: [one.source for one in book.cells] for name, book in notebooks.items()},
        "points": points,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
