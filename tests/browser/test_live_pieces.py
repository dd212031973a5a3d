"""What stays alive beside the panel: the card of a background call, the charts, and the pieces for dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import PanelView, accessibility_faults

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

LOAD = """
import threading
import judicia_notebook as jn
%load_ext judicia_notebook
rt = jn.get_runtime()
p = rt.load("example:specimen", grant=["random"], quota={"cpu": 60, "wall": 120})
"""
SLEEP = 'h = %plugin call specimen.sleep {"ms": 60000} --background'
DRAW = "h = p.submit('call_host', {'service': 'random', 'n': 20000, 'every_ms': 5})"
OURS = "[thread.name for thread in threading.enumerate() if thread.name.startswith('judicia-') and 'ticker' not in "
OURS += "thread.name and 'worker' not in thread.name]"

every_kernel = pytest.mark.parametrize("kernel", ["7.3", "newest", "6.31"])


@every_kernel
async def test_a_background_call_is_cancelled_from_its_card(open_notebook: OpenNotebook, kernel: str) -> None:
    book = await open_notebook(LOAD, SLEEP, kernel=kernel)
    await book.run(0, 1)
    card = book.cell(1).locator("[data-judicia='background']")
    await card.locator("[data-state='running']").wait_for()
    assert await accessibility_faults(book.page, "[data-judicia='background']") == []
    await card.locator("[data-cancel]").click()
    await book.until("h.done()")
    await card.locator("[data-state='cancelled']").wait_for()
    assert (await book.witness()).value("p.last.outcome") == "cancelled"
    await book.until(f"not {OURS}")


@every_kernel
async def test_a_piece_of_a_dashboard_revokes_and_says_what_the_kernel_grants(
    open_notebook: OpenNotebook, kernel: str
) -> None:
    book = await open_notebook(
        LOAD, "jn.widgets.capability_toggles(p)", DRAW, "p.policy.grant('random')", kernel=kernel
    )
    await book.run(0, 1, 2)
    row = book.cell(1).locator(".widget-hbox", has_text="random")
    await row.get_by_text("granted").wait_for()
    await book.until("rt._recorder.host_calls.end > 6")
    await row.get_by_role("button", name="Revoke").click()
    await row.get_by_text("not granted").wait_for()
    await book.until("p.last is None and (p.host_calls.decision == 'denied').any()")
    await book.run(3)  # another way than the widget's own
    await row.get_by_text("not granted").wait_for(state="detached")
    assert (await book.witness()).value("p.policy.state.allows('random')")
    (await book.witness()).run("h.cancel()")
    await book.until("h.done()")


async def test_the_charts_follow_a_plugin_and_stand_still_when_they_are_told_to(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.charts()", DRAW)
    await book.run(0, 1, 2)
    charts = PanelView(book.cell(1).locator("[data-judicia='charts']"))
    await charts.root.wait_for()
    await charts.wait("(root) => Number(root.dataset.frames) > 10")
    assert await accessibility_faults(book.page, "[data-judicia='charts']") == []
    await charts.root.locator("[data-pause]").click()
    await charts.wait("(root) => root.dataset.paused === 'true'")
    await charts.root.locator("[data-pause]").click()
    await charts.wait("(root) => root.dataset.paused === 'false'")
    (await book.witness()).run("h.cancel()")
    await book.until("h.done()")
    await book.window.command("notebook:clear-all-cell-outputs")
    await book.until(f"not {OURS}")
