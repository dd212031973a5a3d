"""One JupyterLab server and one Chromium for all tests in here; each test has a notebook and a kernel of its own.

- These tests are coroutines. They run on one event loop, Playwright's, that stands still between tests, so that other
  tests may have loops of theirs.
- What `open_notebook` opened ends with the test, and an error in the page or its console fails it.
- After a failure the test's folder holds a screenshot, what was wrong with the page, and the last words of server and
  kernels; the next test begins with a new window.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.browser.lab import Lab
from tests.browser.pages import INSTALL, Notebook, Window, new_context, start_browser
from tests.support.parallel import CLICK

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, BrowserType, Playwright

TEST_LASTS_AT_MOST = 240  # seconds; only a hang needs them
WENT_WELL = pytest.StashKey[bool]()
T = TypeVar("T")

OpenNotebook = Callable[..., Awaitable[Notebook]]
Report = Callable[[str, str, float], None]


class BrowserLoop:
    """Chromium, and the event loop on which it is spoken to."""

    context: BrowserContext
    chromium: BrowserType

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def start(self) -> None:
        self.run(self._start())

    async def _start(self) -> None:
        from playwright.async_api import async_playwright

        self._playwright = await async_playwright().start()
        self._browser = await start_browser(self._playwright)
        self.context = await new_context(self._browser)
        self.chromium = self._playwright.chromium

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this, and whatever the browser has to say meanwhile, to its end."""
        return self._runner.run(asyncio.wait_for(work, TEST_LASTS_AT_MOST))

    def close(self) -> None:
        self.run(self._stop())
        self._runner.close()

    async def _stop(self) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    loop = pyfuncitem.funcargs["browser_loop"]
    assert isinstance(loop, BrowserLoop)
    loop.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[WENT_WELL] = report.passed
    return report


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    pytest.importorskip("jupyterlab", reason="no JupyterLab; enable: python -m pip install jupyterlab")
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser_loop() -> Iterator[BrowserLoop]:
    pytest.importorskip("playwright", reason=f"no Playwright; enable: {INSTALL}")
    loop = BrowserLoop()
    try:
        loop.start()
        yield loop
    finally:
        loop.close()


class Desk:
    """The window in use. Loading JupyterLab takes seconds, so it is kept from test to test until one goes wrong."""

    def __init__(self, loop: BrowserLoop, lab: Lab) -> None:
        self.loop = loop
        self._lab = lab
        self._window: Window | None = None

    async def window(self) -> Window:
        if self._window is None:
            self._window = Window(await self.loop.context.new_page(), self._lab)
            await self._window.load()
        return self._window

    async def clear(self) -> None:
        if self._window is not None:
            await self._window.page.close()
        self._window = None


@pytest.fixture(scope="session")
def desk(browser_loop: BrowserLoop, lab: Lab) -> Desk:
    return Desk(browser_loop, lab)


@pytest.fixture
def open_notebook(desk: Desk, lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenNotebook]:
    """``await open_notebook(*cells, kernel="7.3")``: a notebook with these cells, ready to run them. One a test."""
    opened: list[Notebook] = []

    async def open_notebook(*cells: str, kernel: str = "7.3") -> Notebook:
        notebook = Notebook(await desk.window())
        opened.append(notebook)
        await notebook.open(kernel, cells)
        return notebook

    async def finish(went_well: bool) -> list[str]:
        window = await desk.window()
        screenshot = b"" if went_well else await window.page.screenshot()
        for notebook in opened:
            try:
                await notebook.close()
            except Exception as error:  # what was wrong before is worth more than what is wrong now
                window.faults.append(f"closing: {error}")
        faults, window.faults = window.faults, []
        if faults or not went_well:
            (tmp_path / "page.png").write_bytes(screenshot)
            (tmp_path / "page.txt").write_text("\n".join(faults))
            (tmp_path / "server.log").write_text(lab.log())
            await desk.clear()
        return faults

    yield open_notebook
    faults = desk.loop.run(finish(request.node.stash.get(WENT_WELL, False)))
    assert not faults, "\n".join(faults)


# --- times that are told and not judged ------------------------------------------------------------------------------


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """``report(what, kernel, seconds)``: how long it was from a click to what it does."""

    def report(what: str, kernel: str, seconds: float) -> None:
        request.node.user_properties.append((CLICK, (what, kernel, seconds)))

    return report
