"""Checks that are a plugin themselves: it says which calls to make, what is expected of them, and may judge the rest.

- It exports ``cases``, which is asked with ``{"seed": n}`` and answers a list. A case has the keys of a case of one
  call in ``cases.toml``: ``name``, ``function``, what is sent, and what is expected.
- It may export ``judge``, which is asked about each call that is as its case expects, for answers that have many right
  forms. It answers ``{"passed": true}``, or false with a ``message``.
- It is loaded into a runtime of its own, with no grants. So no name of a plugin under test can be its name, and
  neither can reach the other: the host makes the calls, and hands over what it recorded.
- What was sent and what was expected is not shown. Whatever it answers that is none of this is an `InvalidCheck`.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from judicia_notebook.engine.plain import base64
from judicia_notebook.errors import CallError, InvalidCheck, InvalidPayload, LoadError, NoSuchFunction
from judicia_notebook.experiments.cases.reading import CasesError, Step, read_listed
from judicia_notebook.experiments.checks.criteria import NOTHING, Expected, described, not_taken
from judicia_notebook.experiments.checks.judging import ending, first_line, judge, known_fuel
from judicia_notebook.records.findings import Finding
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.runtime import Runtime
from judicia_notebook.runtime.source import Source
from judicia_notebook.text import printable

CASES, JUDGE = "cases", "judge"
_NAME: Final = "by"
_LONGEST = 300  # characters of a message
_NOUNS: Final = {
    "answer": "answer",
    "code": "code",
    "denied": "number of denied host calls",
    "host_calls_at_most": "number of host calls",
    "fuel_at_most": "fuel",
}


def judge_by(plugin: Plugin, source: Source, seed: int | None) -> tuple[int, list[Finding]]:
    """A finding for each case of a plugin of checks, and the seed that it was asked with.

    A case that a limit ended is the last one: an endless plugin does not take its time again for each of them.

    Raises
    ------
    InvalidCheck
        The plugin of checks does not load, fails, or answers what is no check.
    """
    drawn = secrets.randbits(31) if seed is None else seed
    with Runtime(seed=drawn) as apart:
        try:
            checks = apart.load(source, name="checks")
        except LoadError as error:
            raise _refusal(first_line(error)) from None
        cases = _read_cases(checks, _ask(checks, CASES, {"seed": drawn}))
        findings = []
        for number, (name, step) in enumerate(cases):
            outcome, finding = _try(plugin, name, step)
            if finding.is_met and JUDGE in checks.functions:
                finding = _judged(checks, name, {"case": number, "name": name, "seed": drawn, **_facts(outcome)})
            findings.append(finding)
            if outcome is not None and ending(outcome).startswith("quota_") and not finding.is_met:
                break
    return drawn, findings


def _refusal(text: str) -> InvalidCheck:
    return InvalidCheck(f"{_NAME}: the plugin of checks: {text}", criterion=_NAME)


def _ask(checks: Plugin, function: str, payload: Any) -> Any:
    try:
        return checks.call(function, payload)
    except (CallError, NoSuchFunction) as error:
        raise _refusal(first_line(error)) from None


def _read_cases(checks: Plugin, answer: Any) -> list[tuple[str, Step]]:
    try:
        cases = read_listed(CASES, answer)
    except CasesError as error:
        raise _refusal(str(error)) from None
    if JUDGE not in checks.functions:
        for name, step in cases:
            if step.expected == Expected():
                raise _refusal(f"{CASES}: {printable(name, 80)!r} expects nothing, and there is no {JUDGE}.")
    return cases


def _try(plugin: Plugin, name: str, step: Step) -> tuple[Outcome | None, Finding]:
    """Make a call; the first that is not as the case expects, without what was expected."""
    try:
        outcome = plugin.attempt(step.function, **step.call)
    except (NoSuchFunction, InvalidPayload) as error:  # it may not be told that the plugin has no such function
        return None, Finding("case", False, f"{printable(name, 80)}: {first_line(error)}")
    missed = [finding for finding in judge(step.expected, outcome) if not finding.is_met]
    if not missed:
        return outcome, Finding("case", True, printable(name, 80))
    return outcome, Finding("case", False, f"{printable(name, 80)}: {_missed(missed[0].criterion, outcome)}")


def _missed(criterion: str, outcome: Outcome) -> str:
    """What is not as expected. How a call ended is the student's to know; what was expected is not."""
    if criterion != "outcome":
        return f"the {_NOUNS[criterion]} is not the expected one"
    why = f": {first_line(outcome.error)}" if outcome.error is not None else ""
    return f"the outcome is {ending(outcome)}, which is not the expected one{why}"


def _facts(outcome: Outcome | None) -> dict[str, Any]:
    """What the host recorded of a call, for `judge`."""
    assert outcome is not None  # noqa: S101  # a case that is met was called
    record, value = outcome.record, outcome.value
    answer = {"answer_base64": base64(value)} if isinstance(value, bytes) else {"answer": value}
    counts = {} if record is None else {"denied": record.denied, "host_calls": record.host_calls}
    return {"outcome": ending(outcome), **answer, **counts, "fuel": known_fuel(record)}


def _judged(checks: Plugin, name: str, facts: dict[str, Any]) -> Finding:
    try:
        answer = _ask(checks, JUDGE, facts)
    except InvalidPayload:
        return Finding("case", False, f"{printable(name, 80)}: the answer has no JSON form")
    passed = answer.get("passed", NOTHING) if isinstance(answer, dict) else NOTHING
    message = answer.get("message", "") if isinstance(answer, dict) else ""
    if not isinstance(passed, bool) or not isinstance(message, str) or {*answer} - {"passed", "message"}:
        raise _refusal(f'{JUDGE} answers {{"passed": true or false, "message": text}}, and not {described(answer)}.')
    told = f": {printable(message, _LONGEST)}" if message else "" if passed else ": not as expected"
    return Finding("case", passed, f"{printable(name, 80)}{told}")


def read_source(value: Any) -> Source:
    """Where a plugin of checks is: what `Runtime.load` takes.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, str | bytes) and not hasattr(value, "__fspath__"):
        raise not_taken("a module, as rt.load takes it", value)
    source: Source = value
    return source
