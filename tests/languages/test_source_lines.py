"""The lines of modules that real compilers made, against PyPI's pyelftools, which reads the same sections."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo

import judicia_notebook as jn
from judicia_notebook.languages.language import SDK
from judicia_notebook.wasm.features import take_census
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.source_map import SourceMap, read_source_map
from tests.languages.compilers import SOURCES, use

HOT = {
    "c": """
static inline __attribute__((always_inline)) u32 step(u32 x) {
    return x * 1664525u + 1013904223u;
}
static __attribute__((noinline)) u32 slow(u32 n) {
    u32 s = 1;
    for (u32 i = 0; i < n; i++)
        s = step(s) ^ i / (s | 1);
    return s;
}
EXPORT("spin") u32 spin(u32 n) { return slow(n) + 1; }
""",
    "zig": """
inline fn step(x: u32) u32 {
    return x *% 1664525 +% 1013904223;
}
noinline fn slow(n: u32) u32 {
    var s: u32 = 1;
    var i: u32 = 0;
    while (i < n) : (i += 1)
        s = step(s) ^ i / (s | 1);
    return s;
}
export fn spin(n: u32) u32 { return slow(n) +% 1; }
""",
    "rust": """
#[inline(always)] fn step(x: u32) -> u32 {
    x.wrapping_mul(1664525).wrapping_add(1013904223)
}
#[inline(never)] fn slow(n: u32) -> u32 {
    let mut s: u32 = 1;
    for i in 0..n {
        s = step(s) ^ i / (s | 1);
    }
    s
}
#[no_mangle] pub extern "C" fn spin(n: u32) -> u32 { slow(n).wrapping_add(1) }
""",
}
HOT["cpp"] = HOT["c"]
FILE = {"c": "cell.c", "cpp": "cell.cpp", "zig": "cell.zig", "rust": "cell.rs"}
STEPS = {
    "c": "return x * 1664525u",
    "cpp": "return x * 1664525u",
    "zig": "return x *% 1664525",
    "rust": "x.wrapping_mul",
}


def source(lang: str) -> str:
    return SOURCES[lang] + HOT[lang]


def number_of(lang: str, piece: str) -> int:
    return next(number for number, line in enumerate(source(lang).split("\n"), 1) if piece in line)


@pytest.fixture
def built(lang: str) -> jn.Built:
    return jn.build(source(lang), lang, "-O2", "-g")


def pyelftools(wasm: bytes) -> dict[tuple[int, str, int, int], bool]:
    """Every row of its tables of lines that code follows: address, the file's last name, line, column."""
    module = read_module(wasm)
    sections = {each.name: module.data[each.offset : each.offset + each.size] for each in module.custom_sections}
    names = [
        "info", "aranges", "abbrev", "frame", "eh_frame", "str", "loc", "ranges", "line", "pubtypes", "pubnames",
        "addr", "str_offsets", "line_str", "loclists", "rnglists", "sup", "gnu_debugaltlink", "types",
    ]  # fmt: skip
    given: dict[str, Any] = {}
    for name in names:
        data = sections.get(f".debug_{name}")
        key = f"debug_{name}_sec" if name not in {"eh_frame", "gnu_debugaltlink"} else f"{name}_sec"
        given[key] = data and DebugSectionDescriptor(io.BytesIO(data), f".debug_{name}", 0, len(data), 0)
    info = DWARFInfo(config=DwarfConfig(True, "wasm", 4), **given)
    found: dict[tuple[int, str, int, int], bool] = {}
    for unit in info.iter_CUs():
        program = info.line_program_for_CU(unit)
        assert program is not None
        files = program["file_entry"]
        first = 0 if program["version"] >= 5 else 1
        states = [entry.state for entry in program.get_entries() if entry.state is not None]
        for state, after in pairwise(states):
            if not state.end_sequence and after.address > state.address:
                name = files[state.file - first].name.decode().rpartition("/")[2]
                found[state.address, name, state.line, state.column] = bool(state.is_stmt)
    return found


def test_each_place_is_a_row_that_pyelftools_reads_too(built: jn.Built) -> None:
    found, theirs = read_source_map(read_module(built.wasm)), pyelftools(built.wasm)
    assert len(found.places) > 10
    for place in found.places:
        key = (place.offset, place.file.rpartition("/")[2], place.line, place.column)
        assert theirs[key] == place.is_statement, place


def test_each_row_of_a_function_that_is_there_is_a_place(built: jn.Built) -> None:
    found = read_source_map(read_module(built.wasm))
    code = {(place.offset, place.line) for place in found.places}
    inside = [key for key in pyelftools(built.wasm) if any(key[0] == place.offset for place in found.places)]
    assert {(address, line) for address, _, line, _ in inside} >= code
    assert all(first.end <= second.offset for first, second in pairwise(found.places))


def test_an_inlined_function_is_told_from_the_one_it_is_in(built: jn.Built, lang: str) -> None:
    found = read_source_map(read_module(built.wasm))
    line = number_of(lang, STEPS[lang])
    chains = [found.frames(place.offset) for place in found.places]
    chains = [chain for chain in chains if any(FILE[lang] in frame.file and frame.line == line for frame in chain)]
    assert chains
    for chain in chains:
        names = [frame.function.replace("::", ".").rpartition(".")[2] for frame in chain]
        at = names.index("step")
        assert names[at:] == ["step", "slow"], chain
        assert [frame.is_inlined for frame in chain[at:]] == [True, False]
        assert chain[at + 1].line == number_of(lang, "step(s)")


