"""What the answer of a call stands for: JSON or bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import wire
from judicia_notebook.engine.invocation import UNCOUNTED_JSON
from judicia_notebook.host.scope import CallScope
from judicia_notebook.runtime.facts import no_json
from judicia_notebook.runtime.way import Reading

if TYPE_CHECKING:
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.way import Way


def decode(call: Call, answer: bytes | None) -> Any:
    """The value an answer stands for; None for no value."""
    if answer is None:
        return None
    scope = call.scope
    try:
        return call.read(answer, CallScope.read_json)
    except ValueError as error:
        raise no_json(scope, answer, error) from None


def _read(way: Way, answer: bytes | None, call_id: int) -> Any:
    """The same of an ordinary answer, before Python has made anything of the call."""
    if answer is None:
        return None
    limits = way.budget_of(call_id).limits
    look = partial(way.look, call_id) if len(answer) > UNCOUNTED_JSON else None
    return wire.decode(answer, limits.json_depth, limits.json_values, look)


def or_empty(_: object, answer: bytes | None, _call_id: int = 0) -> bytes:
    """The answer; ``b""`` for no value."""
    return answer or b""


JSON = Reading(_read, decode)
BYTES = Reading(or_empty, or_empty)
