"""The messages between a live page and its kernel, as types: the only module that knows the wire.

The page says hello, alive and bye (`View`), and asks for one `Operation` at a time. A page is input like any other, so
`read` refuses every message that does not have exactly these shapes. The kernel answers an operation with `Done` or
`Refused`. It sends the present state as `Whole`, or, for charts, `About` and `Frames`. A `Beat` only says that the
kernel is there.

``messages.d.ts`` has the same types for the pages. ``make pages`` writes it from this module and from the structs that
the texts inside hold; a test says when it is old.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from judicia_notebook.errors import JudiciaError, PolicyError, describe
from judicia_notebook.text import printable

MOST_TEXT = 1 << 20
ERROR_TEXT = 600

_Name = Annotated[str, msgspec.Meta(max_length=400)]
_Grant = Annotated[str, msgspec.Meta(max_length=2000)]
_Grants = Annotated[list[_Grant], msgspec.Meta(min_length=1, max_length=1000)]
_Id = Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(max_length=80)]


class View(msgspec.Struct, frozen=True):
    """A view of the widget is open, still open, or going."""

    type: Literal["hello", "alive", "bye"]
    view: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Operation(msgspec.Struct, frozen=True, tag_field="op", kw_only=True):
    """Something to be done with a plugin, the one that the page showed when it was asked for.

    `seen` is the version of the policy that the page showed then, and `view` the page: what another user or page
    narrowed since is not widened again. `narrowing` is for what happens by the way, such as leaving a field: it widens
    nothing.
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


OPERATIONS = (
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
            operation: Operation = msgspec.convert(content, OPERATIONS)
            return operation
        return msgspec.convert(content, View)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PolicyError(f"The panel does not understand this message: {printable(str(error))}") from None


def id_of(content: object) -> int | str | None:
    """The id of a message that may be anything."""
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, int | str) else None


# What the kernel says -------------------------------------------------------------------------------------------


class Said(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """A message of the kernel, to all views."""


class Done(Said, frozen=True, tag="done", kw_only=True):
    """An operation was carried out, and every state from this revision on has it."""

    id: int | str
    revision: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was refused: the error's class, its sentence, and the line that helps."""

    type: str
    message: str
    hint: str


class Refused(Said, frozen=True, tag="refused", kw_only=True):
    """An operation was not carried out, or a message was not understood."""

    id: int | str | None
    error: Failure


class Whole(Said, frozen=True, tag="state", kw_only=True):
    """Everything that holds now, as JSON; a page draws only the highest revision it has heard."""

    revision: int
    state: str


class Beat(Said, frozen=True, tag="beat", kw_only=True):
    """The kernel is there, and nothing is new."""


class About(Said, frozen=True, tag="about", kw_only=True):
    """Which plugin the frames of an epoch are of. It is for all views if `view` is empty.

    `window` is how many seconds a view shows, and `outcomes` has a letter for each of the last calls.
    """

    view: str
    epoch: int
    window: float
    outcomes: str
    plugin: str
    state: str
    choices: list[str] | None


class Frames(Said, frozen=True, tag="frames", kw_only=True):
    """What happened since the frames before, as JSON. They are for all views if `view` is empty."""

    view: str
    epoch: int
    frames: str


def refusal(of: int | str | None, error: BaseException) -> Refused:
    """It was not done, and why."""
    kind = type(error).__name__
    if not isinstance(error, JudiciaError):
        return Refused(id=of, error=Failure(type=kind, message=printable(str(error)), hint=""))
    first, *rest = describe(error)
    hint = " ".join(line.strip() for line in rest)
    said = Failure(type=kind, message=printable(first, ERROR_TEXT), hint=printable(hint, ERROR_TEXT))
    return Refused(id=of, error=said)
