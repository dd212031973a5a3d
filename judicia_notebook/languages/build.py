"""From a source to a module: `build`. A look into the cache, the compiler in a folder of its own, its messages as data.

The key of the cache is the source, the level and flags, the compiler as it is now (its version, and the sizes and times
of its files) and the digest of the SDK. What asks for more (a header beside the source, ``__has_include``, an
assembler's file) is compiled each time. A failure is not kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from judicia_notebook.engine import cache
from judicia_notebook.errors import BuildError, InvalidModule, LoadError
from judicia_notebook.languages import SUFFIXES, compiled_language, language_named, language_of, languages
from judicia_notebook.languages.advice import advised
from judicia_notebook.languages.build_folder import build_folder, held
from judicia_notebook.languages.clang_text import at
from judicia_notebook.languages.compiler_process import Ended, run
from judicia_notebook.languages.debug_sections import without_dwarf
from judicia_notebook.languages.language import DEBUG, WASM, Job, Language
from judicia_notebook.languages.levels import parse_flags, parse_level
from judicia_notebook.languages.messages import counted
from judicia_notebook.languages.module_checks import is_linked_module, remarks
from judicia_notebook.languages.sdk_digest import digest
from judicia_notebook.languages.source_texts import remember
from judicia_notebook.languages.toolchain import Toolchain
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.records.diagnostics import Diagnostic, diagnostics_frame
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.reporting.progress import waiting
from judicia_notebook.text import printable
from judicia_notebook.units import format_size, format_time
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.wat_lines import with_place

if TYPE_CHECKING:
    import pandas as pd

MOST_SOURCE = 8 << 20
"""Bytes of a source."""
MOST_WASM = 256 << 20
"""Bytes of a module that a compiler may write; `Runtime.load` takes as much."""
MOST_CACHE = 256 << 20
"""Bytes that the cache of compiled sources is trimmed to."""

_VERSION = "3"  # of what is kept: another way to compile, and other advice on warnings, need another one
_NAMES_FILES = re.compile(r"/|\\|\.\.|^@|include|imacros|^-[LBI]|linker=|fuse-ld")  # what of flags may name files
_LINES = re.compile(r": in one of the lines (\d+(?:, \d+)*(?:, \.\.\.)?)$")
_TEXT = re.compile(r"[\n{};]")  # a source rather than a path, whatever it ends with
_PLACE = re.compile(r"line (\d+), column (\d+)|--> [^\s:]+:(\d+):(\d+)")  # ours, and the assembler's


@dataclass(frozen=True, slots=True)
class Built:
    """A source, compiled.

    Attributes
    ----------
    wasm : bytes
        The module, for `Runtime.load`.
    seconds : float
        How long it took: the compiler, or the look into the cache.
    cached : bool
        Whether it was compiled before.
    lang, compiler : str
        The language, and the compiler with its version; empty for WAT.
    rows : tuple of Diagnostic
        The compiler's warnings.
    """

    wasm: bytes = field(repr=False)
    seconds: float
    cached: bool
    lang: str
    compiler: str
    rows: tuple[Diagnostic, ...] = field(repr=False, default=())

    @property
    def diagnostics(self) -> pd.DataFrame:
        """The compiler's warnings, a row each: ``line``, ``column``, ``severity``, ``message``, ``note``."""
        return diagnostics_frame(self.rows)

    def __str__(self) -> str:
        how = "from the cache" if self.cached else f"by {self.compiler}" if self.compiler else "assembled"
        warnings = f", {counted(self.rows)}" if self.rows else ""
        return f"{format_size(len(self.wasm))} of WebAssembly, {how} in {format_time(self.seconds)}{warnings}"


class _Content(msgspec.Struct, array_like=True):
    """What the cache keeps of a module."""

    wasm: bytes
    rows: list[Diagnostic]


class _Source(NamedTuple):
    text: str
    path: Path | None
    lang: str


