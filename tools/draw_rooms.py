"""Draw the rooms of the package for docs/architecture.md, on light ground and on dark; `--check` only compares.

The order comes from the import contract in pyproject.toml, so the picture cannot show another house than the one that
`make lint` checks. A room without a text here, or a text without a room, is an error.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from tools.generated import write_or_compare

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs"

TEXTS = {
    "__main__": "python -m judicia_notebook",
    "pytest_plugin": "fixtures for tests of plugins",
    "command_line": "a file a command",
    "notebook": "magics, completion, cards · live/: panel, charts, call card",
    "experiments": "bench, profile, trace, sweep: calls made to learn from them",
    "runtime": "plugins by name, pools of instances, a call from request to row",
    "diagnosis": "what this machine gives",
    "languages": "source in a cell to a module",
    "analysis": "frames in, figures, stories and files out",
    "host": "what a plugin can call: the dispatcher, and a folder a service",
    "policy": "what a plugin may do and use: grants, quotas, live changes",
    "engine": "the sandbox: stores, memories, ticks, traps · alone knows Wasmtime",
    "wasm": "what a plugin's file is, byte by byte",
    "errors": "the tree of errors, as data",
    "records": "what happened: packed rows, and the frames read from them",
    "capabilities": "",
    "context": "",
    "reporting": "",
    "text": "",
    "units": "",
}


class Palette(NamedTuple):
    """The colours of one ground."""

    ink: str
    muted: str
    room: str
    line: str
    call: str
    host_call: str


PALETTES = {
    "light": Palette("#1f2328", "#57606a", "#f3f5f8", "#c4ccd6", "#0b62b8", "#a64b00"),
    "dark": Palette("#e6e9ee", "#a3adba", "#262b33", "#475160", "#63b3f7", "#f0a35e"),
}

WIDTH, LEFT, RIGHT, TOP, HEIGHT, GAP = 920, 60, 660, 44, 46, 8
ROW_LANE, CALL_LANE, ASK_LANE, HOST_LANE = 16, 36, 684, 704
GUEST_LEFT, GUEST_RIGHT = 738, 910
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def layers() -> list[list[str]]:
    """The rooms from top to bottom, those of one layer together."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


