"""A module that comes again is compared with its bytes from before, and has the digest that hashing gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compiler import assemble
from judicia_notebook.runtime import digests
from judicia_notebook.runtime.digests import MAX_BYTES, WORTHWHILE, Digests


class Hashing:
    """Counts what is hashed, in place of hashlib's function."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, data: bytes) -> object:
        self.times += 1
        return hashlib.new("sha256", data)


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    counter = Hashing()
    monkeypatch.setattr(digests, "sha256", counter)
    return counter


def fresh(data: bytes) -> bytes:
    """The same bytes in another object, as a file gives them."""
    return bytes(bytearray(data))


def looked_up(known: Digests, data: bytes) -> bytes:
    """The bytes of a module that is loaded."""
    wasm, digest = known.digest(data)
    known.keep(wasm, digest)
    assert (wasm, digest) == (data, hashlib.new("sha256", data).hexdigest())
    return wasm


def test_the_same_bytes_are_hashed_once_and_held_once(hashing: Hashing) -> None:
    known, data = Digests(), bytes(WORTHWHILE)
    held = looked_up(known, data)
    assert looked_up(known, fresh(data)) is held
    assert hashing.times == 1


@pytest.mark.parametrize("place", [0, WORTHWHILE // 2, WORTHWHILE - 1])
def test_a_single_other_bit_is_another_module(hashing: Hashing, place: int) -> None:
    known, data = Digests(), bytes(WORTHWHILE)
    looked_up(known, data)
    changed = bytearray(data)
    changed[place] ^= 1
    looked_up(known, bytes(changed))
    looked_up(known, data + b"\0")
    assert hashing.times == 3


def test_the_latest_are_kept_and_no_more_than_the_bound(hashing: Hashing) -> None:
    known, third = Digests(), MAX_BYTES // 3
    modules = [bytes([number]) * third for number in range(4)]
    for data in modules:
        looked_up(known, data)
    assert sum(len(data) for data, _ in known._kept) <= MAX_BYTES
    hashing.times = 0
    for data in modules[1:]:
        looked_up(known, fresh(data))
    assert hashing.times == 0
    looked_up(known, fresh(modules[0]))
    assert hashing.times == 1


@pytest.mark.parametrize("size", [WORTHWHILE - 1, MAX_BYTES + 1])
def test_what_is_small_or_too_large_is_not_kept(hashing: Hashing, size: int) -> None:
    known = Digests()
    for _ in range(2):
        looked_up(known, bytes(size))
    assert (hashing.times, known._kept) == (2, ())


def test_a_runtime_hashes_a_file_once_and_lets_go_of_it_at_its_end(hashing: Hashing, tmp_path: Path) -> None:
    file = tmp_path / "large.wasm"
    text = f'(module (memory 2) (func (export "f") (result i32) i32.const 7) (data (i32.const 0) "{"x" * WORTHWHILE}"))'
    file.write_bytes(assemble(text))
    with jn.Runtime() as rt:
        first = rt.load(file, abi="raw", name="first").digest
        rt.unload("first")
        assert {rt.load(file, abi="raw", name=name).digest for name in ("second", "third")} == {first}
        assert hashing.times == 1
        assert rt.plugin("second")._code.wasm is rt.plugin("third")._code.wasm
        file.write_bytes(assemble(text.replace("const 7", "const 8")))
        other = rt.load(file, abi="raw", name="third")
        assert (other.raw("f")(), rt.plugin("second").raw("f")()) == (8, 7)
        assert hashing.times == 2
        assert rt._digests._kept
    assert other.digest == hashlib.new("sha256", file.read_bytes()).hexdigest() != first
    assert rt._digests._kept == ()
