"""The arguments of a sweep, checked and put into one normal form.

This module finds every fault of a grid before the first call: sources that are no modules, functions that do not exist,
payloads without a JSON form, unknown grants, quotas above the ceiling.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import msgspec

from judicia_notebook.engine import capi, wire
from judicia_notebook.errors import NoSuchFunction
from judicia_notebook.policy.grants import parse_grants
from judicia_notebook.policy.quotas import KINDS, Quota, check_within, make_quota
from judicia_notebook.runtime.exports import callable_functions
from judicia_notebook.runtime.linking import Code
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.runtime import default_ceiling
from judicia_notebook.runtime.source import Read, read_source
from judicia_notebook.text import did_you_mean
from judicia_notebook.wasm.manifest import Manifest

AS_LOADED = "as loaded"
ORDERS = ("random", "grid")
_LONGEST_TEXT = 64
_RESERVED = frozenset({"plugin", "payload", "quota", "grants"})
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the plugins: the digest of its bytes, and how it is loaded."""

    label: str
    name: str
    digest: str
    manifest: Manifest
    config: dict[str, Any]
    granted: tuple[str, ...]
    quota: dict[str, Any]
    on_denied: str
    abi: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """One point of the grid. `quota` and `granted` are None for the plugin's own."""

    number: int
    variant: int
    payload: str
    quota: dict[str, Any]
    granted: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One repeat of one configuration; `number` is its place in the grid."""

    number: int
    configuration: Configuration


Unit = tuple[Cell, ...]
"""What cannot be divided: one cell, or all repeats of a configuration that share their instances."""


@dataclass(frozen=True, slots=True)
class Grid:
    """All of a sweep.

    Attributes
    ----------
    params : tuple of dict
        For each configuration its ``param_*`` columns.
    contents : dict
        Digest to bytes, of modules and encoded payloads; a payload of None is no bytes.
    identity : dict
        The parts that two grids must share to be the same.
    """

    function: str
    variants: tuple[Variant, ...]
    configurations: tuple[Configuration, ...]
    params: tuple[dict[str, Any], ...]
    contents: dict[str, bytes]
    repeats: int
    warmup: int
    instances: Any
    order: str
    seed: int
    identity: dict[str, Any]

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.configurations) * self.repeats

    def units(self) -> list[Unit]:
        """All cells, in the order of measurement."""
        cells = [
            Cell(configuration.number * self.repeats + n, configuration)
            for configuration in self.configurations
            for n in range(self.repeats)
        ]
        step = 1 if self.instances == "fresh" else self.repeats
        units = [tuple(cells[at : at + step]) for at in range(0, len(cells), step)]
        if self.order == "random":
            random.Random(self.seed).shuffle(units)  # noqa: S311  # to be repeatable is the point
        return units


@dataclass(frozen=True, slots=True)
class _Level:
    """One value along an axis of the grid, and its name in the frame."""

    value: Any
    columns: dict[str, Any]


def make_grid(
    plugins: Any,
    function: str,
    payloads: Any,
    *,
    quotas: Any,
    grants: Any,
    repeats: int,
    warmup: int,
    order: str,
    seed: int,
    instances: Any,
    database: str | None,
) -> Grid:
    """The grid of a sweep.

    Raises
    ------
    ValueError, TypeError
        A wrong count, name or axis.
    LoadError, NoSuchFunction, InvalidPayload, PolicyError
    """
    _check_counts(repeats, warmup, order, instances)
    contents: dict[str, bytes] = {}
    axes = (
        _plugin_levels(plugins, function, contents),
        _payload_levels(payloads, contents),
        _quota_levels(quotas),
        _grant_levels(grants),
    )
    points = list(product(*axes))
    configurations = tuple(
        Configuration(number, axes[0].index(plugin), payload.value, quota.value, grant.value)
        for number, (plugin, payload, quota, grant) in enumerate(points)
    )
    variants = tuple(level.value for level in axes[0])
    identity = {
        "plugins": _digest([_described(variant) for variant in variants]),
        "function": function,
        "payloads": _digest([(level.value, list(level.columns.values())) for level in axes[1]]),
        "quotas": _digest([level.value for level in axes[2]]),
        "grants": _digest([level.value for level in axes[3]]),
        "repeats": repeats,
        "warmup": warmup,
        "order": order,
        "seed": seed,
        "instances": instances,
        "database": None if database is None else _digest(database),
        "wasmtime": capi.VERSION,
    }
    return Grid(
        function, variants, configurations, tuple(_params(point) for point in points), contents, repeats, warmup,
        instances, order, seed, identity,
    )  # fmt: skip


def _check_counts(repeats: Any, warmup: Any, order: str, instances: Any) -> None:
    for name, value, least in (("repeats", repeats, 1), ("warmup", warmup, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} is a whole number from {least}, not {value!r}")
    if order not in ORDERS:
        raise ValueError(f"order is {' or '.join(map(repr, ORDERS))}, not {order!r}")
    if instances != "fresh" and (isinstance(instances, bool) or not isinstance(instances, int) or instances < 1):
        raise ValueError(f"instances is a number from 1 or 'fresh', not {instances!r}")


def _params(point: tuple[_Level, ...]) -> dict[str, Any]:
    return {f"param_{name}": value for level in point for name, value in level.columns.items()}


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _described(variant: Variant) -> dict[str, Any]:
    return {name: getattr(variant, name) for name in Variant.__slots__}


# Plugins --------------------------------------------------------------------------------------------------------


def _plugin_levels(plugins: Any, function: str, contents: dict[str, bytes]) -> list[_Level]:
    if isinstance(plugins, Mapping):
        named = [(str(label), source) for label, source in plugins.items()]
    elif isinstance(plugins, str | bytes | os.PathLike | Plugin):
        named = [("", plugins)]
    else:
        named = [("", source) for source in plugins]
    variants = [_variant(label, source, function, contents) for label, source in named]
    if not variants:
        raise ValueError("there are no plugins to sweep over")
    labels = [variant.label for variant in variants]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"several plugins are called {twice[0]}; name them: {{'old': ..., 'new': ...}}")
    return [_Level(variant, {"plugin": variant.label}) for variant in variants]


def _variant(label: str, source: Any, function: str, contents: dict[str, bytes]) -> Variant:
    if isinstance(source, Plugin):
        code, policy = source._code, source.policy.snapshot()
        contents[code.digest] = code.wasm
        _check_function(source.name, code, function)
        return Variant(
            label or source.name, source.name, code.digest, code.manifest, dict(source.config), policy.granted,
            policy.quota.given(), policy.on_denied, code.abi,
        )  # fmt: skip
    found = read_source(source)
    contents[found.digest] = found.wasm
    name = found.manifest.name
    _check_function(name, found, function)
    return Variant(label or name, name, found.digest, found.manifest, {}, (), {}, "error", found.abi)


def _check_function(name: str, code: Code | Read, function: str) -> None:
    known = callable_functions(code.module, code.abi)
    if function not in known:
        raise NoSuchFunction(f"{name} has no function {function!r} to call with JSON.{did_you_mean(function, known)}")


# Payloads -------------------------------------------------------------------------------------------------------


def _payload_levels(payloads: Any, contents: dict[str, bytes]) -> list[_Level]:
    if isinstance(payloads, str | bytes) or not isinstance(payloads, Iterable):
        raise TypeError(f"payloads is a list of payloads, or names and payloads; not {type(payloads).__name__}")
    if hasattr(payloads, "to_dict") and hasattr(payloads, "columns"):  # a frame would give the names of its columns
        raise TypeError('payloads is a list of payloads; .to_dict("records") makes a list of a DataFrame\'s rows')
    named = list(payloads.items()) if isinstance(payloads, Mapping) else [(None, payload) for payload in payloads]
    if not named:
        raise ValueError("there are no payloads to sweep over")
    plain: list[tuple[Any, Any, str]] = []
    for number, (name, payload) in enumerate(named):
        data = b"" if payload is None else wire.encode(payload, f"payloads[{number if name is None else repr(name)}]")
        digest = hashlib.sha256(data).hexdigest()
        contents[digest] = data
        value = wire.reread(data) if data else None
        plain.append((_payload_name(name, value, number), value, digest))
    fields = _shared_fields([value for _, value, _ in plain])
    return [
        _Level(digest, {"payload": name, **{column: value[field] for column, field in fields.items()}})
        for name, value, digest in plain
    ]


def _payload_name(name: Any, value: Any, number: int) -> Any:
    """A payload's name in the frame: its own name, its JSON where that is short, otherwise its place in the list."""
    name = name.item() if callable(getattr(name, "item", None)) else name  # a scalar of NumPy's
    for text in (name, value):
        if text is not None and _is_short(text):
            return text
    return number if name is None else str(name)


