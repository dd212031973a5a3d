"""Modules made to break what holds them: accesses at every edge, text without end, instances that never come to be."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

Survives = Callable[[str], list[str]]

EDGES = """
KINDS = {"8": ("i32.load8_u", "i32.store8", "(i32.const 1)", 1), "64": ("i64.load", "i64.store", "(i64.const 1)", 8),
         "128": ("v128.load", "v128.store", "(v128.const i64x2 1 1)", 16)}
OFFSETS = (0, 1, 65535, 65536, (1 << 20) - 1, 1 << 20, (32 << 20) - 1, 32 << 20, (32 << 20) + 1, 1 << 31, 0xffffffff)
def accesses(memory):
    for kind, (load, store, value, _) in KINDS.items():
        for offset in OFFSETS:
            at = f'{memory} offset={offset} (local.get 0)'
            yield f'(func (export "load {kind} {offset}") (param i32) (drop ({load} {at})))'
            yield f'(func (export "store {kind} {offset}") (param i32) ({store} {at} {value}))'
def wrong(pages, memory):
    cells = " ".join(accesses(memory))
    p = rt.load(f'(module (memory $first {pages}) (memory $second {pages}) {cells})', name="edges")
    size = pages << 16
    for kind, (*_, width) in KINDS.items():
        for offset in OFFSETS:
            for address in {0, max(size - width, 0), max(size - 1, 0), size, 0x7fffffff, 0xffff0000, 0xffffffff}:
                for way in ("load", "store"):
                    try: p.raw(f"{way} {kind} {offset}")(address - (address >> 31 << 32))
                    except jn.GuestTrap as error: inside, known = False, error.trap == "out_of_bounds_memory"
                    else: inside, known = True, True
                    if not known or inside != (address + offset + width <= size):
                        yield way, kind, offset, address, inside
"""


@pytest.mark.address_space
@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space hold on Linux; enable: run on Linux")
@pytest.mark.parametrize(("gibibytes", "reserved"), [(None, 4096), (40, 1024), (9, 256), (3, 64)])
def test_no_access_reaches_beyond_a_memory_however_it_is_guarded(
    survives: Survives, gibibytes: int | None, reserved: int
) -> None:
    said = survives(
        EDGES
        + f"""
import resource
from judicia_notebook.engine.startup import get_engine
if {gibibytes} is not None: resource.setrlimit(resource.RLIMIT_AS, (({gibibytes} or 0) << 30,) * 2)
print(get_engine().reservation >> 20)
for pages in (0, 1, 3):
    for memory in ("$first", "$second"): assert not (found := list(wrong(pages, memory))), (pages, memory, found[:5])
alive()
"""
    )
    assert said == [str(reserved), "alive"]


def test_a_memory_of_four_gibibytes_ends_where_addresses_do(survives: Survives) -> None:
    said = survives(
        """
big = jn.Runtime(ceiling=jn.Quota(memory="6GiB"))
p = big.load('''(module (memory (export "memory") 0 65536)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "read") (param i32) (result i32) (i32.load (local.get 0))))''', name="big", quota={"memory": "5GiB"})
grow, read = p.raw("grow"), p.raw("read")
print(grow(65537), grow(65536), grow(1), grow(-1), grow(0), read(0), read(-4))
try: read(-3)
except jn.GuestTrap as error: print(error.trap)
big.close()
alive()
"""
    )
    assert said == ["-1 0 -1 -1 65536 0 0", "out_of_bounds_memory", "alive"]


def test_instances_that_never_come_to_be_leave_nothing(survives: Survives) -> None:
    said = survives(
        """
FAILING = {
    "data beyond its memory": '(memory 10) (memory 3) (data (i32.const 655360) "x")',
    "a second memory too large": "(memory 100) (memory 65536)",
    "elements beyond their table": "(memory 100) (table 5 funcref) (elem (i32.const 5) $run)",
    "a start that traps": "(memory 100) (func $start (drop (memory.grow (i32.const 5))) unreachable) (start $start)",
    "a table too large": "(memory 100) (table 10000001 funcref)",
}
def mapped():
    with open("/proc/self/maps") as file: return len(file.readlines())
