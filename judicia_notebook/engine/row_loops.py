"""Loops over rows: what calls a function of an instance once for each row of a block, without Python in between.

- `wasm/row_loop.py` writes a module for each type of function. It is compiled once for each engine, and its own fuel
  is measured then: of a run, of a row, and of a run that does not end.
- Beside an instance the module gets an instance of its own, in the same store. The runtime's memory pays for it, no
  quota of the plugin. It goes with the store.
- Where there is none the core calls row by row, which takes some times as long: for few rows, under a limit of fuel
  (``core/loops.c`` says why), and where the store or the runtime has no room.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import struct
from ctypes import byref, c_uint64
from typing import TYPE_CHECKING

from judicia_notebook.engine import capi
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.structs import Status
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.linkage import Linkage
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.wasm.row_loop import write_row_loop
from judicia_notebook.wasm.sections import read_module

if TYPE_CHECKING:
    from judicia_notebook.engine.settings import EngineSettings
    from judicia_notebook.engine.slots import Export
    from judicia_notebook.wasm.info import FuncType
    from judicia_notebook.wasm.row_loop import RowLoop

FEW_ROWS = 1000
"""Rows that are called one by one sooner than an instance is made for them."""

_UNLIMITED_FUEL = 1 << 62


class LoopCode:
    """The compiled module for one type of function, and the fuel of its loop. `loop_code` keeps them.

    Attributes
    ----------
    layout : RowLoop
        Where the columns lie in a block.
    fuel : tuple of int
        Of a run; of a row; of a run that ends in its first row, inside the function.
    """

    def __init__(self, params: tuple[str, ...], results: tuple[str, ...], settings: EngineSettings) -> None:
        engine = get_engine(settings)
        self.layout = write_row_loop(params, results)
        info = read_module(self.layout.wasm)
        module = engine.compile(info, hashlib.sha256(self.layout.wasm).hexdigest())
        try:
            self.linkage = Linkage(engine, module, info, ())
        finally:
            module.close()
        self.fuel = (0, 0, 0)
        self.fuel = self._measure()

    def _measure(self) -> tuple[int, int, int]:
        """The loop's own fuel: what is left of a run without what the function takes alone; zeros without fuel."""
        sandbox, invocation = Sandbox(self.linkage, MemoryPool(1 << 30)), Invocation(FixedBudget(Limits()))
        try:
            sandbox.enter(invocation)
            sandbox.instantiate()
            loop = Loop(self.layout, sandbox, self)
            if not loop.is_generated:
                raise ResourceExhausted("This process has no memory left for a loop over rows.")
            given, stopped = sandbox.export("given"), sandbox.export("stopped")

            def fuel_of(export: Export, rows: int) -> int:
                before = sandbox.fuel_used()
                if rows:
                    sandbox.inside(functions.loop_run, loop.pointer, export.function, rows)
                else:
                    sandbox.inside(functions.run, *export.arguments[1:])
                self._forget(sandbox)
                return sandbox.fuel_used() - before

            alone, first, second = fuel_of(given, 0), fuel_of(given, 1), fuel_of(given, 2)
            row = second - first - alone
            return first - alone - row, row, fuel_of(stopped, 1) - fuel_of(stopped, 0)
        finally:
            sandbox.expel(invocation)
            invocation.release()
            sandbox.close()

    @staticmethod
    def _forget(sandbox: Sandbox) -> None:
        """Free the trap of a function that was to trap."""
        fields = sandbox.box.fields
        if trap := fields.trap:
            fields.trap = None
            capi.trap_delete(trap)


@functools.lru_cache(maxsize=64)
def loop_code(params: tuple[str, ...], results: tuple[str, ...], settings: EngineSettings) -> LoopCode:
    """The compiled loop for functions of this type, for stores of the engine with these settings.

    Raises
    ------
    CompileError, ResourceExhausted
    """
    return LoopCode(params, results, settings)


class Loop:
    """A block of rows, and what calls a function for each of them. It belongs to one sandbox.

    Attributes
    ----------
    layout : RowLoop
    block : memoryview
        The bytes of the block. It is valid while the thread is inside the sandbox.
    is_generated : bool
        Whether it has an instance of the module.
    was_tried : bool
        Whether one was to be made: where there is no room, no second try is made.
    """

    def __init__(self, layout: RowLoop, sandbox: Sandbox, code: LoopCode | None) -> None:
        self.layout = layout
        columns = (*layout.arguments, *layout.results)
        described = [structs.Column(column.offset, column.size) for column in columns]
        self._columns = (structs.Column * len(columns))(*described)
        self._slots = (c_uint64 * (2 * max(len(layout.arguments), len(layout.results), 1)))()
        fields = self._fields = structs.Loop()
        self.pointer = byref(fields)
        fields.columns, fields.slots = ctypes.addressof(self._columns), ctypes.addressof(self._slots)
        fields.arguments, fields.results = len(layout.arguments), len(layout.results)
        self.was_tried = code is not None
        self.is_generated = code is not None and self._make(sandbox, code)
        room = ctypes.c_ubyte * layout.size
        block = room.from_address(fields.block) if self.is_generated else room()
        fields.block = ctypes.addressof(block)
        self.block = memoryview(block).cast("B")

    def _make(self, sandbox: Sandbox, code: LoopCode) -> bool:
        fields = self._fields
        fields.fixed_fuel, fields.row_fuel, fields.begun_fuel = code.fuel
        status = sandbox.inside(functions.loop_make, code.linkage.pre, self.pointer)
        box = sandbox.box.fields
        trap, error = box.trap, box.error
        box.trap = box.error = None
        if trap:
            capi.trap_delete(trap)
        if error:
            capi.error_delete(error)
        return bool(status == Status.OK)

    @property
    def rows(self) -> int:
        """Rows of the last run, or of the run in progress, that came to their end."""
        return int(max(self._fields.rows, struct.unpack_from("<I", self.block)[0]))  # during a run one of them is 0

    def run(self, sandbox: Sandbox, export: Export, rows: int) -> None:
        """Call the function for so many rows of the block.

        Raises
        ------
        CallError
            The guest did not return from one of them; `rows` names it.
        """
        status = sandbox.inside(functions.loop_run, self.pointer, export.function, rows)
        if status:
            raise sandbox.failure(status)


def loop_of(sandbox: Sandbox, loops: dict[FuncType, Loop], kind: FuncType, rows: int) -> Loop:
    """The loop of this sandbox for functions of this type, made where there is none yet. Inside `Sandbox.enter`.

    Parameters
    ----------
    loops : dict
        All that were made for the sandbox.
    rows : int
        For how many rows it is wanted.
    """
    known = loops.get(kind)
    generated = rows > FEW_ROWS and sandbox.box.fields.fuel_set >= _UNLIMITED_FUEL
    if known is None or (generated and not known.was_tried):
        layout = write_row_loop(kind.params, kind.results)
        settings = sandbox.engine.settings
        code = loop_code(kind.params, kind.results, settings) if generated else None
        known = loops[kind] = Loop(layout, sandbox, code)
    return known
