"""What the tests do in a browser: open a notebook, run its cells, and use the panels in it.

JupyterLab is asked itself (``--expose-app-in-browser``) whether a notebook is ready: its indicator says idle before
there is a session, and cells that are run then are silently lost.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nbformat
import pytest

from tests.browser.lab import Lab, Witness
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright

MS = 1000 * PATIENCE
INSTALL = "python -m pip install playwright axe-playwright-python"

# The notebook of this name. The shell's current widget may be another one: an empty window opens its launcher late.
BOOK = """(name) => {
  const { shell } = window.jupyterapp;
  return [...shell.widgets("main")].find((widget) => widget.context && widget.context.path === name);
}"""
READY = """(book) => {
  const context = book && book.sessionContext;
  const kernel = context && context.session && context.session.kernel;
  const connected = kernel && kernel.connectionStatus === "connected" && kernel.status === "idle";
  return Boolean(context && context.isReady && connected);
}"""
KERNEL_INFO = "(book) => book.sessionContext.session.kernel.info.then(() => true)"
KERNEL_ID = "(book) => book.sessionContext.session.kernel.id"
START = """(book, index) => {
  window.jupyterapp.shell.activateById(book.id);
  book.content.deselectAll();
  book.content.activeCellIndex = index;
  const done = (book.cellsDone ||= {});
  done[index] = false;
  window.jupyterapp.commands.execute("notebook:run-cell").then(() => { done[index] = true; });
}"""
DONE = "(book, index) => book.cellsDone[index]"
# What a cell says has failed; a magic that there is not writes so, without an error of its own.
ERRORS = """(book, index) => {
  const said = book.content.widgets[index].model.outputs.toJSON();
  return said.flatMap((one) => {
    if (one.output_type === "error") return [one.traceback.join("\\n")];
    const text = [one.text || ""].flat().join("");
    return one.output_type === "stream" && text.includes("UsageError") ? [text] : [];
  });
}"""
CLOSE = """async (book) => {
  if (!book) return;
  const { session } = book.sessionContext;
  if (session) await session.shutdown();
  book.dispose();
}"""
CELLS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell"
CLICK_TIMES = """window.clickTimes = [];
document.addEventListener("click", () => window.clickTimes.push(Date.now()), true);"""

# What is said in a console and is nobody's fault here, each with its reason.
EXPECTED = (
    "favicon",  # the server has none at every address
)


def chromium(playwrights_own: str) -> str:
    """The Chromium to start: one on the path, as Debian's, else Playwright's own; the tests are skipped without."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if not Path(playwrights_own).exists():
        pytest.skip("no Chromium; enable: apt-get install chromium (or: python -m playwright install chromium)")
    return playwrights_own


async def start_browser(playwright: Playwright) -> Browser:
    """A headless Chromium."""
    path = chromium(playwright.chromium.executable_path)
    # Without --no-sandbox it does not start as root, and a container's /dev/shm may be too small for it.
    return await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])


