"""The options that ``%plugin call`` and ``run`` add to a call: a cost line, expected failures, and the background.

Knows calls and their outcomes, but not the syntax of a line.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import CallError, JudiciaError, describe
from judicia_notebook.notebook import reprs
from judicia_notebook.notebook.command import usage_error

if TYPE_CHECKING:
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.plugin import Plugin


class Ended(NamedTuple):
    """The end of a call that does not raise: a value, or the expected failure."""

    well: bool
    value: Any = None


def perform(
    plugin: Plugin, function: str, call: Callable[[], Any], options: Namespace, *, shown: bool = False
) -> Ended:
    """Make a call, and show its cost if the line asks for that or the policy denied a host call.

    Parameters
    ----------
    shown : bool
        Whether the value is shown with its cost beside it, as a `RunResult` is.

    Raises
    ------
    CallError
        The failure that ended the call, if it was not expected.
    JudiciaError
        It was expected to fail, and ended otherwise.
    """
    from judicia_notebook.runtime.wasi_command import RunResult

    expected: str | None = options.expect
    try:
        value = call()
    except CallError as error:
        if expected is None:
            _print_cost(error.record, always=options.verbose)
            raise
        _check(error, expected)
        return Ended(well=False)
    record = value.record if isinstance(value, RunResult) else plugin.last
    if expected is None:
        if not shown:
            _print_cost(record, always=options.verbose)
        return Ended(well=True, value=value)
    if expected == "denied" and record is not None and record.denied:
        _show_expected(expected, _went_on(plugin, record), record)
        return Ended(well=False)
    if isinstance(value, RunResult) and record is not None and record.outcome == expected:
        sentence = f"{plugin.name} exited with status {value.returncode}."
        _show_expected(expected, sentence, None if shown else record)
        return Ended(well=True, value=value)  # an exit status raises nothing, and the output is worth seeing
    raise JudiciaError(
        f"{plugin.name}.{function} was expected to end with {expected}, but went well.",
        hint=record.cost_line() if record is not None else "",
    )


def submit(shell: Any, plugin: Plugin, call: Mapping[str, Any], options: Namespace, command: str) -> CallHandle:
    """Make a call in the background: `call` has the arguments of `Plugin.submit`.

    In a notebook it is shown as a card that keeps itself up to date.

    Raises
    ------
    UsageError
        With an option that only means something at the end of a call.
    """
    if options.expect is not None:
        raise usage_error(
            f"%plugin {command}: --expect waits for the end of the call, and --background does not; one of them, "
            "not both"
        )
    handle = plugin.submit(**call)
    reprs.show_now(shell, handle, reprs.show_handle)
    return handle


def _check(error: CallError, expected: str) -> None:
    record = error.record
    denied = record.denied if record is not None else 0
    if error.outcome == expected or (expected == "denied" and denied):
        _show_expected(expected, describe(error)[0], record)
        if error.stdout:
            print(error.stdout.decode("utf-8", "replace"))
        return
    raise JudiciaError(
        f"{error.where} was expected to end with {expected}, but ended with {error.outcome}.",
        hint="\n".join(describe(error)),
    ) from error


def _went_on(plugin: Plugin, record: CallRecord) -> str:
    """The denials of a call that went on and did not fail."""
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
