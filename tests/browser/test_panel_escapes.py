"""The panel in a browser, for whoever wants more than was granted: no control widens anything by the way.

`WIDENS` lists the gestures that are meant to widen, by control. Every other gesture, on every control that can have the
focus, is made in turn, and after each the policy in the kernel is compared with what it was.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import Witness
    from tests.browser.pages import Notebook, PanelView

LOAD = """
import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
rt = jn.get_runtime()
echo = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
now = '(func (export "now") (param i32 i32) (result i64) (call $judicia:clock.now (local.get 0) (local.get 1)))'
manifest = {
    "name": "wishful",
    "capabilities": [
        "network_access", "read_database=submissions,users", "emit_event=a b", "read_files=/srv/data@data", "random",
    ],
    "quota": {"memory": "128MiB", "cpu": "5s"},
}
p = rt.load(
    compile_wat(echo + now).encode(),
    manifest=manifest,
    grant=["network_access=https://example.org/api", "read_database=submissions", "subscribe_events=contest.*"],
    quota={"memory": "8MiB", "cpu": "500ms", "wall": "2s", "fuel": 1_000_000, "host_call_rate": 100},
)
base = p.policy.snapshot()
def wider():
    now = p.policy.snapshot()
    grants = sorted(set(now.granted) - set(base.granted))
    limits = {kind: (before, getattr(now.quota, kind)) for kind, before in base.quota.given().items()}
    return grants + [kind for kind, (was, is_) in limits.items() if was is not None and (is_ is None or is_ > was)]
