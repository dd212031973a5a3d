"""What looking costs: calls a second of a call-heavy plugin, its panel and charts open in a browser, and closed.

Run it as ``python benchmarks/panel.py [rounds]``, in an environment with ``[dev]`` and with a Chromium. One thread of
the kernel calls without a pause. Open and closed take turns, so that whatever else this machine does meets both alike;
the browser runs on the same cores, and what it takes from them is part of the cost.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import async_playwright

from tests.browser.lab import Lab
from tests.browser.pages import Notebook, Window, new_context, start_browser

SECONDS = 2.0  # of each measurement
SETTLE = 1.0  # until what was opened or closed is so
WORK = """
import threading
import judicia_notebook as jn
p = jn.get_runtime().load("example:specimen", grant=["random"], quota={"wall": 60})
made, stop = 0, threading.Event()
def work():
    global made
    while not stop.is_set():
        p.call("call_host", {"service": "random", "n": 4})
        made += 1
threading.Thread(target=work, daemon=True).start()
"""
PANEL, CHARTS = 1, 2


async def calls_per_second(book: Notebook) -> float:
    witness = await book.witness()
    await asyncio.sleep(SETTLE)
    begin, before = time.perf_counter(), witness.value("made")
    await asyncio.sleep(SECONDS)
    after, end = witness.value("made"), time.perf_counter()
    return float(after - before) / (end - begin)


async def compare(book: Notebook, rounds: int) -> None:
    await book.run(0)
    opened, closed = [], []
    print("  calls/s  closed    open   share")
    for _ in range(rounds):
        await book.window.command("notebook:clear-all-cell-outputs")
        closed.append(await calls_per_second(book))
        await book.run(PANEL, CHARTS)
        await book.panel(PANEL).appear()
        opened.append(await calls_per_second(book))
        print(f"          {closed[-1]:7.0f} {opened[-1]:7.0f} {opened[-1] / closed[-1]:7.1%}")
    share = statistics.median(opened) / statistics.median(closed)
    print(f"  median  {statistics.median(closed):7.0f} {statistics.median(opened):7.0f} {share:7.1%}")
    (await book.witness()).run("stop.set()")


async def measure(lab: Lab, kernel: str, rounds: int) -> None:
    async with async_playwright() as playwright:
        browser = await start_browser(playwright)
        window = Window(await (await new_context(browser)).new_page(), lab)
        await window.load()
        book = Notebook(window)
        await book.open(kernel, (WORK, "p.panel()", "p.charts()"))
        await compare(book, rounds)
        await book.close()
        await browser.close()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        try:
            asyncio.run(measure(lab, "7.3", rounds))
        finally:
            lab.close()


if __name__ == "__main__":
    main()