class Window:
    """A browser window with JupyterLab in it, in which one notebook after the other is opened."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self.faults: list[str] = []  # errors of the page and of its console
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._note(f"page error: {error.stack or error.message}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _note(self, fault: str) -> None:
        if not any(expected in fault for expected in EXPECTED):
            self.faults.append(fault)

    async def load(self) -> None:
        """Load JupyterLab, with nothing open in it."""
        workspace = f"{self.lab.url}lab/workspaces/auto-{uuid.uuid4().hex[:8]}"
        await self.page.goto(f"{workspace}?token={self.lab.token}&reset", wait_until="domcontentloaded")
        await self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        await self.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored")
        await self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        await self.command("application:toggle-left-area")

    async def command(self, name: str, **arguments: Any) -> None:
        """Have JupyterLab carry out one of its commands."""
        call = "([name, given]) => window.jupyterapp.commands.execute(name, given).then(() => true)"
        await self.page.evaluate(call, [name, arguments])

    async def set_theme(self, name: str) -> None:
        """Have JupyterLab be Light or Dark.

        It covers the page with its splash meanwhile. A second change that came before the first one's splash is gone
        would have JupyterLab remove it twice, which is an error of the page.
        """
        await self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        await self.page.locator(f"body[data-jp-theme-name='JupyterLab {name}']").wait_for(state="attached")
        await self.page.locator("#jupyterlab-splash").wait_for(state="detached")


class Notebook:
    """A notebook that is open, alone, in a window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page
        self.name = ""
        self._witness: Witness | None = None

    async def open(self, kernel: str, cells: tuple[str, ...]) -> None:
        """Write a notebook with these cells, open it on this kernel, and wait until cells can be run."""
        name = self.name = f"{uuid.uuid4().hex}.ipynb"
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": kernel, "display_name": f"ipykernel {kernel}", "language": "python"}
        nbformat.write(book, self.window.lab.root / name)
        await self.window.command("docmanager:open", path=name)
        await self.page.locator(CELLS).first.wait_for()
        await self.until_ready()

    async def reopen(self) -> None:
        """Load the page anew and open the notebook in it, whose kernel has gone on.

        The new page has a workspace of its own: JupyterLab restores the old one's notebooks in its own time, and a
        notebook that it restores while a test opens it is there twice.
        """
        await self.window.load()
        await self.window.command("docmanager:open", path=self.name)
        await self.page.locator(CELLS).first.wait_for()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until there is a kernel that listens."""
        await self.page.wait_for_function(self._of_book(READY), arg=[self.name, None])
        await self.evaluate(KERNEL_INFO)

    async def evaluate(self, function: str, arg: Any = None) -> Any:
        """What a function of the page makes of this notebook's widget, and of `arg`."""
        return await self.page.evaluate(self._of_book(function), [self.name, arg])

    @staticmethod
    def _of_book(function: str) -> str:
        return f"([name, arg]) => ({function})(({BOOK})(name), arg)"

    async def close(self) -> None:
        """End the kernel and close the notebook, without the question whether to save it."""
        if self._witness is not None:
            self._witness.close()
            self._witness = None
        await self.evaluate(CLOSE)

    # Cells and the kernel -------------------------------------------------------------------------------------

    async def start(self, cell: int) -> None:
        """Run a cell; do not wait for anything."""
        await self.evaluate(START, cell)

    async def ended(self, cell: int) -> None:
        """Wait until a cell that was started has ended."""
        await self.page.wait_for_function(self._of_book(DONE), arg=[self.name, cell])

    async def run(self, *cells: int) -> None:
        """Run cells, one after the other, none of which may fail."""
        for cell in cells:
            await self.start(cell)
            await self.ended(cell)
            errors = await self.evaluate(ERRORS, cell)
            assert not errors, "\n".join(errors)

    def cell(self, index: int) -> Locator:
        """A cell with its outputs."""
        return self.page.locator(CELLS).nth(index)

    async def restart_kernel(self) -> None:
        """Restart the kernel, as the button does, without its question."""
        await self.evaluate("(book) => book.sessionContext.session.kernel.restart()")

    async def witness(self) -> Witness:
        """Who evaluates Python in this notebook's kernel."""
        if self._witness is None:
            self._witness = Witness(self.window.lab.witnesses / f"kernel-{await self.evaluate(KERNEL_ID)}.json")
        return self._witness

    async def until(self, expression: str) -> None:
        """Wait until something holds in the kernel."""
        witness = await self.witness()
        for _ in range(20 * PATIENCE):
            if witness.value(expression):
                return
            await self.page.wait_for_timeout(50)
        pytest.fail(f"it never came to hold: {expression}")

    async def last_click(self) -> float:
        """When the last click was made, in seconds since the epoch."""
        return float(await self.page.evaluate("() => window.clickTimes.at(-1)")) / 1e3

    def panel(self, cell: int) -> PanelView:
        """The panel in a cell's output."""
        return PanelView(self.cell(cell).locator("[data-judicia='panel']"))


class Drawn(NamedTuple):
    """What a panel shows at one moment."""

    revision: int
    pending: int
    granted: dict[str, bool]
    busy: tuple[str, ...]


DRAWN = """(root) => {
  const rows = [...root.querySelectorAll("[data-capability]")];
  const switches = rows.map((row) => [row.dataset.capability, row.querySelector("[role=switch]")]);
  return {
    revision: Number(root.dataset.revision),
    pending: Number(root.dataset.pending),
    granted: Object.fromEntries(switches.map(([name, one]) => [name, one.getAttribute("aria-checked") === "true"])),
    busy: switches.filter(([, one]) => one.getAttribute("aria-busy") === "true").map(([name]) => name),
  };
}"""


