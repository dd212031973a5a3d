"""The panel as a page: quick hands, several panels, a kernel that goes, hostile texts, and use by everybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import accessibility_faults

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

LOAD = """
import threading
import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
rt = jn.get_runtime()
p = rt.load("example:specimen", grant=["random"], quota={"cpu": 60, "wall": 120})
"""
THREADS = "[thread.name for thread in threading.enumerate() if thread.name == 'judicia-panel']"
CHANGES = "len(p.audit[p.audit.what.isin(['grant', 'revoke'])])"
NASTY = "<img src=data:, onerror=hacked()><script>hacked()</script>"
# Everything a guest can say, in every place where it is shown.
EVIL = f"""
NASTY = {NASTY!r}
echo = f'(func (export "{{NASTY}}") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
manifest = {{"name": "evil", "version": "1.0.0", "description": NASTY, "author": NASTY}}
evil = rt.load(compile_wat(echo).encode(), manifest=manifest)
evil.call(NASTY, NASTY)
for function in ("panic", "fail"):
    outcome = p.attempt(function, {{"message": NASTY}})
p.call("log", {{"n": 3, "message": NASTY}})
display(p, evil, rt, outcome, p.logs, rt.calls, rt.plugins, p.audit, evil.inspect())
"""

USE = """
p.call("log", {"n": 3})
p.call("call_host", {"service": "clock", "n": 2})
h = p.submit("sleep", {"ms": 60000})
p.policy.set_quota(memory="8MiB")
"""


@pytest.mark.parametrize("kernel", ["7.3", "newest"])
async def test_twenty_quick_clicks_are_twenty_changes_and_two_panels_agree(
    open_notebook: OpenNotebook, kernel: str
) -> None:
    book = await open_notebook(LOAD, "p.panel()", "rt.panel()", "p.policy.revoke('random')", kernel=kernel)
    await book.run(0, 1, 2)
    one, other = book.panel(1), book.panel(2)
    await one.appear()
    await other.appear()
    witness = await book.witness()
    before = witness.value(CHANGES)

    await one.switch("random").evaluate("(it) => { for (let click = 0; click < 20; click++) it.click(); }")
    assert (await one.settle()).granted["random"] is True
    assert witness.value("p.policy.state.allows('random')")
    assert witness.value(CHANGES) == before + 20
    await other.switch("wall_clock").click()
    await one.shows("wall_clock", granted=True)
    await book.run(3)
    for panel in (one, other):
        await panel.shows("random", granted=False)
    granted = {"random": False, "wall_clock": True}
    assert (await one.settle()).granted == (await other.settle()).granted == granted
    assert witness.value("{name: p.policy.state.allows(name) for name in ('random', 'wall_clock')}") == granted


async def test_a_closed_panel_leaves_nothing_running(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.panel()")
    await book.run(0, 1)
    await book.panel(1).appear()
    witness = await book.witness()
    assert witness.value(THREADS) == ["judicia-panel"]
    await book.window.command("notebook:clear-all-cell-outputs")
    await book.until(f"not {THREADS}")


async def test_after_a_restart_of_the_kernel_a_panel_says_that_it_is_disconnected(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.panel()")
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    lost = panel.root.locator("[data-disconnected]")
    assert not await lost.is_visible()
    await book.restart_kernel()
    await lost.wait_for(state="visible")
    assert await panel.switch("random").is_disabled()
    assert await panel.root.locator("[data-quota='cpu'] input[type=text]").is_disabled()
    await book.until_ready()
    assert await lost.is_visible()


async def test_what_a_guest_says_is_shown_as_text_and_never_runs(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(
        LOAD,
        EVIL,
        "p.panel()",
        "evil.panel()",
        "p.call('fail', {'message': NASTY})",
        "from IPython.display import HTML\nHTML(NASTY)",
    )
    page = book.page
    await page.evaluate("() => { window.hacks = 0; window.hacked = () => { window.hacks += 1; }; }")
    await book.run(0, 1, 2, 3)
    await book.start(4)
    await book.ended(4)
    panel, evil = book.panel(2), book.panel(3)
    await panel.appear()
    await evil.appear()
    await evil.tab("Call").click()
    await evil.root.get_by_label("Payload, as JSON").fill(json.dumps(NASTY))
    await evil.root.locator("[data-run=once]").click()
    await evil.root.locator("[data-answer]").get_by_text(NASTY).wait_for()
    for tab in ("Calls", "Audit", "Log"):
        await panel.tab(tab).click()
    await panel.root.get_by_role("tabpanel", name="Log").get_by_text(NASTY).first.wait_for()
    for cell in (1, 4):
        assert NASTY[:12] in await book.cell(cell).locator(".jp-OutputArea").inner_text()
    assert await page.locator("img[src='data:,']").count() == 0
    assert await page.evaluate("() => window.hacks") == 0

    await book.run(5)  # what they say would run, if it were put into the page as it is
    await page.wait_for_function("() => window.hacks > 0")


async def test_everybody_can_use_the_panel_in_light_and_in_dark(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(LOAD, "p.panel()", USE)
    await book.run(0, 1, 2)
    panel = book.panel(1)
    await panel.appear()
    try:
        for theme in ("Light", "Dark"):
            await book.window.set_theme(theme)
            await panel.wait("(root, dark) => root.classList.contains('jd-dark') === dark", theme == "Dark")
            for tab in ("Calls", "Log", "Audit", "Call", "Running"):
                await panel.tab(tab).click()
                assert await accessibility_faults(book.page, "[data-judicia='panel']") == []
            (tmp_path / f"panel-{theme.lower()}.png").write_bytes(await panel.root.screenshot())
    finally:
        await book.window.set_theme("Light")
    (await book.witness()).run("h.cancel()")


async def test_the_panel_is_operated_by_keyboard_alone(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.panel()")
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    await panel.switch("random").focus()
    await book.page.keyboard.press("Space")
    await panel.shows("random", granted=False)
    await panel.tab("Running").focus()
    for key, tab in (("ArrowRight", "Calls"), ("End", "Call"), ("ArrowRight", "Running"), ("ArrowLeft", "Call")):
        await book.page.keyboard.press(key)
        await panel.root.locator("[role=tab][aria-selected=true]:focus", has_text=tab).wait_for()
    await panel.set_quota("cpu", "750ms")
    await book.until("p.policy.quota.cpu == 0.75")


async def test_a_runtimes_panel_has_a_row_a_plugin_that_opens_it(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "rt.load('example:checker')", "rt.panel()")
    await book.run(0, 1, 2)
    panel = book.panel(2)
    await panel.appear()
    rows = panel.root.locator("[data-plugin]")
    (await book.witness()).run("p.attempt('fail', {'message': 'no'})")
    await rows.nth(0).get_by_text("fail: guest_error").wait_for()
    await rows.nth(1).get_by_role("button", name="checker").click()
    await panel.root.get_by_role("heading", name="checker").wait_for()
    assert await rows.nth(1).get_by_role("button").get_attribute("aria-pressed") == "true"
    (await book.witness()).run("h = p.submit('sleep', {'ms': 60000})")  # of the one that is not shown
    await rows.nth(0).get_by_role("cell", name="1", exact=True).wait_for()
    (await book.witness()).run("h.cancel(); h.exception(30)")
    await rows.nth(0).get_by_text("sleep: cancelled").wait_for()
    assert await accessibility_faults(book.page, "[data-judicia='panel']") == []
