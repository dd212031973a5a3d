"""What is known of a module lies beside its code: used when it is certainly that module's, read anew otherwise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import cache, compiler
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.host.dispatcher import Dispatcher
from judicia_notebook.runtime import linking, source
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.source import example_folder
from judicia_notebook.wasm import manifest, memory_images, packed_info
from judicia_notebook.wasm.manifest import Manifest
from judicia_notebook.wasm.sections import read_module
from tests.engine.segment_modules import Data, module

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="files cannot be checked for their owner; enable: run on Linux or macOS"
)

WAT = """(module
  (import "judicia:random" "bytes" (func (param i32 i32) (result i64)))
  (memory (export "memory") 1) (data (i32.const 8) "words")
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func $inner (export "answer") (result i32) (i32.load8_u (i32.const 8)))
  (func $broken (export "broken") (result i32) unreachable)
  (@custom "judicia.manifest" "{\\22name\\22: \\22guest\\22, \\22config\\22: {\\22a\\22: [1, 2.5]}}"))"""
WASM = compiler.assemble(WAT)
EXAMPLES = sorted(path.stem for path in example_folder().glob("*/*.wasm"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    return folder


class Readings:
    """How often each reader ran."""

    def __init__(self) -> None:
        self.sections = self.manifests = self.segments = 0

    def taken(self) -> tuple[int, int, int]:
        """The numbers, which begin again at zero."""
        now = self.sections, self.manifests, self.segments
        self.__init__()  # type: ignore[misc]
        return now


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    get_engine()  # its check of itself takes modules through the readers, too
    found = Readings()

    def count(what: str, where: object, name: str) -> None:
        real = getattr(where, name)

        def counting(*arguments: object) -> object:
            setattr(found, what, getattr(found, what) + 1)
            return real(*arguments)

        monkeypatch.setattr(where, name, counting)

    count("sections", source, "read_module")
    count("manifests", manifest, "from_section")
    count("segments", memory_images, "read_leading")
    return found


def used(plugin: Plugin) -> tuple[object, ...]:
    """All that is known of a plugin, and what it answers."""
    code = plugin._code
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("broken")()
    assert "broken" in str(caught.value)
    return code.module, dict(code.module.names), code.manifest, code.manifest_origin, code.abi, plugin.raw("answer")()


def load() -> tuple[object, ...]:
    """The same in a runtime of its own."""
    with jn.Runtime() as rt:
        return used(rt.load(WASM))


def from_cache() -> bool:
    with jn.Runtime() as rt:
        plugin = rt.load(WASM)
        assert plugin.raw("answer")() == ord("w")
        return plugin._code.from_cache


def info_of(folder: Path) -> Path:
    (path,) = folder.glob("*.info")
    return path


def test_a_hit_reads_no_sections(readings: Readings) -> None:
    first = load()
    assert readings.taken() == (1, 1, 2)  # the segments once to take them out, once to keep where they are
    assert load() == first
    assert load() == first
    assert readings.taken() == (0, 0, 0)
    assert first[0] == read_module(WASM)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_the_same_from_the_cache(name: str, readings: Readings) -> None:
    def loaded() -> tuple[object, ...]:
        with jn.Runtime() as rt:
            code = rt.load(f"example:{name}")._code
            return code.module, dict(code.module.names), code.manifest, code.manifest_origin, code.linkage.images[1]

    first = loaded()
    assert readings.taken()[:2] == (1, 1)
    assert loaded() == first
    assert readings.taken() == (0, 0, 0)


def test_the_names_of_functions_are_read_when_one_is_asked_for(readings: Readings) -> None:
    load()
    with jn.Runtime() as rt:
        code = rt.load(WASM)._code
        names = code.module.names
        assert names._names is None  # type: ignore[attr-defined]
        assert set(names.values()) >= {"inner", "broken"}
    assert readings.sections == 1


# --- files that are not certainly that module's info -----------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def seal_alone(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:32])


def flip_the_seal(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


def flip_the_content(path: Path) -> None:
    """An import of another name: a bit that all else would take."""
    data = path.read_bytes()
    assert data.count(b"judicia:random") == 1
    path.write_bytes(data.replace(b"judicia:random", b"judicia:randnm"))


def open_to_others(path: Path) -> None:
    path.chmod(0o666)


def link(path: Path) -> None:
    path.symlink_to(path.rename(path.parent.parent / "elsewhere"))


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def missing(path: Path) -> None:
    path.unlink()


def of_another_module(path: Path) -> None:
    """Whole and sealed, under the wrong name."""
    with jn.Runtime() as rt:
        rt.load(WASM.replace(b"words", b"sword"))
    (other,) = (each for each in path.parent.glob("*.info") if each != path)
    shutil.copyfile(other, path)
    other.unlink()


SPOILERS = [
    truncate,
    lengthen,
    empty,
    seal_alone,
    flip_the_seal,
    flip_the_content,
    open_to_others,
    link,
    dangling_link,
    pipe,
    missing,
    of_another_module,
]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_info_that_is_not_certain_is_read_anew_and_replaced(
    folder: Path, spoil: Callable[[Path], None], readings: Readings
) -> None:
    first = load()
    path = info_of(folder)
    whole = path.read_bytes()
    spoil(path)
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (1, 1)
    assert path.read_bytes() == whole
    assert not path.is_symlink()
    assert load() == first
    assert readings.taken() == (0, 0, 0)
    assert from_cache()


def test_a_folder_in_place_of_info_is_passed_over(folder: Path, readings: Readings) -> None:
    first = load()
    path = info_of(folder)
    path.unlink()
    path.mkdir()
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (1, 1)


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="takes another user's file; enable: run as root")
def test_the_info_of_another_user_is_not_used(folder: Path, readings: Readings) -> None:
    first = load()
    os.chown(info_of(folder), 12345, -1)
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (1, 1)


def test_info_under_a_seal_that_contradicts_the_file_is_read_anew(folder: Path, readings: Readings) -> None:
    """A seal is no secret: who may write into the folder may write code there. Yet nothing leads beyond the file."""
    first = load()
    path = info_of(folder)
    content = path.read_bytes()[32:]
    for wrong in (content.replace(b"memory", b"func\0y"), b"\xc1", b"\x90", content[:-1]):
        digest, _, key = path.stem.partition("-")
        cache.keep_info(folder, digest, key, wrong)
        readings.taken()
        assert load() == first
        assert readings.taken()[:2] == (1, 1)


def test_the_info_of_other_readers_is_not_used(
    folder: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load()
    monkeypatch.setattr(packed_info, "readers", lambda: "0" * 16)
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (1, 1)
    assert len(list(folder.glob("*.info"))) == 2
    assert load() == first
    assert readings.taken() == (0, 0, 0)


def test_where_the_readers_have_no_digest_nothing_is_kept(
    folder: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_info, "readers", lambda: "")
    assert load() == load()
    assert readings.taken()[:2] == (2, 2)
    assert [path.suffix for path in folder.iterdir()] == [".cwasm"]


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_info_beyond_its_bound_is_neither_written_nor_read(
    folder: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    size = info_of(folder).stat().st_size - 32
    monkeypatch.setattr(packed_info, "MAX_BYTES", size - 1)
    readings.taken()
    load()
    assert readings.taken()[:2] == (1, 1)
    info_of(folder).unlink()
    load()
    assert list(folder.glob("*.info")) == []
    monkeypatch.setattr(packed_info, "MAX_BYTES", size)
    load()
    readings.taken()
    load()
    assert readings.taken() == (0, 0, 0)


def test_a_file_beyond_the_bound_is_not_read_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    cache.keep_info(tmp_path, "0" * 64, "key", bytes(1000))
    assert cache.find_info(tmp_path, "0" * 64, "key", 1000) == bytes(1000)
    monkeypatch.setattr(cache.Kept, "read", lambda _: pytest.fail("it was read"))
    assert cache.find_info(tmp_path, "0" * 64, "key", 999) is None


def test_info_goes_with_the_oldest_when_the_cache_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(cache, "MAX_BYTES", 2500)
    for number in range(4):
        cache.keep_info(tmp_path, f"{number:064}", "key", bytes(968))
        os.utime(next(tmp_path.glob(f"{number:064}-*")), (number, number))
    assert sorted(path.name[63] for path in tmp_path.iterdir()) == ["2", "3"]


# --- together with the code ------------------------------------------------------------------------------------------


def test_without_its_code_it_is_compiled_and_not_read(folder: Path, readings: Readings) -> None:
    first = load()
    next(folder.glob("*.cwasm")).unlink()
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (0, 0)
    assert len(list(folder.glob("*.cwasm"))) == 1


def test_code_of_another_size_is_found_and_its_size_learned(
    folder: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load()
    path = info_of(folder)
    whole, (digest, _, key) = path.read_bytes(), path.stem.partition("-")
    wrong = packed_info.pack_info(read_module(WASM), first[2], 77)  # type: ignore[arg-type]
    assert wrong is not None
    cache.keep_info(folder, digest, key, wrong)
    readings.taken()
    assert load() == first
    assert readings.taken()[:2] == (0, 0)
    assert path.read_bytes() == whole
    monkeypatch.setattr(os, "listdir", lambda _: pytest.fail("the folder was searched"))
    assert from_cache()


def test_code_that_could_not_be_kept_leaves_no_info(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "keep", lambda *_, **__: False)
    load()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_many_segments_still_have_a_file_of_their_own(folder: Path, readings: Readings) -> None:
    wasm = module([1], [Data(4 * number, b"abcd") for number in range(memory_images.FEW + 1)])
    seen = []
    for _ in range(3):
        with jn.Runtime() as rt:
            code = rt.load(wasm, name="many")._code
            (run,) = code.linkage.images[0]
            seen.append((code.from_cache, run.length))
    assert seen == [(False, 4 * memory_images.FEW + 4), *[(True, 4 * memory_images.FEW + 4)] * 2]
    assert readings.taken() == (1, 0, 1)
    assert len(list(folder.glob("*.images"))) == 1


# --- manifests -------------------------------------------------------------------------------------------------------


def test_a_given_manifest_is_not_what_the_file_says(readings: Readings) -> None:
    given = Manifest(name="given", capabilities=("random",))
    with jn.Runtime() as rt:
        assert rt.load(WASM, manifest=given).manifest == given
    assert readings.taken()[:2] == (1, 0)
    for reads in ((0, 1), (0, 0)):  # its own is read when it is first wanted, and known from then on
        with jn.Runtime() as rt:
            plugin = rt.load(WASM)
            assert (plugin.name, plugin.manifest_origin, set(plugin.policy.granted)) == ("guest", "section", set())
        assert readings.taken()[:2] == reads
    with jn.Runtime() as rt:
        assert rt.load(WASM, manifest=given).manifest == given
    assert readings.taken() == (0, 0, 0)


def test_a_manifest_beside_the_file_is_read_at_each_load(tmp_path: Path) -> None:
    file, beside = tmp_path / "plain.wasm", tmp_path / "plugin.toml"
    file.write_bytes(compiler.assemble('(module (func (export "judicia_alloc")))'))
    for name in ("first", "second"):
        beside.write_text(f'name = "{name}"\n')
        with jn.Runtime() as rt:
            assert rt.load(file, abi="raw").name == name
    beside.unlink()
    with jn.Runtime() as rt:
        assert rt.load(file, abi="raw").name == "plain"


def test_what_a_caller_changes_in_a_manifest_is_not_there_at_the_next_load() -> None:
    for _ in range(3):
        with jn.Runtime() as rt:
            plugin = rt.load(WASM)
            assert plugin.manifest.config == {"a": [1, 2.5]}
            plugin.manifest.config["a"] = "changed"


def test_all_that_is_not_in_the_bytes_is_checked_again(readings: Readings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an ABI wants, what the host offers, how many memories there may be: known info goes through all of it."""
    load()
    readings.taken()
    with jn.Runtime() as rt:
        with pytest.raises(jn.AbiMismatch):
            rt.load(WASM, abi="wasi")
        with monkeypatch.context() as patch, pytest.raises(jn.CompileLimit):
            patch.setattr(linking, "MAX_STORES", 0)
            rt.load(WASM)
        with monkeypatch.context() as patch, pytest.raises(jn.UnknownImport):
            patch.setattr(Dispatcher, "find", lambda *_: None)
            rt.load(WASM)
    assert readings.taken() == (0, 0, 0)