def _is_short(value: Any) -> bool:
    return isinstance(value, _SCALARS) and (not isinstance(value, str) or len(value) <= _LONGEST_TEXT)


def _shared_fields(values: Sequence[Any]) -> dict[str, str]:
    """Column to field, of the fields that every payload has and that say something short in each."""
    if not all(isinstance(value, dict) for value in values):
        return {}
    shared = [field for field in values[0] if all(field in value and _is_short(value[field]) for value in values)]
    short = [field for field in shared if len(field) <= _LONGEST_TEXT]
    return {f"payload_{field}" if field in _RESERVED else field: field for field in short}


# Quotas and grants ----------------------------------------------------------------------------------------------


def _quota_levels(quotas: Any) -> list[_Level]:
    names = isinstance(quotas, Mapping) and not set(quotas) <= set(KINDS)
    named = _named("quotas", quotas, names, Quota | Mapping)
    levels, ceiling = [], default_ceiling()
    for name, quota in named:
        if not isinstance(quota, Quota | Mapping | None):
            raise TypeError(f"a quota of the grid is a Quota or a dict such as {{'cpu': '50ms'}}, not {quota!r}")
        given = quota.given() if isinstance(quota, Quota) else make_quota(quota or {}).given()
        check_within(ceiling, Quota(**given))
        levels.append((name or _quota_text(given), given))
    kinds = [kind for kind in KINDS if any(kind in given for _, given in levels)]
    return [_Level(given, {"quota": name, **_quota_columns(given, kinds)}) for name, given in _unique("quotas", levels)]


