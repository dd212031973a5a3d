"""The arguments of a sweep, checked and put into one normal form.

This module finds every fault of a grid before the first call: sources that are no modules, functions that do not exist,
payloads without a JSON form, unknown grants, quotas above the ceiling.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import attrgetter
from typing import Any

import msgspec

from judicia_notebook.engine import capi
from judicia_notebook.engine.compiler import describe
from judicia_notebook.engine.settings import FULL, SETTINGS, EngineSettings
from judicia_notebook.engine.startup import usual_settings
from judicia_notebook.errors import PolicyError
from judicia_notebook.experiments.sweep.description import Description, digest_of
from judicia_notebook.experiments.sweep.requests import NamedRequest
from judicia_notebook.policy.grants import parse_grants
from judicia_notebook.policy.quotas import KINDS, Quota, check_countable, check_within, make_quota
from judicia_notebook.runtime.linking import Code
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.runtime import default_ceiling
from judicia_notebook.runtime.source import Read, read_source
from judicia_notebook.wasm.manifest import Manifest

AS_LOADED = "as loaded"
ORDERS = ("random", "grid")


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
    metering: str
    features: tuple[str, ...] = ()

    @property
    def settings(self) -> EngineSettings:
        """Those of the engine that it is compiled for."""
        return SETTINGS[self.metering].with_features(self.features)


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
        Digest to bytes, of modules and packed requests.
    identity : dict
        The parts that two grids must share to be the same.
    description : Description
        What the file says of it to its readers.
    """

    kind: str
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
    description: Description

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
    requests: Sequence[NamedRequest],
    *,
    quotas: Any,
    grants: Any,
    metering: Any,
    repeats: int,
    warmup: int,
    order: str,
    seed: int,
    instances: Any,
    database: str | None,
    monitors: Sequence[str] = (),
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
        _metered(_plugin_levels(plugins, requests, contents), metering),
        _request_levels(requests, contents),
        _quota_levels(quotas),
        _grant_levels(grants),
    )
    points = list(product(*axes))
    configurations = tuple(
        Configuration(number, axes[0].index(plugin), payload.value, quota.value, grant.value)
        for number, (plugin, payload, quota, grant) in enumerate(points)
    )
    variants = tuple(level.value for level in axes[0])
    _check_fuel(variants, configurations)
    kind, function = requests[0].request.kind, requests[0].request.function
    identity = {
        "plugins": digest_of([_described(variant) for variant in variants]),
        "function": function,
        "kind": kind,
        "payloads": digest_of([(level.value, list(level.columns.values())) for level in axes[1]]),
        "quotas": digest_of([level.value for level in axes[2]]),
        "grants": digest_of([level.value for level in axes[3]]),
        "repeats": repeats,
        "warmup": warmup,
        "order": order,
        "seed": seed,
        "instances": instances,
        "database": None if database is None else digest_of(database),
        "monitors": ", ".join(monitors),
        "wasmtime": capi.VERSION,
        "engines": {settings.name: describe(settings) for settings in _engines(variants)},
    }
    return Grid(
        kind, function, variants, configurations, tuple(_params(point) for point in points), contents, repeats, warmup,
        instances, order, seed, identity, _description(axes, variants),
    )  # fmt: skip


def _description(axes: Sequence[Sequence[_Level]], variants: Sequence[Variant]) -> Description:
    """Names and values of the axes, in the form that a file has: what is read there is the same."""
    _, payloads, quotas, grants = axes[:4]
    told = {
        "plugins": [
            {name: getattr(variant, name)
             for name in ("label", "name", "digest", "abi", "metering", "features", "granted", "quota", "on_denied")}
            | {"manifest": digest_of(variant.manifest), "config": digest_of(variant.config)}
            for variant in variants
        ],
        "axes": [[level.columns for level in axis] for axis in axes],
        "values": {name: [level.value for level in axis]
                   for name, axis in (("payloads", payloads), ("quotas", quotas), ("grants", grants))},
    }  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(told), type=Description)


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


