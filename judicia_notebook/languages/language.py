"""A source language with a compiler of its own, as `build` sees it. C, C++, Zig and Rust are each one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from judicia_notebook.languages.messages import Reader
    from judicia_notebook.languages.toolchain import Toolchain

SDK = Path(__file__).parents[1] / "sdk"
"""What authors of plugins include: a folder a language."""

WASM = "plugin.wasm"
"""The file in a compiler's folder that it is to write."""

DEBUG = "-g"
"""The flag that keeps the numbers of lines in a module, in each language."""


@dataclass(frozen=True, slots=True)
class Job:
    """A source, and how it is to be compiled.

    Attributes
    ----------
    text : str
    file : str
        The name of the source's file in the compiler's folder.
    beside : Path or None
        The folder that the source came from, if it was a file.
    level : str
        Of ``0 1 2 3 s z``.
    flags : tuple of str
        The user's own options for the compiler.
    """

    text: str
    file: str
    beside: Path | None
    level: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A compiler's command line, to be run in a folder that holds the source and nothing else.

    Attributes
    ----------
    environment : mapping
        Beside the few variables that every compiler gets.
    seconds : float
        How long it may take.
    waits_for : str
        What a first use has to build beside the source; empty where that is nothing.
    stamp : Path or None
        A file that says, once it is there, that the command need not be run again.
    """

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    waits_for: str = ""
    stamp: Path | None = None


class Language(Protocol):
    """A language that `build` compiles."""

    name: str
    title: str
    file: str
    """The name of a cell's file."""

    @property
    def sdk(self) -> Path:
        """The file or folder of `SDK` that its sources include."""

    def as_written(self, flags: tuple[str, ...]) -> tuple[str, ...]:
        """The user's flags, where there are several ways to write one, in that which the language knows."""

    def toolchain(self, job: Job) -> Toolchain:
        """The compiler for this job.

        Raises
        ------
        BuildError
            There is none; the hint has the line that brings one.
        """

    def prepare(self, toolchain: Toolchain, job: Job) -> Command | None:
        """What has to be built once, before the first source can be compiled; None where that is nothing."""

    def command(self, toolchain: Toolchain, job: Job) -> Command:
        """The command that compiles it."""

    def reader(self, job: Job) -> Reader:
        """What makes diagnostics of what the compiler and the linker say."""

    def asks_for_more(self, job: Job) -> bool:
        """Whether the source may ask for files, or whether they are there; it is then compiled each time.

        Asked before compiling. A file that is not there now leaves no trace in a module, so the text has to tell.
        """

    def has_read_more(self, folder: Path, job: Job) -> bool:
        """Whether the compiler has read files that are not in the key of the cache; asked after compiling."""
