"""Frames of a trap as people know them: functions by their names, lines of their sources, inlined functions apart.

- The names are read at once; the lines are looked up when they are asked for, since that reads debug information.
- Names come from Wasmtime as the module has them; it demangles none in a frame. We demangle Rust's, and take a C++
  symbol's name from the debug information, where there is any.
- Debug information belongs to the guest's author. What is wrong with it becomes a note, and never another error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from judicia_notebook.records.guest_frames import Backtrace, GuestFrame
from judicia_notebook.text import printable
from judicia_notebook.wasm.kept_maps import BRIEF, kept_source_map
from judicia_notebook.wasm.rust_symbols import demangle

if TYPE_CHECKING:
    from judicia_notebook.engine.capi import Frame
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.source_map import SourceMap

MOST_FRAMES: Final = 200
"""With inlined ones, of which Wasmtime knows nothing: its own frames are 20 at most."""

_MOST_NAME: Final = 1000
_MANGLED: Final = ("_Z", "__Z")  # of C++, once `demangle` has read those of Rust
_PANIC_MACHINERY: Final = re.compile(
    r"_*(rust_|rustc|__rust)|std::(panicking|sys)|core::(panicking|result|option)|<std::panicking"
)

Locate = Callable[[int, int], int | None]
"""The byte of the original that a function of a rewritten module was at; None where the function is none of it."""


def name_of(frame: Frame, exports: Mapping[int, str]) -> str:
    """A function's name as its author wrote it, an export's name, or its number."""
    return demangle(frame.name) if frame.name else exports.get(frame.function, f"function {frame.function}")


def names_of(frames: Sequence[Frame], exports: Mapping[int, str]) -> tuple[str, ...]:
    """Readable names of frames, innermost first; a Rust panic's own machinery is left out."""
    names = [name_of(frame, exports) for frame in frames]
    return tuple(names[_machinery(names) :])


def _machinery(names: Sequence[str]) -> int:
    """How many frames are a panic's own; none where all are."""
    return next((at for at, name in enumerate(names) if not _PANIC_MACHINERY.match(name)), 0)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a guest was stopped; a call of it reads the lines.

    It keeps the module's bytes, and nothing of the engine.
    """

    frames: tuple[Frame, ...]
    exports: Mapping[int, str]
    module: ModuleInfo
    digest: str
    locate: Locate | None
    trapped: bool  # at an instruction; otherwise where the engine looks for a tick, which a loop's head is

    def __call__(self) -> Backtrace:
        note = ""
        try:
            digest = self.digest or hashlib.sha256(self.module.data).hexdigest()
            bodies = list(self._frames(kept_source_map(self.module, digest, BRIEF)))
        except Exception as error:  # a stranger's file lies as it likes: the trap stays the trap
            note = printable(getattr(error, "message", "") or type(error).__name__, 300)
            bodies = list(self._frames(None))
        first = _machinery([body[-1].function for body in bodies])  # with all that was inlined into it
        frames = [frame for body in bodies[first:] for frame in body]
        first = _machinery([frame.function for frame in frames])
        return Backtrace(tuple(frames[first : first + MOST_FRAMES]), note)

    def _frames(self, found: SourceMap | None) -> Iterator[list[GuestFrame]]:
        """Of each function with code what was inlined there, the innermost first, and the function itself."""
        for number, frame in enumerate(self.frames):
            at = frame.offset if self.locate is None else self.locate(frame.function, frame.offset)
            if at is None:
                continue  # of the code that counts
            name = printable(name_of(frame, self.exports), _MOST_NAME)
            *inlined, own = _chain(found, frame.function, at, is_exact=self.trapped or number > 0)
            if not own.function or (frame.name and not name.startswith(_MANGLED)):
                own = own._replace(function=name)
            yield [*inlined, own]


def _chain(found: SourceMap | None, function: int, at: int, *, is_exact: bool) -> list[GuestFrame]:
    """What was inlined there, the innermost first, and the function that has the code, perhaps without a name."""
    offset: int | None = None
    if found and at >= found.code_start:
        offset = at - found.code_start if is_exact else found.code_at(at, function)
    chain = [
        GuestFrame(
            frame.function or ("an inlined function" if frame.is_inlined else ""),
            frame.file if frame.line else "",
            frame.line or None,
            frame.column or None,
            frame.is_inlined,
            function,
            at,
        )
        for frame in (found.frames(offset) if found and offset is not None else ())
    ]
    if not chain or chain[-1].is_inlined:  # nothing is known, or so much was inlined that the end is cut
        chain.append(GuestFrame("", "", None, None, False, function, at))
    return chain
