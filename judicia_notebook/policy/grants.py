"""Grants as text: which there are, how each is written, and what a manifest asks for of them.

Knows text alone. Whether a plugin is granted anything is the business of `judicia_notebook.policy.policy`.

- `parse_grant` reads what a user types, and refuses every text that is no grant. An empty scope is refused: it is no
  way to write a grant without a scope.
- `read_requests` reads what a manifest asks for. A manifest is a claim of the plugin's author, so nothing in it is
  an error here: a scope that cannot be granted is kept apart with the reason, to be shown and never granted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from judicia_notebook.capabilities import CAPABILITIES, expand
from judicia_notebook.errors import PolicyError
from judicia_notebook.text import did_you_mean, printable

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PATTERN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*{1,2})?|\*{1,2}")
_IMPORT = re.compile(r"(?=.{2,600}$)[A-Za-z0-9_.:/@%~-]*\.[A-Za-z0-9_.:/@%~-]*")
_ALIAS = re.compile(r"(/[^\0@]*)@([a-z][a-z0-9_-]*)")


def _is_url(scope: str) -> bool:
    try:
        parts = urlsplit(scope)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not parts.query
        and not parts.fragment
        and "@" not in parts.netloc
        and not re.search(r"[\s*\\]", scope)
    )


_SCOPES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    **dict.fromkeys(("read_database", "write_database"), ("table names, comma-separated", _IDENTIFIER.fullmatch)),
    **dict.fromkeys(("emit_event", "subscribe_events"), ("a pattern such as contest.*", _PATTERN.fullmatch)),
    "network_access": ("scheme://host[:port][/path]", _is_url),
    **dict.fromkeys(("read_files", "write_files"), ("/host/folder@alias", _ALIAS.fullmatch)),
    **dict.fromkeys(("read_shared_memory", "write_shared_memory"), ("region names", _IDENTIFIER.fullmatch)),
    "register_routes": ("path prefixes such as /scores", re.compile(r"/[^\s?#]*").fullmatch),
    "imports": ("module.name, such as env.now", _IMPORT.fullmatch),
}
SCOPE_SHAPES: Final[Mapping[str, str]] = {name: shape for name, (shape, _) in _SCOPES.items()}
"""The form of a scope, for each capability that takes one."""
_LISTS = frozenset({"read_database", "write_database", "read_shared_memory", "write_shared_memory"})


def parse_grant(text: str) -> tuple[str, ...]:
    """One or more grant strings, checked and in their one normal form.

    Raises
    ------
    PolicyError
        An unknown capability, or a scope that does not fit it.

    Examples
    --------
    >>> parse_grant("read_database=submissions,users"), parse_grant("file_storage")
    (('read_database=submissions', 'read_database=users'), ('read_files', 'write_files'))
    """
    if not isinstance(text, str):
        raise PolicyError(f"A grant is text such as 'wall_clock' or 'read_database=submissions', not {text!r}.")
    name, equals, scope = text.strip().partition("=")
    parsed: list[str] = []
    for capability in expand(name):
        if capability not in CAPABILITIES:
            raise PolicyError(f"There is no capability {name!r}.{did_you_mean(name, CAPABILITIES)}")
        if not equals:
            parsed.append(capability)
            continue
        scopes = scope.split(",") if capability in _LISTS else [scope]
        parsed.extend(f"{capability}={_check_scope(capability, piece.strip())}" for piece in scopes)
    return tuple(parsed)


def is_grant(text: str) -> bool:
    """Whether a text is one grant in its normal form, as `parse_grant` gives it: only such a text is ever suggested.

    Examples
    --------
    >>> is_grant("register_routes=/scores"), is_grant("register_routes=/x network_access")
    (True, False)
    """
    try:
        return parse_grant(text) == (text,)
    except PolicyError:
        return False


def parse_grants(texts: Iterable[str]) -> tuple[str, ...]:
    """Several grant strings, checked and in their normal form, each once.

    Raises
    ------
    PolicyError
    """
    _check_texts(texts)
    return tuple(dict.fromkeys(grant for text in texts for grant in parse_grant(text)))


def _check_texts(texts: Iterable[str]) -> None:
    """Refuse a dict, such as `Policy.grants`: of that only the capabilities would be read, and without their scopes."""
    if isinstance(texts, Mapping):
        raise PolicyError("Grants are texts such as 'read_database=submissions', not a dict of capabilities.")


def _check_scope(capability: str, scope: str) -> str:
    if capability not in _SCOPES:
        raise PolicyError(f"{capability} takes no scope, so {capability}={scope} means nothing; grant {capability!r}.")
    shape, fits = _SCOPES[capability]
    if not fits(scope):
        raise PolicyError(f"{capability}={scope}: the scope must be {shape}.")
    return scope


def capability_of(grant: str) -> str:
    """The capability of a grant, whatever its scope.

    Examples
    --------
    >>> capability_of("read_database=submissions"), capability_of("random")
    ('read_database', 'random')
    """
    return grant.partition("=")[0]


def import_scope(module: str, name: str) -> str:
    """The scope of a function that a module imports, and of no other: the first dot ends the module's name.

    What could not stand in a grant is percent-encoded, and so are the dots of the module's name.

    Examples
    --------
    >>> import_scope("env", "now"), import_scope("a.b", "c"), import_scope("a", "b.c")
    ('env.now', 'a%2Eb.c', 'a.b.c')
    >>> import_scope("rb-js", "eval(code: string)")
    'rb-js.eval%28code%3A%20string%29'
    """
    return f"{quote(module, safe='/@').replace('.', '%2E')}.{quote(name, safe='./@')}"


def is_unscoped(grant: str) -> bool:
    """Whether a grant leaves out a scope that its capability could take: the widest there is of it.

    Examples
    --------
    >>> is_unscoped("network_access"), is_unscoped("network_access=https://example.org"), is_unscoped("random")
    (True, False, False)
    """
    return grant in SCOPE_SHAPES


class Requests(NamedTuple):
    """What a manifest asks for: the grants, in normal form, and texts that are no grants, each with the reason."""

    grants: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All of it, to be shown."""
        return (*self.grants, *(f"{text} (not a scope that can be granted: {why})" for text, why in self.refused))

    def of(self, capability: str) -> tuple[str, ...]:
        """The grants of one capability that it asks for."""
        return tuple(grant for grant in self.grants if capability_of(grant) == capability)


def read_requests(texts: Iterable[str]) -> Requests:
    """What the capabilities in a manifest ask for.

    Examples
    --------
    >>> requests = read_requests(["random", "read_database=a,b", "read_database=a b"])
    >>> requests.grants
    ('random', 'read_database=a', 'read_database=b')
    >>> requests.refused
    (('read_database=a b', 'it must be table names, comma-separated'),)
    """
    grants: dict[str, None] = {}
    refused: dict[str, str] = {}
    for text in texts:
        try:
            grants.update(dict.fromkeys(parse_grant(text)))
        except PolicyError:
            shape = SCOPE_SHAPES.get(capability_of(text))
            refused[printable(text, 80)] = f"it must be {shape}" if shape else "there is none"
    return Requests(tuple(grants), tuple(refused.items()))
