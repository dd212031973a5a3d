"""The exchange between host and guest under a fuzzer: Hypothesis writes what both do, a model says what must come.

The guest is `scripted_guest.WAT`, the model `script_model.Model`; `script_world.World` does the steps, through public
functions only. Here are the scripts. ``make fuzz SECONDS=600`` goes on for that long, on a core with AddressSanitizer
and UBSan. Where the process dies, the last scenario is in the file ``scenario`` of the test's ``tmp_path``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import strategies as st

from tests.engine.core.script_world import Deed, Make, Scenario, Step, World, play, service
from tests.engine.core.scripted_guest import ACTIONS, DEEDS, PAGE, PROGRAMS, SAFE, TEXTS, Action, Part, Program
from tests.support.effort import LONG, fuzz
from tests.support.services import offered

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
EXAMPLES = 40

S = st.SearchStrategy
T = TypeVar("T")
Place = tuple[str, int, int]
edges = st.sampled_from((0, 1, 2, 7, 8, 15, 16, 100, 1000, PAGE - 1, PAGE, PAGE + 1, 3 << 20))
words = st.one_of(
    st.sampled_from(
        (1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 16 << 20, (16 << 20) + 1, 2 * PAGE, 2 * PAGE - 1)
    ),
    st.integers(0, 0xFFFFFFFF),
    st.integers(SAFE, 4 * PAGE),
)
addresses = words.map(lambda word: word if word >= SAFE else word + SAFE)
near = st.one_of(st.integers(-3, 3), st.integers(-300, 300), st.sampled_from((-PAGE, PAGE)))


def weighted(*choices: tuple[int, S[T]]) -> S[T]:
    """One of these, each as often as its number says."""
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(lambda one: one)


def ask(kind: str) -> S[Action]:
    """A host call, mostly with a request that can be read."""
    texts = [text for name, text in TEXTS.items() if name.startswith(kind)]
    good = st.sampled_from(texts).map(lambda text: Action(kind, text[0], len(text[1])))
    wild = st.builds(Action, st.just(kind), addresses, st.integers(4 * PAGE * 64, 0xFFFFFFFF))
    empty = st.just(Action(kind)) if kind == "deed" else good
    return weighted((8, good), (1, wild), (1, empty))


actions: S[Action] = weighted(
    (6, ask("deed")),
    (2, ask("log")),
    (1, ask("fail")),
    (1, st.just(Action("clock"))),
    (3, st.builds(Action, st.just("grow"), st.sampled_from((1, 1, 2, 50, 1000, 65535)))),
    (2, st.builds(Action, st.just("spin"), st.sampled_from((1, 1000, 1_000_000)))),
    (1, st.just(Action("spin for ever"))),
    (2, st.builds(Action, st.just("fill"), addresses, edges)),
    (2, st.builds(Action, st.just("fill the request"), near, edges)),
    (2, st.sampled_from(("unreachable", "out of bounds", "divide by zero", "overflow the stack")).map(Action)),
)


def some(many: int) -> S[tuple[Action, ...]]:
    """A few actions; none, most of the time."""
    none: S[tuple[Action, ...]] = st.just(())
    return st.one_of(*[none] * many, st.lists(actions, max_size=ACTIONS).map(tuple))


def allocators(several: int) -> S[Part]:
    places: S[Place] = weighted(
        (24, st.just(("normal", 0, 0))),
        (1, st.just(("absolute", 0, 0))),
        (1, st.tuples(st.just("absolute"), addresses, st.just(0))),
        (3, st.tuples(st.just("at the end"), near, st.just(0))),
        (1, st.tuples(st.just("beside the request"), near, st.just(0))),
    )
    return st.builds(lambda actions, place: Part(actions, *place), some(several), places)


answers: S[Place] = weighted(
    (1, st.just(("normal", 0, 0))),
    (1, st.tuples(st.just("absolute"), words, words)),
    (2, st.tuples(st.just("absolute"), st.integers(0, 3 * PAGE), edges)),
    (2, st.tuples(st.just("at the end"), near, edges)),
    (5, st.just(("beside the request", 0, 0))),
    (3, st.tuples(st.just("beside the request"), near, near)),
    (2, st.tuples(st.just("before the request"), st.integers(-1, 1), edges)),
    (2, st.tuples(st.just("after the request"), st.integers(-1, 1), edges)),
    (2, st.just(("of the host", 0, 0))),
    (4, st.tuples(st.just("new"), st.sampled_from((ord("7"), 0x5A, 0)), edges)),
)
bodies = st.builds(lambda actions, answer: Part(actions, *answer), some(1), answers)
frees = st.builds(Part, some(9))
programs = st.builds(Program, allocators(6), bodies, allocators(3), frees, frees)

sizes = st.one_of(
    st.integers(0, 2 * PROGRAMS - 1),
    st.integers(PAGE - PROGRAMS, PAGE + PROGRAMS),
    st.integers(3 << 20, (3 << 20) + PROGRAMS),
)
limits = st.one_of(  # of the plugin; on_initialize has to be told the script
    st.tuples(st.just("answer"), st.sampled_from((0, 1, 100, PAGE, 16 << 20))),
    st.tuples(st.just("memory"), st.sampled_from((PAGE, 2 * PAGE, 3 * PAGE, 4 << 20, 64 << 20))),
    st.tuples(st.just("payload"), st.sampled_from((PAGE, 16 << 20, 16 << 20))),
    st.tuples(st.just("host_calls"), st.sampled_from((0, 1, 2, 100_000))),
)
moments = st.sampled_from((0, 50, 200, 1000, 5000))
deeds: S[Deed] = weighted(
    (6, st.builds(Deed, st.just("answer"), edges)),
    (3, limits.map(lambda limit: Deed("limit", limit[1], limit[0]))),
    (3, st.builds(Deed, st.just("other"), st.sampled_from((0, 1, 1000)))),
    (3, st.builds(Deed, st.just("again"), sizes, st.sampled_from(("bytes", "json", "act")))),
    (1, st.builds(Deed, st.sampled_from(("cancel", "raise", "unload", "reload", "close")))),
    (1, st.builds(Deed, st.sampled_from(("cancel soon", "unload soon")), moments)),
)


def calls(scripts: tuple[Program, ...]) -> S[Make]:
    """Calls of these programs; one that may compute for ever has little time, others have limits of their own."""

    def complete(how: str, size: int, own: tuple[tuple[str, int], ...]) -> Make:
        endless = any(action.kind == "spin for ever" for program in scripts for action in program.actions)
        return Make(how, size, (*own, ("cpu", 1)) if endless else own)

    none: S[tuple[tuple[str, int], ...]] = st.just(())
    small = st.sampled_from((0, 8)).map(lambda most: ("payload", most))
    own = st.one_of(none, none, none, none, none, st.one_of(limits, small).map(lambda limit: (limit,)))
    return st.builds(complete, st.sampled_from(("bytes", "bytes", "bytes", "json", "json", "act")), sizes, own)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    scripts = tuple(draw(st.lists(programs, min_size=1, max_size=PROGRAMS)))
    call = calls(scripts)
    one = st.tuples(call)
    steps: S[Step] = weighted(
        (8, st.builds(Step, st.just("call"), one)),
        (2, st.builds(Step, st.just("together"), st.lists(call, min_size=2, max_size=6).map(tuple))),
        (1, st.builds(Step, st.just("cancel"), one, st.just(""), moments)),
        (1, st.builds(Step, st.just("unload meanwhile"), one, st.just(""), moments)),
        (2, limits.map(lambda limit: Step("limit", (), *limit))),
        (1, st.sampled_from(("reload", "unload")).map(Step)),
    )
    return Scenario(
        scripts,
        tuple(draw(st.lists(deeds, min_size=DEEDS // 4, max_size=DEEDS // 4))),
        draw(st.one_of(st.sampled_from((1, 1, 2)), st.just("fresh"))),
        tuple(draw(st.lists(steps, min_size=5, max_size=15))),
    )


@pytest.fixture
def world() -> Iterator[list[World]]:
    """Where the service of ``judicia:test`` looks for the world of the moment."""
    holder: list[World] = []
    with offered(service(holder)):
        yield holder


@pytest.mark.soak
def test_a_guest_can_only_do_what_the_abi_has_an_outcome_for(world: list[World], tmp_path: Path) -> None:
    last, played = tmp_path / "scenario", 0

    def one(scenario: Scenario) -> None:
        nonlocal played
        last.write_text(repr(scenario))
        play(scenario, world)
        played += 1

    new = bool(SECONDS or LONG)  # otherwise the same scripts each time, until the strategies change
    until = time.monotonic() + SECONDS
    while True:
        settings = fuzz(
            EXAMPLES,
            database=None,
            derandomize=not new,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        run = given(scenarios())(one)
        settings(seed(random.getrandbits(64))(run) if new else run)()
        if time.monotonic() >= until:
            break
    print(f"{played} scenarios")
