"""Takes the counters out of an instance behind each call, adds them up, and cuts what a trap or a stop left half done.

- The counters are read and set to zeros on the thread inside, so that no call sees those of another.
- Making an instance, its start function and its hooks count nothing: their counters are thrown away.
- Where the guest did not return, the innermost frame says where it was. It may be in a function of ours, called by the
  guest's: then the frame around it is the guest's, and the block had been reached.
"""

from __future__ import annotations

import copy
import ctypes
import threading
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine.core.structs import Meter
from judicia_notebook.engine.traps import STACK_OVERFLOW
from judicia_notebook.experiments.monitoring.counts import Counts
from judicia_notebook.experiments.monitoring.monitor import CallEnd, Cut
from judicia_notebook.wasm.rewriting.counters import BlockCounters

if TYPE_CHECKING:
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.experiments.monitoring.plan import Plan
    from judicia_notebook.runtime.instance import Instance


class Tally:
    """The sums of one plugin's counters; it observes the calls in its instances.

    Attributes
    ----------
    plan : Plan
    calls : int
        How many it has counted.
    """

    def __init__(self, plan: Plan) -> None:
        import numpy as np

        self.plan = plan
        self.calls = 0
        rewritten = plan.rewritten
        self._size = -(-rewritten.memory_bytes // 8) * 8
        self._sums = np.zeros(self._size // 8, "u8")
        self._cuts: dict[int, Counter[int]] = {}
        self._reached: Counter[int] = Counter()
        self._unknown: set[int] = set()
        self._states: dict[str, Any] = {name: each.start() for name, each in plan.monitors.items()}
        self._meter = 0 if plan.meter is None else plan.meter.address
        self._functions = len(rewritten.original.module.functions)
        self._lock = threading.Lock()

    # --- as `Observer` ---

    def begin(self, instance: Instance) -> None:
        """Look where the counters are; those of a new instance's making go."""
        sandbox = instance.sandbox
        sandbox.stopped_in = ()
        if (counters := sandbox.counters) is not None:
            meter = self._meter
            kept = ctypes.string_at(counters.base + meter, ctypes.sizeof(Meter)) if meter else b""
            ctypes.memset(counters.base, 0, self._size)
            ctypes.memmove(counters.base + meter, kept, len(kept))  # the core has just written the limit

    def end(self, instance: Instance, origin: str) -> None:
        """Take what the call counted."""
        sandbox = instance.sandbox
        if origin == "lifecycle" or (counters := sandbox.counters) is None:
            return
        memory = ctypes.string_at(counters.base, self._size)
        with self._lock:
            if sandbox.broken:
                cut = self._cut(sandbox)
                self._add(memory, CallEnd(instance.number, cut, self._ran(memory, cut)))
            else:
                self._add(memory, CallEnd(instance.number, None))

    # --- adding up ---

    def _add(self, memory: bytes, end: CallEnd) -> None:
        import numpy as np

        self.calls += 1
        self._sums += np.frombuffer(memory, "<u8")
        for name, monitor in self.plan.monitors.items():
            monitor.collect(self._states[name], memory, end)

    def _cut(self, sandbox: Sandbox) -> Cut | None:
        """Note which block of the innermost function ran in part; none where it is not in its count."""
        rewritten, frames = self.plan.rewritten, sandbox.stopped_in
        within_ours, is_out_of_fuel = False, sandbox.is_out_of_fuel
        for number, frame in enumerate(frames):
            if sandbox.stopped_by == STACK_OVERFLOW and number == 0 and frame.function < self._functions:
                return None  # it was called, and not entered
            place = rewritten.locate(frame.function, frame.offset)
            if place is None:
                within_ours = True
                continue
            if place.block is None:
                break
            if place.counted:
                begun = place.instructions - is_out_of_fuel  # it ended before the next one
                self._cuts.setdefault(place.block, Counter())[begun] += 1
                return Cut(place.block, begun, rewritten.blocks.instructions[place.block] - begun)
            if within_ours:
                self._reached[place.block] += 1
                self._cuts.setdefault(place.block, Counter())[0] += 1
            return None
        self._unknown |= set(range(self._functions))
        return None

    def _begun(self, memory: bytes) -> Any:
        """How often each block began."""
        import numpy as np

        rewritten = self.plan.rewritten
        begun = np.zeros(len(rewritten.blocks), "i8")
        for each in rewritten.instruments:
            if isinstance(each, BlockCounters):
                begun = np.array(each.read(memory, len(rewritten.blocks)), "i8")
        return begun

    def _ran(self, memory: bytes, cut: Cut | None) -> int:
        """How many instructions began in a call."""
        ran = int(self._begun(memory) @ self.plan.rewritten.blocks.instructions)
        return ran if cut is None else ran - cut.missing

    def counts(self) -> Counts:
        """What was counted up to now."""
        return self.look(())[0]

    def look(self, monitors: Iterable[str]) -> tuple[Counts, dict[str, Any]]:
        """What was counted up to now, and the states of these monitors: copies, since calls go on adding to theirs."""
        rewritten = self.plan.rewritten
        with self._lock:
            states = {name: copy.deepcopy(self._states[name]) for name in monitors}
            memory = self._sums.astype("<u8").tobytes()
            begun = self._begun(memory)
            for block, times in self._reached.items():
                begun[block] += times
            cuts = {block: Counter(each) for block, each in self._cuts.items()}
            return Counts(rewritten, memory, begun, cuts, set(self._unknown)), states