# --- two processes ---------------------------------------------------------------------------------------------------

PROGRAM = """
import json, pathlib, sys
import judicia_notebook as jn
folder, turns = pathlib.Path(sys.argv[1]), int(sys.argv[2])
wasm = bytes.fromhex(sys.stdin.read())
seen = set()
for turn in range(turns):
    with jn.Runtime() as rt:
        plugin = rt.load(wasm)
        seen.add((plugin.name, len(plugin.exports), plugin.raw("answer")()))
    if turn % 3 == 2:
        for path in folder.glob("*.info"):
            path.unlink(missing_ok=True)
    if turn % 7 == 6:
        for path in folder.glob("*.cwasm"):
            path.unlink(missing_ok=True)
print(json.dumps(sorted(seen)))
"""


def test_two_processes_write_one_entry_at_once(folder: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder), "60"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in both:
        process.stdin.write(WASM.hex())
        process.stdin.close()
        process.stdin = None
    for process in both:
        said, wrong = process.communicate(timeout=120)
        assert process.returncode == 0, wrong
        assert json.loads(said) == [["guest", 5, ord("w")]]
    assert not list(folder.glob("*.part"))


@pytest.fixture(autouse=True)
def clean_readers() -> Iterator[None]:
    yield
    packed_info.readers.cache_clear()
