"""Code to read: what a guest wrote is inert in it, what is very large is cut, and nothing of it needs a script."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.listings import wat
from judicia_notebook.analysis.listings.annotated import Annotated
from judicia_notebook.analysis.listings.lines import folder_texts, line_texts

NASTY = r"<script>alert(1)</script>\1b[31m\e2\80\ae$x^2$</pre></details>"
GUEST = f"""(module (memory (export "{NASTY}m") 1) (func (export "{NASTY}f") (param i32))
  (data (i32.const 0) "{NASTY}"))"""
TAGS = {
    "div", "style", "p", "strong", "details", "summary", "pre", "span", "table", "thead", "tbody", "tr", "th", "td",
    "code",
}  # fmt: skip


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += 1

    def handle_endtag(self, tag: str) -> None:
        self.open -= 1

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def check(html: str) -> Elements:
    found = Elements(html)
    assert {tag for tag, _ in found.tags} <= TAGS
    assert found.open == 0
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "mathjax_ignore" in str(found.tags[0][1]["class"])
    return found


def test_names_that_a_guest_chose_are_inert_in_every_place(rt: jn.Runtime) -> None:
    p = rt.load(GUEST, name="guest")
    shown = check(p.wat()._repr_html_())
    assert any("alert(1)" in word for word in shown.words)
    assert all(name.isprintable() for name in p.wat().functions["function"])
    check(p.wat(0)._repr_html_())
    check(p.annotated()._repr_html_())
    assert all(line.isprintable() for line in p.wat().lines())


def test_sources_are_inert_and_what_is_not_at_hand_is_said(tmp_path: Path) -> None:
    texts = {"a.c": "<img src=x onerror=alert(1)>\x1b[2J\u202e" + "x" * 9000}
    shown = Annotated("</div>", b"\0asm\x01\0\0\0", texts.get)
    assert "no debug information" in " ".join(check(shown._repr_html_()).words)
    text = line_texts(texts.get)
    assert len(text("a.c", 1)) < 500
    assert text("a.c", 1).isprintable()
    assert text("a.c", 0) == text("a.c", 2) == text("b.c", 1) == ""


def test_a_folder_gives_what_lies_in_it_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret.c").write_text("secret", "utf-8")
    folder = tmp_path / "src"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.c").write_text("a", "utf-8")
    (folder / "out.c").symlink_to(tmp_path / "secret.c")
    text = folder_texts(folder)
    assert text("deep/a.c") == text("/builds/7/deep/a.c") == text("./deep/a.c") == "a"
    for file in ("../secret.c", "/../secret.c", "deep/../../secret.c", str(tmp_path / "secret.c"), "out.c", "", "a\0b"):
        assert text(file) is None, file


def test_a_module_of_very_many_functions_is_cut_and_says_so(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wat, "MOST_HTML", 5000)
    monkeypatch.setattr(wat, "MOST_FUNCTIONS", 100)
    functions = "".join(f"(func $f{number} (drop (i32.const {number})))" for number in range(300))
    p = rt.load(f'(module (memory (export "memory") 1) (func (export "f") (param i32)) {functions})', name="many")
    html = p.wat()._repr_html_()
    assert len(html) < 60_000
    assert "201 more functions are not shown" in html
    assert "p.wat(NAME)" in html
    assert "i32.const 250" in str(p.wat())
    assert "i32.const 250" in p.wat("f250")._repr_html_()


def test_a_function_is_found_by_its_export_its_name_and_its_number(rt: jn.Runtime, tmp_path: Path) -> None:
    p = rt.load('(func $inner (result i32) (i32.const 2)) (func (export "two") (result i32) (call $inner))', name="p")
    assert str(p.wat("inner")) == str(p.wat(0))
    assert "call $inner" in str(p.wat("two"))
    for wrong in ("too", 7, True):
        with pytest.raises(jn.NoSuchFunction):
            p.wat(wrong)
    assert p.wat().save(tmp_path / "p.wat").read_text("utf-8") == f"{p.wat()}\n"
    assert rt.load(tmp_path / "p.wat", name="again").raw("two")() == 2


def test_a_terminal_shows_the_first_lines(rt: jn.Runtime) -> None:
    from IPython.lib.pretty import pretty

    shown = str(pretty(rt.load("example:specimen").wat()))  # type: ignore[no-untyped-call]
    assert shown.startswith("(module\n")
    assert shown.count("\n") == 200
    assert shown.endswith(".save(PATH)")
