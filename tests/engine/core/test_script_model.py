"""The model that judges scripted guests: it tells a wrong outcome, value, account or row from the right one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.core.script_world import Deed, Make, Scenario, Step, World, play, service
from tests.engine.core.scripted_guest import TEXTS, Action, Part, Program
from tests.support.services import offered

ASK = Action("deed", TEXTS["deed 0"][0], len(TEXTS["deed 0"][1]))
ECHO = Program(body=Part((ASK,), returns="beside the request"))
SCENARIO = Scenario((ECHO,), (Deed("answer", 5),), 1, (Step(calls=(Make(size=20),)),))


@pytest.fixture
def holder() -> Iterator[list[World]]:
    holder: list[World] = []
    with offered(service(holder)):
        yield holder


def test_what_is_as_foretold_passes(holder: list[World]) -> None:
    play(SCENARIO, holder)
    assert "ok" in holder[0].outcomes.values()


LIES: dict[str, Any] = {
    "value": lambda made: setattr(made, "value", made.value + b"x"),
    "outcome": lambda made: setattr(made, "request", made.request[:-1]),
    "host calls": lambda made: setattr(made, "record", _with(made.record, host_calls=7)),
    "memory": lambda made: setattr(made, "record", _with(made.record, memory_peak_bytes=1)),
    "instance": lambda made: setattr(made, "record", _with(made.record, instance_call=2)),
    "row": lambda made: setattr(made, "record", _with(made.record, outcome="trap")),
}


def _with(record: Any, **fields: Any) -> Any:
    return type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | fields)


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_is_found(holder: list[World], monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    check = World.check

    def lying(world: World, made: Any) -> None:
        if made.make.size == 20:
            LIES[lie](made)
        check(world, made)

    monkeypatch.setattr(World, "check", lying)
    with pytest.raises(AssertionError):
        play(SCENARIO, holder)


def test_an_account_that_differs_is_found_by_the_next_call(
    holder: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = World.check

    def forgetting(world: World, made: Any) -> None:
        check(world, made)
        for guest in world.guests.values():
            guest.mix(1)

    monkeypatch.setattr(World, "check", forgetting)
    with pytest.raises(AssertionError, match="instead of"):
        play(SCENARIO, holder)


def test_a_call_that_a_deed_makes_is_held_against_the_model_too(holder: list[World]) -> None:
    nested = replace(SCENARIO, deeds=(Deed("again", 8, "bytes"),), instances=2)
    play(nested, holder)
    assert [len(done) for done in holder[0].done.values() if done] == [1, 1]
