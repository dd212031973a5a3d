"""Runs the lessons and saves them with what they showed.

Run it after changing a lesson, or something that a lesson shows::

    python tools/build_notebooks.py                     # runs and saves every notebooks/*.ipynb
    python tools/build_notebooks.py 01-quickstart       # this one alone
    python tools/build_notebooks.py --check             # runs nothing; fails if a lesson is not fit to be committed

A notebook is its own source: edit it in JupyterLab. It runs in a copy of the folder and in a kernel with no settings of
the user's, as `python -m judicia_notebook demo` runs it. What differs between two machines or two editors and tells a
reader nothing is taken out before it is saved: time stamps, the widths of somebody's editor, how a stream happened to
be cut into messages, the exact version of Python. Nothing is saved when a cell fails, or shows a path of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
KEPT_METADATA = ("tags",)
FOLDER_OF_A_MACHINE = re.compile(r"/(?:home|Users|root|tmp|opt|usr|mnt|srv)/|\b[A-Za-z]:\\\\?\w|site-packages")


def run(path: Path) -> nbformat.NotebookNode:
    """A lesson after a run in a copy of its folder.

    Raises
    ------
    RuntimeError
        A cell failed; nothing was saved.
    """
    from judicia_notebook.command_line.demo import execute
    from judicia_notebook.command_line.lessons import copy_lessons

    with tempfile.TemporaryDirectory(prefix="judicia-lesson-") as name:
        folder = Path(name)
        copy_lessons(NOTEBOOKS, folder)
        copied = folder / path.relative_to(NOTEBOOKS)
        lesson: nbformat.NotebookNode = nbformat.read(copied, as_version=4)
        failure = execute(lesson, copied.parent)
    if failure:
        raise RuntimeError(failure)
    return lesson


def tidy(lesson: nbformat.NotebookNode) -> None:
    """Takes out what says nothing of the lesson."""
    lesson.nbformat_minor = 5
    lesson.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    for cell in lesson.cells:
        kept = {name: value for name, value in cell.metadata.items() if name in KEPT_METADATA}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = list(joined(cell.outputs))


def joined(outputs: Iterable[Any]) -> Iterator[Any]:
    """The outputs, with the pieces of a stream that follow each other as one."""
    last = None
    for output in outputs:
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
            continue
        last = output
        yield output


def problems(lesson: nbformat.NotebookNode) -> Iterator[str]:
    """What would be wrong with committing a lesson as it is."""
    numbers = [cell.execution_count for cell in lesson.cells if cell.cell_type == "code"]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"its cells did not run from top to bottom, but as {numbers}"
    before = json.dumps(lesson, sort_keys=True)
    tidied = nbformat.from_dict(json.loads(before))
    tidy(tidied)
    if json.dumps(tidied, sort_keys=True) != before:
        yield "it holds metadata of the editor or machine that saved it"
    for cell in lesson.cells:
        for output in cell.get("outputs", ()):
            yield from (f"cell {cell.id}: {problem}" for problem in output_problems(output))


def output_problems(output: Any) -> Iterator[str]:
    """What is wrong with one output of a cell."""
    if output.output_type == "error":
        yield f"{output.ename}: {output.evalue}"
        return
    if output.output_type == "stream":
        texts = {"text/plain": output.text}
        if output.name == "stderr":
            yield f"a warning: {output.text.strip()}"
    else:
        texts = {kind: value for kind, value in output.data.items() if not kind.startswith("image/")}
        if "text/plain" not in output.data:
            yield f"no text beside {', '.join(output.data)}"
    for kind, text in texts.items():
        if found := told_of_this_machine(str(text)):
            yield f"{kind} tells of a machine: {found!r}"
        scripts = str(text).count("<script") if kind != "text/plain" else 0  # plain text runs nothing
        if scripts > ('class="judicia-flame' in str(text)):  # a flame graph shows all without it
            yield f"{kind} has a script, which most readers of a notebook do not run"


def told_of_this_machine(text: str) -> str:
    """The first path in a text that leads somewhere on this machine, or on any; empty if there is none."""
    names = [str(ROOT), str(Path.home()), tempfile.gettempdir() + os.sep, sys.prefix]
    found = re.search("|".join(map(re.escape, names)), text) or FOLDER_OF_A_MACHINE.search(text)
    return found[0] if found else ""


def chosen(names: list[str]) -> list[Path]:
    """The lessons of these names, with or without their suffix; all of them if none is named."""
    if not names:
        return sorted(NOTEBOOKS.glob("*.ipynb"))
    return [NOTEBOOKS / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the lessons and saves them with what they showed.")
    parser.add_argument("names", nargs="*", metavar="LESSON", help="such as 01-quickstart (default: all)")
    parser.add_argument("--check", action="store_true", help="run nothing; fail if one is not fit to be committed")
    options = parser.parse_args()
    failures = 0
    for path in chosen(options.names):
        try:
            lesson = nbformat.read(path, as_version=4) if options.check else run(path)
        except (OSError, RuntimeError) as error:
            found = [str(error)]
        else:
            if not options.check:
                tidy(lesson)
            found = list(problems(lesson))
        if not found and not options.check:
            path.write_text(nbformat.writes(lesson) + "\n", encoding="utf-8", newline="\n")
        failures += bool(found)
        print(f"{path.name}: {'not fit to be committed' if found else 'well'}")
        for problem in found:
            print(f"  {problem}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
