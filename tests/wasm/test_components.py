"""What a component imports and exports, by its names: read within bounds, and no further than they reach."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import wasmtime

import judicia_notebook as jn
from judicia_notebook.errors import LoadError
from judicia_notebook.wasm.claims import read_producers
from judicia_notebook.wasm.components import describe_component, read_component

COMMAND = """(component $tool
  (import "wasi:cli/stdout@0.2.0" (instance $i (export "f" (func))))
  (import "wasi:io/streams@0.2.0" (instance (export "r" (type (sub resource)))))
  (import "plain" (func)) (import "kind" (type (sub resource))) (import "code" (core module))
  (component (import "hidden" (func)))
  (core module $m (func (export "f")))
  (core instance $c (instantiate $m))
  (func $f (canon lift (core func $c "f")))
  (instance $r (export "run" (func $f)))
  (export "wasi:cli/run@0.2.0" (instance $r))
  (export "f" (func $f) (func)))"""


def component(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def test_the_names_at_the_top_are_read() -> None:
    found = read_component(component(COMMAND))
    assert found.imports == ("wasi:cli/stdout@0.2.0", "wasi:io/streams@0.2.0", "plain", "kind", "code")
    assert found.exports == ("wasi:cli/run@0.2.0", "f")
    assert found.world == "wasi:cli/command@0.2.0"
    assert found.name == "tool"


def test_loading_and_inspecting_say_what_a_component_is(tmp_path: Path) -> None:
    (tmp_path / "tool.wasm").write_bytes(component(COMMAND))
    with jn.Runtime() as rt:
        for act in (rt.load, rt.inspect):
            for source in (tmp_path / "tool.wasm", COMMAND):
                with pytest.raises(jn.InvalidModule) as caught:
                    act(source)
                text = str(caught.value)
                assert "a component 'tool' (world wasi:cli/command@0.2.0)" in text
                assert "It imports wasi:cli/stdout@0.2.0, wasi:io/streams@0.2.0, plain, kind, code." in text
                assert "It exports wasi:cli/run@0.2.0, f." in text
                assert "wasm32-wasip1" in text


def test_the_makers_of_the_modules_inside_are_named() -> None:
    claims = b"\x09producers\2\x08language\1\4Rust\0\x0cprocessed-by\1\5rustc\0011"
    inside = b"\0asm\1\0\0\0" + b"\0" + bytes([len(claims)]) + claims
    data = b"\0asm\x0d\0\1\0" + b"\1" + bytes([len(inside)]) + inside + component(COMMAND)[8:]
    assert list(map(str, read_component(data).producers)) == ["Rust", "rustc 1"]
    assert "made by Rust, rustc 1" in "\n".join(describe_component(data))


def test_every_cut_and_many_mutations_end_in_an_answer() -> None:
    data = component(COMMAND)
    noise = random.Random(7)
    cases = [data[:size] for size in range(8, len(data))]
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(noise.randint(1, 5)):
            changed[noise.randrange(8, len(changed))] = noise.randrange(256)
        cases.append(bytes(changed))
    for case in cases:
        for line in describe_component(case):
            assert line.isprintable()
        try:
            read_component(case)
        except LoadError:
            continue


def test_names_of_a_component_are_bounded_and_printable() -> None:
    evil = "\x1b[31m\u202e<b>" + "x" * 5000
    size = len(evil.encode())
    entry = b"\0" + bytes([size & 0x7F | 0x80, size >> 7]) + evil.encode() + b"\1\0"
    body = b"\x64" + entry * 100
    header = bytes([len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14])
    data = b"\0asm\x0d\0\1\0" + b"\x0a" + header + body
    assert len(read_component(data).imports) == 100
    lines = describe_component(data)
    assert sum(map(len, lines)) < 5000
    assert all(line.isprintable() for line in lines)
    assert "80 more" in lines[1]


def test_a_section_that_says_more_than_it_has_is_refused() -> None:
    for body in (b"\x0a\x7f", b"\x0a\2\xff\x01", b"\1\x09\0asm\1\0\0\0\1"):
        data = b"\0asm\x0d\0\1\0" + body
        with pytest.raises(LoadError):
            read_component(data)
        assert "a damaged one" in describe_component(data)[0]


def test_producers_that_name_nothing_known_are_read_within_bounds() -> None:
    claims = b"\x01\x01x\xff\xff\xff\xff\x07" + b"\0\0" * 32000
    assert list(read_producers(claims)) == []
    began = time.process_time()
    section = b"\x09producers" + claims
    size = len(section)  # three bytes of LEB128
    sections = (b"\0" + bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + section) * 200
    describe_component(b"\0asm\x0d\0\x01\0" + sections)
    assert time.process_time() - began < 20
