"""Headers: those a plugin may send, those that go to another origin, and those of an answer that it gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http.limits import HttpLimits
from judicia_notebook.text import printable

USER_AGENT: Final = "judicia-notebook"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HOSTS_OWN: Final = _names(
    # as browsers have it
    "accept-charset accept-encoding access-control-request-headers access-control-request-method connection "
    "content-length cookie cookie2 date dnt expect host keep-alive origin referer set-cookie te trailer "
    "transfer-encoding upgrade via "
    # what servers behind proxies believe
    "forwarded http2-settings x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip "
    "x-http-method x-http-method-override x-method-override"
)
_HOSTS_OWN_PREFIXES: Final = ("proxy-", "sec-")

_GO_ALONG: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})
"""Only these are sent on when a redirect leads to another origin: any other may hold a secret for the first one."""

_OF_THE_BODY: Final = ("content-encoding", "content-language", "content-location", "content-type")

_KEPT_BACK: Final = _names(
    "connection keep-alive proxy-authenticate proxy-authentication-info proxy-connection te trailer "
    "transfer-encoding upgrade set-cookie set-cookie2"
)
"""The plugin does not get these: they are about the connection, or about cookies, which the host does not keep."""


def checked(given: Mapping[str, str], limits: HttpLimits) -> dict[str, str]:
    """The headers that a plugin gives, by their names in small letters.

    Raises
    ------
    ServiceError
    """
    if len(given) > limits.headers:
        raise ServiceError("quota_exceeded", f"field `headers`: {len(given)} headers; at most {limits.headers}")
    size = sum(len(name) + len(value) for name, value in given.items())
    if size > limits.header_bytes:
        raise ServiceError("quota_exceeded", f"field `headers`: {size} bytes together; at most {limits.header_bytes}")
    found: dict[str, str] = {}
    for name, value in given.items():
        key, shown = name.lower(), printable(name, 80)
        if _NAME.fullmatch(name) is None:
            raise ServiceError("bad_request", f"field `headers`: `{shown}` is no header's name")
        if key in _HOSTS_OWN or key.startswith(_HOSTS_OWN_PREFIXES):
            raise ServiceError(
                "bad_request", f"field `headers.{shown}`: the host decides on it; a plugin may not send it"
            )
        if _VALUE.fullmatch(value) is None:
            raise ServiceError("bad_request", f"field `headers.{shown}`: a value is printable ASCII on one line")
        if key in found:
            raise ServiceError("bad_request", f"field `headers.{shown}`: it is there twice")
        found[key] = value.strip(" \t")
    return found


def for_another_origin(given: Mapping[str, str]) -> dict[str, str]:
    """The headers that stay when a redirect leads to another origin."""
    return {name: value for name, value in given.items() if name in _GO_ALONG}


def without_body(given: Mapping[str, str]) -> dict[str, str]:
    """The headers that stay when a redirect turns the request into a GET."""
    return {name: value for name, value in given.items() if name not in _OF_THE_BODY}


def of_answer(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """An answer's headers by their names in small letters; repeated ones are joined by commas."""
    found: dict[str, list[str]] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key not in _KEPT_BACK:
            found.setdefault(key, []).append(value.decode("latin-1"))
    return {key: ", ".join(values) for key, values in found.items()}
