"""What compiling a module may take is estimated from its bytes, so that no small file keeps the kernel busy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE
from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import HEAVY, check_locals, compile_work
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.memory_images import MAX_SEGMENTS
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_instructions import INSTRUCTIONS
from tests.engine.bomb_parts import MAGIC, NOTHING, bodies, leb, section, signature, vector
from tests.engine.bombs import SECTIONS, SHAPES, data, joined_by_a_table, joined_locals


def module(types: list[bytes], *functions: tuple[int, bytes]) -> bytes:
    """A module of functions, each the index of its type and its body: declarations of locals and instructions."""
    kinds = section(3, vector(leb(kind) for kind, _ in functions))
    return MAGIC + section(1, vector(types)) + kinds + bodies(*(body for _, body in functions))


def read(types: list[bytes], *functions: tuple[int, bytes]) -> ModuleInfo:
    return read_module(module(types, *functions))


THOUSAND = [signature(1000, 1000), signature(0, 1000), NOTHING]


BOMBS = {
    "loops that hand values on": SHAPES["loops in loops that hand 1000 on"](1000),
    "calls with many results": module(THOUSAND, (1, b"\0\x00\x0b"), (2, b"\0" + b"\x10\0" * 10_000 + b"\x00\x0b")),
    "calls with many parameters": SHAPES["calls that hand 1000 on"](1000),
    "many locals in many loops": joined_locals(2000, 2000),
    "a table that hands many locals on": joined_by_a_table(20_000, 700),
    "data segments that no image takes": SECTIONS["data segments"](28_848),
    "types": SECTIONS["types"](99_000),
    "functions that are elements": SECTIONS["functions that are elements"](29_000),
    "table.get": INSTRUCTIONS["table.get"](400_000),
    "table.copy": INSTRUCTIONS["table.copy"](300_000),
    "functions without end": module([NOTHING], *[(0, b"\0\x0b")] * 200_000),
    "deep nesting": module([NOTHING], (0, b"\0" + b"\x41\0\x04\x40" * 60_000 + b"\x0b" * 60_001)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_would_keep_the_compiler_busy_is_known_as_heavy(name: str) -> None:
    assert len(BOMBS[name]) < DEFAULT_ABOVE
    assert compile_work(read_module(BOMBS[name]), enough=HEAVY) > HEAVY


@pytest.mark.parametrize("name", sorted(jn.examples()))
def test_what_compilers_emit_is_not(name: str) -> None:
    path = Path(jn.__file__).parent / "plugins" / name / f"{name}.wasm"
    assert 0 < compile_work(read_module(path.read_bytes())) < HEAVY


def test_data_segments_that_images_take_are_not() -> None:
    go = SECTIONS["leading data segments"](28_848)
    assert compile_work(read_module(go)) < HEAVY / 50
    assert compile_work(read_module(SECTIONS["passive data segments"](MAX_SEGMENTS))) < HEAVY / 10
    assert compile_work(read_module(data(MAX_SEGMENTS + 1))) == math.inf  # no engine takes it


def test_a_module_without_code_is_no_work() -> None:
    assert compile_work(read_module(b"\0asm\x01\0\0\0")) == 0


def test_each_thing_a_body_holds_adds_to_the_work() -> None:
    def work(*types: bytes, code: bytes = b"\x01" * 100 + b"\x0b", declared: bytes = b"\0", bodies: int = 1) -> float:
        return compile_work(read(list(types), *[(0, declared + code)] * bodies))

    plain, blocks = work(NOTHING), b"\x02\x40" * 50 + b"\x0b" * 51
    assert work(NOTHING, code=b"\x01" * 200 + b"\x0b") > plain
    assert work(NOTHING, bodies=2) > plain + 400
    in_blocks = work(NOTHING, code=blocks)
    assert work(NOTHING, code=blocks, declared=b"\x01\x32\x7f") >= in_blocks + 50 * 100
    assert work(signature(50, 0), code=blocks) >= in_blocks + 50 * 100
    typed = blocks.replace(b"\x02\x40", b"\x02\x01")
    assert work(NOTHING, NOTHING, code=typed) == pytest.approx(in_blocks, abs=200)
    assert work(NOTHING, signature(0, 500), code=typed) > in_blocks + 500 * 100


def test_targets_of_branch_tables_are_work() -> None:
    def work(table: bytes, behind: bytes = bytes(200)) -> float:
        body = b"\x01\x32\x7f\x02\x40\x41\0" + table + behind + b"\x0b\x0b"
        return compile_work(read([NOTHING], (0, body)))

    straight, padded = work(b"\x0e" + leb(199)), work(b"\x0e\xc7\x81\x80\x80\x00")
    none = work(b"\x01\x01", b"\x01" * 200)
    assert straight > none + 199 * 50
    assert padded > none + 199 * 50
    assert work(b"\x0e" + leb(9999)) == math.inf  # that is no table, and no module


def test_declarations_of_no_locals_are_bounded_too() -> None:
    limits = replace(DEFAULT, function_locals=10, locals=15)
    none = leb(9) + b"\0\x7f" * 9 + b"\x0b"
    assert check_locals(read([NOTHING], (0, none)), limits) == 9  # reading one takes as long as reading another
    with pytest.raises(CompileLimit, match="locals"):
        check_locals(read([NOTHING], (0, none), (0, none)), limits)
    with pytest.raises(CompileLimit, match="function 0 declares 11 locals or more, and 10 are allowed"):
        check_locals(read([NOTHING], (0, leb(11) + b"\0\x7f" * 11 + b"\x0b")), limits)
    with pytest.raises(InvalidModule, match="byte"):
        check_locals(read([NOTHING], (0, leb(10) + b"\0\x7f" * 2)), limits)
