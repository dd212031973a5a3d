"""The row of a piece that knows whether a kernel answers: stock widgets draw a saved state as if it still held."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import msgspec

from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.widget import answer_where_asked, page_of


@functools.cache
def _answering() -> type[Any]:
    import traitlets
    from anywidget import AnyWidget

    class Answering(AnyWidget):
        """Answers its page, whatever that says, that the kernel is there."""

        _esm = page_of("answering")
        _css = (files(__package__) / "answering.css").read_text("utf-8")
        snapshot = traitlets.Unicode().tag(sync=True)

        def __init__(self, snapshot: str) -> None:
            super().__init__(snapshot=snapshot)
            self.on_msg(lambda *_: self.send(msgspec.to_builtins(messages.Beat())))
            answer_where_asked(self.comm)

    return Answering


def make_answering(snapshot: str) -> Any:
    """The row; `snapshot` is the name of the piece's snapshot, which it takes out of sight."""
    return _answering()(snapshot)
