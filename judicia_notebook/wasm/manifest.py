"""What a plugin says of itself: read from its file, or from beside it, without compiling or running it.

A manifest is a claim, not a right. What it asks for in `capabilities` and `quota` is shown to the user and weighed by
the policy; nothing here grants anything, and nothing here knows what a scope or a quota means.

- It stands in the custom section ``judicia.manifest`` (JSON), or in ``plugin.toml`` beside the file. Without either,
  all that is known is a name derived from the file's.
- From either source, it ends up as plain dicts and lists that go through the same checks. Each check knows its
  place, so that an error names the file, the field, what was expected and what was given.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, get_args

import msgspec

from judicia_notebook.capabilities import ALIASES, CAPABILITIES, expand
from judicia_notebook.errors import ManifestError
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.strict_parsing import INTEGERS, MAXIMUM_DEPTH, parse_json, parse_toml, read_regular_file

SECTION: Final = "judicia.manifest"
FILE: Final = "plugin.toml"
MAXIMUM_BYTES: Final = 1 << 20
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""What a plugin's name matches in full: it stands before the dot in NAME.FUNCTION."""

PluginType = Literal["contest", "problem", "utility"]
Origin = Literal["section", "plugin.toml", "derived"]


class FunctionInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest's entry for one function: a line for people, and JSON Schemas of its request and its answer."""

    description: str = ""
    request: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plugin says of itself.

    Attributes
    ----------
    name : str
        Of ``a-z 0-9 _ -``, beginning with a letter, at most 64 characters: what stands before the dot in NAME.FUNCTION.
    version : str
        Such as ``1.2.0`` or ``1.2.0-rc.1``.
    author, description : str
    plugin_type : {"contest", "problem", "utility"}
    capabilities : tuple of str
        What it asks for, each ``capability`` or ``capability=scope``; aliases are replaced by what they stand for.
    quota : dict
        Kind to value as written, for the policy to read.
    http_routes : tuple of str
        Each ``/path`` or ``METHOD /path``.
    subscriptions : tuple of str
        Event patterns, such as ``contest.*``.
    functions : dict of str to FunctionInfo
    config : dict
        Defaults of the config that `on_initialize` gets.
    abi : int
        The version of the ABI it is written for.
    toolchain : str
        What it was compiled with.
    """

    name: str
    version: str = "0.0.0"
    author: str = ""
    description: str = ""
    plugin_type: PluginType = "utility"
    capabilities: tuple[str, ...] = ()
    quota: dict[str, str | int | float] = {}
    http_routes: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    functions: dict[str, FunctionInfo] = {}
    config: dict[str, Any] = {}
    abi: int = 1
    toolchain: str = ""


def read_manifest(module: ModuleInfo, path: Path | None = None) -> tuple[Manifest, Origin]:
    """The manifest of a module, and where it was found.

    Parameters
    ----------
    module : ModuleInfo
    path : Path or None
        The module's file, beside which ``plugin.toml`` may stand; None when it came as bytes.

    Raises
    ------
    ManifestError
        The manifest is wrong, or the module has two.
    """
    found = module.custom(SECTION)
    if len(found) > 1:
        raise ManifestError(f"there are {len(found)} custom sections `{SECTION}`, and one is allowed")
    if found:
        return from_section(found[0]), "section"
    if path is not None and (data := _read_if_there(path.parent / FILE)) is not None:
        return from_toml(data, FILE), "plugin.toml"
    return derived(path.stem if path is not None else ""), "derived"


def from_section(data: bytes | memoryview) -> Manifest:
    """The manifest in a custom section's content: JSON.

    Raises
    ------
    ManifestError

    Examples
    --------
    >>> from_section(b'{"name": "checker", "version": "1.2.0"}').version
    '1.2.0'
    """
    source = f"section {SECTION}"
    if len(data) > MAXIMUM_BYTES:
        raise ManifestError(f"has {len(data)} bytes, and {MAXIMUM_BYTES} are allowed", source=source)
    return _parse(parse_json, data, source)


def from_toml(text: str | bytes, source: str = FILE) -> Manifest:
    """The manifest in a TOML text; `source` names it in errors.

    Raises
    ------
    ManifestError

    Examples
    --------
    >>> from_toml('''name = "checker"
    ... capabilities = ["netwrok_access"]''')
    Traceback (most recent call last):
    judicia_notebook.errors.ManifestError: plugin.toml: field `capabilities[0]`: unknown capability 'netwrok_access'...
    """
    if len(text) > MAXIMUM_BYTES:
        raise ManifestError(f"is larger than the {MAXIMUM_BYTES} bytes that are read", source=source)
    return _parse(parse_toml, text, source)


def derived(name: str = "") -> Manifest:
    """The manifest of a plugin that says nothing of itself: the nearest valid name, and the defaults.

    Examples
    --------
    >>> derived("My Checker (2)").name, derived("2048").name, derived().name
    ('my-checker-2', 'plugin-2048', 'plugin')
    """
    plain = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")
    if plain and not plain[0].isalpha():
        plain = f"plugin-{plain}"
    return Manifest(name=plain[:64].rstrip("-_") or "plugin")


def from_value(value: Manifest | Mapping[str, Any] | str | os.PathLike[str]) -> Manifest:
    """A manifest given by hand: a dict of its fields, a `Manifest`, or the path of a ``.toml`` or ``.json`` file.

    Raises
    ------
    ManifestError

    Examples
    --------
    >>> from_value({"name": "checker", "capabilities": ["file_storage"]}).capabilities
    ('read_files', 'write_files')
    """
    if isinstance(value, Manifest):
        return _from_document(msgspec.structs.asdict(value), "manifest")
    if isinstance(value, Mapping):
        return _from_document(value, "manifest")
    if not isinstance(value, str | os.PathLike):
        _Place("manifest").expected("a dict, a Manifest or the path of a file", value)
    # A user that names a file means the file it links to; only a plugin.toml beside a stranger's may not be a link.
    path = Path(value).resolve()
    data = _read_if_there(path)
    if data is None:
        raise ManifestError("there is no such file", source=path.name)
    return _parse(parse_json if path.suffix == ".json" else parse_toml, data, path.name)


def _parse(parser: Callable[[Any], Any], data: bytes | memoryview | str, source: str) -> Manifest:
    try:
        document = parser(data)
    except ValueError as error:
        raise ManifestError(str(error), source=source) from None
    return _from_document(document, source)


def _read_if_there(path: Path) -> bytes | None:
    try:
        return read_regular_file(path, MAXIMUM_BYTES)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ManifestError(str(error), source=path.name) from None
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror}", source=path.name) from None


def _from_document(document: Any, source: str) -> Manifest:
    place = _Place(source)
    if not isinstance(document, Mapping):
        place.expected("an object with the manifest's fields", document)
    fields = place.fields(document, _FIELDS)
    if "name" not in fields:
        place.key("name").wrong("is missing")
    return Manifest(**fields)


# --- checks ----------------------------------------------------------------------------------------------------------

_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}(\.[0-9]{1,9})?(-[0-9A-Za-z.-]{1,40})?(\+[0-9A-Za-z.-]{1,40})?")
_FUNCTION = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
_QUOTA_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ROUTE = re.compile(r"(?:[A-Z]{1,16} )?/[!-~]{0,1000}")
_PATTERN = re.compile(r"(?=.{1,200}\Z)(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?:\.\*{1,2})?|\*{1,2})")
_MOST_SCOPES = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a value in its document, and the checks of the value."""

    source: str
    field: str = ""

    def key(self, name: str) -> _Place:
        name = " ".join(printable(name, 80).split())
        return _Place(self.source, f"{self.field}.{name}" if self.field else name)

    def item(self, number: int) -> _Place:
        return _Place(self.source, f"{self.field}[{number}]")

    def wrong(self, message: str) -> NoReturn:
        raise ManifestError(f"field `{self.field}`: {message}" if self.field else message, source=self.source)

    def expected(self, what: str, given: Any) -> NoReturn:
        self.wrong(f"expected {what}, given {_shown(given)}")

    def fields(self, value: Any, known: Mapping[str, Callable[[_Place, Any], Any]]) -> dict[str, Any]:
        checked = {}
        for name, each in self.table(value, len(known) + 100).items():
            if name not in known:
                self.key(name).wrong(f"unknown field.{did_you_mean(name[:80], known)}")
            checked[name] = known[name](self.key(name), each)
        return checked

    def table(self, value: Any, limit: int) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.expected("a table of names and values", value)
        if len(value) > limit:
            self.wrong(f"expected at most {limit} entries, given {len(value)}")
        for name in value:
            if not isinstance(name, str):
                self.expected("names that are text", name)
            self.text(name, 1000)
        return value

    def items(self, value: Any, what: str, limit: int = 100) -> list[tuple[_Place, Any]]:
        if not isinstance(value, list | tuple):
            self.expected(f"a list of {what}", value)
        if len(value) > limit:
            self.wrong(f"expected at most {limit} {what}, given {len(value)}")
        return [(self.item(number), each) for number, each in enumerate(value)]

    def text(self, value: Any, limit: int) -> str:
        if not isinstance(value, str):
            self.expected("text", value)
        if len(value) > limit:
            self.wrong(f"expected at most {limit} characters, given {len(value)}")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.wrong("half of a surrogate pair is not text")
        return value

    def matching(self, value: Any, pattern: re.Pattern[str], what: str) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.expected(what, value)
        return value

    def number(self, value: Any) -> int | float:
        """A finite number that JSON can hold exactly."""
        if isinstance(value, int) and value not in INTEGERS:
            self.expected("an integer of at most 64 bits", value)
        if isinstance(value, float) and not math.isfinite(value):
            self.expected("a finite number", value)
        result: int | float = value
        return result

    def json(self, value: Any, depth: int = 1) -> Any:
        """A copy in plain dicts and lists of a value that JSON can hold."""
        if depth > MAXIMUM_DEPTH:
            self.wrong(f"is nested deeper than {MAXIMUM_DEPTH} levels")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self.number(value)
        if isinstance(value, str):
            return self.text(value, MAXIMUM_BYTES)
        if isinstance(value, Mapping):
            return {name: self.key(name).json(each, depth + 1) for name, each in self.table(value, 10_000).items()}
        if isinstance(value, list | tuple):
            return [place.json(each, depth + 1) for place, each in self.items(value, "entries", 100_000)]
        return self.expected("what JSON can hold", value)


