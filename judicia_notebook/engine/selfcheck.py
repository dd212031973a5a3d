"""Call a small module through every hot path once, before a plugin relies on it.

The engine uses the C API without argument types, so a library with another layout would give wrong answers, no error.
So the engine proves itself at its start: a call, a host call, data, a grow that is refused, fuel, a trap. The table of
references makes Wasmtime ask for their heap before the memory, which must not get the memory's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.linkage import HostFunction, Linkage
from judicia_notebook.engine.memory import AVAILABLE, MemoryPool
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.slots import pack_numbers
from judicia_notebook.errors import GuestTrap
from judicia_notebook.wasm.sections import read_module

if TYPE_CHECKING:
    from judicia_notebook.engine.engine import Engine

_MODULE = b"""(module
  (import "check" "add" (func $add (param i32 i32) (result i64)))
  (table 1 externref)
  (memory (export "memory") 1)
  (data (i32.const 65532) "\\07")
  (func (export "call") (param i32 i32) (result i64) (call $add (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))"""


def _add(sandbox: Any, invocation: Any, first: int, second: int) -> int:
    return first + (second << 32)


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ImportError(f"the installed wasmtime does not work as judicia_notebook expects: {what}")


def run(engine: Engine) -> None:
    """Check this engine.

    Raises
    ------
    ImportError
        The message names the step that failed.
    """
    from judicia_notebook.engine import capi

    info = read_module(capi.wat_to_wasm(_MODULE))
    module = engine.compile(info, "selfcheck")
    add = HostFunction("check", "add", ("i32", "i32"), ("i64",), _add)
    linkage = Linkage(engine, module, info, [add])
    budget = FixedBudget(Limits(memory_bytes=2 << 16))
    sandbox = Sandbox(linkage, MemoryPool(1 << 30))
    invocation = Invocation(budget)
    sandbox.enter(invocation)
    try:
        sandbox.instantiate()
        call = sandbox.export("call")
        _expect(sandbox.run_pair(call, 0xFFFFFFFF, 7) == 0xFFFFFFFF + (7 << 32), "a host call")
        _expect((sandbox.fuel_used() > 0) == engine.settings.fuel, "fuel")
        peek = sandbox.export("peek")
        peek.write(pack_numbers(("i32",), ((1 << 16) - 4,)))
        sandbox.run(peek)
        _expect(peek.read()[0] == 7, "a data segment")
        grow = sandbox.export("grow")
        answers = []
        for pages in (1, 1):
            grow.write(pack_numbers(("i32",), (pages,)))
            sandbox.run(grow)
            answers.append(grow.read()[0])
        _expect(answers == [1, -1] or not AVAILABLE, "the memory quota")
        _expect(sandbox.memory is not None or not AVAILABLE, "the exported memory")
        sandbox.leave()
        sandbox.enter(invocation)  # or the trap below would be explained by the refused grow
        peek.write(pack_numbers(("i32",), (5 << 16,)))
        try:
            sandbox.run(peek)
            _expect(False, "an access out of bounds")
        except GuestTrap as trap:
            _expect(trap.trap == "out_of_bounds_memory", f"an access out of bounds was {trap.trap}")
    finally:
        sandbox.leave()
        invocation.release()
        sandbox.close()
        linkage.close()
        module.close()
