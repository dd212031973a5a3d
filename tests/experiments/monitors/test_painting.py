"""Counts painted onto source and WebAssembly text: exact by hand, told without colours, inert."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from IPython.lib.pretty import pretty

import judicia_notebook as jn
from judicia_notebook.analysis.listings.painted_source import MOST_HTML, LineCount, PaintedFile, PaintedSource
from judicia_notebook.analysis.listings.painted_wat import PaintedWat
from judicia_notebook.analysis.listings.shades import Shades

# Its second line is run by nobody; the comment closes elements, and hides and reverses text.
SOURCE = """\
static int square(int x) { return x * x; }
static int idle(int x) { return x + 1; }

__attribute__((export_name("run"))) int run(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        if (i % 3 == 0)
            sum += square(i);  // </code></table><img src=x onerror=alert(1)>\x1b[2J\u202e
        else if (i > 100)
            sum -= idle(i);
        else
            sum += 2;
    }
    return n > 3 ? sum : -sum;
}
"""
BY_HAND = {1: 4, 2: 0, 4: 1, 5: 1, 6: 11, 7: 10, 8: 4, 9: 6, 10: 0, 12: 6, 14: 1}  # run(10)
PLAIN = """(module (memory (export "memory") 1)
  (func (export "run") (param i32) (result i32)
    (if (local.get 0) (then (return (call $idle))))
    (i32.const 7))
  (func $idle (result i32) (return (i32.const 1)) unreachable)
  (func $hidden))"""


def with_lines(level: str = "-O0") -> bytes:
    return jn.build(SOURCE, "c", level, flags="-g").wasm


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(with_lines(), name="guest", abi="raw")


def frame_of(painted: PaintedSource | PaintedWat) -> pd.DataFrame:
    assert isinstance(painted, PaintedSource)
    return painted.by_line


def counts_of(painted: PaintedSource | PaintedWat) -> dict[int, int]:
    lines = frame_of(painted)
    return dict(zip(lines["line"].tolist(), lines["count"].tolist(), strict=True))


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open = 0
        self.feed(html)
        self.close()
        assert self.open == 0
        assert not {tag for tag, _ in self.tags} & {"script", "img", "iframe", "a", "b", "link"}
        assert not any(name.startswith("on") for _, attributes in self.tags for name in attributes)
        assert "\x1b" not in html
        assert "\u202e" not in html

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += 1

    def handle_endtag(self, tag: str) -> None:
        self.open -= 1


def rows(html: str) -> dict[int, tuple[str, str, str]]:
    """Of each line its classes, its count and its note."""
    row = (
        r'<tr class="([^"]*)"><th[^>]*>(\d+)</th><td class="jc-count">([^<]*)</td>'
        r'<td class="jc-source"><code>[^<]*</code>(?:<em[^>]*> not run: ([^<]*)</em>)?'
    )
    found = re.findall(row, html)
    return {int(line): (shade, count, note) for shade, line, count, note in found}


def test_each_line_has_the_count_that_a_human_counts(guest: jn.Plugin) -> None:
    r = guest.monitor("run", numbers=[10])
    assert r.value == 0 + 9 + 36 + 81 + 6 * 2
    assert counts_of(r.source()) == BY_HAND
    lines = frame_of(r.source())
    said = re.search(r"(\d+) instructions? ran that are of no line", str(r.source()))
    elsewhere = int(said[1]) if said else 0
    assert lines["instructions_run"].sum() + elsewhere == r.functions["self_instructions"].sum()
    assert (lines["instructions_covered"] <= lines["instructions"]).all()
    with guest.monitoring(what="loops") as several:
        run = guest.raw("run")
        assert [run(10), run(10), run(2)] == [r.value, r.value, -2]
    summed = counts_of(several.source())
    assert summed == {1: 9, 2: 0, 4: 3, 5: 3, 6: 25, 7: 22, 8: 9, 9: 13, 10: 0, 12: 13, 14: 3}


def test_calls_that_were_inlined_are_added_up(rt: jn.Runtime) -> None:
    text = """\
__attribute__((always_inline)) static int twice(int x) {
    return x * 2;
}
__attribute__((export_name("run"))) int run(int n) {
    int sum = twice(n);
    while (n-- > 0)
        sum += twice(n) + twice(sum);
    return sum;
}
"""
    p = rt.load(jn.build(text, "c", "-O0", flags="-g").wasm, name="inlined", abi="raw")
    assert len(p.wat().functions) == 1
    found = counts_of(p.monitor("run", numbers=[10]).source())
    assert (found[2], found[5], found[6], found[7], found[8]) == (1 + 2 * 10, 1, 11, 10, 1)


def test_the_end_behind_a_statement_that_was_jumped_over_is_not_that_statement(rt: jn.Runtime) -> None:
    text = """\
