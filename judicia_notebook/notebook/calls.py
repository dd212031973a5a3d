"""What ``%plugin call`` adds to a call: its cost line, and failures that are expected.

Knows calls and their outcomes, and nothing of how a line is written.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import CallError, JudiciaError, describe

if TYPE_CHECKING:
    from judicia_notebook.metrics.recorder import CallRecord
    from judicia_notebook.plugin import Plugin


class Ended(NamedTuple):
    """How a call ended that need not raise: with a value, or with the failure that was expected."""

    well: bool
    value: Any = None


def perform(plugin: Plugin, function: str, call: Callable[[], Any], options: Namespace) -> Ended:
    """Make a call, and say what it cost where that is asked for or something was denied.

    Raises
    ------
    CallError
        What ended the call, if that was not expected.
    JudiciaError
        It was expected to fail, and ended otherwise.
    """
    expected: str | None = options.expect
    try:
        value = call()
    except CallError as error:
        if expected is None:
            _print_cost(error.record, always=options.verbose)
            raise
        _check(error, expected)
        return Ended(well=False)
    record = plugin.last
    if expected is None:
        _print_cost(record, always=options.verbose)
        return Ended(well=True, value=value)
    if expected == "denied" and record is not None and record.denied:
        _show_expected(expected, _went_on(plugin, record), record)
        return Ended(well=False)
    raise JudiciaError(
        f"{plugin.name}.{function} was expected to end with {expected}, but went well.",
        hint=record.cost_line() if record is not None else "",
    )


def _check(error: CallError, expected: str) -> None:
    record = error.record
    denied = record.denied if record is not None else 0
    if error.outcome == expected or (expected == "denied" and denied):
        _show_expected(expected, describe(error)[0], record)
        return
    raise JudiciaError(
        f"{error.where} was expected to end with {expected}, but ended with {error.outcome}.",
        hint="\n".join(describe(error)),
    ) from error


def _went_on(plugin: Plugin, record: CallRecord) -> str:
    """What was denied in a call that was told so and did not fail."""
    rows = plugin.host_calls
    rows = rows[(rows["call_id"] == record.call_id) & (rows["decision"] == "denied")]
    denied = dict.fromkeys(f"{row.capability} for {row.function}" for row in rows.itertuples())
    return f"{record.plugin}.{record.function} was denied {', '.join(denied)}, and went on without."


def _show_expected(expected: str, sentence: str, record: CallRecord | None) -> None:
    print(f"As expected ({expected}): {sentence}")
    if record is not None:
        print(f"  {record.cost_line()}")


def _print_cost(record: CallRecord | None, *, always: bool) -> None:
    if record is not None and (always or record.denied):
        print(record.cost_line())
