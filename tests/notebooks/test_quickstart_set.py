"""The set of submissions the quickstart judges. What the checker says of them is asserted elsewhere."""

from __future__ import annotations

import dataclasses
import doctest
import hashlib
import importlib
import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
TOOL = ROOT / "tools" / "make_quickstart_set.py"

# Changes when the set is changed on purpose, and never else: not with the machine, not with the version of Python.
FINGERPRINT = "afb7d3f113e7d26a24014d5a2c717ddb9256a62f23b67d317fbabc543764d3f9"


@pytest.fixture(scope="module")
def quickstart() -> Iterator[Callable[[str], Any]]:
    """Imports a module of the set as a notebook does, from its own folder, and forgets it at the end."""
    sys.path.insert(0, str(NOTEBOOKS))
    yield lambda name: importlib.import_module(f"quickstart{name}")
    sys.path.remove(str(NOTEBOOKS))
    for name in [name for name in sys.modules if name.partition(".")[0] == "quickstart"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def problems(quickstart: Callable[[str], Any]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = quickstart(".problems").PROBLEMS
    return found


@pytest.fixture(scope="module")
def submissions(quickstart: Callable[[str], Any]) -> list[Any]:
    loaded: list[Any] = quickstart(".submissions").load()
    return loaded


@pytest.fixture(scope="module")
def reference(quickstart: Callable[[str], Any]) -> dict[str, Any]:
    """The names in the tool that made the set; it is a script, and putting its path back is up to us."""
    path = list(sys.path)
    names = runpy.run_path(str(TOOL))
    sys.path[:] = path
    return names


def fingerprint(loaded: list[Any]) -> str:
    """One hash of everything in the set, in its order."""
    rows = (json.dumps(dataclasses.asdict(submission), sort_keys=True) for submission in loaded)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def test_the_set_is_a_few_hundred_submissions_of_six_problems(submissions: list[Any]) -> None:
    keys = [(submission.problem, submission.test, submission.contestant) for submission in submissions]
    assert len(keys) == len(set(keys)) == 386
    assert len({problem for problem, _, _ in keys}) == 6
    assert len({contestant for _, _, contestant in keys}) == 7


def test_every_verdict_and_every_mode_occurs_often(submissions: list[Any]) -> None:
    verdicts = Counter(submission.expected for submission in submissions)
    assert set(verdicts) == {"accepted", "wrong_answer", "presentation_error"}
    assert min(verdicts.values()) >= 20
    assert set(Counter(submission.mode for submission in submissions)) == {"exact", "tokens", "float"}


def test_every_problem_has_right_and_wrong_contestants(problems: tuple[Any, ...], submissions: list[Any]) -> None:
    for problem in problems:
        verdicts: dict[str, set[str]] = {}
        for submission in submissions:
            if submission.problem == problem.name:
                verdicts.setdefault(submission.contestant, set()).add(submission.expected)
        assert {"accepted"} in verdicts.values(), f"{problem.name}: nobody is always right"
        sometimes_wrong = [contestant for contestant, kinds in verdicts.items() if kinds != {"accepted"}]
        assert len(sometimes_wrong) >= 2, f"{problem.name}: hardly anybody is wrong"


def test_big_outputs_are_made_when_loaded_and_nowhere_stored(problems: tuple[Any, ...], submissions: list[Any]) -> None:
    big_tests = {(problem.name, test) for problem in problems for test in problem.big}
    big = [submission for submission in submissions if (submission.problem, submission.test) in big_tests]
    assert 12 <= len(big) <= 30
    assert max(len(submission.output) for submission in big) > 300_000
    assert sum(path.stat().st_size for path in NOTEBOOKS.glob("quickstart/**/*.*") if path.suffix != ".pyc") < 300_000


def test_stored_outputs_are_what_the_programs_print_in_this_process(problems: tuple[Any, ...]) -> None:
    for problem in problems:
        stored = problem.stored()
        assert list(stored) == list(problem.small)
        for test, text in problem.small.items():
            printed = {author: problem.run(author, text) for author in stored[test]}
            assert printed == stored[test], f"{problem.name}/{test}"


def test_every_program_prints_its_stored_output_when_run_by_itself(
    problems: tuple[Any, ...], reference: dict[str, Any]
) -> None:
    """Each program runs as a process for one of the small tests, another one for each author."""
    for problem in problems:
        stored = problem.stored()
        tests = list(problem.small)
        for turn, author in enumerate(["judge", *problem.contestants]):
            test = tests[turn % len(tests)]
            printed = reference["run"](problem, author, problem.small[test])
            assert printed == stored[test][author], f"{author}: {problem.name}/{test}"


def test_a_program_by_itself_prints_the_big_outputs_too(problems: tuple[Any, ...], reference: dict[str, Any]) -> None:
    for problem in problems:
        for test, make_input in problem.big.items():
            text = make_input()
            assert reference["run"](problem, "goro", text) == problem.run("goro", text), f"{problem.name}/{test}"


def test_expected_verdicts_are_those_of_the_reference_checker(
    problems: tuple[Any, ...], submissions: list[Any], reference: dict[str, Any]
) -> None:
    by_name = {problem.name: problem for problem in problems}
    for submission in submissions:
        found = reference["verdict"](submission.output, submission.answer, by_name[submission.problem])
        assert found == submission.expected, submission


def test_the_reference_checker_tells_the_modes_apart(problems: tuple[Any, ...], reference: dict[str, Any]) -> None:
    verdict = reference["verdict"]
    exact, words, numbers = (
        next(problem for problem in problems if problem.mode == mode) for mode in ("exact", "tokens", "float")
    )
    assert verdict("a b\n", "a b\n", exact) == "accepted"
    assert verdict("a b\r\n", "a b\n", exact) == verdict("a\tb\n", "a b\n", exact) == "presentation_error"
    assert verdict("ab\n", "a b\n", exact) == "wrong_answer"
    assert verdict(" a\r\nb", "a b\n", words) == "accepted"
    assert verdict("A b\n", "a b\n", words) == verdict("a\n", "a b\n", words) == "wrong_answer"
    assert verdict("1.0\n", "1\n", words) == "wrong_answer"
    assert verdict("1e0 x", "1.000001 x", numbers) == "accepted"
    assert verdict("1.1 x", "1.0 x", numbers) == verdict("nan x", "1.0 x", numbers) == "wrong_answer"
    assert verdict("1000000000000", "1000000000001", numbers) == "accepted"
    with pytest.raises(ValueError, match="too near"):
        verdict("1.0001", "1.0", numbers)


def test_the_payload_has_tolerances_only_where_numbers_are_compared(submissions: list[Any]) -> None:
    for submission in submissions:
        fields = {"output", "answer", "mode"} | ({"absolute", "relative"} if submission.mode == "float" else set())
        assert set(submission.payload) == fields
        assert all(submission.payload[name] == getattr(submission, name) for name in fields)


def test_a_submission_is_frozen_and_shows_on_one_line(submissions: list[Any]) -> None:
    longest = max(submissions, key=lambda submission: len(submission.output))
    assert len(repr(longest)) < 300
    with pytest.raises(dataclasses.FrozenInstanceError):
        longest.expected = "accepted"


def test_the_set_is_the_same_on_every_machine_and_each_time_it_is_loaded(
    quickstart: Callable[[str], Any], submissions: list[Any]
) -> None:
    assert fingerprint(quickstart(".submissions").load()) == fingerprint(submissions) == FINGERPRINT


@pytest.mark.parametrize("module", ["", ".submissions"])
def test_the_examples_in_its_docstrings_run(quickstart: Callable[[str], Any], module: str) -> None:
    outcome = doctest.testmod(quickstart(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0
