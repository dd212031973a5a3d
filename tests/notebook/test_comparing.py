"""A saved run and a comparison, shown in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

CALLS = """
import tempfile, pathlib
import judicia_notebook as jn
rt = jn.get_runtime()
rt.clear()
specimen = rt.load("example:specimen")
for variant in "AB":
    with jn.label(variant=variant):
        for _ in range(6):
            specimen.call("echo", [1, 2])
with tempfile.TemporaryDirectory() as folder:
    kept = jn.read_run(rt.save(pathlib.Path(folder) / "run.zip"))
"""


def test_a_run_and_a_comparison_are_shown_as_cards_and_a_figure_as_a_picture(kernel: Kernel) -> None:
    shown = kernel.run(CALLS + "kept")
    assert shown.status == "ok", shown.output
    assert "12 calls, " in shown.value["text/html"]
    assert shown.text.startswith("run ")
    compared = kernel.run(
        "a, b = (kept.calls[kept.calls['label'] == f'variant={v}'] for v in 'AB')\nfound = jn.compare(a, b)\nfound"
    )
    assert compared.status == "ok", compared.output
    assert compared.text.startswith("variant=B against variant=A · medians")
    assert "<th" in compared.value["text/html"]
    assert "image/png" in kernel.run("found.plot()").value
