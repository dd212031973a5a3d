"""A Python function for an import, with what belongs to it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from judicia_notebook.capabilities import CAPABILITIES, IMPORTS
from judicia_notebook.errors import PolicyError, stays_in_process
from judicia_notebook.host.imports.caller import Caller
from judicia_notebook.text import did_you_mean, printable


@stays_in_process("A function of this process answers it.")
@dataclass(frozen=True, slots=True)
class Import:
    """A Python function for an import: ``rt.load(source, imports={"env.now": jn.Import(time.time, denied=0.0)})``.

    Parameters
    ----------
    function : callable
        It gets the guest's numbers, integers signed; a first parameter annotated ``jn.Caller`` receives the caller. It
        returns a number, a tuple of several, or None, as the import's type has it. An exception ends the call as
        `HostFailure`.
    denied : number, optional
        What a denied call gets under ``on_denied="error"``, where the import has one numeric result. Without it a
        denied call ends with `CapabilityDenied`.
    capability : str, optional
        A capability that allows it, too, such as ``"wall_clock"``. Where it takes a scope, only its grant without one
        does: a function in Python has no part in what a scope means.
    optional : bool
        Whether a module that does not import it may be loaded with it, as for the functions of a preset.
    """

    function: Callable[..., Any]
    denied: float | None = None
    capability: str | None = None
    optional: bool = False
    takes_caller: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise PolicyError(f"An import is answered by a function, not by {type(self.function).__name__}.")
        if inspect.iscoroutinefunction(self.function):
            raise PolicyError("An import is answered by an ordinary function: nothing would await an async one.")
        if self.denied is not None and not isinstance(self.denied, int | float):
            raise PolicyError(f"denied= is a number, not {type(self.denied).__name__}.")
        if self.capability == IMPORTS:
            raise PolicyError("capability= names another one: imports allows every such function anyway.")
        if self.capability is not None and self.capability not in CAPABILITIES:
            known = did_you_mean(str(self.capability), CAPABILITIES)
            raise PolicyError(f"There is no capability {printable(repr(self.capability), 80)}.{known}")
        object.__setattr__(self, "takes_caller", _takes_caller(self.function))


def _takes_caller(function: Callable[..., Any]) -> bool:
    """Whether the first parameter is annotated as `Caller`, also in a text that cannot be evaluated here."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built-in functions need not have one
        return False
    if not parameters:
        return False
    first = parameters[0]
    try:
        told = typing.get_type_hints(function).get(first.name, first.annotation)
    except Exception:  # another annotation names something that is not there
        told = first.annotation
    if isinstance(told, str):
        return any(part.strip("\"' ").rpartition(".")[2] == Caller.__name__ for part in told.split("|"))
    kinds = typing.get_args(told) or (told,)  # of Caller | None, too
    return any(isinstance(kind, type) and issubclass(kind, Caller) for kind in kinds)
