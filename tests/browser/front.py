"""The moment on the README's first picture: its lines in a notebook, and a permission that is taken away meanwhile.

`tools/draw_front.py` takes the picture there, and writes the texts that can be read in it to docs/front.txt;
`test_front.py` compares those with what the panel says now.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.pages import Notebook, PanelView

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "docs" / "front.txt"
COUNTS = 20  # requests: a second of them
NUMBER = re.compile(r"\d+(?:[.\u00a0\u2009\u202f ]\d+)*(?: (?:[nµm]?s|min|[KM]iB|GiB)\b)?")

VISIBLE = """(root) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const { parentElement: owner, textContent } = walker.currentNode;
    if (textContent.trim() && owner.checkVisibility({ visibilityProperty: true })) texts.push(textContent.trim());
  }
  return texts;
}"""

COUNTED = """(root, [decision, least]) => {
  const counters = root.querySelector("[data-capability=wall_clock] .jd-counters");
  return [...counters.children].some(
    (one) => one.textContent.endsWith(decision) && Number.parseInt(one.textContent) >= least);
}"""


def readme_lines() -> list[str]:
    """The lines of the README's notebook, each a cell here."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"```ipython\n(.*?)```", readme, re.DOTALL)
    return block[1].splitlines() if block else []


async def come_to_the_moment(book: Notebook) -> PanelView:
    """Run the README's lines and wait until the plugin has been denied the clock for a while; it goes on to ask."""
    lines = readme_lines()
    (shown,) = (number for number, line in enumerate(lines) if line.startswith("%plugin panel "))
    for number in range(len(lines)):
        await book.run(number)
        if number == shown:
            panel = book.panel(shown)
            await panel.appear()
        elif number > shown:
            await panel.wait(COUNTED, ["allowed" if number + 1 < len(lines) else "denied", COUNTS])
    await panel.shows("wall_clock", granted=False)
    return panel


async def visible_texts(panel: PanelView) -> list[str]:
    """What can be read in the panel, with `#` for what differs from run to run."""
    return [NUMBER.sub("#", text) for text in await panel.root.evaluate(VISIBLE)]
