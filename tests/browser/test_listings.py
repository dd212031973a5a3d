"""Code to read in a real browser: unfolded by keys, and sound in light, dark and narrow pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.listings.annotated import Annotated
from tests.browser.pages import accessibility_faults, in_both_themes
from tests.support.dwarf import END, at, module, table

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import BrowserLoop, OpenNotebook

SOURCE = "void f(void) {\n    four_nops();  // <b>" + "a long line " * 20 + "</b>\n}\n"
# The second function has four nops and an end: one each on lines 2, 2, 2, 3, 3.
LINES = at(6) + b"\x03\x01\x01" + b"\x02\x03" + b"\x03\x01\x01" + b"\x02\x02" + END
CELL = """%load_ext judicia_notebook
import judicia_notebook as jn
p = jn.get_runtime().load('(func (export "twice") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))')
"""


def page_of(folder: Path) -> Path:
    """Both listings on a page."""
    wasm = module(line=table(LINES))
    both = folder / "both.html"
    with jn.Runtime() as rt:
        text = rt.load(wasm, name="nops").wat()._repr_html_()
    shown = Annotated("nops", wasm, {"a.c": SOURCE}.get).save(both).read_text("utf-8")
    both.write_text(shown.replace("</main>", f"{text}</main>"), "utf-8")
    return both


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 600])
async def test_a_line_unfolds_by_keys_and_nothing_is_wider_than_the_page(
    browser_loop: BrowserLoop, tmp_path: Path, scheme: str, width: int
) -> None:
    page = await browser_loop.context.new_page()
    try:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.set_viewport_size({"width": width, "height": 700})
        await page.goto(page_of(tmp_path).as_uri())
        line = page.locator("tr", has_text="four_nops")
        assert await line.locator("td").nth(1).inner_text() == "3"  # instructions
        assert not await line.locator("pre").is_visible()
        await line.locator("summary").focus()
        await page.keyboard.press("Enter")
        assert await line.locator("pre").is_visible()
        assert (await line.locator("pre").inner_text()).count("  nop") == 3
        assert await line.locator("b").count() == 0
        await wait_open(page, "types, imports, memories, exports")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await accessibility_faults(page, ".judicia-code") == []
    finally:
        await page.close()


PAINTED = """\
__attribute__((export_name("run"))) int run(int n) {
    int sum = 0;
    while (n-- > 0)
        sum += n > 50 ? n : 2;
    if (sum < 0)
        sum = 0;  // </code><b>bold</b>
    return sum;
}
"""
FOREIGN = """\
#line 1 "<img src=x>\u202egnp.c"
__attribute__((export_name("<b>\u202egnp"))) int odd(int n) { return n * 3; }
"""
LONG = "n\\u{202e}<b>x</b>" * 100_000
FOCUSED = """() => {
  const { activeElement: here } = document;
  return [here.tagName, here.getAttribute("aria-label") || here.textContent, getComputedStyle(here).outlineStyle];
}"""


def painted_page(folder: Path) -> Path:
    """Sources and texts that were painted, also with names that a guest chose to be a page's or no end of it."""
    with jn.Runtime() as rt:
        own = rt.load(jn.build(PAINTED, "c", "-O0", flags="-g").wasm, name="painted", abi="raw")
        foreign = rt.load(jn.build(FOREIGN, "c", "-O0", flags="-g").wasm, name="foreign", abi="raw")
        long = rt.load(f'(module (func $"{LONG}" (export "go")))', name="long", abi="raw")
        r, of_foreign = own.monitor("run", numbers=[9]), foreign.monitor("<b>\u202egnp", numbers=[9])
        shown = [r.wat(), of_foreign.source(), of_foreign.wat(), long.monitor("go", numbers=[]).wat()]
    page = r.source().save(folder / "painted.html")
    more = "".join(each._repr_html_() for each in shown)
    page.write_text(page.read_text("utf-8").replace("</main>", f"{more}</main>"), "utf-8")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_painted_counts_are_read_and_unfolded_by_keys(
    browser_loop: BrowserLoop, tmp_path: Path, scheme: str
) -> None:
    file = painted_page(tmp_path)
    page = await browser_loop.context.new_page()
    try:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.set_viewport_size({"width": 600, "height": 700})
        await page.goto(file.as_uri())
        missed = page.locator("tbody tr", has_text="bold")
        assert await missed.locator("td").nth(0).inner_text() == "not run"
        hot = page.locator("tbody tr", has_text="while")
        assert await hot.locator("td").nth(0).inner_text() == "10"
        grounds = [await each.evaluate("row => getComputedStyle(row).backgroundColor") for each in (missed, hot)]
        assert grounds[0] != grounds[1]
        assert "gradient" in await missed.evaluate("row => getComputedStyle(row).backgroundImage")
        where = [("SUMMARY", "cell.c"), ("DIV", "cell.c"), ("SUMMARY", "run")]
        assert await keys(page, "Tab", "Tab", "Tab") == where
        code = page.get_by_role("group", name="run", exact=True)
        assert not await code.is_visible()
        assert (await keys(page, "Enter", "Tab"))[1] == ("PRE", "run")
        assert "i32.add" in await code.inner_text()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 600
        assert await page.locator("main :is(b, img, script)").count() == 0
        assert "\u202e" not in await page.content()
        assert len(await page.content()) < 100_000
        assert await accessibility_faults(page, ".judicia-code") == []
        await page.emulate_media(forced_colors="active")
        assert await accessibility_faults(page, ".judicia-code") == []
        assert await missed.locator("th").evaluate("cell => getComputedStyle(cell).borderLeftWidth") == "3px"
    finally:
        await page.close()


