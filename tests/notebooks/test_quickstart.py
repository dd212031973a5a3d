"""The quickstart: what is saved in it, what a run of it shows, and that its verdicts are the checker's own."""

from __future__ import annotations

import copy
import importlib
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import judicia_notebook as jn
from judicia_notebook.command_line.demo import VERDICTS, as_html, print_verdicts
from judicia_notebook.command_line.lessons import QUICKSTART, copy_lessons
from tests.support.waiting import LONG_PATIENCE, PATIENCE

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
TOOL = ROOT / "tools" / "build_notebooks.py"
VERDICT_LINE = "386 outputs judged, 386 verdicts as expected"

Lesson = nbformat.NotebookNode


def read() -> Lesson:
    lesson: Lesson = nbformat.read(NOTEBOOKS / QUICKSTART, as_version=4)
    return lesson


def code_cells(lesson: Lesson) -> list[Any]:
    return [cell for cell in lesson.cells if cell.cell_type == "code"]


def errors(lesson: Lesson) -> list[str]:
    outputs = [output for cell in code_cells(lesson) for output in cell.outputs]
    return ["\n".join(output.traceback) for output in outputs if output.output_type == "error"]


def text_of(output: Any) -> str:
    """An output as somebody reads it who sees text alone."""
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])


def words(cell: Any) -> set[str]:
    """The words a cell shows, without what differs between runs and machines: numbers, units of time, line breaks."""
    said = [output for output in cell.outputs if output.get("name") != "stderr"]  # a slow first compile is announced
    text = " ".join(text_of(output) for output in said)
    text = re.sub(r"sha256 [0-9a-f]+|(?<=example:specimen )[0-9a-f]{12}", "", text)
    return set(re.sub(r"\d+([.\u00a0\u2009\u202f]\d+)*( [nµm]?s\b)?", "#", text).split()) - {"\\", "..."}


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    """The lesson after one run in a fresh kernel and a copy of its folder, and after a second in the same kernel."""
    folder = tmp_path_factory.mktemp("lesson")
    copy_lessons(NOTEBOOKS, folder)
    lesson = nbformat.read(folder / QUICKSTART, as_version=4)
    for cell in code_cells(lesson):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        lesson,
        timeout=LONG_PATIENCE,
        iopub_timeout=PATIENCE,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {name: str(folder / ".own" / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR")}
    env = os.environ | own | {"PYTHONPATH": path, "JUDICIA_NOTEBOOK_CACHE": str(folder / ".own" / "cache")}
    found = []
    with (folder / "kernel.log").open("w") as log, client.setup_kernel(env=env, stdout=log, stderr=log):
        for _ in range(2):
            for index, cell in enumerate(lesson.cells):
                client.execute_cell(cell, index)
            found.append(copy.deepcopy(lesson))
    return found


@pytest.fixture(scope="module")
def problems() -> Callable[[Lesson], list[str]]:
    """What the tool that saves lessons has against one."""
    names = runpy.run_path(str(TOOL))
    return lambda lesson: list(names["problems"](lesson))


@pytest.fixture(scope="module")
def submissions() -> Iterator[list[Any]]:
    sys.path.insert(0, str(NOTEBOOKS))
    yield importlib.import_module("quickstart.submissions").load()
    sys.path.remove(str(NOTEBOOKS))
    for name in [name for name in sys.modules if name.partition(".")[0] == "quickstart"]:
        del sys.modules[name]


# --- as it is saved --------------------------------------------------------------------------------------------------


def test_it_is_saved_as_run_from_top_to_bottom_without_errors_paths_or_scripts(
    problems: Callable[[Lesson], list[str]],
) -> None:
    lesson = read()
    assert problems(lesson) == []
    assert errors(lesson) == []
    assert [cell.execution_count for cell in code_cells(lesson)] == list(range(1, len(code_cells(lesson)) + 1))


def an_error(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("error", ename="GuestTrap", evalue="stopped", traceback=[])]


def a_warning(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text="FutureWarning: soon")]


def this_checkout(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("stream", text=f"{ROOT}{os.sep}judicia_notebook")]


def another_folder(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("stream", text="read from /opt/plugins/scan.wasm")]


def no_text(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": "<b>well</b>"})]


def a_script(cell: Any) -> None:
    html = "<script>draw()</script>"
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": "a picture"})]


def not_run(cell: Any) -> None:
    cell.execution_count = None


def a_time_stamp(cell: Any) -> None:
    cell.metadata["execution"] = {"iopub.execute_input": "2025-01-01T00:00:00Z"}


def a_stream_in_pieces(cell: Any) -> None:
    cell.outputs = [nbformat.v4.new_output("stream", text=text) for text in ("two ", "pieces\n")]


@pytest.mark.parametrize(
    "spoil",
    [an_error, a_warning, this_checkout, another_folder, no_text, a_script, not_run, a_time_stamp, a_stream_in_pieces],
)
def test_a_lesson_that_is_not_fit_to_be_committed_is_found_out(
    problems: Callable[[Lesson], list[str]], spoil: Callable[[Any], None]
) -> None:
    lesson = read()
    spoil(code_cells(lesson)[3])
    assert len(problems(lesson)) == 1


def test_every_picture_and_table_is_there_as_text_too() -> None:
    rich = [output for cell in code_cells(read()) for output in cell.outputs if output.output_type != "stream"]
    kinds = {kind for output in rich for kind in output.data}
    assert kinds == {"text/plain", "text/html", "image/png"}
    assert all(output.data["text/plain"].strip() for output in rich)


# --- as it runs ------------------------------------------------------------------------------------------------------


def test_it_runs_in_a_fresh_kernel_and_once_more_in_the_same(rounds: list[Lesson]) -> None:
    first, second = rounds
    assert errors(first) == []
    assert errors(second) == []
    counts = [cell.execution_count for lesson in rounds for cell in code_cells(lesson)]
    assert counts == list(range(1, len(counts) + 1))


def test_every_verdict_is_as_expected_in_each_run_and_as_saved(
    rounds: list[Lesson], capsys: pytest.CaptureFixture[str]
) -> None:
    for lesson in (*rounds, read()):
        print_verdicts(lesson)
        assert capsys.readouterr().out.splitlines()[-1] == VERDICT_LINE


def test_the_scoreboard_is_the_same_in_each_run_and_as_saved(rounds: list[Lesson]) -> None:
    boards = [
        text_of(cell.outputs[0])
        for lesson in (*rounds, read())
        for cell in code_cells(lesson)
        if VERDICTS in cell.metadata.get("tags", ())
    ]
    assert len(boards) == 3
    assert len(set(boards)) == 1


def test_what_is_saved_is_what_a_run_shows(rounds: list[Lesson]) -> None:
    for saved, shown in zip(code_cells(read()), code_cells(rounds[0]), strict=True):
        assert words(saved) == words(shown), saved.source


def test_its_report_needs_no_network(rounds: list[Lesson]) -> None:
    html = as_html(rounds[0])
    assert VERDICT_LINE in html
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*', html) == []


# --- what it says ----------------------------------------------------------------------------------------------------


def judge(rt: jn.Runtime, submissions: list[Any]) -> tuple[list[str], list[int]]:
    """The verdict and the fuel of each submission."""
    checker = rt.load("example:checker")
    with rt.measure() as contest:
        verdicts = [checker.call("check", one.payload)["verdict"] for one in submissions]
    return verdicts, contest.calls["fuel"].tolist()


def test_the_checker_finds_the_expected_verdicts_without_the_notebook(rt: jn.Runtime, submissions: list[Any]) -> None:
    verdicts, _ = judge(rt, submissions)
    assert verdicts == [one.expected for one in submissions]


def test_the_same_calls_in_the_same_order_use_the_same_fuel(submissions: list[Any]) -> None:
    with jn.Runtime() as one, jn.Runtime() as other:
        _, fuel = judge(one, submissions)
        assert judge(other, submissions)[1] == fuel
        assert min(fuel) > 0


def test_what_it_says_of_the_contestants_is_what_their_programs_say(submissions: list[Any]) -> None:
    said = {
        "dewi": ("forgets the last number", "the last entry is never read"),
        "boris": ("a 32-bit integer", "a 32-bit integer"),
        "freya": ("commas", "commas"),
        "goro": ("floating point", "floating point"),
    }
    prose = " ".join(cell.source for cell in read().cells if cell.cell_type == "markdown").replace("\n", " ")
    for contestant, (ours, theirs) in said.items():
        program = importlib.import_module(f"quickstart.problems.big_sum.{contestant}")
        assert f"`{contestant}`" in prose
        assert ours in prose
        assert theirs in str(program.__doc__)
