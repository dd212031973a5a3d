"""What requests may take, those of plugins to servers and those to plugins: bytes both ways, time, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from judicia_notebook.policy.quotas import QuotaKind

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "url_bytes": QuotaKind("bytes", "request", 8 << 10, "a URL, also one that a redirect names"),
        "headers": QuotaKind("headers", "request", 64, "that a plugin gives"),
        "header_bytes": QuotaKind("bytes", "request", 16 << 10, "of all headers that a plugin gives"),
        "body_bytes": QuotaKind("bytes", "request", 1 << 20, "the body that is sent"),
        "answer_header_bytes": QuotaKind("bytes", "answer", 64 << 10, "all that comes before the answer's body"),
        "answer_bytes": QuotaKind("bytes", "answer", 4 << 20, "the answer's body, as it came and unpacked"),
        "redirects": QuotaKind("redirects", "request", 5, "that are followed"),
        "connect_time": QuotaKind("s", "address", 10.0, "until a server takes the connection"),
        "request_time": QuotaKind("s", "request", 30.0, "with all redirects; the call's wall time ends it, too"),
        "routes": QuotaKind("routes", "plugin", 100, "that it may have"),
        "served_url_bytes": QuotaKind("bytes", "request", 8 << 10, "path and query of a request to a plugin"),
        "served_headers": QuotaKind("headers", "request", 64, "of a request to a plugin, and of its answer"),
        "served_header_bytes": QuotaKind("bytes", "request", 16 << 10, "of all these headers"),
        "served_body_bytes": QuotaKind("bytes", "request", 1 << 20, "the body of a request to a plugin"),
        "served_answer_bytes": QuotaKind("bytes", "answer", 4 << 20, "the body that a plugin answers"),
        "served_time": QuotaKind("s", "request", 30.0, "from a request's headers to its answer, through `serve`"),
        "served_at_once": QuotaKind("requests", "server", 8, "that plugins work on; others wait"),
        "served_connections": QuotaKind("connections", "server", 100, "that are open; others are closed at once"),
    }
)
"""Every limit on requests, in the order people read them. Times are seconds, sizes bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; `KINDS` says what each is.

    Examples
    --------
    >>> Limits(redirects=0).redirects, Limits().request_time
    (0, 30.0)
    """

    url_bytes: int = 8 << 10
    headers: int = 64
    header_bytes: int = 16 << 10
    body_bytes: int = 1 << 20
    answer_header_bytes: int = 64 << 10
    answer_bytes: int = 4 << 20
    redirects: int = 5
    connect_time: float = 10.0
    request_time: float = 30.0
    routes: int = 100
    served_url_bytes: int = 8 << 10
    served_headers: int = 64
    served_header_bytes: int = 16 << 10
    served_body_bytes: int = 1 << 20
    served_answer_bytes: int = 4 << 20
    served_time: float = 30.0
    served_at_once: int = 8
    served_connections: int = 100
