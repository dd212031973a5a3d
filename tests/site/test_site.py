"""The site is built of the documents without a warning, holds all of them, and each of its links leads somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.site import build

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


class Links(HTMLParser):
    """What a page refers to, and the places in it that can be referred to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {name for name in (given.get("id"), given.get("name")) if name}
        self.links += [link for name in ("href", "src") if (link := given.get(name))]


def targets(page: Path, links: Links) -> Iterator[tuple[str, Path, str]]:
    """Each link to the site itself: as it is written, the file, and the place in it."""
    for link in links.links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            yield link, file, unquote(parts.fragment)


def test_the_site_has_every_document_and_every_lesson(site: Path) -> None:
    documents = [*(ROOT / "docs").rglob("*.md"), *LESSONS]
    pages = [path.relative_to(ROOT).with_suffix(".html") for path in documents if "_build" not in path.parts]
    assert [page.as_posix() for page in pages if not (site / page).exists()] == []
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")


def test_every_link_of_the_site_leads_to_a_place_that_is_there(site: Path) -> None:
    pages = {page.resolve(): Links(page.resolve()) for page in site.rglob("*.html") if "_static" not in page.parts}
    lost = [
        f"{page.relative_to(site.resolve())}: {link}"
        for page, links in pages.items()
        for link, file, place in targets(page, links)
        if not file.exists() or (place and file in pages and place not in pages[file].places)
    ]
    assert lost == []
    assert sum(len(links.links) for links in pages.values()) > 10_000


def test_one_index_leads_to_every_page_of_the_reference(site: Path) -> None:
    index = (site / "docs" / "reference-index.html").resolve()
    reached = {file for _, file, _ in targets(index, Links(index))}
    pages = "api/index api/errors magics command-line reference columns conversions features sdk gallery platforms"
    assert {(index.parent / f"{name}.html") for name in pages.split()} <= reached
    assert site.resolve() / "judicia_notebook" / "sdk" / "ABI.html" in reached


def test_the_site_describes_what_the_docstrings_say(site: Path) -> None:
    page = (site / "docs" / "api" / "runtime.html").read_text("utf-8")
    assert 'id="judicia_notebook.Plugin.call"' in page
    assert "Cancelling the task cancels the call" in page


def test_lessons_are_shown_as_they_were_saved(site: Path) -> None:
    lesson = json.loads((ROOT / "notebooks" / "01-quickstart.ipynb").read_text("utf-8"))
    outputs = [output for cell in lesson["cells"] for output in cell.get("outputs", ())]
    saved = [line for output in outputs if "text" in output for line in output["text"] if " cpu)" in line]
    assert len(saved) > 1
    page = (site / "notebooks" / "01-quickstart.html").read_text("utf-8")
    assert [line for line in saved if line.strip().split(" · ")[1] not in page] == []


def test_a_page_of_the_site_fetches_nothing(site: Path) -> None:
    fetched = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href|srcset)=\"(?:https?:)?//[^\"]+")
    found = {path.name: match[0] for path in site.rglob("*.html") if (match := fetched.search(path.read_text("utf-8")))}
    assert found == {}


def buttons_of(page: Path) -> list[str]:
    return [unquote(link) for link in Links(page).links if "mybinder" in link]


def test_without_an_address_of_the_repository_there_are_no_launch_buttons(site: Path) -> None:
    assert [page.name for page in (site / "notebooks").rglob("*.html") if buttons_of(page)] == []


def test_with_an_address_a_lesson_can_be_opened_from_its_page(tmp_path: Path) -> None:
    name, address = "notebooks/01-quickstart", "https://forge.example/somebody/notebook"
    alone = ("-D", f"include_patterns={name}.ipynb", "-D", f"root_doc={name}", "-D", f"repository={address}")
    (button,) = buttons_of(build(tmp_path, *alone) / f"{name}.html")
    assert "somebody/notebook" in button
    assert button.endswith(f"/main?urlpath=lab/tree/{name}.ipynb")
