"""Cells of WebAssembly text, compiled, loaded and called: what they may leave out, and where mistakes are found."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import compile_source, languages
from judicia_notebook.languages.wat import compile_wat
from tests.support.guests import wat

HELLO = r"""
(data (i32.const 8) "\"hello\"")
(func (export "greet") (param i32 i32) (result i64) (call $reply (i32.const 8) (i32.const 7)))
"""
ECHO = '(func (export "echo") (param $p i32) (param $n i32) (result i64) (call $reply (local.get $p) (local.get $n)))'
COPY = """
(func (export "copy") (param $p i32) (param $n i32) (result i64)
  (local $q i32)
  (local.set $q (call $judicia_alloc (local.get $n)))
  (memory.copy (local.get $q) (local.get $p) (local.get $n))
  (call $reply (local.get $q) (local.get $n)))
"""

Define = Callable[..., jn.Plugin]


@pytest.fixture
def define(rt: jn.Runtime) -> Define:
    """Compile a cell and load it."""

    def load(cell: str, **options: Any) -> jn.Plugin:
        return rt.load(wat(cell), **{"name": "cell", **options})

    return load


# --- what a cell may leave out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        HELLO,
        f"(module {HELLO})",
        f"(module $named {HELLO})",
        f"(module{HELLO});; the end",
        f"{HELLO};; a comment without a line's end",
        f"{HELLO}(; a block ;; comment (; with one inside ;) ;)",
        HELLO.replace("\n", "\r\n"),
        f"{HELLO}(memory 1)",
        f'{HELLO}(memory (export "memory") 1)',
        f'{HELLO}(memory $m 1) (export "memory" (memory $m))',
        r"""(memory (export "\6demory") 1)""" + HELLO,
    ],
)  # fmt: skip
def test_a_cell_may_leave_out_module_memory_and_allocation(define: Define, cell: str) -> None:
    assert define(cell).call("greet") == "hello"


def test_an_answer_out_of_a_data_segment_survives_being_freed(define: Define) -> None:
    plugin = define(HELLO + COPY)
    for length in range(1, 40):
        assert plugin.call("copy", "x" * length) == "x" * length
        assert plugin.call("greet") == "hello"


def test_data_segments_decide_how_large_the_memory_is(define: Define) -> None:
    far = r'(data (i32.const 0x2_0000) "\22far\22")'
    answer = '(func (export "far") (param i32 i32) (result i64) (call $reply (i32.const 131072) (i32.const 5)))'
    assert define(far + answer).call("far") == "far"
    assert define(far + answer).inspect().memories[0][0] == 3 * 65536


def test_an_offset_written_in_full_counts_as_well(define: Define) -> None:
    assert define('(data (offset (i32.const 65536)) "x")').inspect().memories[0][0] == 2 * 65536


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_requests_and_answers_of_any_size_fit(define: Define, size: int) -> None:
    plugin = define(COPY + ECHO)
    assert plugin.call_bytes("copy", b"a" * size) == b"a" * size
    assert plugin.call("echo", "b" * size) == "b" * size


def test_a_memory_of_no_pages_grows_with_its_requests(define: Define) -> None:
    assert define(f"(memory 0) {COPY}").call("copy", [1, 2]) == [1, 2]


def test_an_exported_memory_that_is_not_the_first_is_the_one_used(define: Define) -> None:
    cell = """
    (memory $scratch 1) (memory $wire 1) (export "memory" (memory $wire))
    (func (export "copy") (param $p i32) (param $n i32) (result i64)
      (local $q i32)
      (local.set $q (call $judicia_alloc (local.get $n)))
      (memory.copy $wire $wire (local.get $q) (local.get $p) (local.get $n))
      (call $reply (local.get $q) (local.get $n)))
    """
    assert define(cell).call("copy", {"a": [1]}) == {"a": [1]}


def test_a_cell_with_its_own_allocator_keeps_it(define: Define) -> None:
    cell = f"""
    (global $next (mut i32) (i32.const 4096)) (global $freed (mut i32) (i32.const 0))
    (memory (export "memory") 2)
    (func (export "judicia_alloc") (param i32) (result i32)
      (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
    (func $judicia_free (param i32 i32) (global.set $freed (i32.add (global.get $freed) (i32.const 1))))
    (func (export "where") (result i32) (global.get $next))
    (func (export "freed") (result i32) (global.get $freed))
    {ECHO}
    """
    plugin = define(cell)
    assert plugin.call("echo", "abc") == "abc"
    assert plugin.raw("where")() == 4096 + len('"abc"')
    assert plugin.raw("freed")() == 1


def test_a_cell_with_only_its_own_alloc_gets_a_free_that_does_nothing(define: Define) -> None:
    cell = f"(memory 1) (func $judicia_alloc (param i32) (result i32) (i32.const 512)) {ECHO}"
    plugin = define(cell)
    assert [plugin.call("echo", n) for n in range(3)] == [0, 1, 2]


def test_what_is_complete_is_left_as_it_is() -> None:
    cell = """(module (memory (export "memory") 1)
      (func (export "judicia_alloc") (param i32) (result i32) (i32.const 8))
      (func (export "judicia_free") (param i32 i32)))"""
    assert compile_wat(cell) == cell
    quoted = '(module quote "(func)")'
    assert compile_wat(quoted) == quoted


def test_functions_of_the_prelude_that_a_cell_defines_are_its_own(define: Define) -> None:
    cell = """
    (func $reply (param i32) (result i64) (i64.const 0))
    (func (export "nothing") (param i32 i32) (result i64) (call $reply (local.get 0)))
    """
    assert define(cell).call("nothing", 1) is None


def test_a_name_in_a_string_or_a_comment_declares_nothing(define: Define) -> None:
    cell = (
        HELLO
        + r"""
    ;; (memory 1) (func $reply) (export "judicia_alloc")
    (; (import "judicia:clock" "now" (func $judicia:clock.now)) ;)
    (data (i32.const 600) "(memory 1) $judicia:random.bytes (export \"memory\" (;")
    """
    )
    plugin = define(cell)
    assert plugin.call("greet") == "hello"
    assert plugin.imports == ()


def test_local_names_that_look_like_the_preludes_do_no_harm(define: Define) -> None:
    cell = """
    (func (export "f") (param $reply i32) (param $call_host i32) (result i64)
      (local $judicia_free i32) (call $reply (local.get $reply) (local.get $call_host)))
    """
    assert define(cell).call("f", 7) == 7


# --- host functions --------------------------------------------------------------------------------------------------


CLOCK = '(func (export "now") (param i32 i32) (result i64) (call $judicia:clock.now (i32.const 0) (i32.const 2)))'


def test_a_platform_function_that_is_only_named_is_imported(define: Define) -> None:
    plugin = define(f'(data (i32.const 0) "{{}}") {CLOCK}', grant=["wall_clock"])
    assert [(one.module, one.name) for one in plugin.imports] == [("judicia:clock", "now")]
    assert plugin.call("now")["ok"]["unix_ms"] > 1.5e12


def test_naming_a_platform_function_grants_nothing(define: Define) -> None:
    plugin = define(f'(data (i32.const 0) "{{}}") {CLOCK}')
    assert plugin.call("now")["error"]["code"] == "capability_denied"
    assert plugin.last is not None
    assert plugin.last.denied == 1


def test_an_import_the_cell_wrote_itself_is_not_added_again(define: Define) -> None:
    for written in (
        '(import "judicia:clock" "now" (func $judicia:clock.now (param i32 i32) (result i64)))',
        '(func $judicia:clock.now (import "judicia:clock" "now") (param i32 i32) (result i64))',
    ):
        plugin = define(f'{written} (data (i32.const 0) "{{}}") {CLOCK}', grant=["wall_clock"])
        assert len(plugin.imports) == 1
        assert "ok" in plugin.call("now")


def test_added_imports_follow_the_cells_own_and_keep_their_numbers(define: Define) -> None:
    cell = """
    (type $host (func (param i32 i32) (result i64)))
    (import "judicia:random" "bytes" (func (type $host)))
    (data (i32.const 0) "{\\"length\\": 2}") (data (i32.const 64) "{}")
    (func (export "first") (param i32 i32) (result i64) (call 0 (i32.const 0) (i32.const 13)))
    (func (export "second") (param i32 i32) (result i64) (call $judicia:clock.now (i32.const 64) (i32.const 2)))
    """
    plugin = define(cell, grant=["random", "wall_clock"])
    assert set(plugin.call("first")["ok"]) == {"base64"}
    assert set(plugin.call("second")["ok"]) == {"unix_ms", "monotonic_ms"}


def test_call_host_counts_the_platform_functions_in_order(define: Define) -> None:
    cell = """
    (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
    (import "judicia:random" "bytes" (func (param i32 i32) (result i64)))
    (data (i32.const 0) "{\\"length\\": 2}") (data (i32.const 64) "{}")
    (func $unused (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))))
    (func (export "bytes") (param i32 i32) (result i64) (call $call_host (i32.const 0) (i32.const 0) (i32.const 13)))
    (func (export "now") (param i32 i32) (result i64) (call $call_host (i32.const 1) (i32.const 64) (i32.const 2)))
    (func (export "none") (param i32 i32) (result i64) (call $call_host (i32.const 2) (i32.const 64) (i32.const 2)))
    """
    plugin = define(cell, grant=["random", "wall_clock"])
    assert set(plugin.call("bytes")["ok"]) == {"base64"}
    assert set(plugin.call("now")["ok"]) == {"unix_ms", "monotonic_ms"}
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.call("none")
    assert caught.value.trap == "unreachable"


def test_a_platform_function_that_does_not_exist_is_refused_by_name(define: Define) -> None:
    with pytest.raises(jn.UnknownImport, match="judicia:clok"):
        define("(func (drop (call $judicia:clok.now (i32.const 0) (i32.const 0))))")


# --- the allocator ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["", "(memory 0)", "(memory 3)"])
def heap(request: pytest.FixtureRequest, define: Define) -> tuple[jn.Plugin, int]:
    """A plugin that is all prelude, and where the pages begin that the prelude may use."""
    size = '(func (export "size") (result i32) (memory.size))'
    grow = '(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))'
    plugin = define(f"{request.param} {size} {grow}", quota=jn.Quota(memory="8MiB"))
    return plugin, plugin.raw("size")() << 16


def test_blocks_are_aligned_apart_and_in_pages_of_their_own(heap: tuple[jn.Plugin, int]) -> None:
    plugin, first = heap
    alloc, free, size, grow = (plugin.raw(name) for name in ("judicia_alloc", "judicia_free", "size", "grow"))
    chance = random.Random(7)
    blocks: dict[int, int] = {}
    foreign: list[range] = []
    for turn in range(600):
        if blocks and chance.random() < 0.45:
            pointer = chance.choice(list(blocks))
            free(pointer, blocks.pop(pointer))
            free(pointer + 8, 1)  # never handed out: ignored
            continue
        wanted = chance.randint(1, chance.choice([8, 100, 5000, 100_000]))
        pointer = alloc(wanted)
        if pointer == 0:
            continue
        assert pointer % 8 == 0
        assert pointer >= first
        assert pointer + wanted <= size() << 16
        assert all(pointer + wanted <= other or other + length <= pointer for other, length in blocks.items())
        assert not any(pointer < pages.stop and pages.start < pointer + wanted for pages in foreign)
        blocks[pointer] = wanted
        if turn % 97 == 0:  # the cell grows its memory, too: those pages are its own
            page = grow(1)
            foreign += [range(page << 16, (page + 1) << 16)] if page > 0 else []
    assert blocks


def test_freed_blocks_are_joined_and_used_again(heap: tuple[jn.Plugin, int]) -> None:
    plugin, _ = heap
    alloc, free, size = (plugin.raw(name) for name in ("judicia_alloc", "judicia_free", "size"))
    small = [alloc(1000) for _ in range(200)]
    pages = size()
    for pointer in small[::2] + small[1::2]:
        free(pointer, 1000)
    big = alloc(150_000)
    assert size() == pages
    free(big, 150_000)
    for _ in range(100):
        free(alloc(60_000), 60_000)
    assert size() == pages


def test_with_no_memory_left_alloc_answers_zero_and_goes_on(heap: tuple[jn.Plugin, int]) -> None:
    plugin, _ = heap
    alloc, free = plugin.raw("judicia_alloc"), plugin.raw("judicia_free")
    assert alloc(16 << 20) == 0
    pointer = alloc(1 << 20)
    assert pointer != 0
    free(pointer, 1 << 20)
    assert alloc(-1) == 0
    assert alloc(0x7FFF0001) == 0


def test_a_memory_at_its_own_maximum_makes_alloc_answer_zero(define: Define) -> None:
    plugin = define("(memory 1 2)")
    assert plugin.raw("judicia_alloc")(100_000) == 0
    assert plugin.raw("judicia_alloc")(60_000) >= 65536
    assert define("(memory 0 1)").raw("judicia_alloc")(60_000) > 0


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "line", "what"),
    [
        ('(func (export "f")\n  (i32.cons 1))', 2, "unknown operator"),
        ("(func $f)\n\n(func $f)", 3, "duplicate func"),
        (f"{CLOCK}\n{ECHO}\n(func (call $nope))", 3, "nope"),
        (f"(module $m\n  {CLOCK}\n  (func (call $nope)))", 3, "nope"),
        ("(func)\n(func))\n", 2, "extra"),
        ('(func)\n(data (i32.const 0) "open', 2, "end-of-file"),
        ("(func)\n\n(; open (; closed ;)", 3, "unterminated block comment"),
        ('(func)\n(import "judicia:clock" "now" (func (param i32 i32) (result i64)))', 2, "import after function"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_at_the_cells_own_line(define: Define, cell: str, line: int, what: str) -> None:
    with pytest.raises(jn.InvalidModule) as caught:
        define(cell)
    assert what in str(caught.value)
    assert f":{line}:" in str(caught.value)


@pytest.mark.parametrize("around", ["{}", "(module\n{}\n)"])
def test_a_parenthesis_that_is_never_closed_is_found_where_it_opens(around: str) -> None:
    cell = around.format("(func $a)\n  (func $b (block\n(func $c)\n(func $d)")
    expected = 2 if around == "{}" else 3
    with pytest.raises(jn.InvalidModule, match=rf"line {expected}, column 3") as caught:
        compile_wat(cell)
    assert "(func $b (block" in str(caught.value)


@pytest.mark.parametrize("cell", ["", "  \n", ";; nothing", "(module)"])
def test_a_cell_with_nothing_in_it_is_not_made_into_a_plugin(cell: str) -> None:
    assert compile_wat(cell) == cell


def test_no_line_of_a_cell_moves() -> None:
    cell = textwrap.dedent(
        """\
        (module
          (import "judicia:log" "write" (func $log (param i32 i32) (result i64)))
          (func $f (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))))
          ;; the last line
        )"""
    )
    lines = compile_wat(cell).splitlines()
    original = cell.splitlines()
    assert lines[0] == original[0]
    assert lines[1].startswith(original[1])
    assert lines[2:4] == original[2:4]


# --- languages -------------------------------------------------------------------------------------------------------


def test_the_languages_have_their_names() -> None:
    assert languages() == ("c", "cpp", "rust", "wat", "zig")
    assert compile_source("wat", HELLO) == compile_wat(HELLO)
    with pytest.raises(LookupError, match="cobol"):
        compile_source("cobol", "")
