"""What a panel's page and its kernel say to each other, as types: the one place that knows the wire.

The page says hello, alive and bye (`View`), and asks for one `Operation` at a time; `read` refuses whatever does not
have exactly these shapes, since a page is input like any other. The kernel answers each operation with ``done`` or
``refused``, and says what holds now in a ``state`` (see `panel_state`). A ``beat`` only says
that it is there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from judicia_notebook.errors import JudiciaError, PolicyError, describe, printable

MOST_TEXT = 1 << 20
ERROR_TEXT = 600

_Name = Annotated[str, msgspec.Meta(max_length=400)]
_Grant = Annotated[str, msgspec.Meta(max_length=2000)]
_Grants = Annotated[list[_Grant], msgspec.Meta(min_length=1, max_length=1000)]
_Id = Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(max_length=80)]


class View(msgspec.Struct, frozen=True):
    """A view of the panel is open, still open, or going."""

    type: Literal["hello", "alive", "bye"]
    view: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Operation(msgspec.Struct, frozen=True, tag_field="op", kw_only=True):
    """Something to be done with a plugin, the one that the page showed when it was asked for.

    `seen` is the version of the policy that the page showed then, and `view` the page: what anybody else narrowed
    since is not widened again. `narrowing` is for what happens by the way, such as leaving a field: it widens nothing.
    """

    id: _Id
    plugin: _Name = ""
    view: Annotated[str, msgspec.Meta(max_length=80)] = ""
    seen: int | None = None
    narrowing: bool = False


class Grant(Operation, frozen=True, tag="grant", kw_only=True):
    """Allow these. A capability that takes a scope is granted without one only where it is offered so."""

    grants: _Grants


class Widen(Operation, frozen=True, tag="widen", kw_only=True):
    """Allow a capability without a scope."""

    capability: _Name


class Revoke(Operation, frozen=True, tag="revoke", kw_only=True):
    """Take these away."""

    grants: _Grants


class SetScope(Operation, frozen=True, tag="scope", kw_only=True):
    """Let the scopes of a granted capability be exactly these."""

    capability: _Name
    scopes: Annotated[list[_Grant], msgspec.Meta(max_length=1000)]


class SetQuota(Operation, frozen=True, tag="set_quota", kw_only=True):
    """One quota: a number in base units, or a text as it is typed; ``none`` is no limit of its own.

    Nothing but that word takes a limit away: a page's null may be a number that went wrong.

    What has the same `drag` is one step for undo.
    """

    kind: _Name
    value: float | Annotated[str, msgspec.Meta(max_length=80)]
    drag: _Name = ""


class OnDenied(Operation, frozen=True, tag="on_denied", kw_only=True):
    """Whether a denied host call is answered or ends the call."""

    value: Literal["error", "trap"]


class Preset(Operation, frozen=True, tag="preset", kw_only=True):
    """Grant nothing, what the plugin asks for, or everything."""

    preset: Literal["nothing", "asked", "everything"]


class Undo(Operation, frozen=True, tag="undo", kw_only=True):
    """Take back the last change that this panel made to the plugin: `step`, if the page says which one it showed."""

    step: int | None = None


class CancelCall(Operation, frozen=True, tag="cancel", kw_only=True):
    """End a call that runs or waits."""

    call: int


class MakeCall(Operation, frozen=True, tag="call", kw_only=True):
    """Call a function with a JSON text; every so many milliseconds, if that is given."""

    function: _Name
    payload: Annotated[str, msgspec.Meta(max_length=MOST_TEXT)] = ""
    every_ms: Annotated[float, msgspec.Meta(ge=1, le=3_600_000)] | None = None


class StopCalls(Operation, frozen=True, tag="stop", kw_only=True):
    """End the repetition of a call."""


class Choose(Operation, frozen=True, tag="choose", kw_only=True):
    """Show this plugin."""


_OPERATIONS = (
    Grant | Widen | Revoke | SetScope | SetQuota | OnDenied | Preset | Undo | CancelCall | MakeCall | StopCalls | Choose
)


def read(content: object) -> View | Operation:
    """A message of the page.

    Raises
    ------
    PolicyError
        It has none of the shapes that a message may have.
    """
    try:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "do":
            operation: Operation = msgspec.convert(content, _OPERATIONS)
            return operation
        return msgspec.convert(content, View)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PolicyError(f"The panel does not understand this message: {printable(str(error))}") from None


def id_of(content: object) -> int | str | None:
    """The id of a message that may be anything."""
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, int | str) else None


def done(of: int | str, revision: int) -> dict[str, Any]:
    """It was done, and every state from this revision on has it."""
    return {"type": "done", "id": of, "revision": revision}


def refused(of: int | str | None, error: BaseException) -> dict[str, Any]:
    """It was not done, and why."""
    kind = type(error).__name__
    if not isinstance(error, JudiciaError):
        return {"type": "refused", "id": of, "error": {"type": kind, "message": printable(str(error)), "hint": ""}}
    first, *rest = describe(error)
    hint = " ".join(line.strip() for line in rest)
    said = {"type": kind, "message": printable(first, ERROR_TEXT), "hint": printable(hint, ERROR_TEXT)}
    return {"type": "refused", "id": of, "error": said}
