"""The address at which the user's browser reaches a server of this kernel's: on this machine, or through a hub.

On a JupyterHub the browser runs on another machine, and Jupyter's own proxy leads to ports here. Its pages have the
hub's own address. Then only the sandbox keeps a page from the user's login, and the link's card says so.
"""

from __future__ import annotations

import html
import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from judicia_notebook.text import INERT_CLASSES

if TYPE_CHECKING:
    from judicia_notebook.host.http.server import Listener

_PREFIX: Final = "JUPYTERHUB_SERVICE_PREFIX"
_MOST_LINKS: Final = 20
WARNING: Final = (
    "Pages that plugins serve come from the hub's own address. Only the sandbox in its headers keeps a plugin's page "
    "from what you are logged in to: open it in an up-to-date browser, and only for plugins that you trust that far."
)
MISSING: Final = (
    "On this hub what plugins serve is reached from notebooks only. A browser gets there through jupyter-server-proxy: "
    "python -m pip install jupyter-server-proxy, and a new server."
)


def on_hub() -> bool:
    """Whether this kernel runs behind a JupyterHub."""
    return bool(os.environ.get(_PREFIX))


def proxy_path() -> str:
    """The path at which Jupyter's proxy has this kernel's ports, but for the port; empty where there is none.

    Examples
    --------
    >>> proxy_path() if not on_hub() else ""
    ''
    """
    prefix = os.environ.get(_PREFIX, "")
    if not prefix or importlib.util.find_spec("jupyter_server_proxy") is None:
        return ""
    return f"{prefix.rstrip('/')}/proxy/"


class Server:
    """A server that `HttpService.serve` started; it also ends with the runtime, or a ``with`` block.

    Attributes
    ----------
    url : str
        Its address on this machine, with a slash at the end.
    """

    def __init__(self, listener: Listener, pages: Callable[[], list[str]]) -> None:
        self._listener = listener
        self._pages = pages
        self.url = f"http://127.0.0.1:{listener.port}/"

    @property
    def port(self) -> int:
        """The port that it listens on, of 127.0.0.1."""
        return self._listener.port

    @property
    def link(self) -> str:
        """The address for a browser: `url`, or a path on the hub."""
        behind = self._listener.behind
        return f"{behind}/" if behind else self.url

    @property
    def links(self) -> tuple[str, ...]:
        """Where plugins answer a browser now."""
        return tuple(f"{self.link}{page[1:]}" for page in self._pages())

    @property
    def is_open(self) -> bool:
        """Whether it takes requests."""
        return self._listener.is_open

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers it gave, by their status."""
        return self._listener.statuses

    def close(self) -> None:
        """Take no more requests, and end those there are."""
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _note(self) -> str:
        if self._listener.behind:
            return WARNING
        return MISSING if on_hub() else ""

    def __repr__(self) -> str:
        if not self.is_open:
            return f"<Server, closed, was at {self.url}>"
        return "\n".join([f"<Server at {self.link}>", *self.links[:_MOST_LINKS], *filter(None, [self._note])])

    def _repr_html_(self) -> str:
        if not self.is_open:
            return html.escape(repr(self))
        lines = [
            f"Plugins are served at <code>{html.escape(self.link)}</code>",
            *map(_anchor, self.links[:_MOST_LINKS]),
        ]
        note = f"<p>{html.escape(self._note)}</p>" if self._note else ""
        return f'<div class="{INERT_CLASSES}"><p>{"<br>".join(lines)}</p>{note}</div>'


def _anchor(link: str) -> str:
    """A link that does not tell the page which page linked to it."""
    shown = html.escape(link)
    return f'<a href="{shown}" target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer">{shown}</a>'
