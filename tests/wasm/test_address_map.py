"""The way back from compiled code to the module, against what Wasmtime itself says of a trap's place."""

from __future__ import annotations

import pytest
import wasmtime

from judicia_notebook.wasm.address_map import AddressMap
from judicia_notebook.wasm.symbols import function_starts

TRAPS = """(module
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 7) (local.get 0)))
  (func (export "f") (param i32) (result i32) {}
    (i32.add (call $inner (local.get 0)) (i32.const 1))))"""


@pytest.mark.parametrize("padding", ["", "(drop (i32.mul (local.get 0) (local.get 0)))" * 2000])
def test_each_function_leads_back_to_bytes_of_its_own(padding: str) -> None:
    wasm = bytes(wasmtime.wat2wasm(TRAPS.format(padding)))
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, wasm)
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, module, [])
    with pytest.raises(wasmtime.Trap) as caught:
        instance.exports(store)["f"](store, 0)  # type: ignore[operator]
    at = [frame.module_offset for frame in caught.value.frames]
    compiled = bytes(module.serialize())
    found, starts = AddressMap(compiled), function_starts(compiled)
    assert len(found) > 0
    ends = {number: start for start, number in starts.items()}
    for number, place in zip((0, 1), at, strict=True):
        after = min((start for start in starts if start > ends[number]), default=ends[number] + 100_000)
        assert place in {found.place(address) for address in range(ends[number], after)}


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 100, b"\0" * 500])
def test_what_is_no_compiled_module_has_no_places(data: bytes) -> None:
    found = AddressMap(data)
    assert len(found) == 0
    assert found.place(0) is None
