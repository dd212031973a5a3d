"""The site in a real browser: its own search finds the twenty answers, nothing is cut, and anybody can read it.

It is served from this process. One window is used for all pages: what is tried is the site, not the browser.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import BrowserLoop

# What is asked, in the words of the page's title and in a reader's own.
QUESTIONS = {
    "install-without-make": ("install without make", "install with pip"),
    "write-a-plugin-in-c": ("write a plugin in C", "C plugin header judicia.h"),
    "write-a-plugin-in-rust": ("write a plugin in Rust", "rust serde plugin"),
    "test-without-a-notebook": ("test it without a notebook", "run cases in CI"),
    "what-may-it-reach": ("what is my plugin allowed to reach", "permissions of a plugin"),
    "show-that-the-network-is-denied": ("show that the network is denied", "network blocked"),
    "cap-cpu-for-one-call": ("cap CPU for one call", "limit time of a single call"),
    "change-a-limit-while-it-runs": ("change a limit while it runs", "raise quota during a running call"),
    "why-was-my-call-stopped": ("why was my call stopped", "call killed reason"),
    "where-does-the-time-go": ("where does the time go", "slow call profile"),
    "compare-two-versions": ("compare two versions", "faster than old version"),
    "which-number-do-i-publish": ("which number do I publish", "median for a paper"),
    "run-a-sweep-on-dask": ("run a sweep on Dask", "dask cluster"),
    "keep-and-share-a-run": ("keep and share a run", "save run anonymous"),
    "read-memory": ("read a plugin's memory", "inspect linear memory"),
    "load-a-module-that-needs-an-import": ("load a module that needs an import", "missing import"),
    "give-it-a-database": ("give it a database", "sql table for a plugin"),
    "serve-its-page": ("serve its page", "web page of a plugin"),
    "use-it-on-a-hub": ("use it on a hub", "JupyterHub"),
    "reset-everything": ("reset everything", "start over delete all plugins"),
}
KINDS = (  # a page of each kind
    "docs/index.html",
    "docs/start.html",
    "docs/how-to/why-was-my-call-stopped.html",
    "notebooks/02-live.html",
    "docs/reference-index.html",
    "docs/api/policy.html",
    "docs/figures.html",
    "docs/comparison.html",
    "search.html?q=quota",
)
SCREEN = 1100  # pixels: that of a window in these tests
FOUND = "#search-results ul.search > li > a"
# As the search's page does when it is opened with `?q=...`, without fetching the index anew each time.
ASK = """(words) => {
  history.replaceState(null, "", `?q=${encodeURIComponent(words)}`);
  document.querySelector("#search-results").replaceChildren();
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;  // each of them fetches its page
  Search.performSearch(words);
}"""
ANSWERED = "() => /finished|did not match/.test(document.querySelector('.search-summary')?.innerText)"
FIRST = "(links) => links.slice(0, 3).map((link) => link.pathname)"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@asynccontextmanager
async def window(loop: BrowserLoop, address: str, scheme: str = "light", width: int = 1280) -> AsyncIterator[Page]:
    """A window in which nothing may go wrong, and which asks no other server for anything."""
    page = await loop.context.new_page()
    faults: list[str] = []
    page.on(
        "request", lambda request: faults.extend([] if request.url.startswith((address, "data:")) else [request.url])
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        await page.set_viewport_size({"width": width, "height": SCREEN})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        yield page
    finally:
        await page.close()
    assert faults == []


async def test_its_search_finds_each_answer_among_the_first_three(browser_loop: BrowserLoop, address: str) -> None:
    missed = {}
    async with window(browser_loop, address) as page:
        await page.goto(f"{address}/search.html?q=quota")
        await page.locator(FOUND).first.wait_for()
        for name, asked in QUESTIONS.items():
            for words in asked:
                await page.evaluate(ASK, words)
                await page.wait_for_function(ANSWERED)
                first = await page.locator(FOUND).evaluate_all(FIRST)
                if f"/docs/how-to/{name}.html" not in first:
                    missed[words] = first
    assert missed == {}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 600)])
async def test_each_kind_of_page_is_accessible_and_as_wide_as_its_window(
    browser_loop: BrowserLoop, address: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.async_playwright",
        reason="no axe; enable: python -m pip install axe-playwright-python",
    )
    said: dict[str, object] = {}
    async with window(browser_loop, address, scheme, width) as page:
        for name in KINDS:
            await page.goto(f"{address}/{name}", wait_until="load")
            assert await page.evaluate("document.documentElement.dataset.theme") == scheme
            across = await page.evaluate("document.documentElement.scrollWidth")
            if across > width:
                said[f"{name}: width"] = across
            for one in (await axe.Axe().run(page)).response["violations"]:
                said[f"{name}: {one['id']}"] = [re.sub(r"\s+", " ", node["html"])[:200] for node in one["nodes"][:3]]
    assert said == {}


async def test_each_question_is_answered_on_one_screen(browser_loop: BrowserLoop, address: str) -> None:
    long = {}
    async with window(browser_loop, address) as page:
        for name in QUESTIONS:
            await page.goto(f"{address}/docs/how-to/{name}.html", wait_until="domcontentloaded")
            height = await page.evaluate("document.querySelector('article').getBoundingClientRect().height")
            if height > SCREEN:
                long[name] = height
    assert long == {}
