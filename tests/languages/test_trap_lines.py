"""Traps and stops name the lines of their frames, inlined functions apart, in modules that real compilers made.

In each source ``leaf`` traps where its argument is more than 9, ``middle`` has it inlined, and ``outer`` both.
"""

from __future__ import annotations

import pickle

import pytest

import judicia_notebook as jn
from judicia_notebook.wasm import kept_maps
from judicia_notebook.wasm.dwarf.sections import DwarfLimits
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.source_map import SourceMap, read_source_map
from tests.languages.compilers import use

C = """static inline __attribute__((always_inline)) unsigned leaf(unsigned x) {
  if (x > 9)
    __builtin_trap();
  return x * 3;
}
static inline __attribute__((always_inline)) unsigned middle(unsigned x) {
  unsigned y = x ^ 1;
  return leaf(y) + y;
}
static __attribute__((noinline)) unsigned outer(unsigned x) {
  return middle(x) ^ 5;
}
EXPORT("run") unsigned run(unsigned x) {
  return outer(x) + 1;
}
EXPORT("spin") unsigned spin(unsigned x) {
  for (;;)
    *(volatile unsigned *)8 = x;
}
"""
SOURCES = {
    "c": C.replace("EXPORT", "#define EXPORT(name) __attribute__((export_name(name)))\nEXPORT", 1),
    "cpp": "namespace deep { // of\n"
    + C.replace(
        "EXPORT",
        '} using namespace deep;\n#define EXPORT(name) extern "C" __attribute__((export_name(name)))\nEXPORT',
        1,
    ),
    "zig": """inline fn leaf(x: u32) u32 {
    if (x > 9)
        @trap();
    return x *% 3;
}
inline fn middle(x: u32) u32 {
    const y = x ^ 1;
    return leaf(y) +% y;
}
noinline fn outer(x: u32) u32 {
    return middle(x) ^ 5;
}
export fn run(x: u32) u32 {
    return outer(x) +% 1;
}
""",
    "rust": """#[inline(always)] fn leaf(x: u32) -> u32 {
    if x > 9 {
        core::arch::wasm32::unreachable();
    }
    x.wrapping_mul(3)
}
#[inline(always)] fn middle(x: u32) -> u32 {
    let y = x ^ 1;
    leaf(y).wrapping_add(y)
}
#[inline(never)] fn outer(x: u32) -> u32 {
    middle(x) ^ 5
}
#[no_mangle] pub extern "C" fn run(x: u32) -> u32 {
    outer(x).wrapping_add(1)
}
""",
}
FILE = {"c": "cell.c", "cpp": "cell.cpp", "zig": "cell.zig", "rust": "cell.rs"}
NAMES = {
    "c": ["leaf", "middle", "outer", "run"],
    "cpp": ["deep::leaf", "deep::middle", "deep::outer(unsigned int)", "run"],
    "zig": ["cell.leaf", "cell.middle", "cell.outer", "cell.run"],
    "rust": ["plugin::leaf", "plugin::middle", "plugin::outer", "run"],
}
LINES = {"c": [3, 8, 11, 15], "cpp": [4, 9, 12, 17], "zig": [3, 8, 11, 14], "rust": [3, 9, 12, 15]}