"""
SHOW = "p.panel()"

CONTROLS = """(root) => {
  const found = [...root.querySelectorAll("button, input, select, textarea, [tabindex='0']")];
  found.forEach((control, index) => { control.dataset.walked = index; });
  return found
    .filter((control) => control.checkVisibility() && !control.matches(":disabled"))
    .map((control) => ({
      index: control.dataset.walked,
      tag: control.type || control.tagName.toLowerCase(),
      name: control.getAttribute("aria-label") || control.textContent,
      part: control.closest(".jd-section, .jd-header").getAttribute("aria-label"),
      preset: control.dataset.preset || "",
      undo: "undo" in control.dataset,
      link: control.classList.contains("jd-link"),
      off: control.getAttribute("role") === "switch" && control.getAttribute("aria-checked") === "false",
    }));
}"""

# Whether a control can still be used; once a gesture has been made, nothing has the focus and nothing is pending.
USABLE = """(root, index) => {
  const control = root.querySelector(`[data-walked="${index}"]`);
  return Boolean(control) && !control.matches(":disabled");
}"""
SETTLED = """async (root) => {
  if (root.contains(document.activeElement)) document.activeElement.blur();
  while (root.dataset.pending !== "0") await new Promise((resume) => setTimeout(resume, 5));
}"""

PRESSES = ("click", "Enter", "Space")
KEYS = ("Tab", "Escape", "Delete", "Backspace", "ArrowLeft", "ArrowDown", "Home", "PageDown")
RAISES = ("click", "ArrowRight", "ArrowUp", "End", "PageUp")
NOTHING = ("", "   ", ",", " , ,")
BAD_SCOPES = (*NOTHING, "no scope", "=", "a@b c")
BAD_NUMBERS = (*NOTHING, "nonsense", "NaN", "null", "1e999", "-1", "5")
PARTS = ("Capabilities and grants", "Quotas", "")


def widens(control: dict[str, Any]) -> tuple[str, ...]:
    """The gestures on a control that are meant to widen something."""
    if control["off"] and control["name"] != "A denial ends the call":
        return PRESSES  # a switch that grants what is offered beside it
    if control["undo"] or control["link"] or control["preset"] == "asked":
        return PRESSES  # what it asks for, and what was taken away
    if control["tag"] == "checkbox":
        return ("click", "Space")  # none
    if control["tag"] == "range":
        return RAISES  # a slider that goes up
    return ()  # also the buttons for everything: they ask back


def gestures_on(control: dict[str, Any]) -> list[str]:
    """What is done to a control: all that is not meant to widen."""
    meant = widens(control)
    gestures = [one for one in (*PRESSES, *KEYS) if one not in meant]
    if control["tag"] in ("text", "number", "textarea"):
        bad = BAD_SCOPES if control["name"].startswith("Scope") else BAD_NUMBERS
        return [*gestures, "cut", "cut and Escape", *(f"type {text!r}" for text in bad)]
    return gestures if meant else [*gestures, "held Enter", "double click"]


async def make(book: Notebook, panel: PanelView, control: dict[str, Any], gesture: str) -> None:
    here = panel.root.locator(f"[data-walked='{control['index']}']")
    keyboard = book.page.keyboard
    if gesture == "click":
        await here.click(force=True)
    elif gesture == "double click":
        await here.dblclick(force=True)
    elif gesture == "held Enter":
        await here.focus()
        for _ in range(30):
            await keyboard.down("Enter")
            await book.page.wait_for_timeout(20)
        await keyboard.up("Enter")
    elif typed := re.fullmatch("type '(.*)'", gesture):
        await here.focus()
        await keyboard.press("Control+A")
        await keyboard.insert_text(typed[1])
        await keyboard.press("Enter")
    elif gesture.startswith("cut"):
        await here.focus()
        await keyboard.press("Control+A")
        await keyboard.press("Delete")
        await keyboard.press("Escape" if "Escape" in gesture else "Tab")
    else:
        await here.focus()
        await keyboard.press(gesture)


async def walk(book: Notebook, panel: PanelView, witness: Witness, control: dict[str, Any]) -> list[str]:
    """Make each gesture on a control; what became wider by it."""
    found = []
    version = witness.value("p.policy.version")
    for gesture in gestures_on(control):
        if not await panel.root.evaluate(USABLE, control["index"]):
            break
        await make(book, panel, control, gesture)
        await panel.root.evaluate(SETTLED)
        more, after = witness.value("(wider(), p.policy.version)")
        if more:
            found.append(f"{control['name']}, {gesture}: {more}")
        if after != version:
            witness.run("p.policy.restore(base)")
            shown = "(root, version) => root.dataset.pending === '0' && Number(root.dataset.policy) >= version"
            version = witness.value("p.policy.version")
            await panel.wait(shown, version)
    return found


@pytest.mark.parametrize("part", PARTS, ids=("capabilities", "quotas", "all else"))
async def test_no_gesture_on_any_control_widens_anything_by_the_way(open_notebook: OpenNotebook, part: str) -> None:
    book = await open_notebook(LOAD, SHOW)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()
    walked, found = set(), []
    for tab in ("Running",) if part else ("Running", "Calls", "Log", "Audit", "Call"):
        await panel.tab(tab).click()
        for control in await panel.root.evaluate(CONTROLS):
            key = (control["name"], control["tag"])
            if (control["part"] if control["part"] in PARTS else "") == part and key not in walked:
                walked.add(key)
                await panel.tab(tab).click()
                found += await walk(book, panel, witness, control)
    assert found == []
    assert len(walked) > 10, walked


async def test_a_reload_and_a_reconnection_widen_nothing(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, SHOW)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()
    version = witness.value("p.policy.version")
    for field in ("[data-quota=cpu] input[type=text]", "[data-capability=network_access] input[type=text]"):
        await panel.root.locator(field).focus()
        await book.page.keyboard.press("Control+A")
        await book.page.keyboard.press("Delete")
        await book.evaluate("(book) => book.sessionContext.session.kernel.reconnect()")
        await book.until_ready()
        assert witness.value("p.policy.version") == version
    await book.window.command("docmanager:save")
    await panel.root.locator("[data-quota=wall] input[type=text]").focus()
    await book.page.keyboard.press("Control+A")
    await book.page.keyboard.press("Delete")
    await book.reopen()
    assert (witness.value("p.policy.version"), witness.value("wider()")) == (version, [])


async def test_what_is_meant_to_widen_does(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(LOAD, SHOW)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()

    async def row(name: str) -> Any:
        return panel.root.locator(f"[data-capability='{name}']")

    # An empty field puts the old value back, and a bad one is refused.
    scope = (await row("network_access")).locator("input[type=text]")
    await scope.fill("")
    await scope.press("Enter")
    assert await scope.input_value() == "https://example.org/api"
    await panel.set_quota("cpu", "")
    cpu = panel.root.locator("[data-quota=cpu] input[type=text]")
    assert await cpu.input_value() == "500ms"
    await cpu.fill("9s")
    await cpu.press("Tab")  # to leave a field is no way to widen
    await panel.root.locator("[data-error]").get_by_text("Enter in it sets").wait_for()
    assert (await cpu.input_value(), witness.value("p.policy.quota.cpu")) == ("500ms", 0.5)
    await panel.set_quota("cpu", "none")
    await book.until("p.policy.quota.cpu is None")
    await book.page.wait_for_timeout(500)  # a click just after something moved is dropped, as it is meant to be
    await panel.root.get_by_label("CPU time: no limit of its own").click()
    await book.until("p.policy.quota.cpu == 0.5")

    # The last scope comes back with the switch.
    for granted in (False, True):
        await panel.switch("network_access").click()
        await panel.shows("network_access", granted=granted)
    assert witness.value("p.policy.grants['network_access']") == ("https://example.org/api",)

    # A scope is typed before granting.
    files = (await row("read_files")).locator("input[type=text]")
    assert await files.input_value() == "/srv/data@data"
    await files.fill("/srv/other@other")
    await panel.switch("read_files").click()
    await panel.shows("read_files", granted=True)
    assert witness.value("p.policy.grants['read_files']") == ("/srv/other@other",)

    # Everything wants two clicks.
    unscoped = (await row("network_access")).locator("[data-unscoped]")
    await unscoped.dblclick(delay=550)  # the second click of a double click comes late where a page was busy
    assert await unscoped.inner_text() == "Really without a scope?"
    assert "network_access" not in witness.value("p.policy.granted")
    await book.page.wait_for_timeout(700)
    await unscoped.click()
    await book.until("'network_access' in p.policy.granted")
    await unscoped.get_by_text("Only these scopes").wait_for()
    await unscoped.click()
    await book.until("p.policy.grants['network_access'] == ('https://example.org/api',)")
    assert "network_access" not in witness.value("p.policy.granted")

    # What it asks for is what its manifest asks for, not what it imports, and never what cannot be granted.
    await panel.root.locator("[data-preset=asked]").click()
    await book.until("'random' in p.policy.granted")
    assert witness.value("sorted(p.policy.granted)") == [
        "network_access",
        "random",
        "read_database=submissions",
        "read_database=users",
        "read_files=/srv/data@data",
    ]
    assert "emit_event=a b: it must be" in await (await row("emit_event")).inner_text()
