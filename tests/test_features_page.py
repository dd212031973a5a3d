"""The page about features has the tables of the code."""

from __future__ import annotations

from pathlib import Path

from judicia_notebook.engine.compiler import FEATURES
from judicia_notebook.engine.features import OPTIONAL, REFUSED

PAGE = Path(__file__).parents[1] / "docs" / "features.md"


def table(head: str) -> list[list[str]]:
    """The rows under the head whose last column this is."""
    lines = PAGE.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("| ") and head in line) + 2
    rows = []
    while at < len(lines) and lines[at].startswith("|"):
        rows.append([cell.strip() for cell in lines[at].strip("|").split("|")])
        at += 1
    return rows


def test_what_can_be_switched_on() -> None:
    assert table("what is guaranteed") == [list(feature.row().values()) for feature in OPTIONAL.values()]
    assert not any(FEATURES[feature.switch] for feature in OPTIONAL.values())


def test_what_is_off_and_why() -> None:
    assert table("why it cannot") == [[f"`{name}`", reason] for name, reason in REFUSED.items()]
