"""A module rewritten for some monitors. The same module is rewritten once for the same monitors: the last few plans are
kept here, and what they need on disk (`kept_modules`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.experiments.monitoring import kept_modules
from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.experiments.monitors import make_monitors
from judicia_notebook.reporting.progress import waiting
from judicia_notebook.wasm.rewriting.fuel_meter import FuelMeter
from judicia_notebook.wasm.rewriting.rewriter import Original, Rewritten, rewrite

if TYPE_CHECKING:
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.wasm.rewriting.instrument import Instrument

_MOST_KEPT = 4


class Plan(NamedTuple):
    """A rewritten module, and the monitors whose instruments are in it, by their names."""

    rewritten: Rewritten
    monitors: Mapping[str, Monitor]
    meter: FuelMeter | None

    @property
    def label(self) -> str:
        """The names of the monitors, as the column ``monitored`` has them."""
        return ", ".join(sorted(self.monitors))


_kept: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
_lock = threading.Lock()


def plan_for(code: Code, what: Sequence[str], *, meters: bool) -> Plan:
    """Have the code of a plugin rewritten; whether it counts its own fuel, too.

    Raises
    ------
    ValueError
        There is no such monitor.
    RewriteError
        It cannot be rewritten.
    """
    key = (code.digest, tuple(what), meters, code.linkage.engine.settings.features)
    with _lock:
        if (found := _kept.get(key)) is not None:
            _kept.move_to_end(key)
            return found
    made = _make(code, what, meters=meters)
    with _lock:
        _kept[key] = made
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return made


class Equipment(NamedTuple):
    """New monitors by their names, and their instruments, which nothing was written with yet."""

    monitors: Mapping[str, Monitor]
    instruments: Sequence[Instrument]
    meter: FuelMeter | None


def equip(what: Sequence[str], *, meters: bool) -> Equipment:
    """Monitors and their instruments; one that counts fuel among them, if `meters`.

    Raises
    ------
    ValueError
        There is no such monitor.
    """
    monitors, kit = make_monitors(what), Kit()
    for each in monitors.values():
        each.prepare(kit)
    meter = kit.get(FuelMeter) if meters else None
    return Equipment(monitors, kit.instruments, meter)


def _make(code: Code, what: Sequence[str], *, meters: bool) -> Plan:
    # Validated each time, also what is kept: the rewriter trusts what an engine has taken, and nothing else.
    original = Original.validated(code.wasm, code.linkage.engine.validate)
    # Calls end blocks: what a trap cuts is in the innermost frame alone, however deep the guest was.
    equipment = equip(what, meters=meters)
    made = kept_modules.recall(original, equipment.instruments, calls_end_blocks=True)
    if made is None:
        equipment = equip(what, meters=meters)
        began = perf_counter()
        with waiting("Writing counters into the module") as tick:
            made = rewrite(
                original,
                equipment.instruments,
                calls_end_blocks=True,
                progress=lambda *_: tick(perf_counter() - began),
            )
        kept_modules.keep(made)
    return Plan(made, equipment.monitors, equipment.meter)
