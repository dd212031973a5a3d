"""How an engine compiles: what a guest's code counts, and what stops it.

Metering is a choice among three, each an engine of its own, whose code no other engine takes. The kernel has engines
that meter in full and by epochs. Code without any metering cannot be stopped from within, so only a child process of
ours runs it, under a watch of the core's ticker (``core/watch.c``); that process says so with `startup.use`.

Beside the metering, settings name the features of WebAssembly that are switched on. Each set of them that is in use has
engines of its own, too.

`MODES` is the table of what each choice means. ``docs/metering.md`` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from judicia_notebook.engine.features import OPTIONAL, check_features

_CANONICAL = "canonical_nans"  # in a name: code without fuel that canonicalizes NaNs all the same


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the compiler adds to a guest's code.

    Attributes
    ----------
    metering : str
        The name of the choice: ``full``, ``epochs`` or ``none``.
    fuel : bool
        Whether the code counts its fuel; without it a call's fuel is not known, and a limit on it cannot hold.
    epochs : bool
        Whether the code looks at the epoch, so that a tick can stop it.
    canonical_nans : bool
        Whether each NaN has one pattern of bits on every machine.
    features : tuple of str
        Those of `judicia_notebook.engine.features.OPTIONAL` that are switched on, in the order of that table.
    """

    metering: str
    fuel: bool
    epochs: bool
    canonical_nans: bool
    features: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The metering, and what is switched on, such as ``full`` or ``full+exceptions+memory64``."""
        differs = self.canonical_nans and not self.fuel
        return "+".join((self.metering, *((_CANONICAL,) if differs else ()), *self.features))

    def switches(self) -> dict[str, bool]:
        """The switches of Wasmtime that these settings turn, by Wasmtime's names."""
        return {
            "consume_fuel": self.fuel,
            "epoch_interruption": self.epochs,
            "cranelift_nan_canonicalization": self.canonical_nans,
            **{OPTIONAL[name].switch: True for name in self.features},
        }

    def without_fuel(self) -> EngineSettings:
        """The same code, that gives the same answers, but counts no fuel: for code that a monitor's counters are in."""
        return replace(self, metering=EPOCHS.metering, fuel=False)

    def with_features(self, features: Any) -> EngineSettings:
        """The same metering with these features on, and no others.

        Raises
        ------
        PolicyError
            There is no such feature.
        """
        return replace(self, features=check_features(features))


FULL = EngineSettings("full", fuel=True, epochs=True, canonical_nans=True)
EPOCHS = EngineSettings("epochs", fuel=False, epochs=True, canonical_nans=False)
NONE = EngineSettings("none", fuel=False, epochs=False, canonical_nans=False)
SETTINGS = {settings.metering: settings for settings in (FULL, EPOCHS, NONE)}
"""Every choice of metering by its name, without features."""


def settings_named(name: str) -> EngineSettings:
    """The settings of a `EngineSettings.name`.

    Raises
    ------
    KeyError
        There is no such metering.
    PolicyError
        There is no such feature.
    """
    metering, *features = name.split("+")
    settings = SETTINGS[metering]
    if features[:1] == [_CANONICAL]:
        settings, features = replace(settings, canonical_nans=True), features[1:]
    return settings.with_features(features)


@dataclass(frozen=True, slots=True)
class Mode:
    """What a choice of metering means to who makes it.

    Attributes
    ----------
    settings : EngineSettings
    limits : str
        The limits that hold.
    services : str
        The host functions that there are.
    process : str
        Where the guest runs.
    """

    settings: EngineSettings
    limits: str
    services: str
    process: str

    def row(self) -> dict[str, Any]:
        """A row of the table, by the heads of its columns."""
        return {
            "metering": self.settings.metering,
            "fuel": self.settings.fuel,
            "epochs": self.settings.epochs,
            "NaN canonicalization": self.settings.canonical_nans,
            "deterministic relaxed SIMD": True,  # the compiler's, whatever is metered
            "limits that hold": self.limits,
            "services": self.services,
            "process": self.process,
        }


MODES = (
    Mode(FULL, "all", "all", "the kernel"),
    Mode(EPOCHS, "all but fuel", "all", "the kernel"),
    Mode(NONE, "all but fuel; CPU and wall time end the process", "log and clock", "a child process"),
)
"""The choices, from the one that meters most."""
