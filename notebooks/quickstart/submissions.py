"""The submissions to judge, each with the verdict it deserves.

Stored outputs are read from files; those of the big tests are made by running the contestants' programs in this
process, which takes about a second. The same submissions come out on every machine and with every Python.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .problem import JUDGE, Mode
from .problems import PROBLEMS

Verdict = Literal["accepted", "wrong_answer", "presentation_error"]

EXPECTED = Path(__file__).parent / "expected.csv"


@dataclass(frozen=True)
class Submission:
    """What one contestant's program printed for one test, the judge's answer, and the verdict it deserves."""

    problem: str
    test: str
    contestant: str
    output: str = field(repr=False)  # up to 400 kB: a cell that shows a submission should stay one line
    answer: str = field(repr=False)
    mode: Mode
    absolute: float | None
    relative: float | None
    expected: Verdict

    @property
    def payload(self) -> dict[str, Any]:
        """The request for the checker plugin; tolerances are in it only where numbers are compared."""
        request: dict[str, Any] = {"output": self.output, "answer": self.answer, "mode": self.mode}
        if self.mode == "float":
            request |= {"absolute": self.absolute, "relative": self.relative}
        return request


def load() -> list[Submission]:
    r"""All submissions, ordered by problem, test and contestant.

    Raises
    ------
    KeyError
        When a program or a test was added and expected.csv was not made anew.

    Examples
    --------
    >>> first = load()[0]
    >>> first.problem, first.test, first.contestant, first.output, first.expected
    ('big_sum', 'one_entry', 'ada', '7\n', 'accepted')
    """
    expected = _read_expected()
    return [
        Submission(
            problem=problem.name,
            test=test,
            contestant=contestant,
            output=outputs[contestant],
            answer=outputs[JUDGE],
            mode=problem.mode,
            absolute=problem.absolute,
            relative=problem.relative,
            expected=expected[problem.name, test, contestant],
        )
        for problem in PROBLEMS
        for test, outputs in problem.outputs()
        for contestant in problem.contestants
    ]


def _read_expected() -> dict[tuple[str, str, str], Any]:
    with EXPECTED.open(encoding="utf-8", newline="") as file:
        return {(row["problem"], row["test"], row["contestant"]): row["verdict"] for row in csv.DictReader(file)}
