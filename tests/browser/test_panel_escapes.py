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
from judicia_notebook.authoring.wat import compile_wat
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
RESET = "p.policy.restore(base)"

CONTROLS = """(root) => {
  const found = [...root.querySelectorAll("button, input, select, textarea, [tabindex='0']")];
  found.forEach((control, index) => { control.dataset.walked = index; });
  return found
    .filter((control) => control.checkVisibility() && !control.matches(":disabled"))
    .map((control) => ({
      index: control.dataset.walked,
      tag: control.type || control.tagName.toLowerCase(),
      name: control.getAttribute("aria-label") || control.textContent,
      unscoped: "unscoped" in control.dataset,
      preset: control.dataset.preset || "",
      undo: "undo" in control.dataset,
      link: control.classList.contains("jd-link"),
      off: control.getAttribute("role") === "switch" && control.getAttribute("aria-checked") === "false",
    }));
}"""

PRESSES = ("click", "Enter", "Space")
KEYS = ("Tab", "Escape", "Delete", "Backspace", "ArrowLeft", "ArrowDown", "Home", "PageDown")
RAISES = ("click", "ArrowRight", "ArrowUp", "End", "PageUp")
TEXTS = ("", "   ", ",", "nonsense", "1e999", "-1", "NaN", "null", "*", "0x10", "https://")
LEAVES = ("Enter", "Tab")


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


async def walk(book: Notebook, panel: PanelView, witness: Witness, control: dict[str, Any]) -> list[str]:
    """Make each gesture that shall widen nothing; what became wider all the same."""
    found = []
    keyboard = book.page.keyboard
    here = panel.root.locator(f"[data-walked='{control['index']}']")
    typed = control["tag"] in ("text", "number", "textarea")
    gestures = [one for one in (*PRESSES, *KEYS, "held Enter", "double click") if one not in widens(control)]
    if typed:
        gestures += [f"type {text!r} {leave}" for text in TEXTS for leave in LEAVES] + ["cut", "type and Escape"]
    if set(PRESSES) & set(widens(control)):
        gestures = [one for one in gestures if one not in ("held Enter", "double click")]
    for gesture in gestures:
        if not await here.count() or await here.is_disabled():
            break
        if gesture == "click":
            await here.click(force=True)
        elif gesture == "double click":
            await here.dblclick(force=True)
        elif match := re.fullmatch(r"type '(.*)' (\w+)", gesture):
            await here.fill(match[1]) if await here.is_editable() else await here.focus()
            await keyboard.press(match[2])
        elif gesture in ("cut", "type and Escape"):
            await here.focus()
            await keyboard.press("Control+A")
            await keyboard.press("Delete")
            await keyboard.press("Tab" if gesture == "cut" else "Escape")
        elif gesture == "held Enter":
            await here.focus()
            for _ in range(40):
                await keyboard.down("Enter")
                await book.page.wait_for_timeout(20)
            await keyboard.up("Enter")
        else:
            await here.focus()
            await keyboard.press(gesture)
        await panel.settle()
        if more := witness.value("wider()"):
            found.append(f"{control['name']}, {gesture}: {more}")
        await reset(panel, witness)
    return found


async def reset(panel: PanelView, witness: Witness) -> None:
    """Put the policy back, and wait until the panel shows it and nothing is being typed."""
    witness.run(RESET)
    await panel.root.evaluate("(root) => root.contains(document.activeElement) && document.activeElement.blur()")
    await panel.settle()
    await panel.wait("(root, version) => Number(root.dataset.policy) >= version", witness.value("p.policy.version"))
    witness.run(RESET)


async def test_no_gesture_on_any_control_widens_anything_by_the_way(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, SHOW)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    witness = await book.witness()
    walked, found = set(), []
    for tab in ("Running", "Calls", "Log", "Audit", "Call"):
        await panel.tab(tab).click()
        for control in await panel.root.evaluate(CONTROLS):
            if (control["name"], control["tag"]) in walked:
                continue
            walked.add((control["name"], control["tag"]))
            await panel.tab(tab).click()
            found += await walk(book, panel, witness, control)
    assert found == []
    assert len(walked) > 35, walked


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
        await book.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.reconnect()"
        )
        await book.until_ready()
        assert witness.value("p.policy.version") == version
    await book.window.command("docmanager:save")
    await panel.root.locator("[data-quota=wall] input[type=text]").focus()
    await book.page.keyboard.press("Control+A")
    await book.page.keyboard.press("Delete")
    await book.page.reload(wait_until="domcontentloaded")
    await book.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored")
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
    await panel.set_quota("cpu", "none")
    await book.until("p.policy.quota.cpu is None")
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
    await unscoped.click()
    assert await unscoped.inner_text() == "Really everything?"
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


@pytest.mark.parametrize("width", [1280, 600])
async def test_the_panel_in_pictures(open_notebook: OpenNotebook, tmp_path: Path, width: int) -> None:
    book = await open_notebook(LOAD, SHOW)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    await book.page.set_viewport_size({"width": width, "height": 1100})
    for theme in ("Light", "Dark"):
        await book.window.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        await panel.wait("(root, dark) => root.classList.contains('jd-dark') === dark", theme == "Dark")
        await book.page.wait_for_timeout(500)
        Path(f"/tmp/shot-{width}-{theme}.png").write_bytes(await panel.root.screenshot())
    await book.window.command("apputils:change-theme", theme="JupyterLab Light")
    await book.page.set_viewport_size({"width": 1280, "height": 1100})