@pytest.mark.parametrize(
    ("language", "compiler"), [("c", "clang"), ("cpp", "clang"), ("zig", "zig"), ("rust", "rustc")]
)
def test_a_trap_two_inlined_functions_deep_names_each_function_and_its_line(
    rt: jn.Runtime, language: str, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(compiler, monkeypatch)
    p = rt.load(jn.build(SOURCES[language], language, "-O2", "-g").wasm, name="p", abi="raw")
    with pytest.raises(jn.GuestTrap) as caught:
        p.raw("run")(100)
    error = caught.value
    monitored = p.monitor("run", numbers=(100,), what=("coverage", "branches", "memory"), quota={"fuel": 10_000}).error
    assert isinstance(monitored, jn.GuestTrap)
    for each in (error, monitored):  # the code of the second one is another, with other places
        frames = [frame for frame in each.frames if frame.file == FILE[language]]  # Rust has its own library's, too
        assert [frame.function for frame in frames] == NAMES[language]
        assert [frame.line for frame in frames] == LINES[language]
        assert [frame.is_inlined for frame in frames] == [True, True, False, False]
        assert frames[0].offset == frames[2].offset != frames[3].offset
        assert len(each.backtrace) == 2
    assert monitored.frames == error.frames
    first, second = NAMES[language][:2], LINES[language]
    text = f"{first[0]} ({FILE[language]}:{second[0]}, inlined) <- {first[1]} ({FILE[language]}:{second[1]}, inlined)"
    assert text in str(error)
    assert f"({FILE[language]}:{second[0]}, inlined) <- " in p.calls["error"].iloc[0]
    again = pickle.loads(pickle.dumps(error))
    assert (again.frames, str(again)) == (error.frames, str(error))


def test_a_stop_names_its_line_and_a_module_without_lines_is_told_as_before(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("clang", monkeypatch)
    told = {}
    for flags in ((), ("-g",)):
        p = rt.load(jn.build(SOURCES["c"], "c", "-O2", *flags).wasm, name="p", abi="raw")
        stop = p.attempt("spin", numbers=(1,), quota={"fuel": 2000}).error
        counted = p.monitor("spin", numbers=(1,), what="loops", quota={"fuel": 2000}).error
        trap = p.attempt("run", numbers=(100,)).error
        assert isinstance(stop, jn.QuotaExceeded)
        assert isinstance(trap, jn.GuestTrap)
        assert isinstance(counted, jn.QuotaExceeded)
        assert str(counted).split("\n")[0] == str(stop).split("\n")[0]
        told[flags] = stop, trap
    stop, trap = told[()]
    assert str(stop).startswith("p.spin used 2 000 of 2 000 fuel and was stopped.\n")
    assert "stopped at `unreachable` in outer <- run. " in str(trap)
    assert {frame.line for frame in (*stop.frames, *trap.frames)} == {None}
    assert trap.frames_note == ""
    stop, _ = told["-g",]
    assert "and was stopped in spin (cell.c:1" in str(stop)
    assert [frame.function for frame in stop.frames] == ["spin"]
    assert stop.frames[0].line in {17, 18, 19}  # the function's head, or its loop


def test_debug_information_is_read_for_the_first_trap_alone(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    p = rt.load(jn.build(f"{SOURCES['c']}// read once\n", "c", "-O2", "-g").wasm, name="p", abi="raw")
    read: list[int] = []

    def counted(module: ModuleInfo, limits: DwarfLimits) -> SourceMap:
        read.append(1)
        return read_source_map(module, limits)

    monkeypatch.setattr(kept_maps, "read_source_map", counted)
    kept_maps._kept.clear()
    p.raw("run")(1)
    assert read == []
    for _ in range(3):
        assert "cell.c:3, inlined" in str(p.attempt("run", numbers=(100,)).error)
    assert read == [1]


def test_a_panic_names_the_line_that_panicked_and_not_its_own_machinery(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("rustc", monkeypatch)
    source = """#[inline(always)] fn pick(x: Option<u32>) -> u32 {
    x.unwrap()
}
#[no_mangle] pub extern "C" fn run(x: u32) -> u32 {
    pick(if x > 9 { None } else { Some(x) })
}
"""
    p = rt.load(jn.build(source, "rust", "-O2", "-g").wasm, name="p", abi="raw")
    error = p.attempt("run", numbers=(100,)).error
    assert "stopped at `unreachable` in plugin::pick (cell.rs:2, inlined) <- run (cell.rs:5). " in str(error)


HOT = """static inline __attribute__((always_inline)) unsigned mix(unsigned x) {
  for (unsigned k = 0; k < 50; k++)
    x = x * 1664525u + k;
  return x;
}
__attribute__((export_name("run"))) unsigned run(unsigned n) {
  unsigned sum = 0;
  while (n--)
    sum += mix(sum) / (n | 1);
  return sum;
}
"""


def test_a_profile_tells_an_inlined_function_from_its_caller(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    p = rt.load(jn.build(HOT, "c", "-O1", "-g").wasm, name="p", abi="raw", quota=jn.Quota(cpu="60s", fuel=None))
    profile = p.profile("run", numbers=(200_000,), samples=30)
    mix, run = profile.functions.sort_values("function").itertuples(index=False)
    assert (mix.function, mix.inlined, mix.file) == ("mix", True, "cell.c")
    assert mix.line in {2, 3}
    assert (run.function, run.inlined, run.line) == ("run", False, 9)
    assert mix.self_percent > 50
    assert run.total_ms == pytest.approx(profile.guest_ms)
    assert 'jf-inlined" title="mix (inlined)' in profile.flame_graph().html()


def test_metering_none_tells_the_same_lines(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    p = rt.load(jn.build(SOURCES["c"], "c", "-O2", "-g").wasm, name="p", abi="raw")
    with pytest.raises(jn.GuestTrap) as caught:
        p.bench("run", numbers=(100,), metering="none")
    lines = [frame.line for frame in caught.value.frames]
    assert lines[1:] == LINES["c"][1:]
    assert lines[0] in {2, 3}  # the compiler may make one of the branch and the trap behind it
