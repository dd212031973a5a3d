"""The flame graph in a real browser: keys, search, zoom, nothing fetched, nothing a screen reader could not follow."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import HOST, Frame, Sample, SourceLine

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import BrowserLoop

CHECK, JUDGE, READ = (Frame(name, "checker") for name in ("check", "checker::judge", "serde::read"))
CLOCK = Frame("judicia:clock now", HOST)
PROFILE = Profile(
    "checker",
    "check",
    "9f" * 32,
    3,
    (
        Sample(1.0, (CHECK, JUDGE), 5.0),
        Sample(2.0, (CHECK, JUDGE, CLOCK), 2.0),
        Sample(3.0, (CHECK, READ), 3.0),
    ),
    guest_ms=8.0,
    host_ms=2.0,
)
OWN = SourceLine("src/lib.rs", 9, "check", "")
INLINED = SourceLine("src/parse.rs", 40, "digit", 'if text == "<b>" {' + " " * 40 + "x" * 200, is_inlined=True)
WITH_LINES = Profile(
    "checker",
    "check",
    "9f" * 32,
    1,
    (Sample(1.0, (CHECK,), 6.0, ((INLINED, OWN),)), Sample(2.0, (CHECK,), 4.0, ((OWN,),))),
    guest_ms=10.0,
    host_ms=0.0,
)


@asynccontextmanager
async def shown(
    loop: BrowserLoop, folder: Path, scheme: str = "light", profile: Profile = PROFILE
) -> AsyncIterator[Page]:
    """The page in a window of its own. It may ask for nothing but itself, and nothing may go wrong in it."""
    path = profile.save(folder / "flame.html")
    page = await loop.context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    try:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(path.as_uri())
        yield page
    finally:
        await page.close()
    assert asked == [path.as_uri()]
    assert faults == []


async def focused(page: Page) -> str:
    text: str = await page.evaluate("document.activeElement.textContent")
    return text


async def width(page: Page, name: str) -> float:
    box = await page.get_by_role("treeitem", name=name, exact=True).bounding_box()
    return box["width"] if box else 0.0


async def test_all_of_it_can_be_done_with_keys(browser_loop: BrowserLoop, tmp_path: Path) -> None:
    async with shown(browser_loop, tmp_path) as page:
        await page.get_by_role("treeitem", name="checker.check", exact=True).focus()
        walked = []
        for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
            await page.keyboard.press(key)
            walked.append(await focused(page))
        judge, read = "checker::judge", "serde::read"
        assert walked == ["check", judge, read, judge, "judicia:clock now", judge]
        assert "checker::judge: 7 ms, 70.0 %" in (await page.get_by_role("status").text_content() or "")
        whole = await width(page, "checker.check")
        assert await width(page, judge) == pytest.approx(0.7 * whole, abs=2)
        await page.keyboard.press("Enter")
        assert await width(page, judge) == pytest.approx(whole, abs=2)
        assert not await page.get_by_role("treeitem", name=read).is_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        assert await width(page, judge) == pytest.approx(0.7 * whole, abs=2)


async def test_a_click_zooms_and_a_button_shows_the_whole_again(browser_loop: BrowserLoop, tmp_path: Path) -> None:
    async with shown(browser_loop, tmp_path) as page:
        whole = await width(page, "checker.check")
        await page.get_by_role("treeitem", name="serde::read").click()
        assert await width(page, "serde::read") == pytest.approx(whole, abs=2)
        await page.get_by_role("button", name="Whole graph").click()
        assert await width(page, "serde::read") == pytest.approx(0.3 * whole, abs=2)


async def test_search_marks_what_it_finds_and_adds_up_its_time(browser_loop: BrowserLoop, tmp_path: Path) -> None:
    async with shown(browser_loop, tmp_path) as page:
        await page.get_by_label("Find").fill("::")
        assert await page.get_by_role("status").text_content() == "2 found, 100.0 % of the time"
        await page.get_by_label("Find").fill("CLOCK")
        assert await page.get_by_role("status").text_content() == "1 found, 20.0 % of the time"
        marked = page.locator(".jf-found")
        assert await marked.all_text_contents() == ["judicia:clock now"]


async def test_a_box_is_found_by_its_file_and_an_inlined_one_looks_and_says_so(
    browser_loop: BrowserLoop, tmp_path: Path
) -> None:
    async with shown(browser_loop, tmp_path, profile=WITH_LINES) as page:
        await page.set_viewport_size({"width": 600, "height": 600})
        await page.get_by_label("Find").fill("parse.rs")
        assert await page.get_by_role("status").text_content() == "1 found, 60.0 % of the time"
        box = page.get_by_role("treeitem", name="digit src/parse.rs:40 inlined", exact=True)
        await box.locator(".jf-line").hover()
        said = await page.get_by_role("status").text_content() or ""
        assert said.startswith("digit (inlined): 6 ms, 60.0 %")
        assert said.endswith("at src/parse.rs:40 100%")
        await box.locator(".jf-line").click()
        assert await width(page, "digit src/parse.rs:40 inlined") > 500
        assert await box.evaluate("box => getComputedStyle(box).borderLeftStyle") == "dotted"
        for table in await page.get_by_text("as a table").all():
            await table.click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 600  # whatever a line of source has


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_accessible_in_light_and_dark(browser_loop: BrowserLoop, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.async_playwright",
        reason="no axe; enable: python -m pip install axe-playwright-python",
    )
    async with shown(browser_loop, tmp_path, scheme, WITH_LINES) as page:  # with all that a page can have
        for table in await page.get_by_text("as a table").all():
            await table.click()
        results = await axe.Axe().run(page)
        said = {one["id"]: [re.sub(r"\s+", " ", node["html"])[:200] for node in one["nodes"]]
                for one in results.response["violations"]}  # fmt: skip
        assert said == {}
