"""What a monitoring counted in one plugin: by basic block, with the names of functions and where they stand.

A count of a block is how often it began. A trap or a stop cuts the block it happens in: some of its instructions had
begun, the others did not run. Calls end blocks, so that no other frame of the backtrace has a block that is cut.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.listings.lines import source_map
from judicia_notebook.errors import DebugInfoError
from judicia_notebook.reporting import notices
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.wasm.opcodes import OPCODES, PREFIXES, key
from judicia_notebook.wasm.rewriting.counters import BlockCounters
from judicia_notebook.wasm.rewriting.walker import number_at, split
from judicia_notebook.wasm.rust_symbols import demangle

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.rewriting.blocks import Blocks
    from judicia_notebook.wasm.rewriting.rewriter import Rewritten
    from judicia_notebook.wasm.source_map import SourceMap

    Array = np.ndarray[Any, Any]

NAME_LIMIT = 200


class Counts:
    """The counts of one plugin.

    Parameters
    ----------
    rewritten : Rewritten
    memory : bytes
        The sums of the counters' memory over all calls.
    begun : array of int
        How often each block began, by its number; zeros where no instrument counts blocks.
    cuts : mapping
        For a block that was cut, how often after how many of its instructions had begun.
    unknown : set of int
        The functions of which it is not known where they stopped: their counts are not known.
    """

    def __init__(
        self, rewritten: Rewritten, memory: bytes, begun: Array, cuts: dict[int, Counter[int]], unknown: set[int]
    ) -> None:
        self.rewritten = rewritten
        self.memory = memory
        self.begun = begun
        self.cuts = cuts
        self.unknown = unknown

    @property
    def module(self) -> ModuleInfo:
        """The plugin's own module."""
        return self.rewritten.original.module

    @property
    def blocks(self) -> Blocks:
        """Of that module."""
        return self.rewritten.blocks

    @property
    def has_blocks(self) -> bool:
        """Whether blocks were counted."""
        return any(isinstance(each, BlockCounters) for each in self.rewritten.instruments)

    @property
    def functions(self) -> range:
        """The indexes of the functions that the module defines."""
        imported = sum(each.kind == "func" for each in self.module.imports)
        return range(imported, len(self.module.functions))

    # Blocks, as arrays by their numbers ---------------------------------------------------------------------

    @functools.cached_property
    def sizes(self) -> Array:
        """The instructions of each block."""
        import numpy as np

        return np.array(self.blocks.instructions, "i8")

    @functools.cached_property
    def function_of(self) -> Array:
        """The function of each block."""
        import numpy as np

        return np.array(self.blocks.function, "i8")

    @functools.cached_property
    def reachable(self) -> Array:
        """Which blocks can run."""
        import numpy as np

        return np.frombuffer(bytes(self.blocks.reachable), "?")

    @functools.cached_property
    def ended(self) -> Array:
        """How often the last instruction of each block began."""
        found: Array = self.begun.copy()
        for block, cuts in self.cuts.items():
            found[block] -= sum(times for begun, times in cuts.items() if begun < self.blocks.instructions[block])
        return found

    @functools.cached_property
    def ran(self) -> Array:
        """How many instructions of each block began."""
        found: Array = self.begun * self.sizes
        for block, cuts in self.cuts.items():
            size = self.blocks.instructions[block]
            found[block] -= sum((size - begun) * times for begun, times in cuts.items())
        return found

    @functools.cached_property
    def reached(self) -> Array:
        """How many instructions of each block began at least once."""
        import numpy as np

        found: Array = np.where(self.begun > 0, self.sizes, 0)
        for block, cuts in self.cuts.items():
            if self.begun[block] == sum(cuts.values()):
                found[block] = max(cuts)
        return found

    def times(self, block: int, place: int) -> int:
        """How often the instruction at a place of a block, from 0, began."""
        missed = sum(times for begun, times in self.cuts.get(block, {}).items() if begun <= place)
        return int(self.begun[block]) - missed

    def by_function(self, values: Array) -> Array:
        """Sums over the blocks of each function, by its index."""
        import numpy as np

        found: Array = np.zeros(len(self.module.functions), "i8")
        np.add.at(found, self.function_of, values)
        return found

    # Instructions -------------------------------------------------------------------------------------------

    def instructions_of(self, block: int) -> list[bytes]:
        """The instructions of a block, each as its bytes."""
        blocks = self.blocks
        pieces = split(self.module.data, blocks.function[block], blocks.start[block], blocks.end[block])
        return [instruction for _, piece in pieces for instruction in piece]

    def last_offset(self, block: int) -> int:
        """The byte of the file where the last instruction of a block begins."""
        return self.blocks.end[block] - len(self.instructions_of(block)[-1])

    def mix(self) -> Counter[tuple[int, str]]:
        """How often each instruction of each function began, by the function's index and the opcode's name."""
        found: Counter[tuple[int, str]] = Counter()
        for block in self.begun.nonzero()[0].tolist():
            function, times = self.blocks.function[block], int(self.begun[block])
            names = [opcode_name(instruction) for instruction in self.instructions_of(block)]
            for name, number in Counter(names).items():
                found[function, name] += times * number
            for begun, cut in self.cuts.get(block, {}).items():
                for name in names[begun:]:
                    found[function, name] -= cut
        return +found

    # Names and places -----------------------------------------------------------------------------------------

    @functools.cached_property
    def names(self) -> list[str]:
        """Of each function, as people read it; distinct functions may have one name."""
        module = self.module
        exported = {each.index: each.name for each in reversed(module.exports) if each.kind == "func"}
        imported = [f"{each.module}.{each.name}" for each in module.imports if each.kind == "func"]
        found = []
        for index in range(len(module.functions)):
            if index < len(imported):
                name = imported[index]
            else:
                name = demangle(module.names.get(index, "")) or exported.get(index, f"function {index}")
            found.append(printable(name, NAME_LIMIT))
        return found

    def name_of(self, function: int | None) -> str | None:
        """The name of a function; None for none."""
        return None if function is None else self.names[function]

    def first_offset(self, function: int) -> int | None:
        """The byte of the file where a function's code begins; None for an imported one."""
        blocks = self.blocks.of(function)
        return self.blocks.start[blocks.start] if blocks else None

    def frame(
        self,
        functions: Sequence[int],
        offsets: Sequence[int | None],
        columns: dict[str, Any],
        *,
        counted: Iterable[str] = (),
        ends: Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """A frame with a row for each place: whose it is and where, and the columns of a monitor between.

        Parameters
        ----------
        functions : sequence of int
            The index of each row's function.
        offsets : sequence of int or None
            Bytes of the file.
        columns : dict
        counted : iterable of str
            Those of them that are NA where it is not known where the function stopped.
        ends : sequence of int, optional
            The line is that of the first code from the offset up to this byte that has one.
        """
        import pandas as pd

        unknown = [function in self.unknown for function in functions]
        made: dict[str, Any] = {"function": pd.Series([self.names[each] for each in functions], dtype="str")}
        made["index"] = pd.array(list(functions), dtype="int64")
        for name, values in columns.items():
            if name not in counted:
                made[name] = values
            elif values.dtype == bool:
                made[name] = pd.array(values, dtype="boolean")
                made[name][unknown] = pd.NA
            else:
                made[name] = pd.arrays.IntegerArray(values.astype("i8"), pd.array(unknown, dtype=bool).to_numpy())
        files, lines = self.places(offsets, ends)
        made["offset"] = pd.array(list(offsets), dtype="Int64")
        made["file"] = pd.Series(files, dtype="str")
        made["line"] = pd.array(lines, dtype="Int64")
        return with_plugin_text(pd.DataFrame(made))

    def places(
        self, offsets: Sequence[int | None], ends: Sequence[int] | None = None
    ) -> tuple[list[str | None], list[int | None]]:
        """The file and the line of each byte of the module, as far as its debug information tells them."""
        files: list[str | None] = [None] * len(offsets)
        lines: list[int | None] = [None] * len(offsets)
        found = self._lines
        if found:
            for place, offset in enumerate(offsets):
                if offset is None:
                    continue
                there, end = found.at(offset - found.code_start), offset if ends is None else ends[place]
                while (there is None or not there.line) and offset < end:
                    offset = found.known_until(offset - found.code_start) + found.code_start  # noqa: PLW2901
                    there = found.at(offset - found.code_start) if offset < end else None
                if there is not None and there.line:
                    files[place], lines[place] = there.file, there.line
        return files, lines

    @functools.cached_property
    def _lines(self) -> SourceMap | None:
        try:
            return source_map(self.module.data)
        except DebugInfoError as error:
            notices.say(f"Files and lines are not known: {printable(error.message)}")
            return None


def opcode_name(instruction: bytes) -> str:
    """The name of the opcode of an instruction.

    Examples
    --------
    >>> opcode_name(bytes([0x41, 5])), opcode_name(bytes([0xFC, 10, 0, 0]))
    ('i32.const', 'memory.copy')
    """
    first = instruction[0]
    return OPCODES[key(first, number_at(instruction, 1)) if first in PREFIXES else first].name
