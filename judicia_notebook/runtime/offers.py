"""What answers a module's imports: the platform, the functions registered in its runtime, and what a load supplies.

The platform comes first: a name of its own cannot be supplied, since the function in its place would answer without the
policy of that service. What a load supplies is for one plugin alone. All of it goes through the dispatcher's steps.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.engine import supplies
from judicia_notebook.engine.supplies import Supply
from judicia_notebook.errors import LoadError, PolicyError
from judicia_notebook.host.imports import Import, ImportOffer
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.wasm.info import FuncType

if TYPE_CHECKING:
    from judicia_notebook.engine.linkage import HostFunction
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.wasm import info

Key = tuple[str, str]
_SHOWN: Final = 160  # characters of a name
_COMPARED: Final = 500  # names that a mistyped one is compared with


@dataclass(frozen=True, slots=True)
class SuppliedImports:
    """What a load supplies, by the names that the user gave: ``module.name``, or both apart."""

    entries: Mapping[str | Key, Any]

    @classmethod
    def of(cls, given: object) -> SuppliedImports | None:
        """What the user wrote, each part checked by itself; None for nothing.

        Raises
        ------
        LoadError
        """
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise LoadError(f"imports is a dict such as {{'env.now': time.time}}, not {type(given).__name__}")
        return cls({_checked_key(key): _checked_value(key, value) for key, value in given.items()})


def _checked_key(key: object) -> str | Key:
    if isinstance(key, str) or (isinstance(key, tuple) and len(key) == 2 and all(isinstance(it, str) for it in key)):
        return key
    raise LoadError(f"imports names {printable(repr(key), _SHOWN)}; a name is 'module.name' or ('module', 'name')")


def _checked_value(key: object, value: object) -> Any:
    if isinstance(value, Import):
        return value
    try:
        if callable(value):
            return Import(value)
    except PolicyError as error:
        raise LoadError(f"{_name(key)}: {error.message}") from None
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if value is None or isinstance(value, int | float | bytes):
        return value
    raise LoadError(
        f"imports supplies {_name(key)} with a {printable(type(value).__name__, _SHOWN)}; a function is answered by a "
        "Python function, a global by a number, a memory by bytes, its pages or None, a table by its elements or None"
    )


def _name(key: object) -> str:
    return printable(key if isinstance(key, str) else ".".join(map(str, key)), _SHOWN)  # type: ignore[call-overload]


class Offers:
    """The answers to the imports of one module.

    Attributes
    ----------
    supplies : tuple of Supply
        The memories, globals and tables that the load supplies.
    grants : tuple of str
        What allows the functions that the load supplies.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        imports: Sequence[info.Import] = (),
        given: SuppliedImports | None = None,
        *,
        is_kept: bool = False,
    ) -> None:
        self.dispatcher = dispatcher
        self._is_kept = is_kept  # from an earlier load of other code, which may have imported more
        self._functions: dict[Key, ImportOffer] = {}
        found: dict[Key, Supply] = {}
        for key, item, value in () if given is None else self._matched(imports, given):
            if isinstance(value, Import):
                if item.kind != "func":
                    raise LoadError(f"{_name(key)} is a {item.kind}, and a function was supplied for it")
                self._functions[key] = dispatcher.imports.make(*key, value)
                continue
            if item.kind not in {"memory", "global", "table"} or isinstance(item.type, FuncType):
                raise LoadError(f"{_name(key)} is a {_noun(item.kind)}, and {_shown(value)} was supplied for it")
            supply = found[key] = Supply(*key, item.type, value)
            try:
                supplies.field_text(supply)
            except ValueError as error:
                raise LoadError(f"the {item.kind} {_name(key)} {error}") from None
        self._supplied = frozenset(found)
        self.supplies = tuple(found.values())
        self.grants = tuple(dict.fromkeys(offer.grant for offer in self._functions.values()))

    def _matched(
        self, imports: Sequence[info.Import], given: SuppliedImports
    ) -> Iterable[tuple[Key, info.Import, Any]]:
        """What is supplied, each with the import that it is for."""
        known = {(item.module, item.name): item for item in imports}
        joined = Counter(f"{module}.{name}" for module, name in known)
        keys = {f"{module}.{name}": (module, name) for module, name in known}
        patterns: dict[Key, Import] = {}
        matched: set[Key] = set()
        for wanted, value in given.entries.items():
            key = keys.get(wanted, wanted) if isinstance(wanted, str) else wanted
            if isinstance(value, Import) and value.optional and key not in known and isinstance(wanted, tuple):
                patterns[wanted] = value  # of a preset
                continue
            if isinstance(wanted, str) and joined[wanted] > 1:
                raise LoadError(f"two imports are called {_name(wanted)}: name one as ('module', 'name')")
            if isinstance(key, str) or key not in known:
                if self._is_kept or (isinstance(value, Import) and value.optional):
                    continue
                close = did_you_mean(_name(wanted), [_name(each) for each in itertools.islice(keys, _COMPARED)])
                raise LoadError(f"it does not import {_name(wanted)}.{close}")
            if self.dispatcher.find(*key) is not None:
                raise LoadError(f"{_name(wanted)} is the platform's own: a function in its place would answer for it")
            matched.add(key)
            yield key, known[key], value
        for key, item in known.items():
            if item.kind != "func" or key in matched or self.dispatcher.find(*key) is not None:
                continue
            found = next((value for pattern, value in patterns.items() if _fits(key, pattern)), None)
            if found is not None:
                yield key, item, found

    def find(self, wanted: info.Import) -> HostFunction | None:
        """The host function for an import; None where nothing answers it.

        Raises
        ------
        AbiMismatch, LoadError
            A Python function cannot have this type.
        """
        key = (wanted.module, wanted.name)
        if not isinstance(wanted.type, FuncType):
            return None
        own = self.dispatcher.find(*key)
        if own is not None:
            return own
        offer = self._python(key)
        return None if offer is None else offer.host_function(wanted.type)

    def has(self, wanted: info.Import) -> bool:
        """Whether anything answers an import."""
        key = (wanted.module, wanted.name)
        if wanted.kind != "func":
            return key in self._supplied
        return self.dispatcher.find(*key) is not None or self._python(key) is not None

    def capability(self, wanted: info.Import) -> str | None:
        """What an import takes; None for nothing."""
        key = (wanted.module, wanted.name)
        if wanted.kind == "func" and self.dispatcher.find(*key) is None and self._python(key) is not None:
            return IMPORTS
        return self.dispatcher.capabilities.get(key)

    def are_local(self, imports: Iterable[info.Import]) -> bool:
        """Whether any of these imports is answered by something of this process."""
        return bool(self.supplies) or any(self.python(item) is not None for item in imports)

    def python(self, wanted: info.Import) -> ImportOffer | None:
        """The Python function that answers an import, if it is one."""
        key = (wanted.module, wanted.name)
        return self._python(key) if wanted.kind == "func" and self.dispatcher.find(*key) is None else None

    def in_python(self, imports: Iterable[info.Import]) -> tuple[ImportOffer, ...]:
        """The Python functions that answer these imports, each once, in their order."""
        found = {(item.module, item.name): self.python(item) for item in imports}
        return tuple(offer for offer in found.values() if offer is not None)

    def _python(self, key: Key) -> ImportOffer | None:
        return self._functions.get(key) or self.dispatcher.imports.find(*key)


def _fits(key: Key, pattern: Key) -> bool:
    """Whether an import has the names of a pattern, such as ``("./*_bg.js", "__wbg_*")``."""
    return all(len(part) <= _SHOWN and _fits_one(part, shape) for part, shape in zip(key, pattern, strict=True))


@functools.lru_cache(maxsize=256)
def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _fits_one(part: str, pattern: str) -> bool:
    return _shape(pattern).fullmatch(part) is not None


def _noun(kind: str) -> str:
    return "function" if kind == "func" else kind


def _shown(value: object) -> str:
    if value is None or isinstance(value, Import):
        return "None" if value is None else "a function"
    return "bytes" if isinstance(value, bytes) else "a number"
