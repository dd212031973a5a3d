"""What compiling a module may take is estimated from its bytes, so that no small file keeps the kernel busy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.binary_format import DEFAULT
from judicia_notebook.engine.locals import HEAVY, check_locals, compile_work
from judicia_notebook.engine.module_info import ModuleInfo
from judicia_notebook.engine.sections import read_module
from judicia_notebook.errors import CompileLimit, InvalidModule


def leb(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + leb(rest) if rest else bytes([low])


def vector(*entries: bytes) -> bytes:
    return leb(len(entries)) + b"".join(entries)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def signature(params: int, results: int) -> bytes:
    return b"\x60" + leb(params) + b"\x7f" * params + leb(results) + b"\x7f" * results


def module(types: list[bytes], *functions: tuple[int, bytes]) -> bytes:
    """A module of functions, each the index of its type and its body: declarations of locals and instructions."""
    kinds = vector(*(leb(kind) for kind, _ in functions))
    bodies = vector(*(leb(len(body)) + body for _, body in functions))
    return b"\0asm\x01\0\0\0" + section(1, vector(*types)) + section(3, kinds) + section(10, bodies)


def read(*parts: object) -> ModuleInfo:
    return read_module(module(*parts))  # type: ignore[arg-type]


NOTHING = signature(0, 0)
THOUSAND = [signature(1000, 1000), signature(0, 1000), NOTHING]


def loops_with_values(loops: int) -> bytes:
    """Each loop hands a thousand values on: three bytes that take the compiler some megabytes."""
    return module(THOUSAND, (1, b"\0\x00\x0b"), (2, b"\0\x10\0" + b"\x03\0" * loops + b"\x0b" * loops + b"\x00\x0b"))


def joined_locals(loops: int, count: int) -> bytes:
    """Each of these loops needs a value for each local."""
    changes = b"".join(b"\x20" + leb(one) + b"\x41\x01\x6a\x21" + leb(one) for one in range(count))
    code = b"\x03\x40" * loops + changes + b"\x41\x01\x0d\0" + b"\x0b" * loops
    return module([NOTHING], (0, b"\x01" + leb(count) + b"\x7f" + code + b"\x0b"))


def joined_by_a_table(targets: int, count: int) -> bytes:
    """Each target of the table hands the locals on, and takes a byte that is no branch's opcode."""
    changes = b"".join(b"\x20" + leb(one) + b"\x41\x01\x6a\x21" + leb(one) for one in range(count))
    table = b"\x0e" + leb(targets) + bytes(targets) + b"\x01"
    code = b"\x03\x40\x03\x40" + changes + b"\x41\x01" + table + b"\x0b\x0b"
    return module([NOTHING], (0, b"\x01" + leb(count) + b"\x7f" + code + b"\x0b"))


BOMBS = {
    "loops that hand values on": loops_with_values(1000),
    "calls with many results": module(THOUSAND, (1, b"\0\x00\x0b"), (2, b"\0" + b"\x10\0" * 10_000 + b"\x00\x0b")),
    "calls with many parameters": module(
        THOUSAND, (0, b"\0\x00\x0b"), (1, b"\0\x00\x0b"), (2, b"\0\x10\x01" + b"\x10\0" * 1000 + b"\x00\x0b")
    ),
    "many locals in many loops": joined_locals(2000, 2000),
    "a table that hands many locals on": joined_by_a_table(20_000, 700),
    "functions without end": module([NOTHING], *[(0, b"\0\x0b")] * 200_000),
    "deep nesting": module([NOTHING], (0, b"\0" + b"\x41\0\x04\x40" * 60_000 + b"\x0b" * 60_001)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_would_keep_the_compiler_busy_is_known_as_heavy(name: str) -> None:
    assert len(BOMBS[name]) < 1 << 20
    assert compile_work(read_module(BOMBS[name])) > HEAVY


@pytest.mark.parametrize("name", sorted(jn.examples()))
def test_what_compilers_emit_is_not(name: str) -> None:
    path = Path(jn.__file__).parent / "plugins" / name / f"{name}.wasm"
    assert 0 < compile_work(read_module(path.read_bytes())) < HEAVY


def test_a_module_without_code_is_no_work() -> None:
    assert compile_work(read_module(b"\0asm\x01\0\0\0")) == 0


def test_each_thing_a_body_holds_adds_to_the_work() -> None:
    def work(*types: bytes, code: bytes = b"\x01" * 100 + b"\x0b", declared: bytes = b"\0", bodies: int = 1) -> float:
        return compile_work(read(list(types), *[(0, declared + code)] * bodies))

    plain, blocks = work(NOTHING), b"\x02\x40" * 50 + b"\x0b" * 51
    assert work(NOTHING, code=b"\x01" * 200 + b"\x0b") > plain
    assert work(NOTHING, bodies=2) == pytest.approx(2 * plain)
    in_blocks = work(NOTHING, code=blocks)
    assert work(NOTHING, code=blocks, declared=b"\x01\x32\x7f") > in_blocks + 50 * 100
    assert work(signature(50, 0), code=blocks) > in_blocks + 50 * 100
    assert work(NOTHING, signature(0, 500), code=blocks) > in_blocks + 500 * 100


def test_targets_of_branch_tables_are_counted_however_their_number_is_padded() -> None:
    def work(table: bytes) -> float:
        body = b"\x01\x32\x7f\x02\x40\x41\0" + table + bytes(200) + b"\x0b\x0b"
        return compile_work(read([NOTHING], (0, body)))

    straight, padded = work(b"\x0e" + leb(199)), work(b"\x0e\xc7\x81\x80\x80\x00")
    none, too_many = work(b"\x01" + leb(199)), work(b"\x0e" + leb(9999))
    assert straight > none + 199 * 50
    assert padded > none + 199 * 50
    assert too_many < none + 199 * 50


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
