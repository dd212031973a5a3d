"""Draw the README's first picture, and write the texts in it to docs/front.txt.

Run it after changing how the panel looks, or the README's lines::

    python tools/draw_front.py                # needs `[dev]` and a Chromium
    python tools/draw_front.py --out FOLDER

A JupyterLab of its own runs the lines of the README, and Chromium takes the picture of the panel while the plugin is
being denied what it had: light and dark, for wide windows and for narrow ones. The numbers differ from run to run, so
the pictures do as well; tests/browser/test_front.py compares the texts with the panel's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.async_api import async_playwright

from tests.browser.front import TEXTS, come_to_the_moment, readme_lines, visible_texts
from tests.browser.lab import Lab
from tests.browser.pages import Notebook, PanelView, Window, start_browser

WIDTHS = {"": 1200, "-narrow": 740}  # of the window; the panel is 180 narrower
SHARPNESS = 2  # pixels of the picture for one of the page
FLASHES = """(root) => root.getAnimations({ subtree: true }).some(
  (one) => one.animationName === "jd-flash" && one.currentTime < 60)"""  # it has just been denied again


async def draw(lab: Lab, folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await start_browser(playwright)
        page = await browser.new_page(device_scale_factor=SHARPNESS)
        window = Window(page, lab)
        await window.load()
        book = Notebook(window)
        await book.open("7.3", tuple(readme_lines()))
        panel = await come_to_the_moment(book)
        for size, width in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": 1400})
            for ground in ("light", "dark"):
                await take_picture(window, panel, ground, folder / f"front{size}-{ground}.png")
        (folder / TEXTS.name).write_text("\n".join(await visible_texts(panel)) + "\n", "utf-8")
        await book.close()
        await browser.close()


async def take_picture(window: Window, panel: PanelView, ground: str, path: Path) -> None:
    await window.command("apputils:change-theme", theme=f"JupyterLab {ground.title()}")
    await panel.wait("(root, dark) => root.classList.contains('jd-dark') === dark", ground == "dark")
    await panel.wait(FLASHES)
    print(f"{path.name}: {len(await panel.root.screenshot(path=path))} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=TEXTS.parent)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        try:
            asyncio.run(draw(lab, given.out))
        finally:
            lab.close()


if __name__ == "__main__":
    main()
