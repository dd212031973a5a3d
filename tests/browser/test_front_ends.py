"""Notebook 7 and Voila in a browser: panel, charts, card, a click and a denial, as the other tests have JupyterLab."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.lab import Witness
from tests.browser.pages import Notebook, PanelView, Window, accessibility_faults

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import BrowserLoop
    from tests.browser.lab import Lab

CELLS = (
    """
import judicia_notebook as jn
p = jn.get_runtime().load("example:specimen", grant=["random"], quota={"cpu": 60, "wall": 120})
""",
    "p.panel()",
    "p.charts()",
    "h = p.submit('sleep', {'ms': 60_000})\nh",
)
DRAW = "p.attempt('call_host', {'service': 'random', 'n': 1})"


@pytest.fixture(params=["notebook", "voila"])
def front_end(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if find_spec(name) is None:
        pytest.skip(f"no {name}; enable: python -m pip install {name}")
    return name


async def _open(front_end: str, page: Page, lab: Lab) -> Notebook:
    """Open a notebook of these cells in a front end and run all of them."""
    book = Notebook(Window(page, lab))
    book.name = f"in-{front_end}.ipynb"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "7.3", "display_name": "ipykernel 7.3", "language": "python"}
    nbformat.write(made, lab.root / book.name)
    where = {"notebook": "notebooks", "voila": "voila/render"}[front_end]
    await page.goto(f"{lab.url}{where}/{book.name}?token={lab.token}", wait_until="domcontentloaded")
    if front_end == "notebook":
        await page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell")
        await book.until_ready()
        await book.run(*range(len(CELLS)))
    return book


async def test_panel_charts_and_card_live_there_too(front_end: str, browser_loop: BrowserLoop, lab: Lab) -> None:
    before = set(lab.witnesses.glob("*.json"))
    page = await browser_loop.context.new_page()
    try:
        book = await _open(front_end, page, lab)
        panel = PanelView(page.locator("[data-judicia='panel']"))
        await panel.appear()
        (announced,) = set(lab.witnesses.glob("*.json")) - before
        kernel = Witness(announced)
        charts = PanelView(page.locator("[data-judicia='charts']"))
        card = page.locator("[data-judicia='background']")
        await charts.wait("(root) => Number(root.dataset.frames) > 3")
        await card.locator("[data-state='running']").wait_for()
        await page.locator("[data-judicia-snapshot]:visible").first.wait_for(state="hidden")

        await card.locator("[data-cancel]").click()
        await card.locator("[data-state='cancelled']").wait_for()
        assert kernel.value("type(h.exception(30)).__name__") == "Cancelled"

        await panel.switch("random").click()
        await panel.shows("random", granted=False)
        assert not kernel.value("p.policy.state.allows('random')")
        kernel.run(DRAW)
        await panel.root.locator("[data-status]", has_text="1 host call denied").wait_for()
        await panel.tab("Audit").click()
        await panel.root.get_by_role("tabpanel").get_by_text("denied").first.wait_for()
        for widget in ("panel", "charts", "background"):
            assert await accessibility_faults(page, f"[data-judicia='{widget}']") == []
        # Theirs are not ours: Voila loads fonts from the network. A widget's page is a blob.
        assert [fault for fault in book.window.faults if "blob:" in fault or "judicia" in fault] == []
        kernel.close()
        if front_end == "notebook":  # Voila ends the kernel with the page
            await book.evaluate("(book) => book.sessionContext.session.shutdown()")
    finally:
        await page.close()
