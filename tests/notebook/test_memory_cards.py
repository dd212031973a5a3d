"""Memories in a notebook: bytes of a guest are inert, the picture needs no script, a refusal is said and not raised."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook import memory_cards
from judicia_notebook.notebook.cards import CELLS_IN_A_ROW, Card, Cells

NASTY = r"<script>alert(1)</script>\1b[31m\"'&$x^2$\\(y\\)"
GUEST = f"""(module (memory (export "memory") %d) (data (i32.const 8) "{NASTY}")
  (global (export "<b>name\\1b") (mut i32) (i32.const 5))
  (func (export "f") (param i32) (drop (i32.load (local.get 0)))))"""


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    p = rt.load(GUEST % 3, name="guest")
    p.initialize()
    return p


def dump_of(p: jn.Plugin) -> Card:
    with pytest.raises(jn.GuestTrap) as caught:
        p.raw("f")(3 << 16)
    return memory_cards.dump_card(caught.value.memory)


def test_a_guests_bytes_and_names_are_inert(guest: jn.Plugin) -> None:
    cards = [
        memory_cards.memory_card(guest.memory),
        memory_cards.view_card(guest.memory.view(8, 40)),
        memory_cards.pages_card(guest.memory.pages()),
        memory_cards.globals_card(guest.globals),
        dump_of(guest),
    ]
    for card in cards:
        elements = Elements(card.html())
        tags = {tag for tag, _ in elements.found}
        assert tags <= {"div", "strong", "span", "table", "tbody", "tr", "th", "td", "pre", "svg", "path", "text"}
        assert not any(
            name.startswith("on") or name in ("href", "src") for _, names in elements.found for name in names
        )
        assert "mathjax_ignore" in (elements.found[0][1]["class"] or "")
        for shown in (card.text(), "".join(elements.words)):
            assert "\x1b" not in shown
    assert "<script>alert(" in cards[1].text()


def test_a_view_shows_hex_text_and_pages(guest: jn.Plugin) -> None:
    text = memory_cards.memory_card(guest.memory).text()
    assert "00000000  00 00 00 00 00 00 00 00  3c 73 63 72 69 70 74 3e  |........<script>|" in text
    assert "1 of 3 pages of 64 KiB with content" in text
    assert "svg" not in memory_cards.view_card(guest.memory.view(0)).html()
    assert "fault" in dump_of(guest).text()


def test_the_picture_tells_a_screen_reader_what_it_shows(guest: jn.Plugin) -> None:
    html = memory_cards.pages_card(guest.memory.pages()).html()
    (picture,) = [names for tag, names in Elements(html).found if tag == "svg"]
    assert picture["role"] == "img"
    assert "1 of 3 pages of 64 KiB with content" in (picture["aria-label"] or "")
    assert "currentColor" in html
    assert "--jp-" in html


def test_each_cell_is_drawn_once() -> None:
    shares = (0.0, 0.01, 0.25, 0.5, 1.0) * 30
    cells = Cells("label", shares, tuple("abc"))
    card = Card("title", "", (cells,))
    assert sum(path.count("M") for path in re.findall(r'd="([^"]+)"', card.html())) == len(shares)
    rows = card.text().splitlines()[2:]
    assert [len(row.split()[1]) for row in rows] == [CELLS_IN_A_ROW, CELLS_IN_A_ROW, 150 - 2 * CELLS_IN_A_ROW]
    assert rows[0].split()[1].startswith("·░░▒█")


def test_a_gibibyte_is_a_small_picture(rt: jn.Runtime) -> None:
    p = rt.load(GUEST % 16384, name="large", quota={"memory": "1GiB"})
    p.initialize()
    html = memory_cards.memory_card(p.memory).html()
    assert len(html) < 60_000
    assert "1 of 16" in html


def test_of_many_globals_the_first_are_shown(rt: jn.Runtime) -> None:
    many = "".join(f'(global (export "g{number}") i32 (i32.const {number}))' for number in range(9000))
    p = rt.load(f"(module {many})", name="many")
    p.initialize()
    assert len(p.globals) == 9000
    assert len(repr(p.globals)) < 300
    card = memory_cards.globals_card(p.globals)
    assert "... 8940 more" in card.text()
    assert len(card.html()) < 30_000
    with pytest.raises(jn.NoSuchExport):
        p.globals["nothing"]


def test_a_refusal_is_said(rt: jn.Runtime, guest: jn.Plugin) -> None:
    memory, numbers = guest.memory, guest.globals
    guest.unload()
    assert "is unloaded" in memory_cards.memory_card(memory).text()
    assert "is unloaded" in memory_cards.globals_card(numbers).html()
    dump = dump_of(rt.load(GUEST % 3, name="other"))
    assert "Memory dump from 0x0" in dump.title


def test_the_columns_of_a_view_are_scrolled_and_never_broken(guest: jn.Plugin) -> None:
    shown = Elements(memory_cards.view_card(guest.memory.view(0, 64)).html()).found
    (attributes,) = [attributes for tag, attributes in shown if tag == "pre"]
    styles = (attributes["style"] or "").split("; ")
    assert attributes["tabindex"] == "0"  # so that a keyboard reaches it
    assert [each for each in styles if each.startswith("white-space")][-1] == "white-space: pre"
    assert "overflow-x: auto" in styles
