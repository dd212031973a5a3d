"""What a profile adds up to."""

from __future__ import annotations

from pathlib import Path

import pytest

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import Frame, Sample, SourceLine, walk


def test_the_hottest_function_comes_first_with_what_it_took_itself_and_in_all(profile: Profile) -> None:
    frame = profile.functions.set_index("function")
    assert list(frame.index) == ["<b>compare & co</b>", "checker::judge", "judicia:clock now", "check"]
    assert list(frame["self_ms"]) == [4.0, 3.0, 2.0, 1.0]
    assert list(frame["total_ms"]) == [4.0, 9.0, 2.0, 10.0]  # one that calls itself is counted once
    assert list(frame["self_percent"]) == [40.0, 30.0, 20.0, 10.0]
    assert list(frame["module"]) == ["checker", "checker", "host", "checker"]


def test_samples_are_counted_in_the_guest_and_unknown_of_what_was_measured(profile: Profile) -> None:
    samples = profile.functions.set_index("function")["samples"]
    assert samples["<b>compare & co</b>"] == 2
    assert samples.isna()["judicia:clock now"]
    assert profile.guest_samples == 4


def test_a_profile_without_samples_has_the_same_columns(profile: Profile, empty: Profile) -> None:
    assert len(empty.functions) == 0
    assert dict(empty.functions.dtypes) == dict(profile.functions.dtypes)
    assert "No sample" in empty.text()


def test_the_tree_is_walked_with_where_each_node_begins(profile: Profile) -> None:
    places = [(node.frame.name, depth, at_ms, node.ms) for node, depth, at_ms in walk(profile.root)]
    assert sorted(places, key=lambda place: place[1:3]) == [
        ("check", 0, 0.0, 10.0),
        ("checker::judge", 1, 0.0, 9.0),
        ("<b>compare & co</b>", 2, 0.0, 4.0),
        ("judicia:clock now", 2, 4.0, 2.0),
        ("<b>compare & co</b>", 3, 0.0, 2.0),
    ]


def test_its_text_names_the_function_and_the_hottest_of_it(profile: Profile) -> None:
    lines = profile.text().splitlines()
    assert lines[0] == "checker.check · 3 calls · 8 ms in the guest (4 samples) · 2 ms in host functions"
    assert lines[2].split() == ["40.0", "%", "4", "ms", "4", "ms", "<b>compare", "&", "co</b>"]
    assert lines[4].endswith("judicia:clock now  (host)")


def test_inlined_functions_are_rows_of_their_own_with_their_hottest_line(with_lines: Profile) -> None:
    columns = ["function", "inlined", "file", "line", "self_ms", "total_ms", "samples"]
    assert with_lines.functions[columns].to_numpy().tolist() == [
        ["leaf", True, "b/<i>.h", 2, 6.0, 6.0, 1],
        ["main", False, "a.c", 9, 3.0, 10.0, 1],
        ["middle", True, "a.c", 5, 1.0, 7.0, 1],
    ]
    assert with_lines.lines[["line", "inlined", "self_ms", "total_ms"]].to_numpy().tolist() == [
        [2, True, 6.0, 6.0], [11, False, 3.0, 3.0], [5, True, 1.0, 7.0], [9, False, 0.0, 7.0],
    ]  # fmt: skip
    assert "leaf  (b/<i>.h:2, inlined)" in with_lines.text()
    assert with_lines.text().endswith("middle  (a.c:5, inlined)")


def test_a_stack_too_deep_is_shown_without_what_was_inlined() -> None:
    line = SourceLine("a.c", 1, "f", "")
    chain = (*[SourceLine("a.c", 2, "g", "", True)] * 15, line)
    for depth, shown in ((25, 400), (26, 26)):
        sample = Sample(1.0, (Frame("f", "p"),) * depth, 1.0, (chain,) * depth)
        assert len(sample.steps()) == shown


def test_the_name_of_a_file_says_what_is_written(profile: Profile, tmp_path: Path) -> None:
    assert b"preprocessedProfileVersion" in profile.save(tmp_path / "x.json").read_bytes()
    assert b"speedscope.app" in profile.save(tmp_path / "x.speedscope.json").read_bytes()
    assert b"<!doctype html>" in profile.save(str(tmp_path / "x.html")).read_bytes()
    assert b"speedscope.app" in profile.save(tmp_path / "x", "speedscope").read_bytes()
    with pytest.raises(ValueError, match=r"\.speedscope\.json"):
        profile.save(tmp_path / "x.txt")
    with pytest.raises(ValueError, match="firefox"):
        profile.save(tmp_path / "x.json", "pdf")
