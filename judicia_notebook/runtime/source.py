"""From a path, bytes or an example's name to a module that was read and bounded. Nothing of it is compiled or run.

A source in C, C++, Zig or Rust is no module yet: its compiler makes one of it first.

The order is that of trust: the bytes are found and bounded, then read by our own section reader, then their manifest.
Any fault is a LoadError of one line that names the source.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from judicia_notebook.engine.compiler import assemble
from judicia_notebook.errors import InvalidModule, LoadError, ManifestError, NoSuchExample
from judicia_notebook.languages import language_of
from judicia_notebook.runtime.digests import Digests
from judicia_notebook.runtime.exports import choose_abi
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import format_size
from judicia_notebook.wasm import manifest as manifests
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.recognition import recognize
from judicia_notebook.wasm.sections import identify, read_module
from judicia_notebook.wasm.wat_lines import with_place

if TYPE_CHECKING:
    from judicia_notebook.runtime.offers import SuppliedImports
    from judicia_notebook.wasm.manifest import Manifest
    from judicia_notebook.wasm.packed_info import Recalled

MAX_FILE = 256 << 20
"""Bytes of a module, and of WAT text, at most."""

EXAMPLE = "example:"
Source = str | bytes | os.PathLike[str]


class Options(NamedTuple):
    """A load's options for reading and compiling the file; kept for the next load under the same name."""

    manifest: Any = None
    abi: str | None = None
    unknown_imports: str | None = None
    metering: str | None = None
    imports: SuppliedImports | None = None
    features: tuple[str, ...] | None = None

    def anchored(self) -> Options:
        """The same, wherever the notebook goes: a manifest that is a file stays the file that it is."""
        if not isinstance(self.manifest, str | os.PathLike):
            return self
        return self._replace(manifest=Path(self.manifest).absolute())

    def over(self, other: Options) -> Options:
        """These options; where they say nothing, those of `kept`."""
        features = other.features if self.features is None else self.features  # none at all says something, too
        return Options(*(mine or theirs for mine, theirs in zip(self, other, strict=True)))._replace(features=features)


def example_folder() -> Path:
    """Where the bundled plugins lie; ``JUDICIA_NOTEBOOK_PLUGINS`` names another folder."""
    return Path(os.environ.get("JUDICIA_NOTEBOOK_PLUGINS") or Path(__file__).parents[1] / "plugins")


def examples() -> dict[str, str]:
    """The bundled plugins, by name, with their descriptions.

    Examples
    --------
    >>> "checker" in examples()
    True
    """
    found = {}
    for folder in sorted(example_folder().iterdir()):
        if (folder / f"{folder.name}.wasm").is_file():
            text = (folder / manifests.FILE).read_text() if (folder / manifests.FILE).is_file() else ""
            found[folder.name] = manifests.from_toml(text).description if text else ""
    return found


def _example_path(name: str) -> Path:
    path = example_folder() / name / f"{name}.wasm"
    if "/" in name or "\\" in name or not path.is_file():
        known = examples()
        raise NoSuchExample(f"There is no example {name!r}.{did_you_mean(name, known)}")
    return path


def source_label(source: Source) -> str:
    """The source as an error names it."""
    if isinstance(source, bytes | bytearray):
        return f"{len(source)} bytes"
    if not isinstance(source, str | os.PathLike):
        return type(source).__name__
    text = os.fspath(source)
    if text.lstrip().startswith("("):
        return "WAT text"
    if text.startswith(EXAMPLE):
        return text
    return source.name if isinstance(source, Path) else Path(text).name


def _find(source: Source) -> tuple[bytes, Path | None]:
    """The bytes of a source, unchanged, and the path of its file, if it is one."""
    if isinstance(source, bytes | bytearray):
        return bytes(source), None
    if not isinstance(source, str | os.PathLike):
        raise LoadError(f"a source is a path, bytes or 'example:NAME', not {type(source).__name__}")
    text = os.fspath(source)
    if text.lstrip().startswith("("):
        try:
            return text.encode(), None
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            half = f"half a character (U+{ord(text[error.start]):04X})"
            raise InvalidModule(f"line {line} of the text has {half}, which no text in UTF-8 has") from None
    try:
        if text.startswith(EXAMPLE):
            path = _example_path(text[len(EXAMPLE) :])
        else:
            path = source if isinstance(source, Path) else Path(text)
            path = path.expanduser() if text.startswith("~") else path
        path = path.absolute()  # and not resolved: where a link leads may change
        return _read_bounded(path), path
    except (ValueError, RuntimeError) as error:  # a zero byte in the name, a home folder that does not exist
        raise LoadError(f"it is no path: {error}") from None


def _anchored(source: Source, path: Path | None) -> Source:
    """The source, as the file that it is wherever the notebook goes."""
    if path is None or isinstance(source, bytes) or os.fspath(source).startswith(EXAMPLE):
        return source
    if os.fspath(source) == os.fspath(path):
        return source
    return path


