"""Damaged modules and whole ones: the reader and Wasmtime come to the same view of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook.plugins
from judicia_notebook.errors import LoadError
from judicia_notebook.wasm.info import FuncType, MemoryType
from judicia_notebook.wasm.sections import read_module
from tests.support.effort import fuzz

HERE = Path(__file__).parent
BUNDLED = Path(next(iter(judicia_notebook.plugins.__path__)))
HEADER = b"\0asm\x01\0\0\0"


def assembled(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


NEWER = assembled((HERE / "newer_features.wat").read_text())
PLAIN = [
    assembled("(module)"),
    assembled('(module (memory (export "m") 1) (func (export "f") (param i32) (result i32) (local.get 0)))'),
    assembled((HERE / "plugin.wat").read_text()),
    *(path.read_bytes() for path in sorted(BUNDLED.glob("*/*.wasm"))),
]
REAL = [*PLAIN, NEWER]


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for feature in ("gc", "function_references", "exceptions", "multi_memory", "memory64", "tail_call", "threads"):
        setattr(config, f"wasm_{feature}", True)
    return wasmtime.Engine(config)


ENGINE = _engine()


@pytest.fixture(scope="module", autouse=True)
def _engine_is_closed() -> Iterator[None]:
    yield
    ENGINE.close()


def wasmtime_accepts(data: bytes) -> bool:
    try:
        wasmtime.Module.validate(ENGINE, data)
    except wasmtime.WasmtimeError:
        return False
    return True


def kind_of(extern: Any) -> str:
    for kind, cls in (
        ("func", wasmtime.FuncType),
        ("table", wasmtime.TableType),
        ("memory", wasmtime.MemoryType),
        ("global", wasmtime.GlobalType),
    ):
        if isinstance(extern, cls):
            return kind
    return "tag"


def described(extern: Any) -> object:
    if isinstance(extern, wasmtime.FuncType):
        return FuncType(tuple(map(str, extern.params)), tuple(map(str, extern.results)))
    if isinstance(extern, wasmtime.MemoryType):
        return MemoryType(extern.limits.min, extern.limits.max, extern.is_shared, extern.is_64)
    return None


def describable(kind: object) -> bool:
    """Asked for the name of a vector or of a newer reference type, wasmtime-py ends the process."""
    known = {"i32", "i64", "f32", "f64", "funcref"}
    return not isinstance(kind, FuncType) or {*kind.params, *kind.results} <= known


def assert_agreement(data: bytes) -> None:
    info, module = read_module(data), wasmtime.Module(ENGINE, data)
    assert [(each.module, each.name, each.kind) for each in info.imports] == [
        (each.module, each.name, kind_of(each.type)) for each in module.imports
    ]
    for ours, imported in zip(info.imports, module.imports, strict=True):
        if ours.kind in {"func", "memory"} and describable(ours.type):
            assert ours.type == described(imported.type)
    assert [(each.name, each.kind) for each in info.exports] == [
        (each.name, kind_of(each.type)) for each in module.exports
    ]
    for export, exported in zip(info.exports, module.exports, strict=True):
        if export.kind == "func" and describable(export.type):
            assert export.type == described(exported.type)
        elif export.kind == "memory":
            assert info.memories[export.index] == described(exported.type)


@pytest.mark.parametrize("data", PLAIN, ids=len)
def test_wasmtime_sees_the_same_module(data: bytes) -> None:
    assert_agreement(data)


@dataclass(frozen=True)
class Edit:
    """Some bytes of a module replaced by others, or repeated."""

    place: int
    removed: int
    piece: bytes | None

    def apply(self, data: bytes) -> bytes:
        start = self.place % (len(data) + 1)
        stop = start + self.removed
        return data[:start] + (data[start:stop] * 2 if self.piece is None else self.piece) + data[stop:]


# Most of what is read stands in the first bytes and the last: bodies in between are skipped.
PLACES = st.one_of(st.integers(0, 600), st.integers(-600, -1), st.integers(0, 1 << 20))
SECTIONS = [b"\x01\x04\x01\x60\0\0", b"\x05\x03\x01\0\x01", b"\x0a\x04\x01\x02\0\x0b", b"\0\x02\x01x"]
PIECES = st.one_of(
    st.none(),
    st.binary(max_size=6),
    st.sampled_from([b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x00", b"\x80", *SECTIONS]),
)
# One byte for another often leaves a module that Wasmtime accepts, any other edit seldom does.
EDITS = st.lists(
    st.builds(Edit, PLACES, st.just(1), st.binary(min_size=1, max_size=1))
    | st.builds(Edit, PLACES, st.sampled_from([0, 1, 2, 8, 40]), PIECES),
    min_size=1,
    max_size=3,
)


@fuzz(500, database=None)
@given(st.sampled_from(range(len(REAL))), EDITS)
def test_a_mutated_module_is_read_or_refused_in_time_and_as_wasmtime_does(number: int, edits: list[Edit]) -> None:
    data = REAL[number]
    for edit in edits:
        data = edit.apply(data)
    began = time.perf_counter()
    info = refusal = None
    try:
        info = read_module(data)
    except LoadError as error:
        refusal = error.message
    assert time.perf_counter() - began < 5
    assert refusal is None or "\n" not in refusal
    if wasmtime_accepts(data):
        assert info is not None, refusal
        # wasmtime-py cannot say what a struct, an array or a tag is, and compiling a large module takes its time.
        if len(data) < 20_000 and None not in info.types and not info.tags:
            assert_agreement(data)


@fuzz(250, database=None)
@given(st.binary(max_size=400), st.sampled_from(range(16)), st.booleans())
def test_random_bytes_in_any_section_are_read_or_refused(content: bytes, number: int, framed: bool) -> None:
    size = bytes([len(content) & 0x7F | 0x80, len(content) >> 7]) if framed else b""
    with suppress(LoadError):
        read_module(HEADER + bytes([number]) + size + content)
