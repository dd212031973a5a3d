"""`Plugin.trace` and `Runtime.trace`: one call as a story."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.traces.story import MOST_STEPS, Trace
from tests.support.guests import wat


def texts(trace: Trace, kind: str) -> list[str]:
    return [step.text for step in trace.steps if step.kind == kind]


def test_a_call_is_told_from_entering_to_its_answer(specimen: jn.Plugin) -> None:
    specimen.policy.grant("wall_clock")
    told = specimen.trace("call_host", {"service": "clock", "n": 2})
    assert [step.kind for step in told.steps if step.kind != "grow"] == ["enter", "host", "host", "answer"]
    assert texts(told, "enter")[0].startswith('specimen.call_host({"service":"clock","n":2})')
    assert re.fullmatch(r'judicia:clock now\({}\) = {"ok":{"unix_ms":.*}}', texts(told, "host")[0])
    assert texts(told, "answer")[0].startswith('specimen.call_host = ok {"ok":2,')
    assert told.record == specimen.last


def test_host_calls_stand_further_in_and_in_the_order_of_time(specimen: jn.Plugin) -> None:
    told = specimen.trace("log", {"n": 3})
    assert [(step.kind, step.depth) for step in told.steps if step.kind in {"host", "log"}] == [
        ("host", 1), ("log", 2), ("host", 1), ("log", 2), ("host", 1), ("log", 2)
    ]  # fmt: skip
    assert [text.partition(": ")[2] for text in texts(told, "log")] == ["line 1", "line 2", "line 3"]
    times = [step.at_ms for step in told.steps]
    assert times == sorted(times)
    assert times[0] == 0


def test_a_denial_says_what_was_denied(specimen: jn.Plugin) -> None:
    told = specimen.trace("call_host", {"service": "clock", "n": 1})
    [denied] = texts(told, "denied")
    assert "DENIED wall_clock" in denied


def test_grows_and_refused_grows_are_told(specimen: jn.Plugin) -> None:
    told = specimen.trace("grow", {"bytes": 64 << 20, "step": 1 << 20})
    assert len(texts(told, "grow")) > 3
    assert texts(told, "grow_refused")[0].startswith("MEMORY REFUSED, it stays at 1")
    assert texts(told, "answer")[0].startswith("specimen.grow = quota_memory")


def test_a_trap_ends_the_story_and_raises_nothing(specimen: jn.Plugin) -> None:
    told = specimen.trace("trap")
    assert told.record.outcome == "trap"
    assert "unreachable" in texts(told, "answer")[0]


def test_what_is_said_is_kept_only_while_somebody_asks(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    specimen.call("echo", {"secret": 1})
    assert "secret" not in specimen.trace().text()
    assert "rt.capture_payloads()" in specimen.trace().text()
    with rt.capture_payloads():
        specimen.call("echo", {"secret": 2})
    assert specimen.trace().text().count('{"secret":2}') == 2
    assert "rt.capture_payloads()" not in specimen.trace().text()
    specimen.call("echo", {"secret": 3})
    assert "secret" not in specimen.trace().text()


def test_long_payloads_are_cut_and_said_to_be(specimen: jn.Plugin) -> None:
    told = specimen.trace("echo", ["x" * 5000], limit="100 B")
    assert len(told.text()) < 800
    assert texts(told, "enter")[0].startswith('specimen.echo(["xxx')
    assert "… (4.89 KiB)" in texts(told, "enter")[0]


@pytest.mark.parametrize("limit", [0, "1MiB"])
def test_how_much_can_be_kept_is_bounded(specimen: jn.Plugin, limit: int | str) -> None:
    with pytest.raises(ValueError, match="64 KiB"):
        specimen.trace("echo", 1, limit=limit)


def test_what_was_captured_is_in_no_frame(specimen: jn.Plugin) -> None:
    specimen.trace("echo", {"secret": 1})
    for frame in (specimen.calls, specimen.host_calls, specimen.logs, specimen.audit):
        assert "secret" not in frame.to_csv()


def test_a_call_within_a_call_is_told_inside_of_it(rt: jn.Runtime) -> None:
    cell = '(func (export "on_initialize") (param i32 i32) (result i64) (i64.const 0))'
    echo = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
    plugin = rt.load(wat(f"{cell} {echo}"), name="guest")
    told = plugin.trace("echo", 7)
    steps = [(step.depth, step.kind, step.text.partition("(")[0].partition(" =")[0]) for step in told.steps]
    inner, outer = "guest.on_initialize", "guest.echo"
    assert [step for step in steps if step[1] != "grow"] == [
        (0, "enter", outer), (1, "enter", inner), (1, "answer", inner), (0, "answer", outer)
    ]  # fmt: skip
    assert "by lifecycle" in told.text()


def test_a_story_without_end_is_cut_in_the_middle(specimen: jn.Plugin) -> None:
    told = specimen.trace("log", {"n": 2000})
    assert len(told.steps) == MOST_STEPS + 1
    [cut] = texts(told, "cut")
    assert "more steps" in cut
    assert told.steps[-1].kind == "answer"


def test_any_call_can_be_asked_for_by_its_number(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    for number in range(4):
        specimen.call("echo", number)
    ids = list(specimen.calls["call_id"])
    assert rt.trace(ids[1]).record.call_id == ids[1]
    assert specimen.trace(call_id=ids[2]).record.call_id == ids[2]
    assert rt.trace().record.call_id == ids[3]


def test_what_is_not_there_is_said(rt: jn.Runtime) -> None:
    with pytest.raises(jn.JudiciaError, match="Nothing has been called"):
        rt.trace()
    specimen = rt.load("example:specimen")
    with pytest.raises(jn.JudiciaError, match="not been called"):
        specimen.trace()
    with pytest.raises(jn.JudiciaError, match="call 99"):
        specimen.trace(call_id=99)
    with pytest.raises(jn.NoSuchFunction):
        specimen.trace("spn")


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def test_what_a_guest_says_stays_text_in_html(specimen: jn.Plugin) -> None:
    told = specimen.trace("echo", "<script>alert(1)</script><img src=x>")
    assert not {"script", "img"} & _Tags(told._repr_html_()).tags
    assert "&lt;script&gt;" in told._repr_html_()
    assert "\x1b" not in specimen.trace("echo", "\x1b[31m").text()


def test_a_wasi_programs_calls_show_their_numbers(rt: jn.Runtime) -> None:
    program = """(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\03\\00\\00\\00hi\\n")
      (func (export "_start") (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))))"""
    plugin = rt.load(program.encode(), name="hello")
    with rt.capture_payloads():
        plugin.run()
    told = plugin.trace()
    assert texts(told, "host")[0].startswith("wasi_snapshot_preview1 fd_write(1, 8, 1, 4) = ")
    assert texts(told, "log")[0].startswith("stdout")
