"""What the panel's design rests on: which clicks reach a kernel while it works, on each ipykernel.

A throw-away widget with one button that sends a message; its kernel side keeps what it hears. While a cell runs the
widget also speaks, since 7.4.0 hears where a widget last spoke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import VERSIONS

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.pages import Notebook

WIDGET = '''
import anywidget, asyncio, threading, time
class Button(anywidget.AnyWidget):
    _esm = """export default { render({ model, el }) {
      const button = document.createElement("button");
      button.textContent = "Click me"; button.dataset.button = "";
      button.onclick = () => model.send({ at: Date.now() });
      el.append(button); } }"""
button, heard, go_on = Button(), [], threading.Event()
button.on_msg(lambda _, content, __: heard.append(1000 * time.time() - content["at"]))
button
'''
MENDED = "button.comm._reply_subshell_for = lambda _, default: default"
WAYS = {
    "background": "threading.Thread(target=go_on.wait, args=(120,), daemon=True).start()",
    "blocking": "button.send({}); go_on.wait(120)",
    "awaiting": "button.send({})\nwhile not go_on.is_set(): await asyncio.sleep(0.02)",
}
VERSION = "'ipykernel==' + __import__('ipykernel').__version__"
CLICKS = 3


async def click(book: Notebook) -> None:
    for _ in range(CLICKS):
        await book.page.locator("[data-button]").click()


async def hears_at_once(book: Notebook, way: str) -> None:
    """Starts work in one of the ways and clicks; all clicks have to arrive before the work is let go on."""
    witness = await book.witness()
    witness.run("heard.clear(); go_on.clear()")
    cell = 1 + list(WAYS).index(way)
    await book.start(cell)
    await click(book)
    await book.until(f"len(heard) == {CLICKS}")
    print(f"{way}: {', '.join(f'{ms:.0f} ms' for ms in witness.value('heard'))}")
    witness.run("go_on.set()")
    await book.ended(cell)


async def hears_afterwards(book: Notebook, way: str) -> None:
    """Starts work and clicks; nothing may arrive before it has ended."""
    witness = await book.witness()
    witness.run("heard.clear(); go_on.clear()")
    cell = 1 + list(WAYS).index(way)
    await book.start(cell)
    await click(book)
    await book.page.wait_for_timeout(300)
    assert witness.value("heard") == []
    witness.run("go_on.set()")
    await book.ended(cell)
    await book.until(f"len(heard) == {CLICKS}")


@pytest.mark.parametrize("kernel", ["7.3", "newest"])
async def test_a_click_reaches_a_kernel_at_work_where_there_are_subshells(
    open_notebook: OpenNotebook, kernel: str
) -> None:
    book = await open_notebook(WIDGET, *WAYS.values(), kernel=kernel)
    witness = await book.witness()
    assert witness.value(VERSION) in VERSIONS[kernel]
    await book.run(0)
    if kernel == "newest":
        await hears_afterwards(book, "blocking")
    witness.run(MENDED)
    for way in WAYS:
        await hears_at_once(book, way)


async def test_without_subshells_only_a_call_in_the_background_leaves_the_kernel_listening(
    open_notebook: OpenNotebook,
) -> None:
    book = await open_notebook(WIDGET, *WAYS.values(), kernel="6.31")
    witness = await book.witness()
    assert witness.value(VERSION) in VERSIONS["6.31"]
    await book.run(0)
    await hears_at_once(book, "background")
    await hears_afterwards(book, "blocking")
    await hears_afterwards(book, "awaiting")