def test_the_frame_has_each_instruction_once(rt: jn.Runtime, built: jn.Built, lang: str) -> None:
    p = rt.load(built.wasm, name="p")
    frame = p.source_lines()
    census = take_census(read_module(built.wasm))
    assert frame["instructions"].sum() == census.instructions
    wat = p.wat().functions
    assert frame["instructions"].sum() == wat["instructions"].sum()
    assert frame["bytes"].sum() <= wat["bytes"].sum()
    own = frame[frame["file"] == FILE[lang]].set_index("line")
    lines = source(lang).split("\n")
    for line, text in own["text"].items():
        assert text == lines[line - 1]
    assert number_of(lang, "step(s)") in own.index


def test_sampled_time_stands_at_the_loop_that_took_it(rt: jn.Runtime, built: jn.Built, lang: str) -> None:
    p = rt.load(built.wasm, name="p", quota=jn.Quota(cpu="60s", fuel=None))
    profile = p.profile("spin", numbers=(3_000_000,), samples=60, seconds=20)
    lines = profile.lines
    assert lines["samples"].sum() >= 0.9 * profile.guest_samples
    hottest = lines.iloc[0]
    loop = range(number_of(lang, "slow(n: u32)" if lang in {"zig", "rust"} else "slow(u32 n)"), len(source(lang)))
    assert hottest["self_percent"] > 80
    first = loop.start
    own = lines[(lines["file"] == FILE[lang]) & lines["line"].between(first - 5, first + 6)]
    assert own["total_ms"].max() > 0.8 * profile.guest_ms
    caller = lines[lines["line"] == number_of(lang, "slow(n)")]
    assert caller["total_ms"].sum() > 0.8 * profile.guest_ms
    assert caller["self_ms"].sum() < 0.2 * profile.guest_ms
    joined = p.source_lines(profile)
    assert joined["samples"].sum() >= 0.8 * profile.guest_samples
    assert joined["samples"].isna().sum() == joined["line"].isna().sum()


def test_a_profile_of_another_module_is_refused(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    p = rt.load(jn.build(source("c"), "c", "-O2", "-g").wasm, name="p", quota=jn.Quota(cpu="60s"))
    other = rt.load(jn.build(source("c"), "c", "-O0", "-g").wasm, name="other")
    profile = p.profile("spin", numbers=(100_000,), samples=1)
    with pytest.raises(ValueError, match="the profile is of"):
        other.source_lines(profile)


def test_without_debug_information_all_lines_are_na_and_a_sentence_says_how_to_get_them(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use("clang", monkeypatch)
    p = rt.load(jn.build(source("c"), "c", "-O2").wasm, name="p")
    frame = p.source_lines()
    assert frame[["file", "line", "text"]].isna().all(axis=None)
    assert set(frame["function"]) == {"judicia_alloc", "judicia_free", "seven", "slow", "spin"}
    assert frame["instructions"].sum() == take_census(read_module(p._code.wasm)).instructions
    assert "--flags -g" in capsys.readouterr().err
    assert p.profile("spin", numbers=(100_000,), samples=1, quota=jn.Quota(cpu="60s")).lines.empty


def test_only_texts_of_sources_that_were_compiled_here_or_named_are_shown(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("clang", monkeypatch)
    secret = tmp_path / "secret" / "key.h"
    secret.parent.mkdir()
    secret.write_text("// a secret\n" * 30, "utf-8")
    claims = f'#line 7 "{secret}"\nEXPORT("f") int f(int n) {{ return n * 3; }}\n'
    p = rt.load(jn.build(f"{SOURCES['c']}{claims}", "c", "-O2", "-g").wasm)
    frame = p.source_lines()
    claimed = frame[frame["file"] == str(secret)]
    assert list(claimed["line"]) == [7]
    assert claimed["text"].isna().all()
    assert "a secret" not in p.annotated()._repr_html_()
    other = tmp_path / "other"
    other.mkdir()
    assert p.source_lines(sources=other)["text"].equals(frame["text"])
    (other / "key.h").symlink_to(secret)  # which leads out of the folder
    assert p.source_lines(sources=other)["text"].equals(frame["text"])
    texts = p.source_lines(sources=secret.parent)
    assert list(texts[texts["file"] == str(secret)]["text"]) == ["// a secret"]
    with pytest.raises(NotADirectoryError):
        p.source_lines(sources=secret)


def test_the_sdk_of_the_package_is_shown(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    built = jn.build('#include "judicia.h"\n', "c", "-O1", "-g")  # which brings an allocator
    frame = rt.load(built.wasm).source_lines()
    of_sdk = frame[frame["file"].fillna("").str.startswith(str(SDK))]
    assert len(of_sdk)
    assert of_sdk["text"].notna().all()


def test_the_annotated_source_says_what_each_line_became(rt: jn.Runtime, built: jn.Built, lang: str) -> None:
    p = rt.load(built.wasm, name="p")
    annotated = p.annotated()
    [file] = [file for file in annotated.files if file.name == FILE[lang]]
    line = file.lines[number_of(lang, STEPS[lang]) - 1]
    assert any("i32.mul" in text for text in line.instructions)
    assert line.cost.instructions == sum(not text.startswith(";;") for text in line.instructions)
    assert "i32.mul" in str(annotated)
    html = annotated._repr_html_()
    assert "i32.mul" in html
    assert "<script" not in html


def test_a_map_of_nothing_knows_nothing() -> None:
    module = read_module(b"\0asm\x01\0\0\0")
    found: SourceMap = read_source_map(module)
    assert not found
    assert found.at(0) is None
    assert found.frames(0) == ()
