"""The way through the code: the blocks in the order in which they began, up to a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.rewriting.assembler import assemble
from judicia_notebook.wasm.rewriting.counter_memory import CounterMemory, Helper
from judicia_notebook.wasm.rewriting.instrument import FunctionBody, Instrument

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.info import ModuleInfo

USUAL, MOST = 1 << 20, 1 << 25


class BlockRecorder(Instrument):
    """Writes the number of each block that begins into a record, until it is full: a call of a function of ours.

    Parameters
    ----------
    capacity : int
        Blocks.

    Attributes
    ----------
    record : int
        Where the numbers are, of four bytes each.
    total : int
        Where the number of all blocks that began is, of eight.
    """

    name: ClassVar[str] = "path"

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.record = self.total = self._helper = 0

    @property
    def options(self) -> tuple[object, ...]:
        """See `Instrument.options`."""
        return (self.capacity,)

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:  # noqa: ARG002  # as the others
        """See `Instrument.prepare`."""
        self.total = memory.reserve(8)
        self.record = memory.reserve(4 * self.capacity)
        m = memory.index
        code = assemble(f"""
            i32.const 0  i64.load {m} {self.total}  i64.const {self.capacity}  i64.lt_u
            if
              i32.const 0  i32.load {m} {self.total}  i32.const 2  i32.shl
              local.get 0  i32.store {m} {self.record}
            end
        """)
        self._helper = memory.add_function(Helper(("i32",), (), (), code + memory.bump(self.total)))

    def block(self, body: FunctionBody, number: int) -> bytes:  # noqa: ARG002  # as the others
        """See `Instrument.block`."""
        return b"\x41" + signed_leb128(number) + b"\x10" + leb128(self._helper)


class _Recorded:
    """The parts of the path, and how many blocks there were in all."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.kept = self.total = 0


class Path(Monitor):
    """A row for each block that began, over all calls, in order; ``frame.attrs["dropped"]`` counts those beyond."""

    name = "path"
    about = "the blocks in the order in which they began"
    takes = f"how many blocks to keep ({USUAL})"
    keys = ()
    numbers = ()

    def __init__(self, option: str = "") -> None:
        super().__init__(option)
        if option and not (option.isdecimal() and 0 < int(option) <= MOST):
            raise ValueError(f"takes a number of blocks from 1 to {MOST}, not {option[:80]!r}")
        self._capacity = int(option or USUAL)

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        self._recorder = kit.get(BlockRecorder, self._capacity)

    def start(self) -> _Recorded:
        """See `Monitor.start`."""
        return _Recorded()

    def collect(self, state: _Recorded, memory: bytes, end: CallEnd) -> None:  # noqa: ARG002
        """See `Monitor.collect`."""
        import numpy as np

        recorder = self._recorder
        total = int.from_bytes(memory[recorder.total : recorder.total + 8], "little")
        kept = min(total, self._capacity - state.kept)
        if kept:
            state.parts.append(np.frombuffer(memory, "<u4", kept, recorder.record).copy())
        state.kept += kept
        state.total += total

    def frame(self, counts: Counts, state: _Recorded) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np

        blocks = np.concatenate(state.parts).astype("i8") if state.parts else np.zeros(0, "i8")
        columns = {"step": np.arange(len(blocks)), "block": blocks}
        made = counts.frame(
            counts.function_of[blocks].tolist(), np.array(counts.blocks.start, "i8")[blocks].tolist(), columns
        )
        made.attrs["dropped"] = state.total - state.kept
        return made
