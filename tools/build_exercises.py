"""Runs the solutions of the exercises, saves them with what they showed, and writes the exercises that students get.

Run it after changing a solution::

    python tools/build_exercises.py                     # runs and saves every notebooks/exercises/solutions/*.ipynb
    python tools/build_exercises.py 05-never-end        # this one alone
    python tools/build_exercises.py --check             # runs nothing; fails if an exercise is not its solution's

A solution is the source of its exercise. What stands between lines with ``### BEGIN SOLUTION`` and ``### END SOLUTION``
is left out of that: the marks are nbgrader's, behind whatever begins a comment in the cell's language. Solutions are
run and saved as lessons are, by `build_notebooks`; an exercise is saved as it is before anybody ran it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.build_notebooks import NOTEBOOKS, problems, run, tidy

EXERCISES = NOTEBOOKS / "exercises"
SOLUTIONS = EXERCISES / "solutions"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = "your code here"


def without_solution(source: str) -> str:
    """A cell as students get it.

    Raises
    ------
    ValueError
        A mark stands where it cannot.
    """
    lines, inside = [], False
    for line in source.split("\n"):
        if BEGIN in line:
            if inside:
                raise ValueError(f"{BEGIN} stands within a solution")
            lines.append(line.replace(BEGIN, STUB if line.strip() != BEGIN else f"# {STUB}"))
            inside = True
        elif END in line:
            if not inside:
                raise ValueError(f"{END} has no beginning")
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"{BEGIN} has no end")
    return "\n".join(lines)


def exercise_of(solution: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The exercise of a solution."""
    exercise: nbformat.NotebookNode = nbformat.from_dict(json.loads(json.dumps(solution)))
    for cell in exercise.cells:
        if cell.cell_type == "code":
            cell.source, cell.outputs, cell.execution_count = without_solution(cell.source), [], None
    return exercise


def written(notebook: nbformat.NotebookNode) -> str:
    """A notebook as its file has it."""
    return str(nbformat.writes(notebook)) + "\n"


def build(path: Path, *, check: bool) -> list[str]:
    """Run and write a solution and its exercise, or look at both; what is wrong with them."""
    try:
        solution = nbformat.read(path, as_version=4) if check else run(path)
    except (OSError, RuntimeError) as error:
        return [str(error)]
    if not check:
        tidy(solution)
    found = list(problems(solution))
    exercise, target = written(exercise_of(solution)), EXERCISES / path.name
    if not any(BEGIN in cell.source for cell in solution.cells):
        found.append("it has no solution that could be left out")
    if check and (not target.is_file() or target.read_text("utf-8") != exercise):
        found.append(f"{target.name} is not what it makes: python tools/build_exercises.py {path.stem}")
    if not found and not check:
        path.write_text(written(solution), encoding="utf-8", newline="\n")
        target.write_text(exercise, encoding="utf-8", newline="\n")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the solutions, and writes the exercises that students get.")
    parser.add_argument("names", nargs="*", metavar="EXERCISE", help="such as 05-never-end (default: all)")
    parser.add_argument("--check", action="store_true", help="run nothing; fail if one is not fit to be committed")
    options = parser.parse_args()
    names = [f"{name.removesuffix('.ipynb')}.ipynb" for name in options.names]
    paths = [SOLUTIONS / name for name in names] or sorted(SOLUTIONS.glob("*.ipynb"))
    failures = 0
    for path in paths:
        found = build(path, check=options.check)
        failures += bool(found)
        print(f"{path.name}: {'not fit to be committed' if found else 'well'}")
        for problem in found:
            print(f"  {problem}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
