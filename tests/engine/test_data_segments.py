"""Data segments are in memory as if the engine had written them: beside bare Wasmtime, which gets the same bytes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from hypothesis import example, given, settings
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.engine import memory
from judicia_notebook.engine.compile_apart import CompileLimits
from judicia_notebook.engine.engine import Engine
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.linkage import Linkage
from judicia_notebook.engine.memory import Memory, MemoryPool
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.slots import pack_numbers
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.errors import CallError, CompileError, HostFailure
from judicia_notebook.runtime import linking
from judicia_notebook.wasm import memory_images
from judicia_notebook.wasm.compile_cost import HEAVY, compile_work
from judicia_notebook.wasm.memory_images import Run
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_parts import leb
from tests.engine.bombs import SECTIONS
from tests.engine.segment_modules import PAGE, Data, module

pytestmark = pytest.mark.skipif(
    not memory.AVAILABLE, reason="Wasmtime makes the memories of this system; enable: run on Linux or macOS"
)

Load = Callable[..., jn.Plugin]
Step = tuple[str, tuple[int, ...]]
Seen = tuple[str, list[bytes], list[bool]]
"""How far it came, the memories at the end, and whether each step returned."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test: nothing in it was compiled before."""
    folder = tmp_path / "modules"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    return folder


@pytest.fixture
def load(rt: jn.Runtime) -> Load:
    return lambda wasm, name="guest", **options: rt.load(wasm, name=name, abi="raw", **options)


# --- beside bare Wasmtime --------------------------------------------------------------------------------------------


def _bare_engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_memory64 = False
    return wasmtime.Engine(config)


def bare(wasm: bytes, steps: list[Step]) -> Seen:
    engine = _bare_engine()
    try:
        compiled = wasmtime.Module(engine, wasm)
    except wasmtime.WasmtimeError as error:
        return f"refused {_place(str(error))}", [], []
    store = wasmtime.Store(engine)
    try:
        exports = wasmtime.Instance(store, compiled, []).exports(store)
    except wasmtime.Trap:
        return "trap", [], []
    returned = []
    for name, numbers in steps:
        function = exports[name]
        assert isinstance(function, wasmtime.Func)
        try:
            function(store, *numbers)
            returned.append(True)
        except wasmtime.Trap:
            returned.append(False)
    memories = [each for name, each in exports.items() if isinstance(each, wasmtime.Memory) and name != "memory"]
    return "ok", [ctypes.string_at(each.data_ptr(store), each.data_len(store)) for each in memories], returned


def memories_of(sandbox: Sandbox) -> list[Memory]:
    fields = sandbox.box.fields
    return [Memory(fields.memories[place]) for place in range(fields.memory_count)]


def ours(wasm: bytes, steps: list[Step]) -> Seen:
    engine, info = get_engine(), read_module(wasm)
    try:
        compiled = engine.compile(info, "segments")
    except CompileError as error:
        return f"refused {_place(error.message)}", [], []
    linkage = Linkage(engine, compiled, info, [])
    budget = FixedBudget(Limits())
    sandbox, invocation = Sandbox(linkage, MemoryPool(1 << 30)), Invocation(budget)
    sandbox.enter(invocation)
    try:
        try:
            sandbox.instantiate()
        except CallError:
            return "trap", [], []
        returned = []
        for name, numbers in steps:
            function = sandbox.export(name)
            function.write(pack_numbers(("i32",) * len(numbers), numbers))
            try:
                sandbox.run(function)
                returned.append(True)
            except CallError:
                returned.append(False)
        return "ok", [ctypes.string_at(each.base, each.size) for each in memories_of(sandbox)], returned
    finally:
        sandbox.leave()
        sandbox.close()
        linkage.close()
        compiled.close()


def _place(message: str) -> str:
    """The byte that a refusal names."""
    found = re.search(r"offset (0x[0-9a-f]+)", message)
    return found[1] if found else message


# --- any segments ----------------------------------------------------------------------------------------------------

