"""The base of all errors: how its text is made, and how errors and other objects leave the process, or do not.

- An error's text is what happened, then what to do about it. Each class makes its own sentences of its own fields, so
  that nothing here knows the classes that are derived from it.
- As data they travel: every error pickles and copies with all its fields, so that a process pool, joblib or a Dask
  cluster hands it over whole. An object that belongs to one process says what to do instead, see `stays_in_process`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from judicia_notebook.reporting import tracebacks
from judicia_notebook.text import printable

LONGEST = 2500
"""Characters of a line; what a guest wrote in it has been cut before."""


class JudiciaError(Exception):
    """The base of all errors of this package.

    Attributes
    ----------
    is_shown : bool
        Whether a page shows all of it on a card above the error, whose own lines then are the first alone.
    """

    is_shown = False

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(printable(line, LONGEST) for line in self._lines())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {describe(self)[0]}>"

    def _lines(self) -> list[str]:
        return [*self._sentences(), *self._hint_lines()]

    def _sentences(self) -> list[str]:
        """What happened, first; then lines that belong to it. What a guest may have written in them is printable."""
        return [printable(self.message, 1000)]

    def _hint_lines(self) -> list[str]:
        return [f"  {line}" for line in self.hint.split("\n") if line]

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: these sentences, and where the user's own code was."""
        return tracebacks.render(self, self._rendered_lines())

    def _rendered_lines(self) -> list[str]:
        first, *rest = describe(self)
        return [f"{type(self).__name__}: {first}", *([] if self.is_shown else rest)]

    # By default pickle makes an exception anew from its `args`; the classes below take other arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: _portable(value) for name, value in self._travelling().items()}
        if self.__cause__ is not None:
            state["__cause__"] = _portable_cause(self.__cause__)
        return _revived, (type(self), self.args), state

    def _travelling(self) -> dict[str, Any]:
        """The fields that a pickle or a copy takes along; a card stays on the page that shows it."""
        return {name: value for name, value in vars(self).items() if name != "is_shown"}


def _revived(kind: type[JudiciaError], arguments: tuple[Any, ...]) -> JudiciaError:
    return kind.__new__(kind, *arguments)


def _portable(value: Any) -> Any:
    """The value, or its repr where it cannot leave this process."""
    try:
        pickle.dumps(value)
    except Exception:  # whatever a value's own code raises
        return printable(repr(value))
    return value


def _portable_cause(cause: BaseException) -> BaseException:
    """An exception that unpickles, too: many exceptions pickle and cannot be made again."""
    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301  # our own bytes of a moment ago
    except Exception:
        return RuntimeError(printable(f"{type(cause).__name__}: {cause}"))
    return cause


def describe(error: JudiciaError) -> list[str]:
    """The sentences for an error, a line each: what happened first, then what to do about it."""
    return str(error).split("\n")  # `printable` leaves no line break within a line


def with_facts(sentence: str, facts: Sequence[str]) -> str:
    """A line that ends with the facts; the guest's own words may end without a full stop."""
    if facts and not sentence.endswith((".", "!", "?")):
        sentence += "."
    return " ".join([sentence, *(printable(fact) for fact in facts)])


C = TypeVar("C", bound=type)


def stays_in_process(instead: str) -> Callable[[C], C]:
    """Decorate a class whose objects are part of this process: pickling or copying one says what to do instead.

    Parameters
    ----------
    instead : str
        A sentence, which may hold a line to type.
    """

    def decorate(kind: C) -> C:
        def refuse(_self: object, _protocol: object) -> NoReturn:
            raise TypeError(f"A {kind.__name__} cannot be pickled or copied: it is part of this process. {instead}")

        kind.__reduce_ex__ = refuse  # type: ignore[method-assign, assignment]
        return kind

    return decorate