async def keys(page: Page, *pressed: str) -> list[tuple[str, str]]:
    """What has the focus after each key, and shows it: its kind, and the first word of its name or text."""
    found = []
    for key in pressed:
        await page.keyboard.press(key)
        kind, said, outline = await page.evaluate(FOCUSED)
        assert outline == "solid", said
        found.append((kind, said.split()[0]))
    return found


async def test_a_search_unfolds_what_it_finds(browser_loop: BrowserLoop, tmp_path: Path) -> None:
    """A link to a text of the page asks the browser's own search."""
    page = await browser_loop.context.new_page()
    try:
        await page.goto(f"{painted_page(tmp_path).as_uri()}#:~:text=i32.mul")
        await page.locator("details[open]", has_text="i32.mul").wait_for()
        assert await page.locator(".judicia-code:has(pre) details[open]").count() == 1
    finally:
        await page.close()


async def wait_open(page: Page, summary: str) -> None:
    await page.locator("summary", has_text=summary).click()
    assert await page.locator("details[open]", has_text=summary).locator("pre").is_visible()


MONITORED = f"""\
r = jn.get_runtime().load(jn.build({PAINTED!r}, "c", "-O0", flags="-g").wasm, name="painted", abi="raw").monitor(
    "run", numbers=[9], what=("coverage", "branches")
)"""


async def test_painted_code_is_read_by_keys_in_a_notebook(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    book = await open_notebook(CELL, MONITORED, "r.source()", "r.wat()")
    await book.run(0, 1, 2, 3)
    await book.cell(2).locator(".jp-InputArea-prompt").click()  # what follows is keys alone
    for _ in range(12):  # past the buttons of the cell
        await book.page.keyboard.press("Tab")
        if await book.page.evaluate("Boolean(document.activeElement.closest('.judicia-code'))"):
            break
    assert await keys(book.page, "Tab", "Tab") == [("DIV", "cell.c"), ("SUMMARY", "run")]
    await book.page.keyboard.press("Enter")
    assert "i32.add" in await book.cell(3).get_by_role("group", name="run", exact=True).inner_text()
    await book.page.set_viewport_size({"width": 600, "height": 1100})
    try:
        for output in await book.page.locator(".judicia-code").all():
            assert await output.evaluate("shown => shown.scrollWidth <= shown.clientWidth")
        await in_both_themes(book, tmp_path)
    finally:
        await book.page.set_viewport_size({"width": 1280, "height": 1100})


async def test_the_text_of_a_function_is_static_in_a_notebook(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(CELL, "p.wat()")
    await book.run(0, 1)
    output = book.cell(1).locator(".judicia-code")
    await output.wait_for()
    head = output.locator("summary", has_text="twice")
    await head.click()
    assert "i32.shl" in await output.locator("details[open] pre").inner_text()
    assert await output.locator("script").count() == 0
