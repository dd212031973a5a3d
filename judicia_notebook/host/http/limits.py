"""The limits of requests, from plugins to servers and to plugins: bytes both ways, time, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.policy.limits import LimitTable, limit

_TOO_LONG_HEADERS = "status 431 (or 400); for an answer 502"


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits in force; ``routes`` and ``served_*`` are about requests to plugins. Times are seconds, sizes bytes.

    Examples
    --------
    >>> HttpLimits(redirects=0).redirects, HttpLimits().request_time
    (0, 30.0)
    """

    url_bytes: int = limit(8 << 10, "bytes", "request", "a URL, also one that a redirect names")
    headers: int = limit(64, "headers", "request", "that a plugin gives")
    header_bytes: int = limit(16 << 10, "bytes", "request", "of all headers that a plugin gives")
    body_bytes: int = limit(1 << 20, "bytes", "request", "the body that is sent")
    answer_header_bytes: int = limit(
        64 << 10,
        "bytes",
        "answer",
        "all that comes before the answer's body, answers with status 1xx included",
        beyond="`quota_exceeded` or `failed`",
    )
    answer_bytes: int = limit(4 << 20, "bytes", "answer", "the answer's body, as it came and unpacked")
    redirects: int = limit(5, "redirects", "request", "that are followed", beyond="`failed`")
    connect_time: float = limit(
        10.0, "s", "address", "until a server takes the connection", beyond="the next address, then `failed`"
    )
    request_time: float = limit(
        30.0, "s", "request", "with all redirects; the call's wall time ends it, too", beyond="`timeout`"
    )
    routes: int = limit(100, "routes", "plugin", "that it may have")
    served_url_bytes: int = limit(
        8 << 10, "bytes", "request", "path and query of a request to a plugin", beyond="status 414"
    )
    served_headers: int = limit(
        64, "headers", "request", "of a request to a plugin, and of its answer", beyond=_TOO_LONG_HEADERS
    )
    served_header_bytes: int = limit(16 << 10, "bytes", "request", "of all these headers", beyond=_TOO_LONG_HEADERS)
    served_body_bytes: int = limit(
        1 << 20, "bytes", "request", "the body of a request to a plugin", beyond="status 413"
    )
    served_answer_bytes: int = limit(4 << 20, "bytes", "answer", "the body that a plugin answers", beyond="status 502")
    served_time: float = limit(
        30.0,
        "s",
        "request",
        "from a request's headers to its answer, waiting included, through `serve`; the plugin's quotas end it, too",
        beyond="status 408 or 504",
    )
    served_at_once: int = limit(8, "requests", "server", "that plugins work on", beyond="it waits")
    served_connections: int = limit(100, "connections", "server", "that are open", beyond="it is closed at once")


KINDS: Final = LimitTable(HttpLimits, "http", "HTTP requests")
