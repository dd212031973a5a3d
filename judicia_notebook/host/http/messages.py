"""The part of a request that a plugin sees, and the part of its answer that goes out.

- Both ways, only the headers of a list pass. On the way in this keeps cookies, passwords and proxies' notes about the
  user from the plugin. On the way out it keeps a plugin from setting cookies, clearing the browser's storage, asking
  for a password, or opening the page to other sites.
- A redirect leads to a path on this server. It is written relative to the requested path, so that it also holds behind
  a proxy.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import msgspec

from judicia_notebook.engine import wire
from judicia_notebook.errors import JudiciaError
from judicia_notebook.host.http import paths
from judicia_notebook.host.http.paths import BadPath
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_any_json

if TYPE_CHECKING:
    from judicia_notebook.host.http.limits import HttpLimits

_OWN: Final = "x-judicia-"
"""Names that begin so pass both ways; what they mean is the plugin's business."""

_IN: Final = frozenset(
    (
        *("accept", "accept-charset", "accept-language", "content-language", "content-type", "user-agent"),
        *("if-match", "if-modified-since", "if-none-match", "if-unmodified-since"),
    )
)
_OUT: Final = frozenset(
    (
        *("allow", "cache-control", "content-disposition", "content-language", "content-type", "etag", "expires"),
        *("last-modified", "location", "retry-after", "vary"),
    )
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_WITHOUT_BODY: Final = (204, 205, 304)
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request, by a plugin or in its place.

    Parameters
    ----------
    status : int
    headers : dict
        Names in small letters.
    body : bytes
    error : JudiciaError or None
        Why a plugin gave no answer; a client of `serve` does not see it.

    Examples
    --------
    >>> Response(200, {"content-type": "application/json"}, b"[1]").json()
    [1]
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    error: JudiciaError | None = None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The value of the body's JSON.

        Raises
        ------
        ValueError
            It is no JSON, or more than `parse_any_json` takes.
        """
        return parse_any_json(self.body.decode("utf-8-sig"))


def refusal(status: int, sentence: str, *, error: JudiciaError | None = None, **headers: str) -> Response:
    """An answer in a plugin's place."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": TEXT, **named}, f"{sentence}\n".encode(), error)


# In -----------------------------------------------------------------------------------------------------------------


def passed_on(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those headers of a request that a plugin gets, by their names in small letters."""
    found: dict[str, list[str]] = {}
    for name, value in given:
        key = name.lower()
        if key in _IN or key.startswith(_OWN):
            found.setdefault(key, []).append(value)
    return {key: ", ".join(values) for key, values in found.items()}


def payload(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> bytes:
    """The request of `on_http_request`."""
    said = {"method": method, "path": path, "query": query, "headers": headers}
    if b"\0" not in body:
        with contextlib.suppress(UnicodeDecodeError):
            return wire.encode({**said, "body": body.decode()})
    return wire.encode({**said, "body_base64": base64.b64encode(body).decode()})


# Out ----------------------------------------------------------------------------------------------------------------


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The answer of `on_http_request`."""

    status: int
    headers: dict[str, str] = {}
    body: str | msgspec.UnsetType = msgspec.UNSET
    body_base64: str | msgspec.UnsetType = msgspec.UNSET


def answered(read_json: Callable[[bytes], Any], raw: bytes, path: str, limits: HttpLimits) -> Response:
    """Read a plugin's answer to a request for a path.

    Raises
    ------
    ValueError
        It is no answer; the text says why, for the plugin's author.
    """
    if not raw:
        raise ValueError("it answered nothing")
    try:
        answer = msgspec.convert(read_json(raw), _Answer)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if not 200 <= answer.status <= 599:
        raise ValueError(f"field `status`: from 200 to 599, not {answer.status}")
    body = _body(answer)
    if len(body) > limits.served_answer_bytes:
        raise ValueError(f"field `body`: at most {limits.served_answer_bytes} bytes, not {len(body)}")
    headers = _checked(answer.headers, limits)
    _point(headers, answer.status, path)
    if answer.status in _WITHOUT_BODY:
        return Response(answer.status, headers, b"")
    usual = TEXT if isinstance(answer.body, str) else "application/octet-stream"
    return Response(answer.status, {"content-type": usual, **headers}, body)


def _body(answer: _Answer) -> bytes:
    if isinstance(answer.body, str) and isinstance(answer.body_base64, str):
        raise ValueError("only one of the fields `body` and `body_base64` may be given")
    if isinstance(answer.body, str):
        return answer.body.encode()
    if not isinstance(answer.body_base64, str):
        return b""
    try:
        return base64.b64decode(answer.body_base64, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("field `body_base64`: this is not base64") from None


def _checked(given: Mapping[str, str], limits: HttpLimits) -> dict[str, str]:
    """The headers that go out. Names that are not on the list are left out; an invalid name is an error."""
    if len(given) > limits.served_headers:
        raise ValueError(f"field `headers`: {len(given)} headers; at most {limits.served_headers}")
    size = sum(len(name) + len(value) for name, value in given.items())
    if size > limits.served_header_bytes:
        raise ValueError(f"field `headers`: {size} bytes together; at most {limits.served_header_bytes}")
    found: dict[str, str] = {}
    for name, value in given.items():
        key, shown = name.lower(), printable(name, 80)
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"field `headers`: `{shown}` is no header's name")
        if _VALUE.fullmatch(value) is None:
            raise ValueError(f"field `headers.{shown}`: a value is printable ASCII on one line")
        if key in found:
            raise ValueError(f"field `headers.{shown}`: it is there twice")
        if key in _OUT or key.startswith(_OWN):
            found[key] = value.strip(" \t")
    return found


def _point(headers: dict[str, str], status: int, path: str) -> None:
    """Make a redirect lead where it may, relative to the requested path."""
    location = headers.pop("location", None)
    if status not in _REDIRECTS:
        return
    if location is None:
        raise ValueError("field `headers.location`: a redirect needs this header")
    headers["location"] = relative(path, location)


def relative(path: str, location: str) -> str:
    """A redirect from one path to a place on the same server, written so that no proxy in front of it is left.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> relative("/board/teams/lund", "../?page=2"), relative("/board", "board/"), relative("/board/a", "/board/b")
    ('../?page=2', './board/', './b')
    """
    target, mark, query = location.partition("#")[0].partition("?")
    try:
        if ":" in target.partition("/")[0] or target.startswith("//") or " " in location or "\\" in location:
            raise BadPath("it names another server")
        base = paths.written(path)
        plain = paths.read(urljoin(base, target) if target else base)
    except BadPath as error:
        raise ValueError(f"field `headers.location`: {error}") from None
    return f"{_from(path, plain)}{mark}{query}"


def _from(path: str, plain: str) -> str:
    """A relative reference from one path to another."""
    here, there = path.split("/")[:-1], plain.split("/")
    shared = 0
    while shared < min(len(here), len(there) - 1) and here[shared] == there[shared]:
        shared += 1
    up = "../" * (len(here) - shared)
    return (up or "./") + paths.written("/".join(there[shared:]))
