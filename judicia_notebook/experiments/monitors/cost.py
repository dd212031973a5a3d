"""What a function costs by a declared model: a weight for each opcode, which no release of an engine changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.text import printable
from judicia_notebook.wasm.opcodes import OPCODES
from judicia_notebook.wasm.rewriting.counters import BlockCounters

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

MOST_WEIGHT: Final = 1e15
_FREE: Final = frozenset({"nop", "block", "loop", "end", "else", "drop", "unreachable", "return"})
_BY_ENDING: Final = {".div": 20, ".div_s": 20, ".div_u": 20, ".rem_s": 20, ".rem_u": 20, ".sqrt": 20, ".mul": 3}
_BY_NAME: Final = {
    "call": 5, "call_indirect": 10, "call_ref": 10, "return_call": 5, "return_call_indirect": 10, "br_table": 5,
    "memory.grow": 1000, "memory.copy": 50, "memory.fill": 50, "memory.init": 50,
}  # fmt: skip


def default_weights() -> dict[str, float]:
    """The weight of each opcode by its name, a new table each time: copy it, edit it, hand it to `Monitored.cost_by`.

    The model is declared, not measured: the free ones are those that make no machine code, an access costs 3, a
    division 20, a call 5, and what is not named 1.

    Examples
    --------
    >>> weights = default_weights()
    >>> weights["i32.add"], weights["i32.div_s"], weights["i64.load"], weights["nop"]
    (1, 20, 3, 0)
    """
    found: dict[str, float] = {}
    for opcode in OPCODES.values():
        name = opcode.name
        ending = name[name.rfind(".") :] if "." in name else ""
        usual = 3 if opcode.access else _BY_ENDING.get(ending, 1)
        found[name] = 0 if name in _FREE else _BY_NAME.get(name, usual)
    return found


class Cost(Monitor):
    """A row for each function in which an instruction ran."""

    name = "cost"
    about = "a declared cost: the weights of the opcodes that ran"
    keys = ("function",)
    numbers = ("cost", "instructions")
    is_by_name = True

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)

    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:  # noqa: ARG002  # sums are enough
        """See `Monitor.frame`."""
        return cost_frame(counts, default_weights())


def cost_frame(counts: Counts, weights: Mapping[str, float]) -> pd.DataFrame:
    """The cost of each function by these weights.

    Raises
    ------
    ValueError
        An opcode that ran has no weight, or one that is no finite number.
    """
    import numpy as np
    import pandas as pd

    costs: dict[int, float] = {}
    instructions: dict[int, int] = {}
    for (function, opcode), times in counts.mix().items():
        if opcode not in weights:
            raise ValueError(f"the opcode {opcode} ran, and has no weight")
        weight: object = weights[opcode]
        if not isinstance(weight, int | float) or not abs(weight) <= MOST_WEIGHT:
            raise ValueError(
                f"the weight of {opcode} is a number up to {MOST_WEIGHT}, not {printable(repr(weight), 80)}"
            )
        costs[function] = costs.get(function, 0) + times * weight
        instructions[function] = instructions.get(function, 0) + times
    shown = sorted(costs, key=lambda function: (-costs[function], function))
    whole = all(float(cost).is_integer() and abs(cost) < 1 << 63 for cost in costs.values())
    columns = {
        "cost": np.array([costs[each] for each in shown], "i8" if whole else "f8"),
        "instructions": np.array([instructions[each] for each in shown], "i8"),
    }
    made = counts.frame(
        shown, [counts.first_offset(each) for each in shown], columns, counted=("instructions", *(["cost"] * whole))
    )
    if not whole:
        made["cost"] = pd.array(columns["cost"], dtype="Float64")
        made.loc[[each in counts.unknown for each in shown], "cost"] = pd.NA
    return made