def _shown(value: Any) -> str:
    """A value as the author of a manifest wrote it, or its kind where that would be long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:80] + "…")
    if isinstance(value, int) and value not in INTEGERS:
        return "a longer one"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"


def _name(place: _Place, value: Any) -> str:
    what = "a name of a-z, 0-9, _ and - that begins with a letter and has at most 64 characters"
    return place.matching(value, NAME, what)


def _version(place: _Place, value: Any) -> str:
    return place.matching(value, _VERSION, "a version such as 1.2.0")


def _line(place: _Place, value: Any) -> str:
    return place.text(value, 200)


def _description(place: _Place, value: Any) -> str:
    return place.text(value, 2000)


def _plugin_type(place: _Place, value: Any) -> str:
    if value not in get_args(PluginType):
        place.expected("contest, problem or utility", value)
    return str(value)


def _capabilities(place: _Place, value: Any) -> tuple[str, ...]:
    requests: dict[str, None] = {}
    listed = place.items(value, "capabilities")
    if (scopes := sum(entry.count(",") + 1 for _, entry in listed if isinstance(entry, str))) > _MOST_SCOPES:
        place.wrong(f"expected at most {_MOST_SCOPES} scopes, given {scopes}")
    for each, entry in listed:
        name, separator, scope = each.text(entry, 1000).partition("=")
        parts = expand(name)
        if not CAPABILITIES.keys() >= set(parts):
            each.wrong(f"unknown capability {_shown(name)}.{did_you_mean(name, [*CAPABILITIES, *ALIASES])}")
        if separator and (not scope.strip() or _CONTROL.search(scope)):
            each.expected(f"a scope after `{name}=`", scope)
        requests.update(dict.fromkeys(part + separator + scope for part in parts))
    return tuple(requests)


def _quota(place: _Place, value: Any) -> dict[str, str | int | float]:
    quota: dict[str, str | int | float] = {}
    for kind, entry in place.table(value, 64).items():
        each = place.key(kind)
        each.matching(kind, _QUOTA_KIND, "a kind of quota, such as cpu")
        if isinstance(entry, bool) or not isinstance(entry, str | int | float):
            each.expected("a number, or text with a unit such as '50ms' or '16MiB'", entry)
        quota[kind] = each.text(entry, 64) if isinstance(entry, str) else each.number(entry)
    return quota


def _http_routes(place: _Place, value: Any) -> tuple[str, ...]:
    what = "a route such as '/board' or 'GET /board'"
    return tuple(each.matching(entry, _ROUTE, what) for each, entry in place.items(value, "routes"))


def _subscriptions(place: _Place, value: Any) -> tuple[str, ...]:
    what = "an event pattern such as 'contest.*'"
    return tuple(each.matching(entry, _PATTERN, what) for each, entry in place.items(value, "event patterns"))


def _functions(place: _Place, value: Any) -> dict[str, FunctionInfo]:
    functions = {}
    for name, entry in place.table(value, 1000).items():
        each = place.key(name)
        each.matching(name, _FUNCTION, "an export's name without spaces, of at most 128 characters")
        said = msgspec.structs.asdict(entry) if isinstance(entry, FunctionInfo) else entry
        functions[name] = FunctionInfo(**each.fields(said, _FUNCTION_FIELDS))
    return functions


def _schema(place: _Place, value: Any) -> dict[str, Any] | None:
    return None if value is None else _object(place, value)


def _object(place: _Place, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = place.json(place.table(value, 10_000))
    return found


def _abi(place: _Place, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 255:
        place.expected("a version of the ABI as a whole number, such as 1", value)
    return value


_FUNCTION_FIELDS: Final = {"description": _description, "request": _schema, "answer": _schema}
_FIELDS: Final[Mapping[str, Callable[[_Place, Any], Any]]] = {
    "name": _name,
    "version": _version,
    "author": _line,
    "description": _description,
    "plugin_type": _plugin_type,
    "capabilities": _capabilities,
    "quota": _quota,
    "http_routes": _http_routes,
    "subscriptions": _subscriptions,
    "functions": _functions,
    "config": _object,
    "abi": _abi,
    "toolchain": _line,
}
