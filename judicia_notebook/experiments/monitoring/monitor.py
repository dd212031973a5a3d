"""What a monitor is: the instruments that it needs, and the frame that it makes of their counts.

One object serves all monitorings of the same module with the same monitors. What one of them adds up is in a state of
its own, which `Monitor.start` makes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from judicia_notebook.wasm.rewriting.counters import BlockCounters
from judicia_notebook.wasm.rewriting.fuel_meter import FuelMeter

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.rewriting.instrument import Instrument

I = TypeVar("I", bound="Instrument")  # noqa: E741


class Cut(NamedTuple):
    """A block that did not come to its end: its number, and how many of its instructions had begun, and had not."""

    block: int
    begun: int
    missing: int


class CallEnd(NamedTuple):
    """How a call ended: the number of its instance, and where a trap or a stop cut a block that was counted.

    `ran` is how many instructions began, where blocks were counted and it did not return; 0 otherwise.
    """

    instance: int
    cut: Cut | None
    ran: int = 0


class Counted(Protocol):
    """A result, for what compares two."""

    @property
    def plugins(self) -> tuple[str, ...]: ...

    @property
    def digests(self) -> dict[str, str]: ...

    @property
    def monitors(self) -> dict[str, Monitor]: ...

    def frame(self, name: str) -> pd.DataFrame: ...

    def counts(self, plugin: str | None = None) -> Counts: ...


class Kit:
    """The instruments of some monitors: one of each kind and options.

    Those that count blocks come first, but for the meter of fuel, which may end a call before its next block has begun.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Instrument] = {}

    def get(self, kind: type[I], *options: Any) -> I:
        """The instrument of a kind with these options."""
        found = self._made.get((kind, *options))
        if found is None:
            found = self._made[kind, *options] = kind(*options)
        return found  # type: ignore[return-value]  # it is of that kind

    @property
    def instruments(self) -> list[Instrument]:
        """All of them, in the order in which their code is inserted."""
        return sorted(
            self._made.values(), key=lambda each: (not isinstance(each, FuelMeter), not isinstance(each, BlockCounters))
        )


class Monitor(ABC):
    """The base of all monitors.

    Attributes
    ----------
    name : str
        As `what` has it, and as its frame is called.
    about : str
        What it counts, in a few words.
    takes : str
        What may stand behind its name and ``=``, in a few words; empty where nothing may.
    keys : tuple of str
        The columns of its frame that tell its rows apart.
    numbers : tuple of str
        The columns that are counts.
    is_by_name : bool
        Whether the keys of another module mean the same.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    takes: ClassVar[str] = ""
    keys: ClassVar[tuple[str, ...]]
    numbers: ClassVar[tuple[str, ...]]
    is_by_name: ClassVar[bool] = False

    def __init__(self, option: str = "") -> None:
        """`option` is what stood behind the name; ValueError where it means nothing."""
        if option and not self.takes:
            raise ValueError(f"takes nothing behind its name, not {option[:80]!r}")

    @abstractmethod
    def prepare(self, kit: Kit) -> None:
        """Take the instruments that it needs."""

    def start(self) -> Any:
        """What `collect` adds up in; None where the sums of all counters do. A frame is made of a deep copy of it."""
        return None

    def collect(self, state: Any, memory: bytes, end: CallEnd) -> None:  # noqa: B027  # for many sums are enough
        """Take what cannot be summed out of the counters, as one call left them; before it they were zeros.

        Parameters
        ----------
        end : CallEnd
            How the call ended.
        """

    @abstractmethod
    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:
        """What a user gets."""
