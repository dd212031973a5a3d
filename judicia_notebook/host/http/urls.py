"""URLs as requests and grants name them, read so strictly that no other program can read another host in them.

This module refuses, and does not mend, a URL that could mean two things: user and password, spaces, control characters
and backslashes, numbers that are IPv4 addresses only by old habit (``127.1``, ``0x7f000001``, ``2130706433``), a dot at
the host's end, other alphabets' dots, dot segments in the path. The service connects, sends and compares grants with
the `Url` made here, never with the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, unquote, urljoin

from judicia_notebook.host.http.addresses import Address

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import PolicyState

PORTS: Final = {"http": 80, "https": 443}

_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HIDDEN_SLASH = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
_DEEPEST_ESCAPES: Final = 4
_LONGEST_NAME: Final = 253


class BadUrl(ValueError):
    """Why a text is no URL that is taken here; the text is fit for a guest."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL, taken apart.

    Parameters
    ----------
    scheme : str
        ``http`` or ``https``.
    host : str
        In ASCII and small letters; an IPv6 address without brackets.
    address : Address or None
        Where the host is not a name.
    port : int
    path, query : str
        In ASCII, as they are sent; the query with its question mark.
    """

    scheme: str
    host: str
    address: Address | None
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """``host[:port]``, as in the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, as a grant names it."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.origin}{self.path}{self.query}"


@lru_cache(maxsize=256)
def parse(text: str) -> Url:
    """Read a URL.

    Raises
    ------
    BadUrl

    Examples
    --------
    >>> url = parse("https://Example.org:8443/a?b#c")
    >>> url.host, url.port, str(url)
    ('example.org', 8443, 'https://example.org:8443/a?b')
    """
    if not is_plain(text):
        raise BadUrl("a space, a backslash or a character that cannot be seen is in it")
    match = _URL.fullmatch(text)
    if match is None:
        raise BadUrl("it begins neither with http:// nor with https://")
    scheme, authority, path, query = match[1].lower(), match[2], match[3], match[4] or ""
    if "@" in authority:
        raise BadUrl("a user or a password is in it")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise BadUrl("its host or its port cannot be read")
    port = PORTS[scheme] if parts[2] is None else int(parts[2])
    if not 0 < port < 65536:
        raise BadUrl(f"its port is from 1 to 65535, not {port}")
    host, address = _host(parts[1])
    if _BAD_ESCAPE.search(path + query):
        raise BadUrl("a % is in it that two hexadecimal digits do not follow")
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise BadUrl("its path has segments that are . or ..")
    return Url(scheme, host, address, port, _ascii(path or "/"), _ascii(query))


def joined(base: Url, location: str) -> Url:
    """Where a redirect from one URL leads.

    Raises
    ------
    BadUrl
    """
    if not is_plain(location):  # looked at before anything is joined, which drops some of it
        raise BadUrl("a space, a backslash or a character that cannot be seen is in it")
    try:
        return parse(urljoin(str(base), location))
    except BadUrl:
        raise
    except ValueError:
        raise BadUrl("it cannot be read") from None


def is_plain(text: str) -> bool:
    """Whether each character can be seen and means one thing in a URL."""
    return all(char.isprintable() and not char.isspace() and char != "\\" for char in text)


def reach(state: PolicyState, url: Url) -> Literal["denied", "public", "address"]:
    """What the grants of ``network_access`` allow for a URL.

    ``public``: connections to the public addresses of its host. ``address``: a grant names the URL's own address, so
    that address may be private. A grant without a scope is for the ports that http and https usually have.
    """
    found: Literal["denied", "public", "address"] = "denied"
    for scope in state.scopes("network_access"):
        try:
            granted = parse(scope)
        except BadUrl:  # such a scope fits no URL
            continue
        if (granted.scheme, granted.host, granted.port) == (url.scheme, url.host, url.port) and _beneath(granted, url):
            if url.address is not None:
                return "address"
            found = "public"
    if "network_access" in state.granted and url.port == PORTS[url.scheme]:
        found = "public"
    return found


def _host(text: str) -> tuple[str, Address | None]:
    if text.startswith("["):
        try:
            if "%" in text:
                raise AddressValueError
            six = IPv6Address(text[1:-1])
        except AddressValueError:
            raise BadUrl("its host is no IPv6 address") from None
        return str(six), six
    host = text.lower() if text.isascii() else _punycode(text)
    if _NAME.fullmatch(host) is None:
        raise BadUrl("its host is neither a name nor an address")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) is None:
        return host, None
    try:
        four = IPv4Address(host)
    except AddressValueError:
        raise BadUrl("its host is a number, and not an IPv4 address in its usual form") from None
    return str(four), four


def _punycode(text: str) -> str:
    import idna

    if len(text) > _LONGEST_NAME or not set(text).isdisjoint("。．｡"):  # the package takes these for dots
        raise BadUrl("its host is neither a name nor an address")
    try:
        return idna.encode(text).decode().lower()
    except UnicodeError:
        raise BadUrl("its host is neither a name nor an address") from None


def _ascii(text: str) -> str:
    return quote(text, safe="%/?:@!$&'()*+,;=[]|~")


def _beneath(granted: Url, url: Url) -> bool:
    """Whether a URL's path is the granted one or beneath it, segment by segment."""
    above = _segments(granted.path.rstrip("/"))
    if above == ("",):
        return True
    below = _segments(url.path)
    return above is not None and below is not None and below[: len(above)] == above


def _segments(path: str) -> tuple[str, ...] | None:
    """A path's segments as the server will see them; None where servers differ on where it leads."""
    for _ in range(_DEEPEST_ESCAPES):
        if _HIDDEN_SLASH.search(path):
            return None
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    else:
        return None
    segments = tuple(path[1:].split("/"))
    if not is_plain(path.replace(" ", "")) or any(segment.partition(";")[0] in (".", "..") for segment in segments):
        return None
    return segments
