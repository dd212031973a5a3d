"""Names of files as guests write them: which of them the service takes, before any file system sees them.

A path is relative and in one normal form: components with a ``/`` between them; ``""`` and ``"."`` are the plugin's own
root. What could mean another place (``..``, a leading ``/``) or deceive a reader (control and direction characters) is
refused by its text alone.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NoReturn

from judicia_notebook.host.dispatcher import ServiceError

MAX_DEPTH: Final = 16
"""Components of a path."""

MAX_PATH_BYTES: Final = 1024
"""UTF-8 bytes of a path."""

MAX_NAME_BYTES: Final = 255
"""UTF-8 bytes of a component."""

ABSOLUTE: Final = "an absolute path, refused by its text"
CLIMBS: Final = "`..` in the path, refused by its text"
NUL: Final = "a NUL in the path, refused by its text"
"""What the audit says of names that would lead out of the sandbox."""

RESERVED: Final = ".judicia-"
"""What names of the service's own files begin with, in any case."""

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of surrogates, line separators
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def split(path: str) -> tuple[str, ...]:
    """The components of a path; none for the root.

    Raises
    ------
    ServiceError
        ``bad_request``, saying what is wrong with it; with an `escape` where it would lead out of the sandbox.

    Examples
    --------
    >>> split("notes/day 1.txt"), split(".")
    (('notes', 'day 1.txt'), ())
    """
    if path in ("", "."):
        return ()
    size = len(path.encode(errors="replace"))
    if size > MAX_PATH_BYTES:
        _refuse(f"{size} bytes; at most {MAX_PATH_BYTES}", escape(path))
    if path.startswith("/"):
        _refuse("it begins with `/`; paths are relative to the plugin's own root", escape(path))
    parts = tuple(path.split("/"))
    if len(parts) > MAX_DEPTH:
        _refuse(f"{len(parts)} levels; at most {MAX_DEPTH}", escape(path))
    for part in parts:
        _check(part, path)
    return parts


def escape(path: str) -> str:
    """What a path that is refused would lead out of the sandbox by; nothing where it is only malformed.

    Examples
    --------
    >>> escape("notes/../../x"), escape("notes//x")
    ('`..` in the path, refused by its text', '')
    """
    if path.startswith("/"):
        return ABSOLUTE
    if path == ".." or path.startswith("../") or path.endswith("/..") or "/../" in path:
        return CLIMBS
    return NUL if "\0" in path else ""


def _check(part: str, path: str) -> None:
    if part in ("", ".", ".."):
        _refuse("`..`, `.` and empty components are not allowed", escape(path))
    if not allowed(part):
        _refuse("control and direction characters are not allowed", escape(path))
    if (size := len(part.encode())) > MAX_NAME_BYTES:
        _refuse(f"a name of {size} bytes; at most {MAX_NAME_BYTES}", escape(path))
    if is_reserved(part):
        _refuse(f"names that begin with `{RESERVED}` are the platform's", escape(path))


def allowed(name: str) -> bool:
    """Whether a name has none of the refused characters; those of the file system may."""
    return not any(unicodedata.category(char) in _REFUSED or char in _DIRECTIONS for char in name)


def is_reserved(name: str) -> bool:
    """Whether it is a name of the service's own."""
    return name.casefold().startswith(RESERVED)


def _refuse(why: str, escape: str) -> NoReturn:
    raise ServiceError("bad_request", f"field `path`: {why}", escape=escape)
