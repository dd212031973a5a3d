"""``demo``: runs the quickstart in a kernel of its own, without a browser."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.command_line.endings import require
from judicia_notebook.command_line.lessons import QUICKSTART, bundled_notebooks, copy_lessons
from judicia_notebook.command_line.subcommand import add_command

if TYPE_CHECKING:
    from nbformat import NotebookNode

VERDICTS = "verdicts"  # cells with this tag are what `demo` prints of a lesson
CELL_TIMEOUT = 600  # seconds; generous, because a lesson that hangs should end and a slow machine should not
OUTPUT_TIMEOUT = 60  # seconds behind a cell's reply; what comes later is left out without a word. nbclient's own is 4


def add(commands: Any) -> None:
    command = add_command(commands, "demo", carry_out, "run the quickstart without a browser and write an HTML report")
    command.add_argument(
        "--output", type=Path, default=Path("judicia-demo.html"), help="the report (default: %(default)s)"
    )


def carry_out(options: argparse.Namespace) -> int:
    """Runs the quickstart in a kernel of its own and writes what it showed to an HTML file."""
    require("nbclient", "nbconvert")
    import nbformat

    with tempfile.TemporaryDirectory(prefix="judicia-demo-") as name:
        folder = Path(name)
        copy_lessons(bundled_notebooks(), folder)
        lesson = nbformat.read(folder / QUICKSTART, as_version=4)
        failure = execute(lesson, folder)
    print_verdicts(lesson)
    options.output.write_text(as_html(lesson), encoding="utf-8")
    if failure:
        print(f"FAILED: {failure}", file=sys.stderr)
    cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
    ran = sum(cell.execution_count is not None for cell in cells)
    print(f"{QUICKSTART}: {ran} of {len(cells)} cells ran", file=sys.stderr)
    print(f"report: {options.output.resolve()}", file=sys.stderr)
    return 1 if failure else 0


def execute(lesson: NotebookNode, folder: Path) -> str:
    """Runs every cell in order; answers what stopped it, or nothing."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    for cell in lesson.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(lesson, timeout=CELL_TIMEOUT, iopub_timeout=OUTPUT_TIMEOUT, resources=resources)
    # A profile of its own: a user's startup files and history are no part of the lesson.
    env = os.environ | {"IPYTHONDIR": str(folder / ".ipython")}
    with (folder / "kernel.log").open("w+") as log:
        try:
            client.execute(env=env, stdout=log, stderr=log)
        except CellExecutionError as error:
            return f"{error.ename}: {without_colours(error.evalue)}"
        except (TimeoutError, RuntimeError) as error:  # it hangs, or the kernel is gone
            log.seek(0)
            return f"{error}\n{log.read()}".strip()
    return ""


def print_verdicts(lesson: NotebookNode) -> None:
    """Prints, as text, what the cells tagged `verdicts` showed."""
    for cell in lesson.cells:
        if VERDICTS in cell.metadata.get("tags", ()):
            for output in cell.get("outputs", ()):
                text = output.get("text") or output.get("data", {}).get("text/plain", "")
                print(without_colours(text).rstrip(), flush=True)


def as_html(lesson: NotebookNode) -> str:
    """One file that needs no network: pictures inside, no scripts from elsewhere."""
    from nbconvert import HTMLExporter

    scripts = [name for name in HTMLExporter.class_trait_names() if name.endswith("_url")]
    exporter = HTMLExporter(embed_images=True, **dict.fromkeys(scripts, ""))
    html: str = exporter.from_notebook_node(lesson, {"metadata": {"name": "judicia_notebook: quickstart"}})[0]
    return re.sub(r'<script src="">\s*</script>', "", html)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