def _described(variant: Variant) -> dict[str, Any]:
    """What makes two variants the same; full metering and no features are not named, as in files of before these."""
    usual = {"metering": FULL.metering, "features": FULL.features}
    told = {name: getattr(variant, name) for name in Variant.__slots__}
    return {name: value for name, value in told.items() if name not in usual or value != usual[name]}


def _engines(variants: Iterable[Variant]) -> list[EngineSettings]:
    return sorted({variant.settings for variant in variants}, key=attrgetter("name"))


# Plugins --------------------------------------------------------------------------------------------------------


def _plugin_levels(plugins: Any, requests: Sequence[NamedRequest], contents: dict[str, bytes]) -> list[_Level]:
    if isinstance(plugins, Mapping):
        named = [(str(label), source) for label, source in plugins.items()]
    elif isinstance(plugins, str | bytes | os.PathLike | Plugin):
        named = [("", plugins)]
    else:
        named = [("", source) for source in plugins]
    variants = [_variant(label, source, requests, contents) for label, source in named]
    if not variants:
        raise ValueError("there are no plugins to sweep over")
    labels = [variant.label for variant in variants]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"several plugins are called {twice[0]}; name them: {{'old': ..., 'new': ...}}")
    return [_Level(variant, {"plugin": variant.label}) for variant in variants]


def _variant(label: str, source: Any, requests: Sequence[NamedRequest], contents: dict[str, bytes]) -> Variant:
    if isinstance(source, Plugin):
        code, policy = source._code, source.policy.snapshot()
        contents[code.digest] = code.wasm
        _check_requests(source.name, code, requests)
        if code.offers.are_local(code.module.imports):
            raise PolicyError(
                f"{source.name} was loaded with imports= of this process: Python functions, globals or memories. "
                "A sweep loads it anew, where those are not."
            )
        return Variant(
            label or source.name, source.name, code.digest, code.manifest, dict(source.config), policy.granted,
            policy.quota.given(), policy.on_denied, code.abi, source.metering, source.features,
        )  # fmt: skip
    found = read_source(source)
    contents[found.digest] = found.wasm
    name = found.manifest.name
    _check_requests(name, found, requests)
    return Variant(
        label or name, name, found.digest, found.manifest, {}, (), {}, "error", found.abi, usual_settings().metering
    )


def _check_requests(name: str, code: Code | Read, requests: Sequence[NamedRequest]) -> None:
    for _, request, _ in requests:
        request.check(name, code.module, code.abi)


def _metered(plugins: list[_Level], metering: Any) -> list[_Level]:
    """Each of the plugins with each of the meterings; without any, with its own."""
    if metering is None:
        return plugins
    wanted = [metering] if isinstance(metering, str) else list(metering)
    if not wanted:
        raise ValueError("metering is empty; leave it out for the plugin's own metering")
    for name in wanted:
        if name not in SETTINGS:
            raise ValueError(f"metering is {', '.join(map(repr, SETTINGS))} or some of them, not {name!r}")
    _unique("metering", [(name, None) for name in wanted])
    return [
        _Level(replace(level.value, metering=name), {**level.columns, "metering": name})
        for level, name in product(plugins, wanted)
    ]


def _check_fuel(variants: Sequence[Variant], configurations: Iterable[Configuration]) -> None:
    """Refuse limits of fuel for code that counts none, before the first call.

    Raises
    ------
    PolicyError
    """
    for configuration in configurations:
        variant = variants[configuration.variant]
        check_countable(variant.settings, Quota(**(variant.quota | configuration.quota)))


# Requests -------------------------------------------------------------------------------------------------------


def _request_levels(requests: Sequence[NamedRequest], contents: dict[str, bytes]) -> list[_Level]:
    levels = []
    for name, request, columns in requests:
        data = request.pack()
        digest = hashlib.sha256(data).hexdigest()
        contents[digest] = data
        levels.append(_Level(digest, {"payload": name, **columns}))
    return levels


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
