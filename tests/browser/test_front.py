"""The README's first picture shows the panel as it is: its lines bring about that moment, with those texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.front import ROOT, TEXTS, come_to_the_moment, readme_lines, visible_texts

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook


async def test_the_texts_in_the_first_picture_are_those_of_the_panel_now(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(*readme_lines())
    panel = await come_to_the_moment(book)
    assert await visible_texts(panel) == TEXTS.read_text("utf-8").splitlines(), "run tools/draw_front.py"
    red = await panel.root.locator("[data-capability=wall_clock] .jd-bad").text_content()
    assert red is not None
    assert red.endswith(" denied")


def test_the_readme_shows_each_picture_that_the_tool_draws() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    drawn = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("front-*.png"))
    assert len(drawn) == 4
    assert [name for name in drawn if readme.count(f'"{name}"') != 1] == []
    assert len(readme_lines()) == 5
    assert len(readme.splitlines()) <= 80
