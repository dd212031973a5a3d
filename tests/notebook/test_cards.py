"""Cards: the same content as text and as HTML, whatever a guest put into it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import judicia_notebook as jn
from judicia_notebook.errors import BuildError
from judicia_notebook.notebook import diagnostic_cards
from judicia_notebook.notebook.cards import FIRST_LINES, LAST_LINES, Block, Card, Grid, Line, Row
from judicia_notebook.notebook.object_cards import plugin_card
from judicia_notebook.records.diagnostics import Diagnostic
from tests.support.guests import load

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


def test_a_card_offers_to_grant_imports_by_their_names_and_never_all_of_them(rt: jn.Runtime) -> None:
    names = [f"f{number}" for number in range(20)]
    for name in names:
        rt.host.function("env", name)(lambda: None)
    plugin = load(rt, "".join(f'(import "env" "{name}" (func))' for name in names))
    plugin.policy.grant("imports=env.f1")
    lines = [line for line in plugin_card(plugin).text().splitlines() if "%plugin grant" in line]
    assert len(lines) == 1
    granted = lines[0].split("%plugin grant guest ")[1].split()
    assert granted == [f"imports=env.f{number}" for number in (0, 2, 3, 4, 5, 6, 7, 8)]
    plugin.policy.grant("imports")
    assert "%plugin grant" not in plugin_card(plugin).text()


# --- a compiler's messages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NASTY)
def test_a_message_and_the_line_it_quotes_stay_text(text: str) -> None:
    row = Diagnostic(3, 2, "error", text, text, text, 2)
    card = diagnostic_cards.error_card(BuildError(text, rows=[row], source=text, unchanged=text, hint=text))

    class Tags(Reader):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            known = {"data-line", "data-column", "tabindex", "aria-hidden"}
            super().handle_starttag(tag, [one for one in attrs if one[0] not in known])

    reader = Tags()
    reader.feed(card.html())
    reader.close()
    assert reader.open == []
    assert reader.tags <= {"div", "strong", "span", "ul", "li", "pre", "code"}
    for shown in (card.text(), "".join(reader.words)):
        assert not any(char in shown for char in "\x1b\x07\x00\r\u202e\u2066")


def test_a_message_is_said_in_words_beside_its_colour_and_its_mark() -> None:
    row = Diagnostic(12, 5, "warning", "unused variable", "declared here", "int n;", 5)
    said = read_rows(diagnostic_cards.warnings_card([row], "the cell of f").html())
    told = ["the cell of f", "1 warning", "warning", "line 12, column 5", ": unused variable", "int n;", "^", "note"]
    assert [one for one in told if one not in said] == []
    assert said[-1] == ": declared here"


def read_rows(html: str) -> list[str]:
    """The texts of a piece of HTML in their order."""

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.said: list[str] = []

        def handle_data(self, data: str) -> None:
            self.said.append(data)

    parser = Words()
    parser.feed(html)
    return parser.said


def test_of_very_many_messages_the_first_are_shown_and_the_others_counted() -> None:
    rows = [Diagnostic(number, 1, "error", f"no {number}", "", "x", 1) for number in range(1, 31)]
    rows.append(Diagnostic(1, 1, "warning", "a warning beside errors", "", "x", 1))
    card = diagnostic_cards.error_card(BuildError("clang found 30 errors", rows=rows))
    assert card.text().count(": error: ") == diagnostic_cards.MOST_ROWS
    assert "  10 more." in card.text()
    assert "beside errors" not in card.text()
