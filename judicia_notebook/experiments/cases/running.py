"""Cases, run: each in a runtime and an instance of its own, so that their order is no matter.

A case that cannot be carried out (a function that is not there, a payload that has no JSON form) has failed, and so has
one that a limit ended: the next case goes on. Of several steps the first that is not as expected ends its case.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.cases.reading import Case
from judicia_notebook.experiments.checks.judging import first_line, problems_of
from judicia_notebook.records.record import CallRecord
from judicia_notebook.runtime.runtime import Runtime
from judicia_notebook.text import printable


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case.

    Attributes
    ----------
    problems : tuple of str
        What was not as expected, a printable line each; none where it passed.
    seconds : float
        Its wall time, the making of its runtime included.
    record : CallRecord or None
        The last call.
    """

    case: Case
    problems: tuple[str, ...]
    seconds: float
    record: CallRecord | None

    @property
    def passed(self) -> bool:
        return not self.problems


def run_case(case: Case, module: Path) -> Verdict:
    """Run a case.

    Parameters
    ----------
    module : Path
        The plugin, as `Runtime.load` takes it.
    """
    began = time.perf_counter()
    record: CallRecord | None = None
    problems: list[str] = []
    setting = case.setting
    try:
        with Runtime(seed=0 if setting.seed is None else setting.seed, clock=setting.clock or "real") as runtime:
            plugin = runtime.load(
                module,
                grant=setting.grant or (),
                quota=setting.quota or None,
                config=setting.config,
                on_denied=setting.on_denied,
                unknown_imports=setting.unknown_imports,
                features=setting.features,
            )
            for number, step in enumerate(case.steps, 1):
                where = f"step {number}, {printable(step.function, 80)}: " if len(case.steps) > 1 else ""
                outcome = plugin.attempt(step.function, **step.call)
                record = outcome.record
                problems = [f"{where}{problem}" for problem in problems_of(step.expected, outcome)]
                if problems:
                    break
    except JudiciaError as error:
        problems = [f"{type(error).__name__}: {first_line(error)}"]
    return Verdict(case, tuple(problems), time.perf_counter() - began, record)