EDGES = (0, 1, PAGE, 2 * PAGE, 1 << 31, 1 << 32)
places = st.one_of(
    st.sampled_from(EDGES).flatmap(lambda edge: st.integers(max(0, edge - 9), min(edge + 9, (1 << 32) - 1))),
    st.integers(0, 200),
    st.integers(0, 2 * PAGE),
)
hows = st.sampled_from(["const"] * 12 + ["passive"] * 3 + ["sum", "wide"])
segments = st.builds(
    Data, places, st.binary(max_size=80), st.sampled_from([0] * 6 + [1, 1, 2]), hows, st.booleans(), st.integers(1, 5)
)
near = st.builds(Data, st.integers(0, 300), st.binary(min_size=1, max_size=200), st.just(0), hows)


@st.composite
def modules(draw: st.DrawFn) -> tuple[bytes, list[Step]]:
    pages = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
    found = draw(st.lists(st.one_of(segments, near), max_size=12))
    found = [each if draw(st.integers(0, 20)) == 0 else _inside(each, pages) for each in found]
    steps: list[Step] = []
    if found:
        numbers = st.integers(0, len(found) - 1)
        operand = st.one_of(st.integers(0, 4), places.map(lambda at: at - (1 << 32) if at >= 1 << 31 else at))
        inits = st.tuples(numbers.map(lambda n: f"init{n}"), st.tuples(operand, st.integers(0, 3), st.integers(0, 3)))
        steps = draw(st.lists(st.one_of(inits, numbers.map(lambda n: (f"drop{n}", ()))), max_size=6))
    # Reads two bytes of the data, and writes what comes of them.
    start = draw(st.sampled_from([b"", b"\x41\x05\x41\x03\x2d\0\0\x41\x04\x2d\0\0\x6a\x3a\0\0"]))
    return module(pages, found, start=start), steps


def _inside(segment: Data, pages: list[int]) -> Data:
    """The same within a memory that is there, if that is possible."""
    number = segment.memory % len(pages)
    room = pages[number] * PAGE
    content = segment.content[:room]
    return Data(segment.offset % (room - len(content) + 1), content, number, segment.how, segment.named, segment.width)


@settings(max_examples=150, deadline=None)
@given(modules())
@example((module([1], [Data(0, b"aa"), Data(1, b"bb"), Data(PAGE, b"x"), Data(0, b"c")]), []))
@example((module([1], [Data(0, b"aa"), Data(1, b"b", how="sum"), Data(0, b"cc")]), []))
@example((module([1], [Data(7, b"aa"), Data(9, b"p", how="passive")]), [("init0", (0, 0, 1)), ("init1", (0, 0, 1))]))
@example((module([1], [Data(7, b"a")]), [("init0", (PAGE, 0, 0)), ("init0", (PAGE + 1, 0, 0)), ("drop0", ())]))
def test_memories_are_those_of_bare_wasmtime(case: tuple[bytes, list[Step]]) -> None:
    wasm, steps = case
    assert ours(wasm, steps) == bare(wasm, steps)


def test_the_harness_tells_contents_traps_and_refusals_apart() -> None:
    ended, (content,), _ = ours(module([1], [Data(5, b"data")]), [])
    assert (ended, content[5:9]) == ("ok", b"data")
    assert ours(module([1], [Data(PAGE, b"x")]), [])[0] == "trap"
    assert ours(module([1], [Data(0, b"x", memory=3)]), [])[0].startswith("refused 0x")
    assert ours(module([1], [Data(0, b"x" * 500), Data(0, b"x", how="wide")]), [])[0].startswith("refused 0x")


# --- one after the other ---------------------------------------------------------------------------------------------


def test_where_segments_overlap_the_later_one_is_there() -> None:
    layers = [Data(0, b"aaaa"), Data(2, b"bbbb"), Data(1, b"c"), Data(3, b"d", how="sum"), Data(2, b"e")]
    _, (content,), _ = ours(module([1], layers), [])
    assert content[:6] == b"acedbb"


