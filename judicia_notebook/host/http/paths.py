"""Paths as requests, routes and grants name them, read in one way.

This module refuses, and does not mend, a path that servers, proxies and plugins might read in different ways: dot
segments, segments without a name, escaped slashes, escapes of escapes, backslashes, characters that cannot be seen.
What is left is compared segment by segment, in plain text, and that text is what the plugin gets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import PolicyState

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_HIDDEN_SLASH = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
_MOST_FIELDS = 100
_FOR_JUPYTER = frozenset({"token", "_xsrf"})
"""Fields of a query with which a browser proves to Jupyter who it is; behind its proxy they come along."""


class BadPath(ValueError):
    """Why a text is no path or query that is taken here. The message may go to the client."""


def read(text: str) -> str:
    """A path in plain text.

    Raises
    ------
    BadPath

    Examples
    --------
    >>> read("/scoreboard/team%20a")
    '/scoreboard/team a'
    >>> read("/scoreboard/..%2fjury")
    Traceback (most recent call last):
    judicia_notebook.host.http.paths.BadPath: a slash or backslash is hidden in it
    """
    if not text.startswith("/"):
        raise BadPath("it does not begin with /")
    if _BAD_ESCAPE.search(text):
        raise BadPath("a % is in it that two hexadecimal digits do not follow")
    if "\\" in text or _HIDDEN_SLASH.search(text):
        raise BadPath("a slash or backslash is hidden in it")
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadPath("its escapes are no UTF-8") from None
    if _ESCAPE.search(plain):
        raise BadPath("it is escaped twice")
    if not plain.isprintable() or any(mark in text for mark in " ?#"):
        raise BadPath("a character that cannot be seen, or that belongs in no path, is in it")
    *segments, _ = plain[1:].split("/")
    if "" in segments:
        raise BadPath("a segment without a name is in it")
    if any(segment.partition(";")[0] in (".", "..") for segment in plain.split("/")):
        raise BadPath("segments that are . or .. are in it")
    return plain


def written(plain: str) -> str:
    """A plain path as it is written in a URL.

    Examples
    --------
    >>> written("/scoreboard/team a")
    '/scoreboard/team%20a'
    """
    return quote(plain, safe="/~!$&'()*+,;=:@")


def read_query(text: str) -> dict[str, str]:
    """The fields of a query, without those that are meant for Jupyter.

    Raises
    ------
    BadPath

    Examples
    --------
    >>> read_query("contest=autumn&frozen=&token=secret")
    {'contest': 'autumn', 'frozen': ''}
    """
    if _BAD_ESCAPE.search(text):
        raise BadPath("a % is in the query that two hexadecimal digits do not follow")
    if not text.isprintable() or " " in text:
        raise BadPath("a space or a character that cannot be seen is in the query")
    try:
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise BadPath("the query's escapes are no UTF-8") from None
    except ValueError:
        raise BadPath(f"the query has more than {_MOST_FIELDS} fields") from None
    found = {name: value for name, value in fields if name not in _FOR_JUPYTER}
    if len(found) < sum(name not in _FOR_JUPYTER for name, _ in fields):
        raise BadPath("a field of the query is there twice")
    return found


def beneath(above: str, path: str) -> bool:
    """Whether a path is another one or beneath it, by whole segments.

    Examples
    --------
    >>> beneath("/scores", "/scores/a"), beneath("/scores", "/scoresheet"), beneath("/", "/any")
    (True, False, True)
    """
    start = above.rstrip("/")
    return path == start or path.startswith(f"{start}/")


def may(state: PolicyState, plugin: str, path: str) -> bool:
    """Whether the grants of ``register_routes`` reach a plain path, as the policy is at this moment."""
    if "register_routes" in state.granted and beneath(f"/{plugin}", path):
        return True
    return any(_scope_reaches(scope, path) for scope in state.scopes("register_routes"))


def _scope_reaches(scope: str, path: str) -> bool:
    try:
        return beneath(read(scope), path)
    except BadPath:  # no path is beneath it
        return False
