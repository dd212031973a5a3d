"""What the file of a sweep says of its grid, so that it can be read alone, and so that two grids can be told apart.

A file may come from a stranger: nothing here has more than the file has, however many cells its axes would make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from judicia_notebook.text import printable

Scalar = str | int | float | bool | None
_SHORT = 40
_MOST_TOLD = 3
"""Differences of a part that an error tells."""


class ToldPlugin(msgspec.Struct, frozen=True):
    """One of the plugins: `digest` is that of its module; of manifest and config the file has only digests."""

    label: str
    name: str = ""
    digest: str = ""
    abi: str = ""
    granted: tuple[str, ...] = ()
    quota: dict[str, Any] = {}
    on_denied: str = ""
    metering: str = ""
    features: tuple[str, ...] = ()
    manifest: str = ""
    config: str = ""


class Description(msgspec.Struct, frozen=True):
    """The axes of a grid.

    Attributes
    ----------
    axes : list of lists of dict
        For each axis its values, in the order of the grid, each as its columns without ``param_``.
    values : dict
        For each axis but the plugins' what the names stand for; of payloads the digests.
    """

    plugins: tuple[ToldPlugin, ...] = ()
    axes: tuple[tuple[dict[str, Scalar], ...], ...] = ()
    values: dict[str, list[Any]] = {}

    def params(self, configuration: int) -> dict[str, Any]:
        """The ``param_*`` columns of a configuration; the last axis varies fastest.

        Raises
        ------
        LookupError
            There is no such configuration.
        """
        found: list[Mapping[str, Any]] = []
        left = configuration
        for axis in reversed(self.axes):
            if not axis:
                raise LookupError(configuration)
            left, place = divmod(left, len(axis))
            found.append(axis[place])
        if left:
            raise LookupError(configuration)
        return {f"param_{name}": value for level in reversed(found) for name, value in level.items()}

    def differences(self, part: str, there: Description) -> str:
        """How a part of this grid, such as ``plugins``, differs from that of another one; empty if nobody can tell."""
        if part == "plugins":
            return _told(_plugins_differ(there.plugins, self.plugins))
        names = {"payloads": "payload", "quotas": "quota", "grants": "grants"}
        if part not in names:
            return ""
        return _told(_levels_differ(self._named(part, names[part], there), self._named(part, names[part], self)))

    @staticmethod
    def _named(part: str, column: str, of: Description) -> dict[str, Any]:
        """What the names of an axis stand for."""
        levels = [axis for axis in of.axes if axis and column in axis[0]]
        names = [printable(str(level.get(column)), _SHORT) for level in levels[0]] if levels else []
        return dict(zip(names, of.values.get(part, []), strict=False))


def digest_of(value: Any) -> str:
    """The SHA-256 of a value's JSON."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _told(differences: Iterable[str]) -> str:
    told = list(differences)
    more = [f"{len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    return "; ".join([*told[:_MOST_TOLD], *more])


def _levels_differ(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterable[str]:
    yield from (f"{name} only there" for name in there if name not in here)
    yield from (f"{name} only here" for name in here if name not in there)
    yield from (f"{name} is another one" for name in here if name in there and there[name] != here[name])


def _plugins_differ(there: Sequence[ToldPlugin], here: Sequence[ToldPlugin]) -> Iterable[str]:
    ours, theirs = _by_name(here), _by_name(there)
    yield from (f"{printable(label, _SHORT)} only there" for label in theirs if label not in ours)
    yield from (f"{label} only here" for label in ours if label not in theirs)
    for label, plugin in ours.items():
        if label in theirs:
            yield from (f"{label}: {how}" for how in _plugin_differs(theirs[label], plugin))


def _by_name(plugins: Sequence[ToldPlugin]) -> dict[str, ToldPlugin]:
    """The plugins by their labels, and by their meterings where one is there with several."""
    labels = [plugin.label for plugin in plugins]
    return {
        f"{plugin.label} ({plugin.metering})" if labels.count(plugin.label) > 1 else plugin.label: plugin
        for plugin in plugins
    }


def _plugin_differs(there: ToldPlugin, here: ToldPlugin) -> Iterable[str]:
    if there.digest != here.digest:
        yield f"module {printable(there.digest, 12)} there, {printable(here.digest, 12)} here"
    if there.granted != here.granted:
        yield f"granted {_listed(there.granted)} there, {_listed(here.granted)} here"
    if there.quota != here.quota:
        yield f"quota {_listed(_pairs(there.quota))} there, {_listed(_pairs(here.quota))} here"
    if there.features != here.features:
        yield f"features {_listed(there.features)} there, {_listed(here.features)} here"
    for field in ("name", "abi", "metering", "on_denied"):
        if getattr(there, field) != getattr(here, field):
            yield f"{field} {printable(getattr(there, field), _SHORT)} there, {getattr(here, field)} here"
    yield from (f"another {field}" for field in ("manifest", "config") if getattr(there, field) != getattr(here, field))


def _pairs(quota: Mapping[str, Any]) -> list[str]:
    return [f"{kind}={value}" for kind, value in quota.items()]


def _listed(texts: Sequence[str]) -> str:
    return printable(", ".join(texts), 2 * _SHORT) or "nothing"