def _quota_text(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind} {KINDS[kind].format(value)}" for kind, value in given.items()) or AS_LOADED


def _quota_columns(given: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, Any]:
    """The kinds that differ, as numbers with their unit in the name; None where a kind is not given or no limit."""
    columns = {}
    for kind in kinds:
        unit, value = KINDS[kind].unit, given.get(kind)
        if unit == "s":
            columns[f"quota_{kind}_ms"] = None if value is None else value * 1e3
        else:
            columns[f"quota_{kind}{'_bytes' if unit == 'bytes' else ''}"] = value
    return columns


def _grant_levels(grants: Any) -> list[_Level]:
    levels: list[tuple[str, Any]] = []
    for name, wanted in _named("grants", grants, isinstance(grants, Mapping), str):
        if wanted is None:
            levels.append((name or AS_LOADED, None))
            continue
        granted = parse_grants([wanted] if isinstance(wanted, str) else wanted)
        levels.append((name or ", ".join(granted) or "none", granted))
    return [_Level(granted, {"grants": name}) for name, granted in _unique("grants", levels)]


def _named(axis: str, values: Any, names: bool, single: Any) -> list[tuple[str, Any]]:
    """An axis as names and values: a mapping if it has `names`, one value, or a list; None is the plugin's own."""
    if values is None:
        return [("", None)]
    if names and values:
        return [(str(name), value) for name, value in values.items()]
    if isinstance(values, single):
        return [("", values)]
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{axis} is a list, or names and values; not {values!r}")
    listed = [("", value) for value in values]
    if not listed:
        raise ValueError(f"{axis} is empty; leave it out for the plugin's own {axis}")
    return listed


def _unique(axis: str, levels: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    names = [name for name, _ in levels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{axis} has {twice[0]!r} twice")
    return levels