class PanelView:
    """A live panel in a page."""

    def __init__(self, root: Locator) -> None:
        self.root = root

    async def appear(self) -> None:
        """Wait until it has drawn what the kernel said for the first time."""
        await self.root.wait_for()
        await self.wait("(root) => Number(root.dataset.revision) > 0 && !root.querySelector('fieldset').disabled")

    async def wait(self, condition: str, arg: Any = None) -> None:
        """Wait until something holds in the page: a function of the panel's element, and of `arg`."""
        element = await self.root.element_handle()
        assert element is not None
        frame = await element.owner_frame()
        assert frame is not None
        asked = f"([root, arg]) => ({condition})(root, arg)"
        await frame.wait_for_function(asked, arg=[element, arg], polling=20)

    async def settle(self) -> Drawn:
        """Wait until nothing is pending; what it shows then."""
        await self.wait("(root) => root.dataset.pending === '0'")
        return await self.drawn()

    async def drawn(self) -> Drawn:
        """What it shows now."""
        seen = await self.root.evaluate(DRAWN)
        return Drawn(seen["revision"], seen["pending"], seen["granted"], tuple(seen["busy"]))

    def switch(self, capability: str) -> Locator:
        """The switch of a capability."""
        return self.root.locator(f"[data-capability='{capability}']").get_by_role("switch")

    def tab(self, name: str) -> Locator:
        """A tab; one whose name goes on with a number is meant too."""
        return self.root.get_by_role("tab", name=re.compile(rf"^{name}\b"))

    async def set_quota(self, kind: str, text: str) -> None:
        """Type an exact quota."""
        field = self.root.locator(f"[data-quota='{kind}'] input[type=text]")
        await field.fill(text)
        await field.press("Enter")

    async def shows(self, capability: str, granted: bool) -> None:
        """Wait until it shows a capability so, as confirmed."""
        await self.wait(
            """(root, [name, checked]) => {
              const one = root.querySelector(`[data-capability="${name}"] [role=switch]`);
              return one && one.getAttribute("aria-checked") === checked && one.getAttribute("aria-busy") !== "true";
            }""",
            [capability, "true" if granted else "false"],
        )


async def accessibility_faults(page: Page, scope: str) -> list[str]:
    """What axe-core finds inside the elements of a selector."""
    bundled = "axe_playwright_python"  # for the file alone
    pytest.importorskip(bundled, reason=f"no axe-core; enable: {INSTALL}")
    await page.evaluate((files(bundled) / "axe.min.js").read_text("utf-8"))
    result = await page.evaluate(
        "(scope) => axe.run({ include: [[scope]] }, { resultTypes: ['violations'] }).then((found) => found.violations)",
        scope,
    )
    return [
        f"{found['impact']}: {found['id']}: {json.dumps([node['html'][:200] for node in found['nodes']])}"
        for found in result
    ]


async def still(page: Page) -> None:
    """Wait until nothing fades or moves any more: colours on their way to others have contrasts of their own."""
    await page.wait_for_function(
        """() => document.getAnimations().every((one) =>
          one.playState !== "running" || one.effect?.getComputedTiming().endTime === Infinity)""",
        polling="raf",
    )


async def in_both_themes(book: Notebook, folder: Path) -> None:
    """Nothing that axe finds in the outputs, in light and in dark; how they look is in the folder."""
    outputs = "#jp-main-dock-panel .jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea"
    try:
        for theme in ("Light", "Dark"):
            await book.window.set_theme(theme)
            await still(book.page)
            (folder / f"{theme.lower()}.png").write_bytes(await book.page.screenshot(full_page=True))
            assert await accessibility_faults(book.page, outputs) == [], theme
    finally:
        await book.window.set_theme("Light")


async def new_context(browser: Browser) -> BrowserContext:
    """A profile without a past."""
    context = await browser.new_context(viewport={"width": 1280, "height": 1100})
    context.set_default_timeout(MS)
    await context.add_init_script(CLICK_TIMES)
    return context
