"""A compiler's messages below a cell: each place leads to its line, by mouse and keys, and no word needs a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from judicia_notebook.languages.toolchain import find_c
from tests.browser.pages import accessibility_faults

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.pages import Notebook

LOAD = "%load_ext judicia_notebook"
WARNS = '__attribute__((export_name("f"))) int f(void) { int unused; return 1; }\n'
# Longer than what the editor keeps in the page, with a letter that is two units of UTF-16 before the mistake.
LONG = "%%plugin define f --lang c\n" + "// x\n" * 300
SOURCE = f"{LONG}int f(void) {{ /* \U0001f600\u00fc */ return x; }}\n<b id=forged>&amp;</b>;\n" + "// y\n" * 100
LINE = SOURCE.count("\n", 0, SOURCE.index("int f(void)")) + 1
COLUMN = "int f(void) { /* \U0001f600\u00fc */ return x; }".index("x;") + 1
CURSOR = """() => {
  const view = document.activeElement.cmTile?.root.view ?? document.activeElement.cmView?.rootView.view;
  if (!view) return null;
  const { head } = view.state.selection.main;
  const line = view.state.doc.lineAt(head);
  const seen = view.coordsAtPos(head);
  return [line.number, line.text.slice(head - line.from), seen.top > 0 && seen.bottom < window.innerHeight];
}"""
DISTRUST = "(book) => { book.content.widgets[1].model.trusted = false; }"
GO = f"Go to line {LINE}, column {COLUMN}"


async def failed(open_notebook: OpenNotebook, source: str) -> tuple[Notebook, Any]:
    """A notebook whose second cell was refused, and the card below it."""
    if find_c() is None:
        pytest.skip("there is no compiler for C; enable: apt-get install clang lld")
    book = await open_notebook(LOAD, source)
    await book.run(0)
    await book.start(1)
    await book.ended(1)
    card = book.cell(1).locator(".judicia-card").first
    await card.wait_for()
    return book, card


async def test_a_place_leads_to_its_line_by_mouse_and_by_keys(open_notebook: OpenNotebook) -> None:
    book, card = await failed(open_notebook, SOURCE)
    button = card.get_by_role("button", name=GO)
    for press in (button.click, lambda: button.press("Enter"), lambda: button.press(" ")):
        await book.page.evaluate("() => document.activeElement.blur()")
        await press()
        assert await book.page.evaluate(CURSOR) == [LINE, "x; }", True]
    await book.page.keyboard.type("1")
    assert "return 1x; }" in await book.evaluate("(book) => book.content.widgets[1].model.sharedModel.getSource()")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
async def test_the_card_is_fit_for_everybody(open_notebook: OpenNotebook, theme: str) -> None:
    book, card = await failed(open_notebook, SOURCE)
    await book.window.set_theme(theme)
    try:
        assert await card.get_by_role("listitem").count() > 1
        assert await accessibility_faults(book.page, ".judicia-card") == []
        assert await book.page.locator("#forged").count() == 0
    finally:
        await book.window.set_theme("Light")


async def test_where_no_script_runs_the_words_are_all_there(open_notebook: OpenNotebook) -> None:
    book, card = await failed(open_notebook, SOURCE)
    said = await card.inner_text()
    await book.evaluate(DISTRUST)
    await card.get_by_role("button").wait_for(state="detached")
    assert await card.inner_text() == said
    assert f"line {LINE}, column {COLUMN}" in said
    assert await book.cell(1).locator(".judicia-card ~ script").count() == 0


async def test_a_warning_leads_to_its_line_too(open_notebook: OpenNotebook) -> None:
    book, card = await failed(open_notebook, f"%%plugin define f --lang c\n{WARNS}")
    await card.get_by_role("button", name="Go to line 2").click()
    cursor = await book.page.evaluate(CURSOR)
    assert cursor[:2] == [2, WARNS.rstrip("\n")[WARNS.index("unused") :]]