@tells_interrupts("The compile was interrupted; its compiler has ended.")
def build(
    source: str | os.PathLike[str],
    lang: str | None = None,
    level: str = "-Oz",
    flags: str | Iterable[str] = (),
) -> Built:
    r"""Compile a source to WebAssembly.

    Nothing of the module is run. The compiler is: it is bounded in time, memory and output, and it is no sandbox, so a
    source may include and embed each file that the user may read.

    Parameters
    ----------
    source : str or path
        The text of a source, or the path of a file with the suffix of its language.
    lang : str, optional
        ``c``, ``cpp``, ``zig``, ``rust`` or ``wat``; by default what a file's suffix says.
    level : str, optional
        How it is optimized: ``-O0`` to ``-O3``, ``-Os`` or ``-Oz`` (the default: small). WAT has none.
    flags : str or iterable of str, optional
        More options for the compiler, such as ``("--target=wasm32-wasi",)``, which links the C library.

    Raises
    ------
    BuildError
        The compiler refused it, with `BuildError.diagnostics`; or took too long, or is not here.
    LoadError
        There is no such file, or nothing says its language.
    ValueError
        There is no such level, or language.

    Examples
    --------
    >>> built = build('(func (export "f") (result i32) (i32.const 7))', lang="wat")
    >>> built.lang, built.wasm[:4], len(built.diagnostics)
    ('wat', b'\x00asm', 0)
    """
    found = _find(source, lang)
    options = parse_flags(flags)
    digit = parse_level(level)
    try:
        _check_text(found.text)
        if found.lang == "wat":
            if options or digit != "z":
                raise ValueError("WAT is assembled as it stands: it takes no level and no flags")
            return _assemble(found.text, is_cell=found.path is None)
        language = compiled_language(found.lang)
        name = found.path.name if found.path is not None else language.file
        if not re.fullmatch(
            r"\w[\w.+-]*", name, re.ASCII
        ):  # a compiler would read an option, or its messages be unclear
            name = language.file
        suffix = Path(name).suffix
        if SUFFIXES.get(suffix) != language.name:  # clang takes x.C for C++, and x.txt for an object
            name = f"{Path(name).stem}{Path(language.file).suffix}"
        beside = found.path.absolute().parent if found.path is not None else None
        built = _compile(language, Job(found.text, name, beside, digit, language.as_written(options)))
        if DEBUG in options:
            remember(built.wasm, name, found.text)
        return built
    except BuildError as error:
        error.source = error.source or (found.path.name if found.path is not None else "the source")
        raise


def _find(source: str | os.PathLike[str], lang: str | None) -> _Source:
    lang = None if lang is None else language_named(lang)
    if not isinstance(source, str | os.PathLike):
        raise LoadError(f"a source is text or a path, not {type(source).__name__}")
    is_path = isinstance(source, os.PathLike) or (not _TEXT.search(source) and language_of(source) is not None)
    if not is_path:
        text = str(source)
        if lang is None and text.lstrip().startswith(("(", ";;")):
            lang = "wat"
        if lang is None:
            raise LoadError(
                "nothing says which language it is in", hint=f"Name it: lang={'c'!r}, or one of {_listed()}."
            )
        return _Source(text, None, lang)
    path = Path(source).expanduser()
    found = lang or language_of(path)
    if found is None:
        raise LoadError(
            f"its suffix {path.suffix!r} is of no language", source=path.name, hint=f"Languages: {_listed()}."
        )
    return _Source(_read(path), path, found)


def _listed() -> str:
    return ", ".join(languages())


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise LoadError(f"there is no such file in {path.absolute().parent}", source=path.name)
        with path.open("rb") as file:
            data = file.read(MOST_SOURCE + 1)
    except OSError as error:
        raise LoadError(f"it cannot be read ({error.strerror})", source=path.name) from None
    except ValueError as error:  # a zero byte in the name
        raise LoadError(f"it is no path: {error}") from None
    return source_text(data, path.name)


