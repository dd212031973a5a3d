"""Checks a load's request before anything is read, and decides under which name the module comes in.

A manifest may claim any name, also the name of a loaded plugin. Grants, quotas, config and options of the load belong
to the file that the user gave them to. They go on to other code only where the caller says whose place it takes:

- with ``name=``, which `Runtime.reload` says, too;
- with a source that the plugin was loaded from before: the same path, or the same bytes with the same manifest.

Any other source that claims a loaded name comes in under a new name, such as ``scoreboard-2``. There it begins from
nothing, and its next load takes that place. One exception serves the cell in which a module is written: text or bytes
take the place of text or bytes whose plugin has nothing beyond what this load gives.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import LoadError, ManifestError, PolicyError
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.grants import parse_grants
from judicia_notebook.policy.quotas import DEFAULTS, Quota, as_quota, check_countable, make_quota, overlay
from judicia_notebook.runtime.linking import settings_of
from judicia_notebook.runtime.source import source_label
from judicia_notebook.text import printable
from judicia_notebook.wasm.manifest import NAME

if TYPE_CHECKING:
    from judicia_notebook.engine.settings import EngineSettings
    from judicia_notebook.policy.bounds import Bounds
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.pool import Instances
    from judicia_notebook.runtime.source import Options, Read
    from judicia_notebook.wasm.manifest import Manifest

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Request:
    """A load as the caller wrote it, each part checked by itself."""

    name: str | None
    grants: tuple[str, ...]
    quota: Quota
    config: Mapping[str, Any] | None
    instances: Instances | None
    on_denied: Any
    options: Options
    settings: EngineSettings

    def granting(self, grants: Iterable[str]) -> Request:
        """The same load, with these grants too."""
        return dataclasses.replace(self, grants=tuple(dict.fromkeys((*self.grants, *grants))))

    def start(self, manifest: Manifest, ceiling: Quota, source: str) -> Snapshot:
        """The grants and limits that a plugin begins with at its first load.

        Raises
        ------
        ManifestError
        """
        lowered = _lowered_by(manifest, ceiling, source)
        if not self.settings.fuel:  # a manifest's wish for less fuel is no limit that anybody relies on
            lowered = overlay(lowered, {"fuel": None})
        return Snapshot(self.grants, overlay(lowered, self.quota.given()), self.on_denied or "error")


def check(
    bounds: Bounds,
    *,
    name: str | None,
    grant: Iterable[str],
    quota: Quota | Mapping[str, Any] | None,
    config: Mapping[str, Any] | None,
    instances: Instances | None,
    on_denied: str | None,
    options: Options,
) -> Request:
    """Check what can be checked before the module is read.

    Raises
    ------
    LoadError, PolicyError
    """
    if name is not None and not NAME.fullmatch(name):
        raise LoadError(f"a plugin's name is of a-z, 0-9, _ and -, beginning with a letter; {name!r} is not")
    _check_choice("on_denied", on_denied, ("error", "trap"))
    _check_choice("unknown_imports", options.unknown_imports, ("error", "trap"))
    if config is not None and not isinstance(config, Mapping):
        raise LoadError(f"config is a mapping of names to values, a JSON object, and not {type(config).__name__}")
    settings = choose_settings(options, bounds)
    grants = parse_grants([grant] if isinstance(grant, str) else grant)
    wanted = as_quota(quota)
    bounds.check_quota(wanted)
    check_countable(settings, wanted)
    return Request(name, grants, wanted, config, instances, on_denied, options, settings)


def choose_settings(options: Options, bounds: Bounds) -> EngineSettings:
    """The settings of the engine that a plugin's code is compiled for.

    Raises
    ------
    PolicyError
        It is no metering of plugins, or it counts no fuel and the runtime has a ceiling of fuel; there is no such
        feature.
    PolicyLocked
        It counts no fuel, and a lock limits it.
    """
    metering = options.metering
    settings = settings_of(metering, options.features or ())
    bounds.check_settings(settings)
    if not settings.fuel and isinstance(bounds.ceiling.fuel, int):
        raise PolicyError(
            f"metering={metering!r} counts no fuel, and this runtime has a ceiling of it (fuel={bounds.ceiling.fuel})."
        )
    return settings


def _check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise PolicyError(f"{name} is {' or '.join(map(repr, choices))}, not {value!r}.")


def check_instances(instances: Any, quota: Quota) -> None:
    """Refuse a number of instances that the quota does not allow.

    Raises
    ------
    PolicyError
    """
    if instances is None or instances == "fresh":
        return
    if isinstance(instances, bool) or not isinstance(instances, int) or instances < 1:
        raise PolicyError(f"instances is a number from 1 or 'fresh', not {instances!r}.")
    if isinstance(quota.instances, int) and instances > quota.instances:
        raise PolicyError(f"instances={instances} is above the plugin's quota of {quota.instances} instances.")


def _lowered_by(manifest: Manifest, ceiling: Quota, source: str) -> Quota:
    """The defaults, lowered where the manifest asks for less; a request for more waits for the user.

    Raises
    ------
    ManifestError
        A quota kind or value that does not exist.
    """
    try:
        wishes = make_quota(manifest.quota)
    except PolicyError as error:
        raise ManifestError(error.message, source=source) from None
    return _lowered(wishes, ceiling)


@functools.lru_cache(maxsize=64)
def _lowered(wishes: Quota, ceiling: Quota) -> Quota:
    lowered: dict[str, Any] = {}
    for kind, most in DEFAULTS.given().items():
        value = getattr(wishes, kind)
        bounds = [bound for bound in (most, getattr(ceiling, kind)) if isinstance(bound, int | float)]
        if isinstance(value, int | float) and (not bounds or value <= min(bounds)):
            lowered[kind] = value
        elif bounds and isinstance(most, int | float) and min(bounds) < most:
            lowered[kind] = min(bounds)
    return overlay(DEFAULTS, lowered)


# Under which name ---------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a module comes in: its name, the plugin whose code it replaces, a note where it claimed another name."""

    name: str
    plugin: Plugin | None
    note: str = ""
    keeps: bool = True  # whether the caller said whose place it takes; what was taken away may come back only then


