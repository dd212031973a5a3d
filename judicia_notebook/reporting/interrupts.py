"""What an interrupt says: which call or sweep Ctrl-C met, and what became of it.

An interrupt is no error of the tree in `judicia_notebook.errors`. It stays a KeyboardInterrupt for every handler.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from judicia_notebook.reporting import tracebacks

F = TypeVar("F", bound=Callable[..., Any])


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or the stop button, with what became of what it interrupted.

    It is a KeyboardInterrupt and none of the tree above: code that handles those errors goes on, and here it must not.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return Interrupted, (self.message,), dict(vars(self))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the sentence, what was noted, and where the user's own code was."""
        notes = [f"  {note}" for note in getattr(self, "__notes__", ())]
        return tracebacks.render(self, [f"KeyboardInterrupt: {self.message}", *notes])


Interrupted.__name__ = "KeyboardInterrupt"  # by which notebooks and their tools tell an interrupt from an error


def interrupted(error: BaseException, message: str) -> BaseException:
    """A plain KeyboardInterrupt as an `Interrupted` with this message; any other exception as it is."""
    return Interrupted(message) if type(error) is KeyboardInterrupt else error


def tells_interrupts(message: str) -> Callable[[F], F]:
    """Decorate a function that takes long and may be interrupted between calls: the interrupt says `message`."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def telling(*arguments: Any, **options: Any) -> Any:
            __tracebackhide__ = True  # IPython leaves this frame out where a user's argument is the error
            try:
                return function(*arguments, **options)
            except KeyboardInterrupt as error:
                if type(error) is not KeyboardInterrupt:
                    raise
                raise interrupted(error, message).with_traceback(error.__traceback__) from None

        return cast("F", telling)

    return decorate
