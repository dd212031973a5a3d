"""A module's info comes back from its bytes as it was read; bytes of any other origin give no info."""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.errors import ManifestError
from judicia_notebook.runtime.source import example_folder
from judicia_notebook.wasm import packed_info
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.manifest import Manifest, read_manifest
from judicia_notebook.wasm.memory_images import FEW, read_images
from judicia_notebook.wasm.packed_info import MAX_BYTES, Recalled, pack_info, unpack_info
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_parts import MAGIC, leb, section, vector
from tests.engine.segment_modules import Data, module

HERE = Path(__file__).parent
EXAMPLES = sorted(example_folder().glob("*/*.wasm"))
MANIFEST = b'{"name": "said", "config": {"deep": [1, 2.5, null, {"a": -7}]}, "quota": {"cpu": "50ms"}}'


def assembled(name: str) -> bytes:
    return bytes(wasmtime.wat2wasm((HERE / name).read_text()))


def custom(name: bytes, content: bytes) -> bytes:
    return section(0, leb(len(name)) + name + content)


def functions(types: int, indexes: list[int]) -> bytes:
    """A module of so many types, and of a function for each index."""
    kinds = [b"\x60" + vector([b"\x7f"] * (number % 7)) + b"\0" for number in range(types)]
    bodies = vector([b"\x02\0\x0b" for _ in indexes])
    return MAGIC + section(1, vector(kinds)) + section(3, vector([leb(each) for each in indexes])) + section(10, bodies)


MODULES = {
    "empty": MAGIC,
    "plugin.wat": assembled("plugin.wat"),
    "newer_features.wat": assembled("newer_features.wat"),
    "300 types": functions(300, [0, 299, 255, 256, 3]),
    "types of two bytes": functions(200, [199, 0, 128]),
    "segments": module([1, 2], [Data(0, b"abc"), Data(90, b"later"), Data(91, b"!"), Data(7, b"hi", memory=1)]),
    "a segment that stays": module([1], [Data(0, b"a"), Data(0, b"x", how="sum"), Data(9, b"b")]),
    "a manifest": MAGIC + custom(b"judicia.manifest", MANIFEST) + custom(b"x", b""),
    "damaged names": MAGIC + custom(b"name", b"\x01\x05\x09"),
    **{path.stem: path.read_bytes() for path in EXAMPLES},
}
each_module = pytest.mark.parametrize("wasm", MODULES.values(), ids=MODULES)


def own_manifest(info: ModuleInfo) -> Manifest | None:
    """That of its section; None where it has none, or one that is wrong."""
    try:
        found, origin = read_manifest(info)
    except ManifestError:
        return None
    return found if origin == "section" else None


def packed(wasm: bytes) -> bytes:
    info = read_module(wasm)
    data = pack_info(info, own_manifest(info), 1234)
    assert data is not None
    return data


@each_module
def test_what_comes_back_is_what_was_read(wasm: bytes) -> None:
    info = read_module(wasm)
    recalled = unpack_info(wasm, packed(wasm))
    assert recalled is not None
    assert recalled.module == info
    assert dict(recalled.module.names) == dict(info.names)
    assert repr(recalled.module) == repr(info)
    assert [bytes(each) for each in recalled.module.custom("x")] == [bytes(each) for each in info.custom("x")]
    assert recalled.manifest == own_manifest(info)
    assert recalled.images == read_images(info)
    assert recalled.code_bytes == 1234


def test_all_examples_are_among_them() -> None:
    assert {path.stem for path in EXAMPLES} >= {"balloons", "checker", "scoreboard", "specimen"}
    assert all(own_manifest(read_module(MODULES[path.stem])) is not None for path in EXAMPLES)


def test_of_many_segments_no_images_are_kept() -> None:
    wasm = module([1], [Data(number, b"x") for number in range(FEW + 1)])
    recalled = unpack_info(wasm, packed(wasm))
    assert recalled is not None
    assert recalled.images is None


def test_what_is_too_large_is_not_packed() -> None:
    names = [f"{number:05d}" + "x" * 200 for number in range(6000)]
    exports = section(7, vector([leb(len(name)) + name.encode() + b"\x03\0" for name in names]))
    wasm = MAGIC + section(6, vector([b"\x7f\0\x41\0\x0b"])) + exports
    assert len(wasm) > MAX_BYTES
    assert pack_info(read_module(wasm), None, 1) is None