def find_place(request: Request, found: Read, start: Snapshot, plugins: Mapping[str, Plugin]) -> Place:
    """Where this module comes in."""
    if request.name is not None:
        return Place(request.name, plugins.get(request.name))
    claimed = found.manifest.name
    for plugin in plugins.values():
        if plugin.claimed == claimed and may_take_over(plugin, request, found, start):
            return Place(plugin.name, plugin, keeps=is_source_of(plugin, found))
    holder = plugins.get(claimed)
    if holder is None:
        return Place(claimed, None)
    if may_take_over(holder, request, found, start):
        return Place(claimed, holder, keeps=is_source_of(holder, found))
    name = next(name for name in _alternatives(claimed) if name not in plugins)
    return Place(name, None, _note(claimed, name, found, holder))


def may_take_over(plugin: Plugin, request: Request, found: Read, start: Snapshot) -> bool:
    """Whether a module may take a loaded plugin's place, with its grants and quotas, without the caller saying so."""
    if is_source_of(plugin, found):
        return True
    return found.path is None and plugin._code.path is None and _has_no_more(plugin, request, start)


def is_source_of(plugin: Plugin, found: Read) -> bool:
    """Whether a plugin was loaded from this very source.

    Paths are compared as the user gave them, made absolute and not resolved: a link that a stranger may change can lead
    to any file.
    """
    code = plugin._code
    if found.path is not None:
        return code.path == found.path
    return code.path is None and code.digest == found.digest and code.manifest == found.manifest


def _has_no_more(plugin: Plugin, request: Request, start: Snapshot) -> bool:
    """Whether a plugin has nothing beyond what this load gives, and could get nothing more back by `Policy.reset`."""
    for had in (plugin.policy.snapshot(), plugin.policy.initial):
        quota = overlay(had.quota, request.quota.given())
        if not set(had.granted) <= set(start.granted) or had.on_denied != start.on_denied:
            return False
        if any(_is_more(value, start.quota, kind) for kind, value in quota.given().items()):
            return False
    if plugin.config and request.config is None:
        return False
    if plugin.chosen_instances != 1 and request.instances is None:
        return False
    return all(not option or given is not None for option, given in zip(plugin.options, request.options, strict=True))


def _is_more(value: Any, start: Quota, kind: str) -> bool:
    """Whether a limit is above both what the load begins with and the default."""
    bounds = (getattr(start, kind), getattr(DEFAULTS, kind))
    return None not in bounds and (value is None or value > max(bounds))


def _alternatives(name: str) -> Iterable[str]:
    for number in itertools.count(2):
        ending = f"-{number}"
        yield f"{name[: _LONGEST_NAME - len(ending)]}{ending}"


def _note(claimed: str, name: str, found: Read, holder: Plugin) -> str:
    new, old = (printable(str(module.path or source_label(module.source)), 200) for module in (found, holder._code))
    return (
        f"loaded as {name}: the name {claimed} belongs to {old}, and this is {new}, which has nothing of it; "
        f'name="{claimed}" replaces {claimed} and keeps its grants, another name= keeps both, '
        f"to unload {claimed} first frees the name"
    )
