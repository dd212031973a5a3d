"""The flame graph as HTML: what is in it, and what can not be."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from judicia_notebook.analysis.profiles.flame_page import MOST_BOXES
from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import Frame, Sample


class Boxes(HTMLParser):
    """The boxes of a page, with their text; and every tag there is."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.boxes: list[tuple[dict[str, str | None], str]] = []
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(found[name]) for name in ("src", "href") if name in found]
        self._open = found.get("role") == "treeitem"
        if self._open:
            self.boxes.append((found, ""))

    def handle_data(self, data: str) -> None:
        if self._open:
            self.boxes[-1] = (self.boxes[-1][0], data)
            self._open = False


def test_a_box_is_as_wide_as_its_share_and_below_the_one_that_called_it(profile: Profile) -> None:
    places = {
        (text, attrs["aria-level"], attrs["data-left"], attrs["data-width"])
        for attrs, text in Boxes(profile.flame_graph().html()).boxes
    }
    assert places == {
        ("checker.check", "1", "0.0000", "100.0000"),
        ("check", "2", "0.0000", "100.0000"),
        ("checker::judge", "3", "0.0000", "90.0000"),
        ("<b>compare & co</b>", "4", "0.0000", "40.0000"),
        ("<b>compare & co</b>", "5", "0.0000", "20.0000"),
        ("judicia:clock now", "4", "40.0000", "20.0000"),
    }


def test_each_box_says_its_times_without_any_script(profile: Profile) -> None:
    titles = [attrs["title"] for attrs, _ in Boxes(profile._repr_html_()).boxes]
    assert "checker::judge: 9 ms, 90.0 %, 3 ms in itself, 3 samples" in titles
    assert "judicia:clock now (host): 2 ms, 20.0 %" in titles


def test_names_of_the_guest_stay_text(profile: Profile) -> None:
    evil = "</div></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover='alert(1)"
    attacked = Profile(evil, evil, "", 1, (Sample(0.0, (Frame(evil, evil),), 1.0),), 1.0, 0.0)
    page = Boxes(attacked.flame_graph().page())
    usual = Boxes(profile.flame_graph().page())
    assert page.tags.count("script") == usual.tags.count("script") == 1
    assert "img" not in page.tags
    assert {name for attrs, _ in page.boxes for name in attrs} == {name for attrs, _ in usual.boxes for name in attrs}
    assert page.boxes[1][1] == evil


def test_boxes_name_their_lines_and_that_they_were_inlined(with_lines: Profile) -> None:
    page = with_lines.flame_graph().html()
    assert '>main <span class="jf-line">a.c:9</span></div>' in page
    assert re.search(r'jf-inlined" title="leaf \(inlined\): 6 ms, 60.0 %, 1 sample; at b/&lt;i&gt;.h:2 100%"', page)
    assert '>leaf <span class="jf-line">b/&lt;i&gt;.h:2 inlined</span></div>' in page
    assert 'title="main: 10 ms, 100.0 %, 3 ms in itself, 3 samples; at a.c:9 70%, a.c:11 30%"' in page
    assert "<td>b/&lt;i&gt;.h:2</td><td>leaf (inlined)</td><td><code>x &amp; y</code></td>" in page


def test_a_page_fetches_nothing(profile: Profile, tmp_path: Path) -> None:
    path = profile.flame_graph().save(tmp_path / "x.html")
    text = path.read_text("utf-8")
    assert Boxes(text).addresses == []
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp", text)


def test_two_graphs_of_one_notebook_do_not_meet(profile: Profile) -> None:
    graph = profile.flame_graph()
    identities = [re.search(r'id="(judicia-flame-\w+)"', graph.html()) for _ in range(2)]
    first, second = (found.group(1) for found in identities if found)
    assert first != second


def test_very_many_boxes_are_bounded_and_counted() -> None:
    samples = tuple(
        Sample(0.0, (Frame("top", "p"), Frame(f"f{n % 900}", "p"), Frame(f"g{n}", "p")), 1.0) for n in range(9000)
    )
    page = Profile("p", "f", "", 1, samples, 9000.0, 0.0).flame_graph().html()
    assert len(Boxes(page).boxes) <= MOST_BOXES
    assert "Too narrow to see" in page


def test_an_empty_profile_says_so(empty: Profile) -> None:
    assert "No sample was taken." in empty._repr_html_()
