"""Tracefiles, read back by a parser of the format: counts by hand, totals that agree, nothing half written."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

import judicia_notebook as jn

SOURCE = """\
__attribute__((noinline)) static int half(int x) {
    return x / 2;
}
__attribute__((export_name("run"))) int run(int n) {
    int sum = 0;
    while (n-- > 0)
        if (n % 4)
            sum += half(n);
    if (sum < 0)
        sum = 0;
    return sum;
}
"""
LINES = {1: 4, 2: 4, 4: 1, 5: 1, 6: 7, 7: 6, 8: 4, 9: 1, 10: 0, 11: 1}  # run(6): 5 4 3 2 1 0


class Record(NamedTuple):
    """One file of a tracefile."""

    lines: dict[int, int]
    functions: dict[str, tuple[int, int]]
    branches: dict[tuple[int, int, int], int | None]
    totals: dict[str, int]


def read(path: Path) -> dict[str, Record]:
    """Parse a tracefile as ``man geninfo`` describes it; every line must be one that is known."""
    text = path.read_text("utf-8")
    assert text.endswith("end_of_record\n")
    found: dict[str, Record] = {}
    for part in text.removesuffix("end_of_record\n").split("end_of_record\n"):
        name, source, *rest = part.removesuffix("\n").split("\n")
        assert name.startswith("TN:")
        assert source.startswith("SF:")
        assert source[3:] not in found
        found[source[3:]] = read_record(rest)
    return found


def read_record(text: list[str]) -> Record:
    record, begins = Record({}, {}, {}, defaultdict(int)), {}
    for line in text:
        key, _, value = line.partition(":")
        if key in {"FN", "FNDA"}:
            number, name = value.split(",", 1)
            if key == "FN":
                begins[name] = int(number)
            else:
                record.functions[name] = (begins[name], int(number))
        elif key == "DA":
            number, times = value.split(",")
            assert int(number) not in record.lines
            record.lines[int(number)] = int(times)
        elif key == "BRDA":
            *place, taken = value.split(",")
            where = (int(place[0]), int(place[1]), int(place[2]))
            assert where not in record.branches
            record.branches[where] = None if taken == "-" else int(taken)
        else:
            assert key in {"FNF", "FNH", "BRF", "BRH", "LF", "LH"}
            record.totals[key] = int(value)
    for whole, hit, counts in (
        ("FNF", "FNH", [times for _, times in record.functions.values()]),
        ("LF", "LH", list(record.lines.values())),
        ("BRF", "BRH", list(record.branches.values())),
    ):
        assert record.totals[whole] == len(counts)
        assert record.totals[hit] == sum(bool(times) for times in counts)
    return record


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(jn.build(SOURCE, "c", "-O0", flags="-g").wasm, name="guest", abi="raw")


def test_lines_functions_and_branches_have_their_counts(guest: jn.Plugin, tmp_path: Path) -> None:
    r = guest.monitor("run", numbers=[6], what="coverage, branches")
    target = r.lcov(tmp_path / "coverage.info")
    [record] = read(target).values()
    assert record.lines == LINES
    assert record.functions == {"half": (1, 4), "run": (4, 1)}
    by_line: dict[int, list[int | None]] = defaultdict(list)
    for (line, _, _), taken in record.branches.items():
        by_line[line].append(taken)
    assert {line: sorted(each or 0 for each in taken) for line, taken in by_line.items()} == {
        6: [1, 6],
        7: [2, 4],
        9: [0, 1],
    }
    assert list(tmp_path.iterdir()) == [target]


def test_what_nobody_got_to_has_no_count_of_branches(guest: jn.Plugin, tmp_path: Path) -> None:
    with guest.monitoring(what="coverage, branches") as r:
        pass
    [record] = read(r.lcov(tmp_path / "none.info")).values()
    assert {*record.branches.values()} == {None}
    assert {*record.lines.values()} == {0}
    [without] = read(guest.monitor("run", numbers=[6]).lcov(tmp_path / "lines.info")).values()
    assert without.branches == {}
    assert "BRF" not in (tmp_path / "lines.info").read_text("utf-8")


def test_files_of_a_folder_are_named_by_their_paths_there(guest: jn.Plugin, tmp_path: Path) -> None:
    r = guest.monitor("run", numbers=[6])
    [file] = read(r.lcov(tmp_path / "a.info"))
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / file).write_text(SOURCE, "utf-8")
    assert list(read(r.lcov(tmp_path / "b.info", sources=folder))) == [str(folder.resolve() / file)]
    with pytest.raises(NotADirectoryError):
        r.lcov(tmp_path / "c.info", sources=folder / file)


def test_a_file_name_begins_no_line_of_its_own(rt: jn.Runtime, tmp_path: Path) -> None:
    wasm = jn.build(SOURCE, "c", "-O0", flags="-g").wasm
    forged = wasm.replace(b"cell.c", b"a\nSF:b")
    assert forged != wasm
    r = rt.load(forged, name="forged", abi="raw").monitor("run", numbers=[6])
    found = read(r.lcov(tmp_path / "forged.info"))
    assert len(found) == 1
    assert next(iter(found.values())).lines == LINES


def test_what_cannot_be_written_is_refused_and_leaves_what_was_there(
    rt: jn.Runtime, guest: jn.Plugin, tmp_path: Path
) -> None:
    target = tmp_path / "kept.info"
    target.write_text("kept", "utf-8")
    plain = rt.load('(func (export "f"))', name="plain", abi="raw").monitor("f", numbers=())
    with pytest.raises(jn.JudiciaError, match="no debug information"):
        plain.lcov(target)
    with pytest.raises(jn.JudiciaError, match='what="coverage"'):
        guest.monitor("run", numbers=[1], what="memory").lcov(target)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        guest.monitor("run", numbers=[1]).lcov(folder)
    assert target.read_text("utf-8") == "kept"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "kept.info"]