def test_a_segment_beyond_the_minimum_still_traps(load: Load) -> None:
    plugin = load(module([1], [Data(0, b"in"), Data(PAGE - 1, b"out"), Data(4, b"behind")]))
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("drop0")()
    assert caught.value.trap == "out_of_bounds_memory"


def test_the_start_function_finds_the_data(load: Load) -> None:
    cell = """(module (memory (export "memory") 1) (data (i32.const 8) "*") (global $seen (mut i32) (i32.const 0))
      (func $look (global.set $seen (i32.load8_u (i32.const 8)))) (start $look)
      (func (export "seen") (result i32) (global.get $seen)))"""
    assert load(cell).raw("seen")() == ord("*")


KEEPER = """(module (memory (export "memory") 2) (data (i32.const 0) "abcd") (data (i32.const 131068) "wxyz")
  (func (export "scribble") (memory.fill (i32.const 0) (i32.const 0xEE) (i32.const 131072)))
  (func (export "low") (result i32) (i32.load (i32.const 0)))
  (func (export "between") (result i32) (i32.load (i32.const 66000)))
  (func (export "high") (result i32) (i32.load (i32.const 131068))))"""
WORDS = [int.from_bytes(b"abcd", "little"), 0, int.from_bytes(b"wxyz", "little")]


def words(plugin: jn.Plugin) -> list[int]:
    return [int(plugin.raw(name)()) for name in ("low", "between", "high")]


def test_each_fresh_instance_has_clean_data(load: Load) -> None:
    plugin = load(KEEPER, instances="fresh")
    for _ in range(3):
        assert words(plugin) == WORDS
        plugin.raw("scribble")()


def test_an_instance_keeps_what_it_wrote_over_its_data(load: Load) -> None:
    plugin = load(KEEPER)
    plugin.raw("scribble")()
    assert words(plugin) != WORDS


def test_data_of_one_plugin_is_not_in_the_memory_of_the_next(load: Load) -> None:
    for _ in range(3):
        first = load(KEEPER)
        assert words(first) == WORDS
        first.unload()
        other = load(KEEPER.replace('(data (i32.const 0) "abcd")', ""), name="other")
        assert words(other) == [0, 0, WORDS[2]]
        other.unload()


def test_a_quota_below_the_minimum_refuses_the_memory_and_copies_nothing(load: Load) -> None:
    plugin = load(module([64], [Data(63 * PAGE, b"x")]))
    for _ in range(2):
        with pytest.raises(jn.QuotaExceeded) as caught:
            plugin.raw("drop0")(quota={"memory": "1MiB"})
        assert caught.value.quota == "memory"
    plugin.raw("drop0")()


def test_an_image_that_does_not_fit_is_not_copied() -> None:
    info = read_module(module([1], [Data(0, b"x")]))
    compiled = get_engine().compile(info, "segments")
    compiled.images = ((Run(PAGE - 1, b"xy"),),)
    linkage = Linkage(get_engine(), compiled, info, [])
    budget = FixedBudget(Limits())
    pool = MemoryPool(1 << 30)
    sandbox, invocation = Sandbox(linkage, pool), Invocation(budget)
    sandbox.enter(invocation)
    try:
        with pytest.raises(HostFailure, match="an image is larger than its memory"):
            sandbox.instantiate()
        assert pool.used == 0
    finally:
        sandbox.leave()
        sandbox.close()
        linkage.close()
        compiled.close()


def test_fuel_does_not_depend_on_how_much_data_there_is(rt: jn.Runtime, load: Load) -> None:
    for number, segments in enumerate(([Data(0, b"x")], [Data(64 * each, b"y" * 60) for each in range(900)])):
        load(module([1], segments), name=f"guest{number}", instances="fresh").raw("drop0")()
    assert rt.calls["fuel"].nunique() == 1


# --- many ------------------------------------------------------------------------------------------------------------

MANY = SECTIONS["leading data segments"](30_000)
LONG = 5.0
"""Seconds of CPU. As code the segments take ten, as images a tenth of one."""