def try_all(times):
    for what, cells in FAILING.items():
        p = rt.load(f'(module {cells} (func $run (export "run")))', name="failing")
        for _ in range(times):
            try: p.raw("run")()
            except jn.CallError: pass
            else: raise AssertionError(what)
        assert rt._platform.pool.used == 0, what
try_all(40)
before = mapped() if sys.platform == "linux" else 0
try_all(200)
assert sys.platform != "linux" or mapped() <= before + 20, (before, mapped())
alive()
"""
    )
    assert said == ["alive"]


@pytest.mark.parametrize("kib", [64, 256, 8192])
def test_text_and_code_nested_without_end_on_a_thread_of_any_size(survives: Survives, kib: int) -> None:
    said = survives(
        f"""
alive()  # the engine is there
N = 50_000
SOURCES = ["(module (func " + "block " * N + "end " * N + "))", "(module (func " + "(block " * N + ")" * N + "))",
           "(module (func (result i32) " + "(i32.eqz " * N + "(i32.const 1)" + ")" * N + "))",
           "(module " + "(;" * N + ";)" * N + ")", "(module " + "(" * N, "(module " + "(@a " * N + ")" * N + ")",
           "(module " + "(rec " * N]
def work():
    for number, source in enumerate(SOURCES):
        try: rt.load(source, name=f"nested{{number}}", isolate_compile=False)
        except jn.LoadError as error: assert len(str(error)) < 2000
threading.stack_size({kib} << 10)
thread = threading.Thread(target=work)
thread.start()
thread.join()
threading.stack_size(4 << 20)
alive()
"""
    )
    assert said == ["alive", "alive"]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's stack is measured on Linux; enable: run on Linux")
def test_a_thread_too_small_to_check_an_engine_makes_none(survives: Survives) -> None:
    said = survives(
        """
from judicia_notebook.engine import engine
made, real = [], engine.Engine.__init__
def count(self, *arguments, **options):
    made.append(self)
    real(self, *arguments, **options)
engine.Engine.__init__ = count
def work():
    for _ in range(3):
        try: rt.load("(module)", name="guest")
        except jn.ResourceExhausted as error: print("stack" in str(error))
threading.stack_size(256 << 10)
thread = threading.Thread(target=work)
thread.start()
thread.join()
threading.stack_size(4 << 20)
alive()
print(len(made))
"""
    )
    assert said == ["True", "True", "True", "alive", "1"]


def test_host_functions_in_the_place_of_a_modules_own_are_only_what_they_are(survives: Survives) -> None:
    said = survives(
        """
OWN = '''(memory (export "memory") 1) (func (export "judicia_free") (param i32 i32))'''
ALLOC = '''(func (export "judicia_alloc") (param i32) (result i32) (i32.const 8))'''
def ends(imports, cells):
    p = rt.load(f"(module {imports} {OWN} {cells})", name="guest")
    return [type(p.attempt("run", {"a": 1}).error).__name__ for _ in range(3)]
NOW = '(import "judicia:clock" "now" (func $host (param i32 i32) (result i64)))'
print(ends(NOW, ALLOC + '(export "run" (func $host))'))
print(ends(NOW, ALLOC + '(export "on_initialize" (func $host)) (export "run" (func $host))'))
print(ends('(import "wasi_snapshot_preview1" "fd_close" (func $host (param i32) (result i32)))',
           '(export "judicia_alloc" (func $host)) (func (export "run") (param i32 i32) (result i64) (i64.const 0))'))
print(ends('(import "wasi_snapshot_preview1" "proc_exit" (func $host (param i32)))', ALLOC +
           '(func $start (call $host (i32.const 3))) (start $start)'
           '(func (export "run") (param i32 i32) (result i64) (i64.const 0))'))
alive()
"""
    )
    ends = ["AbiViolation", "PluginNotReady", "NoneType", "AbiViolation"]
    assert said == [*(str([end] * 3) for end in ends), "alive"]
