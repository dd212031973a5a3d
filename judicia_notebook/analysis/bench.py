"""The result of `Plugin.bench`: cold and warm calls apart, with the intervals of their medians.

Knows rows of calls, but not how the calls were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judicia_notebook.analysis.intervals import Estimate, median_interval
from judicia_notebook.records.record import CallRecord
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "wall": "wall_ms",
    "setup": "setup_ms",
    "guest": "guest_ms",
    "host": "host_ms",
    "cpu": "cpu_ms",
    "fuel": "fuel",
    "memory": "memory_peak_bytes",
}
"""What is told of each side, and the column it is from."""

USUAL = {"full": "1.2 to 5", "epochs": "1 to 3.6"}
"""How many times as long as without it code takes with a metering: the least and the most of ``docs/metering.md``."""
WAY_TO_FACTOR = 'metering="none" (--metering none) measures it'


@dataclass(frozen=True, slots=True)
class Side:
    """The cold calls, or the warm ones.

    Attributes
    ----------
    records : tuple of CallRecord
        In the order in which they were made; the warm-up is not among them.
    """

    records: tuple[CallRecord, ...]

    @property
    def failed(self) -> int:
        """How many calls did not end ok; the estimates leave them out."""
        return sum(record.outcome != "ok" for record in self.records)

    @property
    def calls(self) -> pd.DataFrame:
        """Their rows of `Runtime.calls`."""
        from judicia_notebook.records import frames

        return frames.of_records(self.records)

    def estimate(self, column: str) -> Estimate:
        """The median of a column, such as ``wall_ms``, and its 95 % interval."""
        values = [getattr(record, column) for record in self.records if record.outcome == "ok"]
        return median_interval(value for value in values if value is not None)

    @property
    def wall_ms(self) -> Estimate:
        """Wall time in milliseconds, without the queue. A cold call's includes making the instance."""
        return self.estimate("wall_ms")

    @property
    def cpu_ms(self) -> Estimate:
        """CPU time in milliseconds."""
        return self.estimate("cpu_ms")

    @property
    def fuel(self) -> Estimate:
        """Fuel: about a unit for each instruction."""
        return self.estimate("fuel")


@dataclass(frozen=True, slots=True)
class Bench:
    """What a call costs: in a new instance (cold), and in an instance that has served calls before (warm).

    Each run of a WASI command is a cold one.

    Attributes
    ----------
    metering : str
        What the code counted meanwhile: ``full``, ``epochs`` or ``none``.
    metered : Bench or None
        Beside calls without metering, the same calls with the plugin's own metering, in the same rounds.
    """

    plugin: str
    function: str
    warmup: int
    cold: Side
    warm: Side
    metering: str = "full"
    metered: Bench | None = None

    @property
    def factor(self) -> Estimate | None:
        """How many times as long the guest takes with metering as without, by the rounds; None where that is unknown.

        It is that of warm calls, where there are any.
        """
        if self.metered is None:
            return None
        name = "warm" if self.warm.records else "cold"
        bare, metered = getattr(self, name).records, getattr(self.metered, name).records
        return median_interval(
            one.guest_ms / other.guest_ms
            for one, other in zip(metered, bare, strict=False)
            if one.outcome == other.outcome == "ok" and other.guest_ms > 0
        )

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each side and column, with the fields of `Estimate`."""
        import pandas as pd

        rows = [
            {"side": name, "column": column, **{part: getattr(found, part) for part in Estimate.__slots__}}
            for name, side in self.sides
            for column in MEASURES.values()
            for found in [side.estimate(column)]
        ]
        made = pd.DataFrame(rows).astype(dict.fromkeys(("median", "low", "high", "least", "most"), "Float64"))
        return with_plugin_text(made)

    @property
    def calls(self) -> pd.DataFrame:
        """The rows of both in `Runtime.calls`, cold ones first, with a column ``side`` after the others."""
        import pandas as pd

        from judicia_notebook.records import frames

        records = [record for _, side in self.sides for record in side.records]
        names = [name for name, side in self.sides for _ in side.records]
        return frames.of_records(records).assign(side=pd.Series(names, dtype="str"))

    @property
    def sides(self) -> tuple[tuple[str, Side], ...]:
        """Those that have calls, with their names. A WASI command has no warm ones."""
        return tuple((name, side) for name, side in (("cold", self.cold), ("warm", self.warm)) if side.records)

    def title(self) -> tuple[str, str]:
        """The function, and the way of the measurement, for people."""
        sides = " and ".join(f"{len(side.records)} {name}" for name, side in self.sides)
        calls = f"{sides} calls after {self.warmup} to warm up"
        way = f"{calls} · metering {self.metering} · median with its 95 % interval"
        return printable(f"{self.plugin}.{self.function}", 160), way

    def grid(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """The numbers for people: the heads of the columns, and the rows."""
        rows = [
            (name, measure, *_texts(column, side.estimate(column)))
            for name, side in self.sides
            for measure, column in MEASURES.items()
            if side.estimate(column).most
        ]
        return ("", "", "median", "from", "to", "least", "most"), tuple(rows)

    def remarks(self) -> list[str]:
        """Further remarks for people."""
        lines = [
            f"{side.failed} of {len(side.records)} {name} calls did not end well and are left out."
            for name, side in self.sides
            if side.failed
        ]
        return [*lines, *self._told_factor()]

    def _told_factor(self) -> list[str]:
        """What metering makes of the guest's time: as it was measured, or as it is for other code."""
        found = self.factor
        if found is not None and self.metered is not None and found.median is not None:
            name = self.metered.metering
            interval = "" if found.low is None else f"95 % interval {found.low:.2f} to {found.high:.2f}; "
            return [
                f"Metering {name} takes {found.median:.2f} times the unmetered time ({interval}{USUAL[name]} is usual)."
            ]
        if usual := USUAL.get(self.metering):
            measured = "" if not self.warm.records else f"; {WAY_TO_FACTOR}"  # commands are not run without
            said = f"Code that computes takes {usual} times its unmetered time with metering {self.metering}"
            return [f"{said}{measured}."]
        return []

    def __str__(self) -> str:
        heads, rows = self.grid()
        table = [heads, *rows]
        widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([" · ".join(self.title()), *(f"  {line}".rstrip() for line in lines), *self.remarks()])

    def __repr__(self) -> str:
        texts = [f"{name} {_text('wall_ms', side.wall_ms.median)}" for name, side in self.sides]
        return f"<Bench {self.title()[0]}: {', '.join(texts)}>"


def _texts(column: str, found: Estimate) -> Sequence[str]:
    parts = (found.median, found.low, found.high, found.least, found.most)
    return [_text(column, part) for part in parts]


def _text(column: str, value: float | None) -> str:
    if value is None:
        return "—"
    if column.endswith("_ms"):
        return format_time(value / 1e3)
    return format_size(round(value)) if column.endswith("_bytes") else format_count(round(value))