def test_thirty_thousand_segments_load_at_once(load: Load) -> None:
    assert compile_work(read_module(MANY)) < HEAVY / 50
    began = time.process_time()
    assert not load(MANY)._code.from_cache
    assert time.process_time() - began < LONG


@pytest.mark.address_space
def test_segments_that_no_image_can_take_are_ended_apart(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "CompileLimits", lambda: CompileLimits(wall_seconds=1.0))
    began = time.process_time()
    with pytest.raises(jn.CompileLimit, match="compiling it took more than 1 s"):
        load(SECTIONS["data segments"](30_000))
    assert time.process_time() - began < LONG


# --- with and without the cache, here and apart ----------------------------------------------------------------------


@pytest.mark.address_space
@pytest.mark.parametrize("apart", [False, True])
def test_what_comes_from_the_cache_has_its_data(apart: bool) -> None:
    for from_cache in (False, True, True):
        with jn.Runtime() as rt:
            plugin = rt.load(KEEPER, name="guest", isolate_compile=apart)
            assert plugin._code.from_cache is from_cache
            assert words(plugin) == WORDS


MANY_WORDS = module([2], [Data(0, b"abcd"), *[Data(1000 + 70 * each, b"x") for each in range(300)]], counted=False)


def cached_words() -> tuple[bool, bytes]:
    """Whether the code came from the cache, and the words that its memory begins with."""
    info = read_module(MANY_WORDS)
    folder = Path(os.environ["JUDICIA_NOTEBOOK_CACHE"])
    engine = get_engine()
    code = engine.fetch(info, "0" * 64, folder) or engine.compile(info, "0" * 64, cache_folder=folder)
    try:
        assert code.images == memory_images.read_images(info)
        return code.from_cache, code.images[0][0].content
    finally:
        code.close()


def test_many_segments_are_not_read_again_where_their_images_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cached_words() == (False, b"abcd")
    read = memory_images.read_images(read_module(MANY_WORDS))
    monkeypatch.setattr(memory_images, "read_leading", lambda _: pytest.fail("they were read again"))
    monkeypatch.setattr(memory_images, "read_images", lambda _: read)
    code = get_engine().fetch(read_module(MANY_WORDS), "0" * 64, Path(os.environ["JUDICIA_NOTEBOOK_CACHE"]))
    assert code is not None
    assert code.images == read
    assert code.images is not read
    code.close()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def overwrite(path: Path) -> None:
    content = bytes(path.stat().st_size)
    path.write_bytes(b"\xff" + content[1:])


@pytest.mark.parametrize("spoil", [cut, overwrite, Path.unlink, lambda path: path.chmod(0o666)])
def test_images_that_cannot_be_trusted_are_read_again(folder: Path, spoil: Callable[[Path], None]) -> None:
    cached_words()
    (path,) = folder.glob("*.images")
    spoil(path)
    assert cached_words() == (True, b"abcd")


def test_code_that_was_compiled_with_other_images_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = get_engine().key
    monkeypatch.setattr(memory_images, "VERSION", memory_images.VERSION + 1)
    engine = Engine(get_engine().reservation)
    assert engine.key != before


def test_the_digest_is_that_of_the_file(load: Load) -> None:
    wasm = module([1], [Data(0, b"abc")])
    plugin = load(wasm)
    assert plugin._code.digest == hashlib.sha256(wasm).hexdigest()
    assert plugin._code.wasm == wasm


def test_functions_and_their_names_stay_in_errors(load: Load) -> None:
    cell = """(module (memory 1) (data (i32.const 0) "some data that is taken out")
      (func $fall (unreachable)) (func (export "go") (call $fall)))"""
    with pytest.raises(jn.GuestTrap) as caught:
        load(cell).raw("go")()
    assert "fall" in str(caught.value.backtrace)


def test_bytes_of_a_section_that_cannot_be_read_are_as_before(load: Load) -> None:
    broken = module([1], [Data(0, b"x" * 300), Data(4, b"y" * 9)])[:-3]
    with pytest.raises(jn.LoadError):
        load(broken + leb(0))