@each_module
def test_each_shorter_text_gives_nothing(wasm: bytes) -> None:
    whole = packed(wasm)
    for length in range(0, len(whole), max(1, len(whole) // 200)):
        assert unpack_info(wasm, whole[:length]) is None
    assert unpack_info(wasm, whole + b"\0") is None


def test_the_info_of_a_file_of_another_size_gives_nothing() -> None:
    wasm = MODULES["plugin.wat"]
    assert unpack_info(wasm + custom(b"x", b""), packed(wasm)) is None


def fields(wasm: bytes) -> list[Any]:
    found: list[Any] = msgspec.msgpack.decode(packed(wasm))
    return found


PLACES = {name: place for place, name in enumerate(packed_info._Packed.__struct_fields__)}
LIES: dict[str, tuple[str, Any]] = {
    "a type of a function that is no type": ("functions", b"\xff"),
    "a type beyond the types": ("types", []),
    "an export of function 1000": ("exports", [["f", "func", 1000]]),
    "an export of memory 1000": ("exports", [["m", "memory", 1000]]),
    "a negative export": ("exports", [["f", "func", -1]]),
    "an export of an unknown kind": ("exports", [["f", "module", 0]]),
    "a table that is not there": ("imports", [["a", "b", "table", None]] * 9),
    "a global without a type": ("imports", [["a", "b", "global", None]]),
    "a start function that is not there": ("start", 1000),
    "a section beyond the file": ("sections", [[0, "custom", 0, 1 << 40]]),
    "a custom section before the file": ("custom_sections", [["x", -8, 4]]),
    "a segment of a memory that is not there": ("segments", [[9, 0, 0, 1]]),
    "a segment beyond its memory": ("segments", [[0, 1 << 40, 0, 1]]),
    "a segment beyond the file": ("segments", [[0, 0, 1 << 40, 1]]),
    "a negative segment": ("segments", [[0, -1, 0, 1]]),
    "a manifest of unknown fields": ("manifest", {"name": "x", "rights": "all"}),
    "indexes that are no whole numbers": ("wide", True),
    "types that are text": ("types", "i32"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_info_that_contradicts_itself_gives_nothing(lie: tuple[str, Any]) -> None:
    wasm = MODULES["plugin.wat"]
    told = fields(wasm)
    assert isinstance(unpack_info(wasm, msgspec.msgpack.encode(told)), Recalled)
    told[PLACES[lie[0]]] = lie[1]
    assert unpack_info(wasm, msgspec.msgpack.encode(told)) is None


def test_a_manifest_without_a_section_gives_nothing() -> None:
    for name, found in (("a manifest", True), ("segments", False)):
        told = fields(MODULES[name])
        told[PLACES["manifest"]] = {"name": "x"}
        assert (unpack_info(MODULES[name], msgspec.msgpack.encode(told)) is not None) is found


@given(st.data())
def test_no_bytes_raise_an_error(data: st.DataObject) -> None:
    wasm = MODULES[data.draw(st.sampled_from(["plugin.wat", "segments", "a manifest", "300 types"]))]
    changed = bytearray(packed(wasm))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    recalled = unpack_info(wasm, bytes(changed))
    if recalled is not None:  # as if it were a module: nothing leads beyond its end
        found = recalled.module
        assert list(found.functions) == [found.function_type(number) for number in range(found.function_count)]
        assert all(
            type(found.functions[each.index]) is type(each.type) for each in found.exports if each.kind == "func"
        )
        assert [len(each) for each in found.custom("x")] == [
            each.size for each in found.custom_sections if each.name == "x"
        ]
        assert dict(found.names) is not None


def test_nesting_that_no_decoder_follows_gives_nothing() -> None:
    wasm = MODULES["a manifest"]
    told = fields(wasm)
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    told[PLACES["manifest"]]["config"] = {"deep": deep}
    encoded = msgspec.msgpack.encode(told)
    assert unpack_info(wasm, encoded.replace(b"\x91" * 500, b"\x91" * 100_000)) is None


def test_other_readers_have_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = packed_info.readers()
    assert len(now) == 16
    monkeypatch.setattr(pkgutil, "get_data", lambda _, name: b"changed" if "sections" in name else b"")
    packed_info.readers.cache_clear()
    other = packed_info.readers()
    monkeypatch.undo()
    packed_info.readers.cache_clear()
    assert other != now == packed_info.readers()


def test_without_its_sources_nothing_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> bytes:
        raise OSError

    monkeypatch.setattr(pkgutil, "get_data", missing)
    packed_info.readers.cache_clear()
    try:
        assert packed_info.readers() == ""
    finally:
        packed_info.readers.cache_clear()
