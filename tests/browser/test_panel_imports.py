"""The switches of imports that Python functions answer: in the middle of a call, and as a page.

What took how long from the click to its effect is listed at the end of the run; nothing here asserts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import accessibility_faults, still

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook, Report

LOAD = r'''
import contextlib, time
import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
rt = jn.get_runtime()
GUEST = """
(import "env" "now" (func $now (result f64)))
(import "env" "note" (func $note (param f64)))
(import "env" "pause" (func $pause))
(func (export "watch") (param i32 i32) (result i64)
  (loop $again (call $note (call $now)) (call $pause) (br $again))
  (call $reply (local.get 0) (local.get 1)))
"""
seen, changed, ended = [], [], []
imports = {
    "env.now": jn.Import(time.time, denied=-1.0),
    "env.note": lambda value: seen.append((time.time(), value)),
    "env.pause": lambda: time.sleep(0.002),
}
p = rt.load(compile_wat(GUEST).encode(), name="guest", imports=imports, quota={"cpu": 60, "wall": 120})
p.policy.observe(lambda _: changed.append(time.time()))
'''
WAYS = {
    "background": "h = p.submit('watch', 1)\nh.add_done_callback(lambda _: ended.append(time.time()))",
    "blocking": "outcome = p.attempt('watch', 1)\nended.append(time.time())",
    "awaiting": "with contextlib.suppress(jn.CapabilityDenied):\n    await p.call_async('watch', 1)\n"
    "ended.append(time.time())",
}
NOW = "imports=env.now"
every_way = pytest.mark.parametrize(
    ("kernel", "way"),
    [*((kernel, "background") for kernel in ("7.3", "newest", "6.31")), ("7.3", "awaiting"), ("newest", "blocking")],
)

LONG = "n" * 190
MARKUP = "<img src=data:, onerror=hacked()>"
# Rows that are told apart by all that a row can say; and names that a guest would choose.
SEVERAL = f"""
import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
rt = jn.get_runtime()
def guest(name, imports, names, body=""):
    cells = [f'(import "env" "{{one}}" (func $f{{n}} (result i32)))' for n, one in enumerate(names)]
    call = f'(func (export "f") (param i32 i32) (result i64) {{body}} (call $reply (local.get 0) (local.get 1)))'
    return rt.load(compile_wat("".join(cells) + call).encode(), name=name, imports=imports)
@rt.host.function("env", "roll", capability="random")
def roll(): return 4
supplied = {{"env.now": jn.Import(lambda: 3, denied=-1), "env.seed": lambda: 7}}
p = guest("guest", supplied, ("now", "seed", "roll"), "(drop (call $f0)) (drop (call $f1)) (drop (call $f2))")
p.policy.grant("random")
p.call("f", 1)
p.policy.revoke("imports=env.now")
p.call("f", 1)
names = [{LONG!r}, {MARKUP!r}, *(f"f{{n}}" for n in range(200))]
many = guest("many", {{("env", name): (lambda: 1) for name in names}}, names)
many.policy.grant("imports")
"""


@every_way
async def test_an_import_that_is_switched_off_in_the_middle_of_a_call_is_denied_to_it(
    open_notebook: OpenNotebook, report: Report, kernel: str, way: str
) -> None:
    book = await open_notebook(LOAD, "p.panel()", WAYS[way], kernel=kernel)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()
    await book.start(2)
    await book.until("len(seen) > 20")
    assert (await panel.drawn()).granted == {NOW: True, "imports=env.note": True, "imports=env.pause": True}

    await panel.switch(NOW).click()
    await panel.shows(NOW, granted=False)
    assert witness.value("p.policy.granted") == {"imports=env.note", "imports=env.pause"}
    click = await book.last_click()
    await book.until("seen[-1][1] == -1.0")
    report(f"revoke an import, {way}", kernel, witness.value("changed[-1]") - click)
    first = witness.value("next(at for at, value in seen if value == -1.0)")
    report(f"an import answers as denied, {way}", kernel, first - click)
    assert witness.value("p._deployment.is_busy"), "it is the same call that goes on"
    assert witness.value(f"all(value == -1.0 for at, value in seen if at > {first})")
    row = panel.root.locator(f"[data-capability='{NOW}']")
    await row.get_by_text("not granted").wait_for()
    await row.locator(".jd-counters .jd-bad:not(.jd-zero)").get_by_text("denied").wait_for()

    await panel.switch(NOW).click()
    await panel.shows(NOW, granted=True)
    await book.until("seen[-1][1] > 0")
    await panel.switch(NOW).click()
    await panel.shows(NOW, granted=False)
    await panel.root.locator("[data-on-denied]").click()
    await book.until("ended")
    report(f"a denial ends the call, {way}", kernel, witness.value("ended[-1]") - await book.last_click())
    await book.ended(2)
    assert witness.value("p.last.outcome") == "denied"
    await row.get_by_text("a denial ends the call").wait_for()
    assert witness.value("p.audit[p.audit.what.isin(['grant', 'revoke'])].via.astype(str).tolist()") == ["panel"] * 3


async def test_the_rows_of_imports_in_light_in_dark_and_narrow(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(SEVERAL, "p.panel()", "many.panel()")
    await book.page.evaluate("() => { window.hacks = 0; window.hacked = () => { window.hacks += 1; }; }")
    await book.run(0, 1, 2)
    panel, many = book.panel(1), book.panel(2)
    await panel.appear()
    await many.appear()
    shown = {"imports=env.now": False, "imports=env.seed": True, "imports=env.roll": True, "random": True}
    assert (await panel.drawn()).granted == shown
    await panel.root.locator("[data-capability='imports=env.roll']").get_by_text("allowed by random").wait_for()
    await many.root.get_by_text("152 more imports are not shown").wait_for()
    await many.switch(f"imports=env.{LONG}").click()
    await many.root.get_by_text("is allowed by imports").wait_for()
    try:
        for theme in ("Light", "Dark"):
            await book.window.set_theme(theme)
            await panel.wait("(root, dark) => root.classList.contains('jd-dark') === dark", theme == "Dark")
            await still(book.page)
            assert await accessibility_faults(book.page, "[data-judicia='panel']") == []
            (tmp_path / f"imports-{theme.lower()}.png").write_bytes(await panel.root.screenshot())
        await book.window.set_theme("Light")
        for name, narrow in (("three", panel), ("many", many)):
            await narrow.root.evaluate("(root) => { root.style.width = '600px'; }")
            assert await narrow.root.evaluate("(root) => root.scrollWidth <= root.clientWidth")
            (tmp_path / f"imports-600-{name}.png").write_bytes(await narrow.root.screenshot())
    finally:
        await book.window.set_theme("Light")
    assert await book.page.locator("img[src='data:,']").count() == 0
    assert await book.page.evaluate("() => window.hacks") == 0
