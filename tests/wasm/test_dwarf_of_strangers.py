"""Debug sections that lie: each ends in time and memory that are bounded, and with an error of one kind, or a map."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judicia_notebook.errors import DebugInfoError
from judicia_notebook.wasm.dwarf.sections import Budget, DwarfLimits
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.source_map import SourceMap, read_source_map
from tests.support.dwarf import ABBREVIATIONS, END, GOOD, at, module, new_table, sized, table, unit


def read(**sections: bytes) -> SourceMap:
    return read_source_map(read_module(module(**sections)))


def test_a_table_by_hand_is_read() -> None:
    found = read(line=table(GOOD))
    assert [(place.offset, place.end, place.function, place.file, place.line) for place in found.places] == [
        (5, 8, 1, "a.c", 7)
    ]
    assert found.at(6) is found.places[0]
    assert found.at(8) is None


def test_code_that_is_in_no_function_is_left_out() -> None:
    assert read(line=table(at(0) + b"\x01\x02\x03" + END + GOOD)).places == read(line=table(GOOD)).places
    assert not read(line=table(at(0xFFFFFFFF) + b"\x01\x02\x03" + END))
    assert [place.end for place in read(line=table(at(5) + b"\x01" + b"\x02\xff\x7f" + END)).places] == [11]


def test_of_two_lines_for_the_same_code_the_first_has_it() -> None:
    found = read(line=table(GOOD + at(6) + b"\x03\x10\x01\x02\x04" + END))
    assert [(place.offset, place.end, place.line) for place in found.places] == [(5, 8, 7), (8, 10, 17)]


HUGE = b"\xff" * 9 + b"\x01"
LIES: dict[str, dict[str, bytes]] = {
    "a length beyond the section": {"line": struct.pack("<I", 0x1000) + b"\0" * 20},
    "offsets of 64 bits": {"line": b"\xff\xff\xff\xff" + b"\0" * 20},
    "a reserved length": {"line": b"\xf5\xff\xff\xff" + b"\0" * 20},
    "no bytes at all": {"line": sized(b"")},
    "an unknown version": {"line": table(GOOD, version=9)},
    "lines without a range": {"line": table(GOOD, line_range=0)},
    "a header longer than the table": {"line": sized(struct.pack("<HI", 4, 0xFFFFFF) + b"\0" * 30)},
    "an instruction longer than the table": {"line": table(b"\0\xff\x7f\x02")},
    "an instruction of no bytes": {"line": table(b"\0\0")},
    "a number without an end": {"line": table(b"\x02" + b"\xff" * 40)},
    "a name without an end": {"line": table(b"", files=b"\0" + b"a" * 4000)},
    "more files than bytes": {"line": new_table(b"\x01\x01\x08" + HUGE)},
    "files of no bytes": {"line": new_table(b"\0" + b"\x7f" + b"\0" * 200)},
    "an entry of a form that is none": {"line": new_table(b"\x01\x01\x7f\x01" + b"\0" * 9)},
    "a form that takes no bytes": {"line": new_table(b"\x01\x01\x19\x7f" + b"\0" * 200)},
    "a name beyond the texts": {
        "line": new_table(b"\0\0\x01\x01\x1f\x02" + b"\xf0" * 8, at(5) + b"\x01\x02\x03" + END), "line_str": b"a\0",
    },
    "a unit of an unknown kind of entry": {"info": unit(b"\x09"), "abbrev": ABBREVIATIONS},
    "declarations that are nowhere": {"info": unit(b"\x01", declarations=999), "abbrev": ABBREVIATIONS},
    "declarations without an end": {"info": unit(b"\x01"), "abbrev": b"\x01\x2e\x00" + b"\x03\x08" * 50},
    "an address of 200 bytes": {"info": sized(struct.pack("<HIB", 4, 0, 200) + b"\x01"), "abbrev": ABBREVIATIONS},
    "ranges that are nowhere": {"info": unit(b"\x05" + b"\xff" * 4), "abbrev": ABBREVIATIONS, "ranges": b"\0" * 8},
    "ranges without an end": {
        "info": unit(b"\x05" + b"\0" * 4), "abbrev": ABBREVIATIONS, "ranges": b"\1\0\0\0\2\0\0\0",
    },
    "an entry that is cut": {"info": unit(b"\x01\0"), "abbrev": ABBREVIATIONS},
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_an_error_that_names_its_section(name: str) -> None:
    with pytest.raises(DebugInfoError, match=r"section '\.debug_\w+'"):
        read(**LIES[name])


def entry(name: bytes, low: int = 5, size: int = 5) -> bytes:
    return b"\x01" + struct.pack("<II", low, size) + name + b"\0"


def test_a_name_of_megabytes_is_cut_and_made_printable() -> None:
    name = "\x1b[31m\u202e".encode() + b"a" * (2 << 20)
    found = read(line=table(GOOD), info=unit(entry(name)), abbrev=ABBREVIATIONS)
    [frame] = found.frames(6)
    assert len(frame.function) < 3000
    assert frame.function.isprintable()


def test_a_circle_of_names_ends() -> None:
    first = 11  # of the unit's header
    circle = b"\x02" + struct.pack("<III", first, 5, 5)
    found = read(line=table(GOOD), info=unit(circle), abbrev=ABBREVIATIONS)
    assert [frame.function for frame in found.frames(6)] == [""]
    there_and_back = b"\x02" + struct.pack("<III", first + 13, 5, 5) + b"\x02" + struct.pack("<III", first, 2, 2)
    assert read(line=table(GOOD), info=unit(there_and_back), abbrev=ABBREVIATIONS).frames(6)


def test_a_reference_counts_from_the_unit_it_is_in() -> None:
    named = entry(b"second", 0, 0) + b"\x02" + struct.pack("<III", 11, 5, 5)
    found = read(line=table(GOOD), info=unit(entry(b"first", 2, 2)) + unit(named), abbrev=ABBREVIATIONS)
    assert [frame.function for frame in found.frames(6)] == ["second"]


def test_functions_that_are_inlined_very_deeply_are_shown_up_to_a_depth() -> None:
    depth = 50_000
    inner = (b"\x03" + struct.pack("<II", 5, 5)) * depth + b"\0" * depth
    found = read(line=table(GOOD), info=unit(b"\x04" + struct.pack("<II", 5, 5) + inner + b"\0"), abbrev=ABBREVIATIONS)
    assert len(found.frames(6)) == 64


def test_inlined_functions_beyond_their_function_are_clipped_and_overlapping_ones_nested() -> None:
    inner = b"\x03" + struct.pack("<II", 0, 7) + b"\0" + b"\x03" + struct.pack("<II", 6, 900) + b"\0"
    found = read(line=table(GOOD), info=unit(b"\x04" + struct.pack("<II", 5, 5) + inner + b"\0"), abbrev=ABBREVIATIONS)
    assert found.function_at(3) is None  # of the other function
    assert [len(found.frames(offset)) for offset in (5, 6, 7)] == [2, 2, 1]
    assert found.function_at(10) is None


LIMITS = DwarfLimits(
    rows=50, instructions=200, files=50, entries=50, attributes=400, declarations=60, ranges=50, units=20,
    texts_bytes=5000,
)  # fmt: skip
FLOODS: dict[str, dict[str, bytes]] = {
    "rows of lines": {"line": table(at(5) + b"\x01" * 60 + END)},
    "instructions of line programs": {"line": table(at(5) + b"\x06" * 300 + END)},
    "names of files": {"line": table(GOOD, files=b"\0" + b"a\0\0\0\0" * 60 + b"\0")},
    "entries": {"info": unit(b"\0" * 60), "abbrev": ABBREVIATIONS},
    "declarations of attributes": {"info": unit(b"\0"), "abbrev": b"\x01\x2e\x00" + b"\x03\x08" * 80 + b"\0\0\0"},
    "ranges of code": {"info": unit(b"\x05\0\0\0\0"), "abbrev": ABBREVIATIONS, "ranges": b"\2\0\0\0\1\0\0\0" * 60},
    "units": {"info": unit(b"\0") * 30, "abbrev": ABBREVIATIONS},
    "bytes of names": {
        "info": unit(b"".join(entry(bytes([65 + n]) * 1000) for n in range(10))), "abbrev": ABBREVIATIONS, "line": b"",
    },
}  # fmt: skip


@pytest.mark.parametrize("what", FLOODS)
def test_more_than_is_read_is_refused_by_name(what: str) -> None:
    with pytest.raises(DebugInfoError, match=f"more than .* {what}"):
        read_source_map(read_module(module(**FLOODS[what])), LIMITS)
    if what != "ranges of code":  # which have no end, either
        read(**FLOODS[what])


def test_every_limit_has_a_flood_or_is_of_a_single_text() -> None:
    words = {name for name in DwarfLimits.__slots__ if name != "text_bytes"}
    assert len(words) == len(FLOODS) + 1  # attributes are never more than the other limits let through
    for name in words:
        with pytest.raises(DebugInfoError):
            Budget(LIMITS).spend(name, 1 << 40)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_bytes_are_the_end_is_a_map_or_that_error(data: st.DataObject) -> None:
    names = ["line", "info", "abbrev", "str", "line_str", "ranges", "rnglists", "addr", "str_offsets"]
    start = data.draw(st.sampled_from(list(LIES.values()) + list(FLOODS.values()) + [{"line": table(GOOD)}]))
    sections = {name: bytearray(content) for name, content in start.items()}
    for name in data.draw(st.lists(st.sampled_from(names), max_size=3)):
        sections[name] = bytearray(data.draw(st.binary(max_size=80)))
    for content in sections.values():
        for _ in range(data.draw(st.integers(0, 3))):
            if content:
                content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(**{name: bytes(content) for name, content in sections.items()})
    except DebugInfoError:
        return
    for place in found.places:
        assert place.offset < place.end <= 11
        assert place.function in {0, 1}
        assert place.file.isprintable()
        found.frames(place.offset)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of address space; enable: run it on Linux")
@pytest.mark.address_space
@pytest.mark.parametrize("made", ["rows", "names", "entries", "ranges"])
def test_megabytes_of_lies_end_in_a_process_of_little_memory(made: str, tmp_path: Path) -> None:
    size = 8 << 20
    sections: dict[str, Callable[[], dict[str, bytes]]] = {
        "rows": lambda: {"line": table(at(5) + b"\x01" * size + END)},
        "names": lambda: {
            "line": table(GOOD),
            "info": unit(entry(b"x") * (size // 20)), "abbrev": ABBREVIATIONS,
        },
        "entries": lambda: {"info": unit(b"\0" * size), "abbrev": ABBREVIATIONS},
        "ranges": lambda: {
            "info": unit(b"\x05\0\0\0\0" * (size // 50)), "abbrev": ABBREVIATIONS,
            "ranges": b"\2\0\0\0\3\0\0\0" * 10_000 + b"\0" * 8,
        },
    }  # fmt: skip
    path = tmp_path / "lies.wasm"
    path.write_bytes(module(**sections[made]()))
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from judicia_notebook.errors import DebugInfoError
        from judicia_notebook.wasm.sections import read_module
        from judicia_notebook.wasm.source_map import read_source_map
        try:
            read_source_map(read_module(Path({str(path)!r}).read_bytes()))
        except DebugInfoError as error:
            print("refused", error)
        """
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (120, 120))

    done = subprocess.run([sys.executable, "-c", program], preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert made == "names" or "refused it has more than" in done.stdout
