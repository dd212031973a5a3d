"""The error of a call that was ended: what all ends have in common, and what a card or a cell shows beside it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors.base import JudiciaError, with_facts
from judicia_notebook.records.guest_frames import Backtrace, GuestFrame
from judicia_notebook.text import printable
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    from judicia_notebook.records.record import CallRecord

STATE_LOST = " Its instance was replaced; its state is lost."
_MOST_WRITTEN, _LAST_LINES = 4000, 10  # characters looked at, lines shown, of what a command wrote


class CallError(JudiciaError):
    """A call that a plugin, a limit or a person ended.

    Attributes
    ----------
    plugin, function : str
    record : CallRecord or None
        The row of `Runtime.calls` for this call.
    facts : tuple of str
        Sentences on what came before the end: what the guest said last, the memory it was refused, whose limit it was.
    stdout, stderr : bytes
        What a WASI command (`Plugin.run`) had written when it was ended.
    row : int or None
        The row that a call over columns (`Plugin.ufunc`) was in, from 0.
    rows_before : numpy.ndarray, tuple of numpy.ndarray or None
        The results of the rows before that one, flat; a tuple where the function has several.
    memory : MemoryDump or None
        The guest's memory when it trapped or was stopped: at most 1 MiB of it, round the fault. None where the guest
        was not stopped, exports no memory, or the error came by a pickle; see `keep_memory`.
    fault : int or None
        The address that the guest used out of bounds, where Wasmtime names it.
    """

    outcome = "failed"
    row: int | None = None
    rows_before: Any = None
    facts: tuple[str, ...] = ()
    stdout = stderr = b""
    memory: Any = None
    fault: int | None = None
    _is_memory_kept = False
    _backtrace: Backtrace | Callable[[], Backtrace] = Backtrace()

    def __init__(self, message: str = "", *, plugin: str = "", function: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plugin = plugin
        self.function = function
        self.record: CallRecord | None = None
        self.state_lost = False

    @property
    def where(self) -> str:
        """``plugin.function``"""
        return f"{self.plugin}.{self.function}"

    @property
    def frames(self) -> tuple[GuestFrame, ...]:
        """Where the guest was when it did not return: its functions, innermost first, with the lines of their sources.

        The lines are those that debug information (DWARF) tells: of C, C++, Zig and Rust a build with ``-g`` has it.
        Functions that the compiler inlined are frames of their own. The first look reads the debug information, which
        is kept by the module's digest. Empty where the guest was not stopped by this error.
        """
        return self._look().frames

    @property
    def frames_note(self) -> str:
        """Why `frames` have no lines although there is debug information; empty where it was read, or there is none."""
        return self._look().note

    def set_backtrace(self, found: Backtrace | Callable[[], Backtrace]) -> None:
        """Say where the guest was, or what finds that out at the first look; what was said first stays."""
        if "_backtrace" not in vars(self):
            self._backtrace = found

    def _take_backtrace(self, error: CallError) -> None:
        """Say that the guest was where another error says."""
        if "_backtrace" in vars(error):
            self.set_backtrace(error._backtrace)

    def _look(self) -> Backtrace:
        if not isinstance(self._backtrace, Backtrace):
            self._backtrace = self._backtrace()
        return self._backtrace

    def keep_memory(self) -> None:
        """Have pickles and copies of this error take `memory` along, which is up to 1 MiB."""
        self._is_memory_kept = True

    def _travelling(self) -> dict[str, Any]:
        self._look()  # what finds it out stays here
        fields = super()._travelling()
        return fields if self._is_memory_kept else {name: fields[name] for name in fields if name != "memory"}

    def _lines(self) -> list[str]:
        return [*super()._lines(), *self._written()]

    def _sentences(self) -> list[str]:
        first, *rest = self._ending()
        return [with_facts(first, self.facts), *rest]

    def _ending(self) -> list[str]:
        """How the call ended, first; then lines that belong to it."""
        return [f"{self._shown_where()} failed{self._reason()}.{self._lost()}"]

    def _shown_where(self) -> str:
        return printable(self.where, 160)

    def _reason(self) -> str:
        return f": {printable(self.message)}" if self.message else ""

    def _lost(self) -> str:
        return STATE_LOST if self.state_lost else ""

    def _shown_lines(self, most: int) -> str:
        """The frames with their lines; empty where no line is known."""
        frames = self.frames
        has_lines = any(frame.line is not None for frame in frames)
        return joined_runs([str(frame) for frame in frames], most) if has_lines else ""

    def _written(self) -> list[str]:
        """The last lines that a command wrote before it was ended."""
        end = self.stdout[-_MOST_WRITTEN:].decode("utf-8", "replace").splitlines()
        if not end:
            return []
        if b"\0" in self.stdout[-_MOST_WRITTEN:]:
            return [f"  It had written {format_count(len(self.stdout))} bytes that are no text: error.stdout"]
        lines = end[-_LAST_LINES:]
        cut = len(lines) < len(end) or len(self.stdout) > _MOST_WRITTEN
        return [
            f"  It had written{' (all of it: error.stdout), in the end' if cut else ''}:",
            *(f"    {printable(line, 200)}" for line in lines),
        ]


def joined_runs(frames: Sequence[str], most: int) -> str:
    """Frames in one line, each run of one and the same once."""
    runs = [(name, len(list(run))) for name, run in itertools.groupby(frames)]
    shown = [name + (f" (x{count})" if count > 1 else "") for name, count in runs[:most]]
    return " <- ".join(shown) + (" <- ..." if len(runs) > most else "")