__attribute__((export_name("run"))) int run(int n) {
    int sum = 0;
    if (n > 5)
        sum = 1;
    else
        sum = 2;
    if (n < 0)
        sum += 3;
    return sum;
}
"""
    p = rt.load(jn.build(text, "c", "-O0", flags="-g").wasm, name="jumps", abi="raw")
    found = counts_of(p.monitor("run", numbers=[1]).source())
    assert {line: found[line] for line in (3, 4, 6, 7, 8, 9)} == {3: 1, 4: 0, 6: 1, 7: 1, 8: 0, 9: 1}


def test_a_line_that_ran_in_part_says_where_it_did_not(guest: jn.Plugin) -> None:
    painted = guest.monitor("run", numbers=[10]).source()
    shade, count, note = rows(painted._repr_html_())[14]
    assert count == "1"
    assert "jc-part" in shade
    column = SOURCE.split("\n")[13].index("-sum") + 1
    assert re.search(rf"\bcolumns? {column}\b", note)
    assert f"not run: {note}" in str(painted)
    assert rows(guest.monitor("run", numbers=[2]).source()._repr_html_())[14][2] != note


def test_what_a_colour_says_words_say_too_and_the_guests_text_is_inert(guest: jn.Plugin, tmp_path: Path) -> None:
    r = guest.monitor("run", numbers=[10])
    painted = r.source()
    page = Page(painted._repr_html_())
    assert any(attributes.get("role") == "region" and "tabindex" in attributes for _, attributes in page.tags)
    shown = rows(painted._repr_html_())
    for line, times in BY_HAND.items():
        shade, count, _ = shown[line]
        assert (count == "not run") == (times == 0) == ("jc-missed" in shade)
        assert count == (str(times) or "not run") or not times
        assert ("jc-heat" in shade) == (times > 0)
    assert shown[3][:2] == ("", "")
    assert all(line.isprintable() for line in str(painted).split("\n"))
    assert "alert(1)" in str(painted)
    assert str(pretty(painted)).startswith("guest: ")  # type: ignore[no-untyped-call]
    Page(r.wat()._repr_html_())
    for each in (painted, r.wat()):
        saved = each.save(tmp_path / "page.html").read_text("utf-8")
        assert saved.startswith("<!doctype html>")
        assert each._repr_html_() in saved


def test_a_file_is_chosen_by_its_name(guest: jn.Plugin) -> None:
    r = guest.monitor("run", numbers=[3])
    [file] = {*frame_of(r.source())["file"]}
    assert counts_of(r.source(file)) == counts_of(r.source())
    with pytest.raises(jn.JudiciaError, match="no code is of a file 'other"):
        r.source("other.c")


def test_a_text_that_is_not_at_hand_leaves_the_lines(rt: jn.Runtime, tmp_path: Path) -> None:
    source = tmp_path / "src" / "far.c"
    source.parent.mkdir()
    wasm = with_lines().replace(b"cell.c", b"farr.c")
    assert wasm != with_lines()
    r = rt.load(wasm, name="far", abi="raw").monitor("run", numbers=[10])
    painted = r.source()
    assert counts_of(painted) == BY_HAND
    assert frame_of(painted)["text"].isna().all()
    (source.parent / "farr.c").write_text(SOURCE, "utf-8")
    assert "square(i)" in str(r.source(sources=source.parent))


def test_a_text_that_is_too_short_hides_no_count(rt: jn.Runtime, tmp_path: Path) -> None:
    wasm = with_lines().replace(b"cell.c", b"olds.c")
    (tmp_path / "olds.c").write_text("".join(SOURCE.splitlines(keepends=True)[:6]), "utf-8")
    painted = rt.load(wasm, name="old", abi="raw").monitor("run", numbers=[10]).source(sources=tmp_path)
    assert counts_of(painted) == BY_HAND
    shown = rows(painted._repr_html_())
    assert {line: shown[line][1] for line in (6, 7, 10, 14)} == {6: "11", 7: "10", 10: "not run", 14: "1"}


def test_names_of_functions_are_inert(rt: jn.Runtime) -> None:
    name = r"</pre><img src=x onerror=alert(1)>\1b[31m\e2\80\ae"
    p = rt.load(f'(func (export "{name}") (result i32) (i32.const 1))', name="nasty", abi="raw")
    with p.monitoring() as found:
        pass
    Page(found.wat()._repr_html_())
    assert all(line.isprintable() for line in str(found.wat()).split("\n"))


def test_without_lines_it_is_the_text_of_the_module_and_says_why(rt: jn.Runtime) -> None:
    painted = rt.load(PLAIN, name="plain", abi="raw").monitor("run", numbers=[1]).source()
    assert isinstance(painted, PaintedWat)
    assert "no debug information" in str(painted)
    assert "-g" in painted._repr_html_()


def test_each_instruction_has_its_count(rt: jn.Runtime) -> None:
    p = rt.load(PLAIN, name="plain", abi="raw")
    with p.monitoring(what="coverage") as r:
        run = p.raw("run")
        assert [run(1), run(0), run(1)] == [1, 7, 1]
    lines = [re.sub(" +", " ", line).strip() for line in str(r.wat("run")).split("\n")]
    assert "3 local.get 0" in lines
    assert "2 call $idle" in lines
    assert "1 i32.const 7" in lines
    idle = [re.sub(" +", " ", line).strip() for line in str(r.wat("idle")).split("\n")]
    assert "2 i32.const 1" in idle
    assert "dead unreachable" in idle
    functions = r.wat().functions.set_index("function")
    assert functions["calls"].to_dict() == {"run": 3, "idle": 2, "hidden": 0}
    # the condition and if; call and return; the constant and the function's end
    assert functions["instructions_run"].to_dict() == {"run": 3 * 2 + 2 * 2 + 1 * 2, "idle": 2 * 2, "hidden": 0}
    html = r.wat()._repr_html_()
    Page(html)
    assert html.index("3 calls") < html.index("2 calls") < html.index("· not run")
    with pytest.raises(jn.NoSuchFunction):
        r.wat("missing")


def test_a_trap_is_counted_up_to_where_it_was(rt: jn.Runtime) -> None:
    text = '(module (memory (export "memory") 1) (func (export "f") (param i32) (result i32)\
 (drop (i32.div_s (i32.const 1) (local.get 0))) (i32.const 5)))'
    r = rt.load(text, name="traps", abi="raw").monitor("f", numbers=[0])
    assert r.error is not None
    lines = [re.sub(" +", " ", line).strip() for line in str(r.wat("f")).split("\n")]
    assert "1 i32.div_s" in lines
    assert "not run i32.const 5" in lines


def test_a_monitor_that_counts_no_blocks_names_one_that_does(guest: jn.Plugin) -> None:
    r = guest.monitor("run", numbers=[1], what="memory")
    for paint in (r.source, r.wat):
        with pytest.raises(jn.JudiciaError, match='what="coverage"'):
            paint()


def test_of_several_plugins_one_is_chosen(rt: jn.Runtime, guest: jn.Plugin) -> None:
    plain = rt.load(PLAIN, name="plain", abi="raw")
    with rt.monitoring(guest, plain, what="coverage") as r:
        assert plain.raw("run")(0) == 7
    with pytest.raises(jn.JudiciaError, match="which plugin"):
        r.source()
    assert set(counts_of(r.source(plugin="guest")).values()) == {0}
    assert "calls" not in str(r.wat("idle", plugin="plain"))


def test_where_the_guest_stopped_is_not_known_there_are_no_counts(guest: jn.Plugin, tmp_path: Path) -> None:
    r = guest.monitor("run", numbers=[10])
    r._tallies["guest"]._unknown |= {0, 1}  # as a backtrace that does not tell the place
    painted = r.source()
    assert frame_of(painted)[["count", "instructions_run"]].isna().all(axis=None)
    assert rows(painted._repr_html_())[6] == ("", "NA", "")
    assert "not known" in str(painted)
    assert r.wat().functions["calls"].isna().all()
    assert re.search(r" NA +local.get 0", str(r.wat("run")))
    with pytest.raises(jn.JudiciaError, match="not known where the guest stopped"):
        r.lcov(tmp_path / "a.info")


def test_very_long_sources_are_cut_and_say_so() -> None:
    text = "x" * 300 + "\n"
    counts = {number: LineCount(number, 1, 1, number) for number in range(1, 9000)}
    files = [PaintedFile(f"{number}.c", text * 9000, counts) for number in range(8)]
    html = PaintedSource("long", files)._repr_html_()
    assert len(html) < MOST_HTML + 100_000
    assert html.count("More lines are not shown") == 8
    short = str(pretty(PaintedSource("long", files)))  # type: ignore[no-untyped-call]
    assert short.count("\n") == 400


def test_a_shade_stands_for_counts_that_follow_each_other() -> None:
    for most in (0, 1, 2, 3, 7, 100, 10**6, 2**63):
        ranges = Shades(most).ranges()
        assert [level for level, _, _ in ranges] == list(range(1, len(ranges) + 1))
        assert ranges[0][1] == 1
        assert ranges[-1][2] == max(most, 1)
        assert all(before[2] + 1 == after[1] for before, after in pairwise(ranges))
        assert all(Shades(most).level(count) == level for level, low, high in ranges for count in (low, high))