def source_text(data: bytes, name: str) -> str:
    """The text of a source's bytes.

    Raises
    ------
    LoadError
        It is too large, or no UTF-8.
    """
    if len(data) > MOST_SOURCE:
        raise LoadError(f"it is too large for a source: more than {format_size(MOST_SOURCE)}", source=name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LoadError(f"it is no text in UTF-8: byte {error.start}", source=name) from None


def _check_text(text: str) -> None:
    """Refuse what no file can hold.

    Raises
    ------
    BuildError
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line, column = text.count("\n", 0, error.start) + 1, error.start - text.rfind("\n", 0, error.start)
        message = f"half a character (U+{ord(text[error.start]):04X}), which no text in UTF-8 has"
        row = at(text.encode("utf-8", "replace").decode().split("\n"), line, column, "error", message)
        raise BuildError("the source is no text", rows=[row]) from None


# --- WAT -------------------------------------------------------------------------------------------------------------


def _assemble(text: str, *, is_cell: bool) -> Built:
    """Assemble and validate a text: a cell may leave out the usual parts, and a file is what it is."""
    from judicia_notebook.engine.compiler import assemble, validate

    began = time.perf_counter()
    module = None
    try:
        complete = compile_wat(text) if is_cell else text
        wasm = assemble(complete)
        try:
            module = read_module(wasm)
            validate(wasm)
        except InvalidModule as error:
            raise InvalidModule(with_place(error.message, complete, module) or error.message) from None
    except InvalidModule as error:
        hint = "" if is_cell or compile_wat(text) == text else _FILES_ARE_WHOLE
        raise BuildError("the assembler found 1 error", rows=[wat_row(error, text)], hint=hint or error.hint) from None
    return Built(wasm, time.perf_counter() - began, False, "wat", "")


_FILES_ARE_WHOLE = "A file is a whole module. What a cell may leave out: jn.build(text, 'wat'), or %%plugin define."


def wat_row(error: LoadError, text: str) -> Diagnostic:
    """What an assembler or a validator said of WebAssembly text, at its place where it named one."""
    message = printable(error.message.split("\n", 1)[0], 1000)
    place = _PLACE.search(error.message)
    if place is None:
        return _in_one_of(message, text.split("\n"))
    line, column = (int(number) for number in place.groups() if number)
    return at(text.split("\n"), line, column, "error", _PLACE.sub("", message).rstrip(" :"))


def _in_one_of(message: str, lines: list[str]) -> Diagnostic:
    """A message that names several lines; those that were added to the cell are not its author's."""
    named = _LINES.search(message)
    if named is None:
        return Diagnostic(None, None, "error", message)
    own = [number for number in map(int, re.findall(r"\d+", named[1])) if number <= len(lines)]
    if len(own) != 1:
        return Diagnostic(None, None, "error", message)
    return at(lines, own[0], 1, "error", message[: named.start()] + message[named.end() :])


# --- compilers -------------------------------------------------------------------------------------------------------


def _compile(language: Language, job: Job) -> Built:
    began = time.perf_counter()
    if len(job.text) > MOST_SOURCE:
        raise BuildError(f"the source is too large: more than {format_size(MOST_SOURCE)}")
    toolchain = language.toolchain(job)
    key = _key(language, toolchain, job)
    folder = cache.default_folder("builds") if key else None
    kept = _recall(folder, key)
    if kept is not None:
        return Built(kept.wasm, time.perf_counter() - began, True, language.name, toolchain.title, tuple(kept.rows))
    with build_folder() as place:
        _prepare(language, toolchain, job, place)
        content, is_whole = _compile_in(place, language, toolchain, job)
    if folder is not None and is_whole:
        cache.keep_info(folder, key, _VERSION, msgspec.msgpack.encode(content), most=MOST_CACHE)
    return Built(content.wasm, time.perf_counter() - began, False, language.name, toolchain.title, tuple(content.rows))


def _key(language: Language, toolchain: Toolchain, job: Job) -> str:
    """The key of a module; empty where it may depend on more than the key says."""
    if not toolchain.identity or any(_NAMES_FILES.search(flag) for flag in job.flags) or language.asks_for_more(job):
        return ""
    try:
        sdk = digest(language.sdk)
    except OSError:
        return ""
    parts = (language.name, toolchain.program, toolchain.identity, sdk, job.level, *job.flags, job.file)
    whole = hashlib.sha256()
    for part in (*parts, job.text):
        encoded = part.encode("utf-8", "surrogatepass")
        whole.update(len(encoded).to_bytes(8, "little") + encoded)
    return whole.hexdigest()


def _recall(folder: Path | None, key: str) -> _Content | None:
    found = cache.find_info(folder, key, _VERSION, 2 * MOST_WASM) if folder is not None else None
    if found is None:
        return None
    try:
        return msgspec.msgpack.decode(found, type=_Content)
    except msgspec.DecodeError:
        return None


def _prepare(language: Language, toolchain: Toolchain, job: Job, place: Path) -> None:
    """Build what a first use needs; once, where several kernels come at the same time."""
    command = language.prepare(toolchain, job)
    if command is None:
        return
    with waiting(f"{toolchain.title} builds what the source uses", command.waits_for) as tick:
        began = time.monotonic()
        with held(command.stamp, command.seconds, tick):
            if command.stamp is not None and command.stamp.is_file():
                return  # another kernel has built it meanwhile
            reader = language.reader(job)
            ended = run(command, place, lambda _: tick(time.monotonic() - began), reader.hear)
            if ended.code:
                raise BuildError("what the source uses could not be built", rows=reader.rows() or _last(ended))
            if command.stamp is not None:
                command.stamp.touch()


def _compile_in(place: Path, language: Language, toolchain: Toolchain, job: Job) -> tuple[_Content, bool]:
    """The module, and whether it depends on nothing that the key does not name."""
    with (place / job.file).open("w", encoding="utf-8", newline="") as file:
        file.write(job.text)
    reader = language.reader(job)
    with waiting(f"{toolchain.title} compiles", (command := language.command(toolchain, job)).waits_for) as tick:
        ended = run(command, place, tick, reader.hear)
    rows = advised(reader.rows(), language.name, job.text, job.flags)
    module = place / WASM
    if ended.code or not module.is_file():
        rows = rows if any(row.severity == "error" for row in rows) else [*rows, *_last(ended)]
        raise BuildError(f"{toolchain.title} found {counted(rows)}", rows=rows)
    size = module.stat().st_size
    if size > MOST_WASM:
        raise BuildError(
            f"{toolchain.title} wrote {format_size(size)}, and a module has at most {format_size(MOST_WASM)}"
        )
    whole = module.read_bytes()
    if not is_linked_module(whole):
        told = f": of its options, {printable(shlex.join(job.flags), 200)}" if job.flags else ""
        raise BuildError(f"{toolchain.title} wrote something else than a module{told}", rows=rows)
    wasm = whole if DEBUG in job.flags else without_dwarf(whole)
    return _Content(wasm, [*rows, *remarks(wasm, job.text, language)]), not language.has_read_more(place, job)


_LIMITS = (
    (re.compile(r"File size limit exceeded|SIGXFSZ|File too large|FileTooBig"), "a file grew larger than it may be"),
    (re.compile(r"CPU time limit exceeded|SIGXCPU"), "it took more CPU time than it may"),
    (re.compile(r"out of memory|OutOfMemory|bad_alloc|memory allocation of|Cannot allocate"), "it ran out of memory"),
)
_SIGNALS = {9: "it was killed, as where memory ends", 24: "it took more CPU time than it may", 25: _LIMITS[0][1]}


def _last(ended: Ended) -> list[Diagnostic]:
    """The end of a compiler that named no mistake: the limit it met, or the last that it said."""
    limit = next((told for pattern, told in _LIMITS if pattern.search(ended.said)), _SIGNALS.get(-ended.code, ""))
    lines = [line for line in ended.said.splitlines() if line.strip()]
    how = f"exit code {ended.code}" if ended.code >= 0 else f"signal {-ended.code}"
    said = printable(" ".join(lines[-3:]), 600)
    message = f"the compiler ended without a module: {limit}" if limit else f"the compiler ended with {how}"
    return [Diagnostic(None, None, "error", message, said)]
