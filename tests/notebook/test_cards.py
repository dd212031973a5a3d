"""Cards: the same content as text and as HTML, whatever a guest put into it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from judicia_notebook.notebook.cards import FIRST_LINES, LAST_LINES, Block, Card, Grid, Line, Row

NASTY = [
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "\"'><b>&amp;",
    "\x1b[31mred\x1b[0m\x07",
    "left\u202egnihtemos\u2066",
    "two\nlines\r\x00",
]


class Reader(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert all(name in ("style", "class") for name, _ in attrs)
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("text", NASTY)
def test_text_of_a_guest_stays_text_in_every_place(text: str) -> None:
    card = Card(text, text, (Row(text, text), Line(text, text), Grid((text, text), ((text, text),)), Block(text, text)))
    reader = read(card.html())
    assert reader.tags <= {"div", "strong", "span", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"}
    for shown in (card.text(), "".join(reader.words)):
        assert not any(char in shown for char in "\x1b\x07\x00\r\u202e\u2066")


def test_text_and_html_say_the_same() -> None:
    rows = (Row("a", "1"), Row("long label", "2"))
    card = Card(
        "title", "sub", (*rows, Line("say", "%do it"), Grid(("x", "y"), (("p", "q"),)), Block("out", "1\n 2\n"))
    )
    assert card.text().splitlines() == [
        "title · sub",
        "  a           1",
        "  long label  2",
        "  say  %do it",
        "  x  y",
        "  p  q",
        "  out",
        "    1",
        "     2",
    ]
    words = " ".join(" ".join(read(card.html()).words).split())
    assert words == "title sub a 1 long label 2 say %do it x y p q out 1 2"


def test_rows_that_follow_each_other_are_one_table() -> None:
    card = Card("t", "", (Row("a", "1"), Row("b", "2"), Line("between"), Row("c", "3")))
    assert card.html().count("<table") == 2


def test_an_endless_text_is_cut() -> None:
    assert len(Card("t", "", (Row("a", "x" * 10_000),)).text()) < 600


def test_of_very_many_lines_the_first_and_the_last_are_shown() -> None:
    count = FIRST_LINES + LAST_LINES + 100
    lines = Block("", "\r\n".join(map(str, range(count)))).lines
    assert lines[FIRST_LINES - 1 : FIRST_LINES + 2] == [
        str(FIRST_LINES - 1),
        "… 100 more lines",
        str(count - LAST_LINES),
    ]
    assert (lines[0], lines[-1], len(lines)) == ("0", str(count - 1), FIRST_LINES + LAST_LINES + 1)
    assert Block("", "\n".join("x" * (FIRST_LINES + LAST_LINES))).lines == ["x"] * (FIRST_LINES + LAST_LINES)
    assert max(map(len, Block("", "x" * 100_000).lines)) < 500


def test_colours_are_those_of_the_page_with_a_fallback() -> None:
    html = Card("t", "s", (Row("a", "1"), Line("b", "c"), Grid(("d",), (("e",),)))).html()
    assert "var(--jp-" in html
    assert "#fff" not in html
    assert "black" not in html
    for use in html.split("var(--jp-")[1:]:
        assert "," in use.split(")")[0]  # a fallback for pages that are no JupyterLab