def _read_bounded(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        folder = path.absolute().parent
        raise LoadError(
            f"there is no such file in {folder}{'' if folder.is_dir() else ', which is no folder'}"
        ) from None
    except OSError as error:
        raise LoadError(f"it cannot be read ({error.strerror})") from None
    try:
        status = os.fstat(descriptor)
        _check_file(status)
        # `read` sets all of this aside at once, so it is not MAX_FILE. The byte beyond the size shows a file that grew.
        data = os.read(descriptor, status.st_size + 1)
        while len(data) <= status.st_size and (more := os.read(descriptor, status.st_size + 1 - len(data))):
            data += more  # over a network, a read may give less than there is
    finally:
        os.close(descriptor)
    if len(data) != status.st_size:
        raise InvalidModule("it changed while it was being read")
    return data


def _check_file(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InvalidModule("it is a directory; give the .wasm file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidModule("it is not a regular file")
    if status.st_size > MAX_FILE:
        raise InvalidModule(f"it is too large: {format_size(status.st_size)}, at most {format_size(MAX_FILE)}")


def _to_wasm(data: bytes, path: Path | None) -> bytes:
    if len(data) > MAX_FILE:
        raise InvalidModule(f"it is too large: more than {format_size(MAX_FILE)}")
    if path is not None and is_source_file(path) and identify(data) != "module":
        from judicia_notebook.languages.build import build

        return build(path).wasm
    if (path is not None and path.suffix == ".wat") or identify(data) in {"wat", "a component in text format"}:
        return assemble(data)
    return data


def is_text(source: Source) -> bool:
    """Whether a source is WAT, as text or as the file of a name that says so, or another file that a compiler reads."""
    if not isinstance(source, str | os.PathLike):
        return False
    text = os.fsdecode(source)
    return text.lstrip().startswith("(") or language_of(text) is not None


def is_source_file(path: Path) -> bool:
    """Whether a file is a source that a compiler makes a module of; WAT is assembled."""
    return language_of(path) not in {None, "wat"}


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A module's bytes, where they come from, and what they say of themselves."""

    source: Source
    path: Path | None
    wasm: bytes
    digest: str
    module: ModuleInfo
    manifest: Manifest
    manifest_origin: str
    abi: str


@dataclass(frozen=True, slots=True)
class Read(ModuleSource):
    """A module that was read and not compiled."""

    text: bytes = b""
    """The WAT it was assembled from, if it was."""
    recalled: Recalled | None = None
    """What the cache knew of it, if that is all that a reader would find."""


Recall = Callable[[bytes, str], "Recalled | None"]
"""What is known of a module's bytes under their digest, if it is certain."""


def read_source(
    source: Source,
    *,
    manifest: Any = None,
    wanted_abi: str | None = None,
    recall: Recall | None = None,
    digests: Digests | None = None,
) -> Read:
    """Read a module and its manifest; where `recall` knows them, only the file is read.

    Raises
    ------
    LoadError, NoSuchExample
    """
    try:
        data, path = _find(source)
        wasm = _to_wasm(data, path)
        text = data if wasm is not data and not (path is not None and is_source_file(path)) else b""
        wasm, digest = (digests or Digests()).digest(wasm)
        recalled = recall(wasm, digest) if recall is not None and identify(wasm) == "module" else None
        try:
            module = read_module(wasm) if recalled is None else recalled.module
        except InvalidModule as error:
            raise in_the_text(error, text, None) from None
        if manifest is not None:
            found, origin = manifests.from_value(manifest), "given"
        elif recalled is not None and recalled.manifest is not None:
            found, origin = recalled.manifest, "section"
        else:
            found, origin = manifests.read_manifest(module, path)
            if origin == "section":
                recalled = None  # the cache does not know this manifest yet
        chosen = _choose_abi(module, found, origin, wanted_abi)
        return Read(_anchored(source, path), path, wasm, digest, module, found, origin, chosen, text, recalled)
    except ManifestError as error:
        raise ManifestError(
            f"{error.source}: {error.message}" if error.source else error.message, source=source_label(source)
        ) from None
    except LoadError as error:
        error.source = error.source or source_label(source)
        raise


def _choose_abi(module: ModuleInfo, manifest: Manifest, origin: str, wanted: str | None) -> str:
    """As `choose_abi`; its refusal says what the module looks like."""
    try:
        return choose_abi(module, manifest, origin, wanted)
    except LoadError as error:
        error.recognized = recognize(module).labels
        raise


E = TypeVar("E", bound=LoadError)


def in_the_text(error: E, text: bytes, module: ModuleInfo | None) -> E:
    """The error with the line of the WAT in place of a byte of the binary, which the author has never seen."""
    placed = with_place(error.message, text.decode("utf-8", "replace"), module) if text else None
    return error if placed is None else type(error)(placed, hint=error.hint)