class Drawing:
    """An SVG that is written piece by piece."""

    def __init__(self, palette: Palette, height: int) -> None:
        self.palette = palette
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" font-family="{FONT}"',
            f'  viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
            "<title>The rooms of judicia_notebook, from top to bottom, and the ways of a call and a host call</title>",
        ]

    def box(self, left: float, top: float, right: float, bottom: float, *, dashed: bool = False) -> None:
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" rx="6" '
            f'fill="{"none" if dashed else self.palette.room}" stroke="{self.palette.line}"{dashes}/>'
        )

    def text(self, x: float, y: float, said: str, colour: str, size: int = 13, more: str = "") -> None:
        self._parts.append(f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{more}>{escape(said)}</text>')

    def way(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A line with an arrow's head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        (before_x, before_y), (x, y) = points[-2:]
        across, along = (x > before_x) - (x < before_x), (y > before_y) - (y < before_y)
        head = [(x, y), *((x - 9 * across - side * along, y - 9 * along - side * across) for side in (4.5, -4.5))]
        self._parts.append(f'<polygon points="{" ".join(f"{x},{y}" for x, y in head)}" fill="{colour}"/>')

    def finished(self) -> str:
        """The file's text."""
        return "\n".join([*self._parts, "</svg>", ""])


def _draw_layer(drawing: Drawing, rooms: list[str], top: float) -> None:
    palette = drawing.palette
    if not any(TEXTS[room] for room in rooms):
        drawing.box(LEFT, top, RIGHT, top + HEIGHT)
        drawing.text(LEFT + 12, top + 28, " · ".join(rooms), palette.ink, more=' font-weight="600"')
        return
    rooms = sorted(rooms, key=lambda room: -len(TEXTS[room]))
    width = (RIGHT - LEFT - GAP * (len(rooms) - 1)) / sum(len(TEXTS[room]) + 12 for room in rooms)
    left = float(LEFT)
    for room in rooms:
        right = left + width * (len(TEXTS[room]) + 12)
        drawing.box(round(left), top, round(right), top + HEIGHT)
        drawing.text(round(left) + 12, top + 20, room, palette.ink, more=' font-weight="600"')
        drawing.text(round(left) + 12, top + 37, TEXTS[room], palette.muted, 12)
        left = right + GAP


def draw(palette: Palette) -> str:
    """The picture as SVG."""
    stack = layers()
    named = {room for layer in stack for room in layer}
    if named != TEXTS.keys():
        sys.exit(f"rooms without a text, or texts without a room: {sorted(named ^ TEXTS.keys())}")
    height = TOP + (HEIGHT + GAP) * len(stack) + 32
    drawing = Drawing(palette, height)
    middle: dict[str, float] = {}
    for number, rooms in enumerate(stack):
        top = TOP + number * (HEIGHT + GAP)
        middle |= dict.fromkeys(rooms, top + HEIGHT / 2)
        _draw_layer(drawing, rooms, top)
    _draw_ways(drawing, middle)
    said = "A room imports only rooms below it. Beside them: sdk/ for plugin authors, plugins/ with the examples."
    drawing.text(LEFT, height - 16, said, palette.muted)
    return drawing.finished()


def _draw_ways(drawing: Drawing, middle: dict[str, float]) -> None:
    """A call on the left, what the guest asks for on the right, so that no two of them cross."""
    palette = drawing.palette
    guest_top, guest_bottom = middle["engine"] - 52, middle["engine"] + 46
    drawing.box(GUEST_LEFT, guest_top, GUEST_RIGHT, guest_bottom, dashed=True)
    drawing.text(GUEST_LEFT + 14, guest_top + 24, "the guest", palette.ink, more=' font-weight="600"')
    drawing.text(GUEST_LEFT + 14, guest_top + 44, "a plugin's code, which", palette.muted, 12)
    drawing.text(GUEST_LEFT + 14, guest_top + 60, "reaches what it imports", palette.muted, 12)

    end = LEFT - 4
    notebook, runtime, engine = middle["notebook"], middle["runtime"], middle["engine"]
    drawing.text(CALL_LANE + 10, 24, "a cell, or a click: one call", palette.call)
    drawing.way([(CALL_LANE, 14), (CALL_LANE, notebook - 8), (end, notebook - 8)], palette.call)
    for above, below in ((notebook, runtime), (runtime, engine)):
        way = [(LEFT, above + 8), (CALL_LANE, above + 8), (CALL_LANE, below - 8), (end, below - 8)]
        drawing.way(way, palette.call)
    drawing.way([(RIGHT, engine + 14), (GUEST_LEFT - 4, engine + 14)], palette.call)

    host, policy, end = middle["host"], middle["policy"], RIGHT + 4
    drawing.text(HOST_LANE + 10, host - 4, "one host call", palette.host_call)
    drawing.way([(GUEST_LEFT, engine - 2), (end, engine - 2)], palette.host_call)
    drawing.way(
        [(RIGHT, engine - 14), (HOST_LANE, engine - 14), (HOST_LANE, host - 8), (end, host - 8)], palette.host_call
    )
    drawing.way([(RIGHT, host + 8), (ASK_LANE, host + 8), (ASK_LANE, policy), (end, policy)], palette.host_call)

    records = middle["records"]
    drawing.way([(LEFT, runtime), (ROW_LANE, runtime), (ROW_LANE, records), (LEFT - 4, records)], palette.muted)
    drawing.text(RIGHT + 14, records + 4, "every call and every host call is a row", palette.muted, 12)


if __name__ == "__main__":
    write_or_compare(
        lambda: {OUT / f"rooms-{ground}.svg": draw(palette) for ground, palette in PALETTES.items()},
        about=__doc__,
        again="python tools/draw_rooms.py",
    )
