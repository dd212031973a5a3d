"""A `Page` stands in for the browser at a panel's comm: everything between comm and plugin is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Page:
    """What a browser is to a panel: it hears what is sent, and says what a click would."""

    comm_id = "page"

    def __init__(self, panel: Any) -> None:
        self.heard: list[dict[str, Any]] = []
        self._ids = 0
        self.panel = panel
        panel.comm = self

    # What a comm is to a widget

    def on_msg(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self._to_kernel = callback

    def send(self, data: dict[str, Any], **_: Any) -> None:
        if data["method"] == "custom":
            self.heard.append(data["content"])

    def close(self) -> None:
        pass

    # What a page does

    def say(self, content: object) -> None:
        self._to_kernel({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def hello(self, view: str = "view") -> None:
        self.say({"type": "hello", "view": view})

    def do(self, op: str, plugin: str = "specimen", **fields: Any) -> dict[str, Any]:
        """Ask for something; the answer."""
        self._ids += 1
        self.say({"type": "do", "id": self._ids, "op": op, "plugin": plugin, **fields})
        return next(one for one in self.heard if one["type"] in ("done", "refused") and one["id"] == self._ids)

    def states(self) -> list[tuple[int, dict[str, Any]]]:
        return [(one["revision"], json.loads(one["state"])) for one in self.heard if one["type"] == "state"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states()[-1][1]

    def capability(self, name: str) -> dict[str, Any]:
        return next(row for row in self.state["capabilities"] if row["name"] == name)

    def quota(self, kind: str) -> dict[str, Any]:
        return next(row for row in self.state["quotas"] if row["kind"] == kind)
