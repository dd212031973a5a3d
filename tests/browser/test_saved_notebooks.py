"""A notebook that is opened again where its kernel is gone: every view shows its last state, and of when it is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from tests.browser.pages import CELLS, accessibility_faults
from tests.browser.pages import chromium as find_chromium
from tests.support.kernels import environment
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import BrowserType

    from tests.browser.conftest import BrowserLoop, OpenNotebook
    from tests.browser.pages import Notebook

LOAD = """
import judicia_notebook as jn
%load_ext judicia_notebook
rt = jn.get_runtime()
p = rt.load("example:specimen", grant=["random"])
"""
CHANGE = "h.cancel(); h.exception(); p.policy.revoke('random'); p.call('echo', 41)"
VIEWS = {  # each with what has to stand in its last state
    "p.panel()": r"random\s+no\s",
    "p.charts()": r"cancelled\s+1\s+ok\s+1\b",
    "h = p.submit('sleep', {'ms': 60_000})\nh": r"in the background\s+cancelled",
    "jn.widgets.capability_toggles(p)": r"granted\s+nothing",
    # In widgets of the user's own.
    "import ipywidgets as w\nw.Tab([p.panel(), p.charts()])": r"random\s+no\s[\s\S]*cancelled\s+1\s+ok\s+1\b",
    "w.VBox([w.HTML('Mine'), w.Accordion([jn.widgets.capability_toggles(p)], selected_index=0)])": r"granted\s+nothing",
}
SNAPSHOT = r"\sSnapshot of [-\d]{10} [:\d]{8} UTC\. It says how things stood then, and not how they stand now\."
ANSWERED = "[...document.querySelectorAll('[data-judicia-snapshot]')].every((it) => it.offsetParent === null)"
UNHEARD = r"\s+Waiting for the kernel\. This live view shows nothing until the kernel that made it answers\."
UNSEEN = r"(\s+\[\d+\]:)?\s+Live view: [^\n]+ It is shown only where the kernel that made it answers\."


@pytest.mark.parametrize("kernel", ["7.3", "gone"])
async def test_a_saved_notebook_shows_the_last_state_of_every_view(open_notebook: OpenNotebook, kernel: str) -> None:
    book = await open_notebook(LOAD, *VIEWS, CHANGE)
    await book.run(*range(len(VIEWS) + 2))
    assert await book.page.locator("[data-judicia-snapshot]").count() == len(VIEWS) + 1
    await book.page.wait_for_function(ANSWERED)
    with_state = await _saved(book)
    await book.close()
    without = nbformat.from_dict({**with_state, "metadata": {**with_state.metadata, "widgets": {}}})
    # A widget is drawn of its saved state only where there is a kernel, if another one.
    heard = f"[^]*{UNHEARD}" if kernel == "7.3" else ""  # behind what else is in a box
    for number, (trusted, saved, then) in enumerate(
        [(True, with_state, heard), (True, without, ""), (False, with_state, UNSEEN), (False, without, UNSEEN)]
    ):
        await _reopen(book, saved, f"{number}-{kernel}.ipynb", kernel, trusted=trusted)
        for cell, last in enumerate(VIEWS.values(), start=1):
            output = book.cell(cell).locator(".jp-Cell-outputArea")
            await output.get_by_text("Snapshot of").first.wait_for()
            await _comes_to_say(book, cell, f"{last}[^]*{SNAPSHOT}{then}\\s*$")
            assert "not found" not in await output.inner_text()
            assert await output.locator("[role=switch]:visible, button:visible, input:visible").count() == 0
        if trusted:
            assert await accessibility_faults(book.page, "[data-judicia-snapshot]") == []
        await book.close()
    faults = book.window.faults
    faults[:] = [fault for fault in faults if "widget model not found" not in fault]  # said to developers alone


async def _saved(book: Notebook) -> Any:
    """The notebook as JupyterLab saves it, with the state of its widgets."""
    save_state = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
    await book.window.command(save_state)
    await book.window.command("docmanager:save")
    await book.window.command(save_state)
    saved = nbformat.read(book.window.lab.root / book.name, as_version=4)
    assert saved.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return saved


async def _reopen(book: Notebook, saved: Any, name: str, kernel: str, *, trusted: bool) -> None:
    """Open a saved notebook as one that came from elsewhere, on a kernel of this name, if there is one."""
    root = book.window.lab.root
    saved.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    saved.metadata.came_as = name  # the server trusts what it has saved itself
    nbformat.write(saved, root / name)
    if trusted:
        NotebookNotary(data_dir=str(root.parent / "data")).sign(saved)
    book.name = name
    await book.window.command("docmanager:open", path=name)
    await book.page.locator(CELLS).first.wait_for()
    if kernel != "gone":
        await book.until_ready()
        return
    dialog = book.page.locator(".jp-Dialog")
    await dialog.locator("select").select_option(label="No Kernel")
    await dialog.get_by_role("button", name="Select").click()
    await dialog.wait_for(state="detached")


async def _comes_to_say(book: Notebook, cell: int, pattern: str) -> None:
    """Wait until what can be read below a cell is this."""
    await book.page.wait_for_function(
        "([output, pattern]) => new RegExp(pattern).test(output.innerText)",
        arg=[await book.cell(cell).locator(".jp-Cell-outputArea").element_handle(), pattern],
    )


async def test_a_notebook_that_nbconvert_executes_shows_the_state_at_its_end(
    browser_loop: BrowserLoop, tmp_path: Path
) -> None:
    sources = (LOAD, *VIEWS, CHANGE)
    nbformat.write(_notebook_of(sources), tmp_path / "book.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", "book.ipynb"]
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs on this loop
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    page = await browser_loop.context.new_page()
    try:
        # A page that others read may have no network: what is loaded from one is not waited for.
        await page.context.route("https://**", lambda route: route.abort())
        for media in ("print", "screen"):  # as nbconvert prints it for --to webpdf, and as it is looked at
            await page.emulate_media(media=media)
            await page.goto((tmp_path / "book.html").as_uri(), wait_until="domcontentloaded")
            for snapshot in await page.locator("[data-judicia-snapshot]").all():
                await snapshot.wait_for()
            shown = page.locator(".jp-OutputArea:visible").filter(has_text="Snapshot of")
            for output, last in enumerate(VIEWS.values()):
                text = await shown.nth(output).inner_text()
                # A box of the user's own is the cell's value, and has a number.
                assert re.search(f"{last}.*{SNAPSHOT}\\s*(Out\\[\\d+\\]:\\s*)?$", text, re.DOTALL), (media, text)
    finally:
        await page.context.unroute("https://**")
        await page.close()


async def test_nbconvert_prints_what_it_has_executed(browser_loop: BrowserLoop, tmp_path: Path) -> None:
    nbformat.write(_notebook_of((LOAD, "p.panel()", "p.policy.revoke('random')")), tmp_path / "book.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "webpdf", "--disable-chromium-sandbox"]
    browsers = _browsers_of_the_system(tmp_path / "browsers", browser_loop.chromium)
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs on this loop
        [*command, "book.ipynb"],
        cwd=tmp_path,
        env={**environment(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(browsers)},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "book.pdf").read_bytes().startswith(b"%PDF")


def _browsers_of_the_system(folder: Path, chromium: BrowserType) -> Path:
    """A folder as playwright keeps its browsers in, where the system's stands: the exporter takes no path of one."""
    own = Path(chromium.executable_path)  # .../chromium-1255/chrome-linux64/chrome
    version, system = own.parts[-3].partition("-")[2], own.parts[-2].partition("-")[2]
    shell = folder / f"chromium_headless_shell-{version}/chrome-headless-shell-{system}/chrome-headless-shell"
    shell.parent.mkdir(parents=True)
    shell.write_text(f'#!/bin/sh\nexec {shlex.quote(find_chromium(str(own)))} --headless "$@"\n')
    shell.chmod(0o755)
    return folder


def _notebook_of(sources: tuple[str, ...]) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
