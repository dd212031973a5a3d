"""Compares what is expected of a call with what became of it, criterion by criterion.

Only what the host recorded counts: the outcome, the answer as it was read, and the call's row. What a guest writes to
its log, or calls itself, is in none of these. A number that is not known meets no criterion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from judicia_notebook.errors import GuestError, JudiciaError
from judicia_notebook.experiments.checks.criteria import NOTHING, Expected
from judicia_notebook.records.findings import Finding
from judicia_notebook.records.record import CallRecord
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.text import printable

_MOST_SHOWN: Final = 300  # characters of a value


def judge(expected: Expected, outcome: Outcome) -> list[Finding]:
    """What of a call is as expected, and what is not. A call that ended otherwise is not looked at any further."""
    error, ended = outcome.error, ending(outcome)
    if ended != expected.outcome:
        told = f": {first_line(error)}" if error is not None else ""
        return [Finding("outcome", False, f"the outcome is {ended}, expected {expected.outcome}{told}")]
    findings = [Finding("outcome", True, f"the outcome is {ended}")]
    if expected.code is not None:
        findings.append(_code(expected.code, error))
    if expected.answer is not NOTHING:
        difference = differing(outcome.value, expected.answer)
        findings.append(Finding("answer", not difference, difference or "the answer is the expected one"))
    return [*findings, *_counts(expected, outcome.record)]


def problems_of(expected: Expected, outcome: Outcome) -> list[str]:
    """What of a call is not as expected, a line each."""
    return [finding.text for finding in judge(expected, outcome) if not finding.is_met]


def ending(outcome: Outcome) -> str:
    """How a call ended, as its row says; ``failed`` where the plugin could not be called."""
    if outcome.record is not None:
        return outcome.record.outcome
    return "ok" if outcome.error is None else "failed"


def first_line(error: JudiciaError) -> str:
    """What happened; the lines below it say what to type in a notebook."""
    return printable(str(error).partition("\n")[0], 1000)


def _code(expected: str, error: JudiciaError | None) -> Finding:
    if not isinstance(error, GuestError):
        return Finding("code", False, f"there is no code, expected {printable(expected, 80)}")
    if error.code == expected:
        return Finding("code", True, f"the code is {printable(expected, 80)}")
    said = printable(error.message, _MOST_SHOWN)
    text = f"the code is {printable(error.code, 80)}, expected {printable(expected, 80)}: {said}"
    return Finding("code", False, text)


def _counts(expected: Expected, record: CallRecord | None) -> Iterator[Finding]:
    if expected.denied is not None:
        given = record.denied if record is not None else None
        told = f"{_counted(given, 'host call')} denied"
        is_met = given == expected.denied
        yield Finding("denied", is_met, told if is_met else f"{told}, expected {expected.denied}")
    if expected.host_calls_at_most is not None:
        given = record.host_calls if record is not None else None
        told = f"it made {_calls(given)}"
        yield _at_most("host_calls_at_most", told, given, expected.host_calls_at_most)
    if expected.fuel_at_most is not None:
        given = known_fuel(record)
        told = "it used fuel that is not known" if given is None else f"it used {given} fuel"
        yield _at_most("fuel_at_most", told, given, expected.fuel_at_most)


def known_fuel(record: CallRecord | None) -> int | None:
    """The fuel of a call; None where it is all that its limit allowed.

    The engine looks at fuel where functions and loops begin. Code behind the last of these places runs to its end, and
    the row says that it took what there was: so a low limit would make any such code look cheap.
    """
    if record is None or record.fuel is None:
        return None
    return None if record.limit_fuel is not None and record.fuel >= record.limit_fuel else record.fuel


def _counted(count: int | None, noun: str) -> str:
    if count is None:
        return f"it is not known how many {noun}s were"
    return f"{count} {noun} was" if count == 1 else f"{count} {noun}s were"


def _calls(count: int | None) -> str:
    if count is None:
        return "host calls that are not counted"
    return f"{count} host call{'s' if count != 1 else ''}"


def _at_most(criterion: str, told: str, given: int | None, most: int) -> Finding:
    is_met = given is not None and given <= most
    return Finding(criterion, is_met, f"{told}, {'' if is_met else 'expected '}at most {most}")


def differing(given: Any, expected: Any, place: str = "answer") -> str:
    """The first place where two values of JSON differ, in words; empty where they do not.

    Numbers are compared by their value, and a truth value is no number.

    Examples
    --------
    >>> differing({"sum": [1, 2.0]}, {"sum": [1, 2]}), differing({"sum": [1, True]}, {"sum": [1, 1]})
    ('', 'answer.sum[1] is true, expected 1')
    """
    given = list(given) if isinstance(given, tuple) else given  # of a numeric export
    if isinstance(given, dict) and isinstance(expected, dict):
        for name in expected:
            if name not in given:
                return f"{_at(place, name)} is not there, expected {_shown(expected[name])}"
        for name, value in given.items():
            if name not in expected:
                return f"{_at(place, name)} is {_shown(value)}, and is not expected"
        parts = ((_at(place, name), given[name], expected[name]) for name in expected)
        return next((told for at, one, other in parts if (told := differing(one, other, at))), "")
    if isinstance(given, list) and isinstance(expected, list) and len(given) == len(expected):
        both = enumerate(zip(given, expected, strict=True))
        return next((told for at, (one, other) in both if (told := differing(one, other, f"{place}[{at}]"))), "")
    if _is_same(given, expected):
        return ""
    return f"{place} is {_shown(given)}, expected {_shown(expected)}"


def _is_same(given: Any, expected: Any) -> bool:
    numbers = (int, float)
    if isinstance(given, bool) or isinstance(expected, bool):
        return given is expected
    if isinstance(given, numbers) and isinstance(expected, numbers):
        return given == expected
    return type(given) is type(expected) and bool(given == expected)


def _at(place: str, name: str) -> str:
    return f"{place}.{printable(name, 80)}"[:_MOST_SHOWN]


def _shown(value: Any) -> str:
    """A value as JSON, bytes as Python writes them."""
    return printable(repr(value) if isinstance(value, bytes) else json.dumps(value, default=repr), _MOST_SHOWN)
