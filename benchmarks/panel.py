"""What looking costs: calls a second of a call-heavy plugin, its panel and charts open in a browser, and closed.

Run it as ``python benchmarks/panel.py [rounds]``, in an environment with ``[dev]`` and with a Chromium. One thread of
the kernel calls without a pause. Open and closed take turns, so that whatever else this machine does meets both alike;
the browser runs on the same cores, and what it takes from them is part of the cost. Beside the calls a second stands
how much of the time the calling thread waited, for a core or for the interpreter's lock: that share is steady where the
speed of a shared machine is not.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from playwright.async_api import async_playwright

from tests.browser.lab import Lab
from tests.browser.pages import Notebook, Window, new_context, start_browser

SECONDS = 2.0  # of each measurement
SETTLE = 1.0  # until what was opened or closed is so
WORK = """
import os, threading
import judicia_notebook as jn
p = jn.get_runtime().load("example:specimen", grant=["random"], quota={"wall": 60})
made, stop, process = 0, threading.Event(), os.getpid()
def work():
    global made, thread
    thread = threading.get_native_id()
    while not stop.is_set():
        p.call("call_host", {"service": "random", "n": 4})
        made += 1
threading.Thread(target=work, daemon=True).start()
"""
PANEL, CHARTS = 1, 2


class Rate(NamedTuple):
    """What the calling thread did: calls a second, and the share of the time it waited."""

    calls: float
    waited: float


async def measured(book: Notebook) -> Rate:
    witness = await book.witness()
    await asyncio.sleep(SETTLE)
    thread, process = witness.value("thread"), psutil.Process(witness.value("process"))

    def look() -> tuple[float, int, float]:
        cpu = next(one.user_time + one.system_time for one in process.threads() if one.id == thread)
        return time.perf_counter(), witness.value("made"), cpu

    begin, made, cpu = look()
    await asyncio.sleep(SECONDS)
    end, made_then, cpu_then = look()
    return Rate((made_then - made) / (end - begin), max(0.0, 1 - (cpu_then - cpu) / (end - begin)))


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(statistics.median(some) for some in zip(*rates, strict=True)))


def _print(title: str, closed: Rate, opened: Rate) -> None:
    shares = f"{opened.calls / closed.calls:7.1%}           {closed.waited:7.1%} {opened.waited:7.1%}"
    print(f"  {title:6}  {closed.calls:7.0f} {opened.calls:7.0f} {shares}", flush=True)


async def compare(book: Notebook, rounds: int) -> None:
    await book.run(0)
    opened: list[Rate] = []
    closed: list[Rate] = []
    print("  calls/s  closed    open   share    waited closed    open")
    for _ in range(rounds):
        await book.window.command("notebook:clear-all-cell-outputs")
        closed.append(await measured(book))
        await book.run(PANEL, CHARTS)
        await book.panel(PANEL).appear()
        opened.append(await measured(book))
        _print("", closed[-1], opened[-1])
    _print("median", _median(closed), _median(opened))
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
