"""Where a guest was when it did not return: its functions, and the lines of its sources where these are known."""

from __future__ import annotations

from typing import NamedTuple

from judicia_notebook.text import printable, short_place

_MOST_NAME = 80  # characters that a sentence has


class GuestFrame(NamedTuple):
    """A function of the guest that was running. Its texts are the guest's, and printable.

    Attributes
    ----------
    function : str
        As its author wrote it, or the name of its export, or ``function 7``.
    file : str
        Of its source, as the compiler wrote it; empty where no debug information tells it.
    line, column : int or None
        From 1: where the function was, or where it called the one before it.
    is_inlined : bool
        Whether the compiler put it into the function of the next frame, so that it has no code of its own here.
    function_index : int
        The number in the module of the function that has the code.
    offset : int
        The byte of the module's file.
    """

    function: str
    file: str
    line: int | None
    column: int | None
    is_inlined: bool
    function_index: int
    offset: int

    def __str__(self) -> str:
        """Such as ``step (kernel.c:12, inlined)``."""
        name = printable(self.function, _MOST_NAME)
        notes = [short_place(self.file, self.line)] if self.line is not None else []
        notes += ["inlined"] if self.is_inlined else []
        return f"{name} ({', '.join(notes)})" if notes else name


class Backtrace(NamedTuple):
    """The frames of a guest, innermost first, and why they have no lines, if their debug information is damaged."""

    frames: tuple[GuestFrame, ...] = ()
    note: str = ""
