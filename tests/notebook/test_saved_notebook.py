"""What a notebook holds that nbclient ran and saved, in which only ``import judicia_notebook`` was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.kernels import environment
from tests.support.waiting import PATIENCE

PNG = "image/png"
CELLS = {
    "begin": 'import judicia_notebook as jn\nrt = jn.Runtime()\np = rt.load("example:specimen")\np.call("echo", 1)',
    "figure": "jn.plots.latency(rt.calls, width=3.33)",
    "sweep": 'frame = jn.sweep("example:specimen", "echo", [{"n": 1}, {"n": 20}], repeats=6)',
    "stopped": 'jn.sweep("example:specimen", "echo", [1], repeats=6, executor=Stopping())',
    "against": 'jn.plots.against(frame, "param_n", "guest_ms")',
    "profile": 'p.profile("spin", {"ms": 20}, samples=5).figure()',
    "axes": "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\njn.plots.latency(rt.calls, ax=ax)",
    "after pyplot": "jn.plots.latency(rt.calls)",
}
STOPPING = """
from concurrent.futures import ThreadPoolExecutor
class Stopping(ThreadPoolExecutor):
    calls = 0
    def submit(self, *given, **named):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().submit(*given, **named)
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Of each cell, from the file."""
    folder = tmp_path_factory.mktemp("kernels") / "saved"
    folder.mkdir()
    sources = {name: STOPPING + source if name == "stopped" else source for name, source in CELLS.items()}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources.values()])
    client = NotebookClient(notebook, timeout=PATIENCE, iopub_timeout=PATIENCE, allow_errors=True)
    client.execute(cwd=str(folder), env=environment(folder))
    file = Path(folder) / "saved.ipynb"
    nbformat.write(notebook, file)
    saved = nbformat.read(file, as_version=4)
    return dict(zip(CELLS, [cell.outputs for cell in saved.cells], strict=True))


@pytest.mark.parametrize("cell", ["figure", "against", "profile", "axes", "after pyplot"])
def test_a_plot_is_one_picture(cell: str, outputs: dict[str, list[Any]]) -> None:
    pictures = [output for output in outputs[cell] if PNG in output.get("data", {})]
    assert len(pictures) == 1, outputs[cell]


def test_a_bar_that_is_done_stays_as_a_line_that_says_so(outputs: dict[str, list[Any]]) -> None:
    [shown] = outputs["sweep"]
    assert shown.data["text/plain"].startswith("echo: 12 of 12 cells |")
    assert set(shown.data) == {"text/plain"}  # no widget, of which a saved notebook has no more than its name


def test_a_bar_of_a_sweep_that_was_stopped_says_how_far_it_came(outputs: dict[str, list[Any]]) -> None:
    shown, error = outputs["stopped"]
    assert error.ename == "KeyboardInterrupt"
    assert shown.data["text/plain"].startswith(f"echo: {error.evalue.split()[0]} of 6 cells |")
