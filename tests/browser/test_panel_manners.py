"""How a panel, charts, cards and plots meet people: errors beside their field, names, and every way of seeing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import judicia_notebook as jn
from tests.browser.pages import PanelView, accessibility_faults, in_both_themes, still

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

LOAD = """
import judicia_notebook as jn
rt = jn.get_runtime()
p = rt.load("example:specimen", grant=["random"], quota={"cpu": "500ms", "memory": "8MiB", "fuel": 1_000_000})
"""
USE = """
p.call("log", {"n": 3})
p.call("call_host", {"service": "clock", "n": 2})
p.call("grow", {"bytes": 4_000_000})
"""
# Something to see for every kind of plot: sizes, refusals, denials, failures, loads.
MORE = """
for n in range(12):
    p.attempt("echo", "x" * 2**n)
    p.attempt("grow", {"bytes": n << 20})
    p.attempt("trap")
    p.attempt("call_host", {"service": "random" if n % 2 else "clock", "n": 3})
q = rt.load("example:checker")
q.call("check", {"output": "4 2", "answer": "4 2"})
"""
LOOKS = """(root) => {
  const colour = (selector, name) => getComputedStyle(root.querySelector(selector))[name];
  const thumb = getComputedStyle(root.querySelector(".jd-slider"), "::-webkit-slider-thumb").backgroundColor;
  return {
    on: colour("[data-capability=random] .jd-switch", "backgroundColor"),
    off: colour("[data-capability=wall_clock] .jd-switch", "backgroundColor"),
    ground: getComputedStyle(root).backgroundColor,
    thumb,
    chosen: colour("[role=tab][aria-selected=true]", "borderBottomColor"),
    other: colour("[role=tab][aria-selected=false]", "borderBottomColor"),
    use: colour(".jd-fill", "backgroundColor"),
    rest: colour(".jd-track", "backgroundColor"),
  };
}"""


async def test_what_was_wrong_stands_beside_its_field_and_what_was_typed_stays(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.panel()")
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()
    version = witness.value("p.policy.version")

    for kind, typed, meant in (("memory", "64mib", "64MiB"), ("cpu", "1S", "1s"), ("fuel", "2M", "2000000")):
        await panel.set_quota(kind, typed)
        row = panel.root.locator(f"[data-quota={kind}]")
        field = row.locator("input[type=text]")
        await row.locator("[data-error]").get_by_text(f"Did you mean {meant}?").wait_for()
        assert await field.input_value() == typed
        assert await field.get_attribute("aria-invalid") == "true"
        described = "(field) => document.getElementById(field.getAttribute('aria-describedby')).textContent"
        assert f"Did you mean {meant}?" in await field.evaluate(described)
    assert witness.value("p.policy.version") == version

    # What holds is said beside it, also when that is changed by others; and what is typed is still there.
    memory = panel.root.locator("[data-quota=memory]")
    await memory.get_by_text("What holds: 8MiB.").wait_for()
    witness.run("p.policy.set_quota(memory='4MiB')")
    await memory.get_by_text("What holds: 4MiB.").wait_for()
    field = memory.locator("input[type=text]")
    assert await field.input_value() == "64mib"
    await panel.set_quota("memory", "64MiB")
    await book.until("p.policy.quota.memory == 64 << 20")
    await panel.wait("(root) => !root.querySelector('[data-quota=memory] [aria-invalid]')")
    assert not await memory.locator("[data-error]").is_visible()
    cpu = panel.root.locator("[data-quota=cpu] input[type=text]")
    await cpu.press("Escape")
    assert await cpu.input_value() == "500ms"
    assert await cpu.get_attribute("aria-invalid") is None

    # Enter tries again what was refused, when it can be allowed.
    await panel.set_quota("wall", "2h")
    wall = panel.root.locator("[data-quota=wall]")
    await wall.locator("[data-error]").get_by_text("ceiling").wait_for()
    before = witness.value("p.policy.quota.wall")
    await wall.locator("input[type=text]").press("Enter")
    await panel.settle()
    assert witness.value("p.policy.quota.wall") == before
    assert await wall.locator("input[type=text]").input_value() == "2h"

    # A payload is JSON, and begins with what its function takes.
    await panel.tab("Call").click()
    payload = panel.root.get_by_label("Payload, as JSON")
    await panel.root.get_by_label("Function to call").select_option("call_host")
    assert await payload.input_value() == '{"service": "clock", "every_ms": 0, "n": 1}'
    pane = panel.root.get_by_role("tabpanel", name="Call")
    await pane.get_by_text('one of "clock", "random", "log"').wait_for()
    await payload.fill('{"service": ')
    await panel.root.locator("[data-run=once]").click()
    await pane.locator("[data-error]").get_by_text("line 1").wait_for()
    assert await payload.input_value() == '{"service": '
    assert await payload.get_attribute("aria-invalid") == "true"
    await payload.fill('{"service": "random"}')
    await panel.root.locator("[data-run=once]").click()
    await panel.wait("(root) => /· 1 call( ·|$)/.test(root.querySelector('[data-status]').textContent)")
    await panel.wait("(root) => !root.querySelector('textarea[aria-invalid]')")


async def test_a_panel_shows_what_its_name_stands_for_by_now(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, "p.panel()", "rt.unload('specimen')\nq = rt.load('example:specimen')")
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    await panel.shows("random", granted=True)
    await book.run(2)
    await panel.shows("random", granted=False)
    await panel.switch("wall_clock").click()
    await book.until("q.policy.state.allows('wall_clock')")


async def test_everybody_sees_the_panel_and_the_charts(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(LOAD, USE, "p.panel()", "p.panel(scale=2)", "p.charts()")
    await book.run(0, 1, 2, 3, 4)
    panel, large = book.panel(2), book.panel(3)
    for one in (panel, large):
        await one.appear()
    charts = PanelView(book.cell(4).locator("[data-judicia='charts']"))
    await charts.wait("(root) => root.dataset.called !== undefined")
    names = [await one.root.get_attribute("aria-label") for one in (panel, large, charts)]
    assert names == ["Panel of specimen", "Panel of specimen (2)", "Charts of specimen"]
    await panel.set_quota("memory", "64mib")
    await panel.root.locator("[data-quota=memory] [data-error]").wait_for()

    # The use of 5 MiB of 8 MiB is five eighths of its bar.
    share = "(root) => parseFloat(root.querySelector('[data-quota=memory] .jd-fill').style.width)"
    used = (await book.witness()).value("p.last.memory_peak_bytes / p.policy.quota.memory")
    assert abs(await panel.root.evaluate(share) - 100 * used) < 1

    async def look(name: str) -> None:
        await still(book.page)
        for scope in ("panel", "charts"):
            assert await accessibility_faults(book.page, f"[data-judicia='{scope}']") == [], name
        for one in (panel, large, charts):
            over = await one.root.evaluate("(root) => root.scrollWidth - root.clientWidth")
            assert over <= 0, (name, over)
        (tmp_path / f"{name}.png").write_bytes(await panel.root.screenshot())

    columns = "(root) => getComputedStyle(root.querySelector('.jd-columns')).gridTemplateColumns.split(' ').length"
    page = book.page
    try:
        await look("light")
        assert [await one.root.evaluate(columns) for one in (panel, large)] == [2, 1]
        for scheme in ("light", "dark"):
            await page.emulate_media(forced_colors="active", color_scheme=scheme)
            await look(f"forced-{scheme}")
            seen = await panel.root.evaluate(LOOKS)
            assert seen["on"] != seen["off"], seen
            assert seen["chosen"] != seen["other"] == seen["ground"], seen
            assert seen["use"] != seen["rest"], seen
        await page.emulate_media(forced_colors="none", color_scheme="light", reduced_motion="reduce")
        moving = "(root) => root.getAnimations({ subtree: true }).length"
        await panel.switch("wall_clock").click()
        assert await panel.root.evaluate(moving) == 0
        await page.set_viewport_size({"width": 720, "height": 1100})  # 600 for a cell's output
        await look("narrow")
        await page.set_viewport_size({"width": 1280, "height": 1100})
        await book.window.set_theme("Dark")
        await panel.wait("(root) => root.classList.contains('jd-dark')")
        await look("dark")
    finally:
        await page.set_viewport_size({"width": 1280, "height": 1100})
        await page.emulate_media(forced_colors="none", color_scheme="light", reduced_motion="no-preference")
        await book.window.set_theme("Light")


async def test_everybody_can_read_cards(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(
        "%load_ext judicia_notebook" + LOAD,
        USE,
        "display(p, rt, p.policy, p.inspect(), p.last)\n%plugin help specimen.call_host",
        "p.bench('echo', 1, repeats=20)",
        "p.attempt('grow', {'bytes': 64_000_000})",
    )
    await book.run(0, 1, 2, 3, 4)
    await in_both_themes(book, tmp_path)


@pytest.mark.parametrize("kind", [*jn.plots.FRAMES, "compare"])
async def test_everybody_can_read_a_plot(open_notebook: OpenNotebook, tmp_path: Path, kind: str) -> None:
    frames = ", ".join(f"rt.{frame}" for frame in jn.plots.FRAMES.get(kind, ()))
    plot = {
        "success": "jn.plots.success(rt.calls, quota='memory')",
        "compare": "half = len(rt.calls) // 2\njn.compare(rt.calls[:half], rt.calls[half:]).plot()",
    }.get(kind, f"jn.plots.{kind}({frames})")
    book = await open_notebook(
        LOAD, USE, MORE, plot, f"import matplotlib.pyplot as plt\nplt.style.use('dark_background')\n{plot}"
    )
    await book.run(0, 1, 2, 3, 4)
    for cell in (3, 4):
        picture = book.cell(cell).locator(".jp-OutputArea-output img")
        described = await picture.first.get_attribute("alt") or ""
        assert len(described) > 20, described
    await in_both_themes(book, tmp_path)
