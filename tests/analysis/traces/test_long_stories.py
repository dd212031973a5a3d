"""A story of very many steps is cut in the middle, and what is shown of it is what stands in the whole one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from judicia_notebook.analysis.traces import story
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.units import format_count

AddCall = Callable[..., int]


def fill(recorder: Recorder, add_call: AddCall, dice: random.Random, inner: int, between: int) -> None:
    """A call with host calls, grows and lines of log, some of them within a host call, and with calls between them."""
    now = 1000

    def events(number: int) -> None:
        nonlocal now
        for seq in range(number):
            took = dice.choice([0, 5, 5, 50])
            recorder.add_host_call(1, "p", seq + 1, "random", "judicia:random bytes", f"{seq}", now, took, 1, 8,
                                   dice.choice(["allowed", "denied"]), "")  # fmt: skip
            if dice.random() < 0.2:
                recorder.add_log(1, "p", now + dice.choice([0, took // 2]), "info", f"line {seq}", None, "log")
            if dice.random() < 0.1:
                recorder.add_sample(1, dice.choice(["tick", "grow", "grow_refused"]), now, 1, 65536)
            now += dice.choice([0, took, took, took + 7, took // 2])

    times = {"queue_ns": 0, "setup_ns": 0, "encode_ns": 0, "host_ns": 0, "decode_ns": 0}
    for child in range(inner):
        events(between)
        add_call(recorder, call_id=2 + child, parent_call_id=1, started_ns=now, guest_ns=3, **times)
        recorder.add_host_call(2 + child, "q", 1, "", "judicia:clock now", "", now + 1, 1, 0, 8, "allowed", "")
        now += 5
    events(between)
    add_call(recorder, call_id=1, parent_call_id=0, started_ns=900, guest_ns=now, **times)


@pytest.mark.parametrize(("inner", "between"), [(0, 3000), (0, 401), (0, 250), (3, 1500), (900, 2), (1, 820), (2, 0)])
@pytest.mark.parametrize("seed", range(5))
def test_a_long_story_begins_and_ends_as_the_whole_one(
    add_call: AddCall, inner: int, between: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    fill(recorder, add_call, random.Random(seed), inner, between)
    cut = story.tell(recorder, 1).steps
    most, first = story.MOST_STEPS, story.FIRST_STEPS
    monkeypatch.setattr(story, "MOST_STEPS", 1 << 40)
    whole = story.tell(recorder, 1).steps
    if len(whole) <= most:
        assert cut == whole
        return
    assert len(cut) == most + 1
    assert cut[:first] == whole[:first]
    assert cut[first + 1 :] == whole[first - most :]
    assert cut[first].text == f"… {format_count(len(whole) - most)} more steps"
    assert cut[first].at_ms == whole[first].at_ms
