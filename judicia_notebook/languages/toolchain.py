"""The compilers of this machine: which there are, their versions, and the line that brings one.

Knows programs and their answers; nothing of engines, so that `doctor` can ask where no engine starts. A program that is
asked for its version gets a few seconds, and its answer is kept as long as its file is the same.

- zig: ``JUDICIA_NOTEBOOK_ZIG``, PyPI's ``ziglang`` (the extra ``c``), or zig on the path. It compiles C and C++, too.
- clang: ``JUDICIA_NOTEBOOK_CLANG``, or clang on the path; with wasm-ld, its linker.
- rustc: ``RUSTC``, or the first on the path that has the standard library of wasm32. A rustc lists that target also
  where the library is not installed, so the library itself is looked for.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from judicia_notebook.errors import BuildError
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable

RUST_TARGET = "wasm32-unknown-unknown"
CRATES = Path("/usr/share/cargo/registry")
"""Where Debian's packages put the sources of crates."""

_ASKING = 20  # seconds: a disk may be cold
_DEBIAN_RUST = "apt-get install cargo rustc libstd-rust-dev-wasm32 lld-14"
_DEBIAN_SERDE = "librust-serde-json-dev librust-serde-derive-dev"

WAYS = {
    "c": "pip install 'judicia-notebook[c]'     or  apt-get install clang lld",
    "cpp": "pip install 'judicia-notebook[c]'     or  apt-get install clang lld",
    "zig": "pip install 'judicia-notebook[c]'",
    "rust": f"rustup target add {RUST_TARGET}     or  {_DEBIAN_RUST}",
    "serde": f"apt-get install cargo {_DEBIAN_SERDE}",
}
"""The line that brings a compiler, by language; ``serde`` for the crates that Rust's JSON needs."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler.

    Attributes
    ----------
    kind : str
        ``zig``, ``clang`` or ``rustc``.
    program : str
        Its path.
    version : str
    identity : str
        All that it says of its version, and the sizes and times of its files: another compiler that is put in its place
        has another one. Empty where a file cannot be looked at: what such a compiler makes is not kept.
    """

    kind: str
    program: str
    version: str
    identity: str = ""

    @property
    def title(self) -> str:
        """As people are told: ``clang 14.0.6``."""
        return f"{self.kind} {self.version}"


def environment() -> dict[str, str]:
    """What a compiler gets of this process's environment: where programs are, and English messages in UTF-8."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _ask(program: str, *words: str) -> str:
    """The first lines that a program prints; empty where it does not answer well."""
    home = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}  # rustup's rustc looks there for the real one
    try:
        said = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASKING,
            check=True,
            env=environment() | home,
            start_new_session=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return said[:4096].decode("utf-8", "replace").strip()


@functools.lru_cache(maxsize=64)
def _kept_answer(program: str, words: tuple[str, ...], _stamp: tuple[int, int]) -> str:
    return _ask(program, *words)


def _answer(program: str, *words: str) -> str:
    """As `_ask`, once for each state of the program's file."""
    try:
        status = Path(program).stat()
    except OSError:
        return ""
    return _kept_answer(program, words, (status.st_mtime_ns, status.st_size))


def _identity(said: str, *files: str | Path) -> str:
    """What a compiler says of itself, with the state of each of its files; empty where one cannot be looked at."""
    told = [said]
    try:
        for file in files:
            status = Path(file).stat()  # of the real file, where this is a link
            told.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    except (OSError, ValueError):
        return ""
    return "\n".join(told)


def find_zig() -> Toolchain | None:
    """Zig, if it is here."""
    for program in _zigs():
        if version := _answer(program, "version"):
            return Toolchain("zig", program, version.split()[0], _identity(version, program))
    return None


def _zigs() -> Iterator[str]:
    if named := os.environ.get("JUDICIA_NOTEBOOK_ZIG"):
        yield named
        return
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.origin:
        yield str(Path(spec.origin).with_name("zig.exe" if os.name == "nt" else "zig"))
    if found := shutil.which("zig"):
        yield found


def find_clang() -> Toolchain | None:
    """The system's clang, if it has a linker for WebAssembly."""
    named = os.environ.get("JUDICIA_NOTEBOOK_CLANG")
    for program in [named] if named else [shutil.which("clang"), shutil.which("clang-14")]:
        said = _answer(program, "--version") if program else ""
        words = said.partition("\n")[0].split()
        linker = _linker(program) if program and "version" in words[:-1] else None
        if program and linker is not None:
            version = words[words.index("version") + 1].partition("-")[0]
            return Toolchain("clang", program, version, _identity(said, program, linker))
    return None


def _linker(clang: str) -> str | None:
    """The wasm-ld that this clang finds."""
    linker = _answer(clang, "--target=wasm32", "-print-prog-name=wasm-ld")
    return shutil.which(linker) if linker else None


def with_c_library(found: Toolchain, target: str) -> Toolchain:
    """A C compiler that links the C library of a target: its files belong to its identity."""
    if found.kind != "clang" or not found.identity:
        return found  # zig's is made of sources that belong to zig
    names = (("-print-file-name=libc.a",), ("-print-libgcc-file-name",))
    files = [_answer(found.program, target, *words) for words in names]
    return replace(found, identity=_identity(found.identity, *files))


def find_c() -> Toolchain | None:
    """The compiler for C and C++: the clang that a variable names, zig, or the system's clang."""
    if os.environ.get("JUDICIA_NOTEBOOK_CLANG"):
        return find_clang()
    return find_zig() or find_clang()


def none_here(language: str, title: str, needs: str, *variables: str) -> BuildError:
    """The error where a language has no compiler: the line that brings one, or the variable that names a wrong one."""
    for variable in variables:
        if named := os.environ.get(variable):
            return BuildError(
                f"{variable} names {printable(named, 200)}, which is not there or is no {needs}",
                hint="Unset it, or name another program.",
            )
    return BuildError(f"there is no {title} here", hint=suggestions.hint("To get one:  ", WAYS[language]))


def find_rustc() -> Toolchain | None:
    """The first rustc that has the standard library of wasm32: the program itself, not a shim of rustup's."""
    for candidate in _rustcs():
        library = _answer(candidate, "--print", "target-libdir", "--target", RUST_TARGET)
        if not library or not any(Path(library).glob("libstd-*.rlib")):
            continue
        root = _answer(candidate, "--print", "sysroot")
        real = Path(root) / "bin" / Path(candidate).name
        program = real if real.is_file() else Path(candidate)
        said = _answer(candidate, "--version", "--verbose")
        words = said.split()
        return Toolchain(
            "rustc", str(program), words[1] if words[1:] else "unknown",
            _identity(said, program, *_rust_files(Path(root), Path(library))),
        )  # fmt: skip
    return None


def _rust_files(root: Path, library: Path) -> list[Path]:
    """What a rustc consists of beside its small program: its driver, its linker and the standard library."""
    found = [
        *root.glob("lib/librustc_driver-*"),
        *root.glob("lib/rustlib/*/bin/rust-lld*"),
        *library.glob("libstd-*.rlib"),
    ]
    linker = shutil.which("rust-lld")
    return sorted(found) + ([Path(linker)] if linker else [])


def _rustcs() -> Iterator[str]:
    if named := os.environ.get("RUSTC"):
        yield shutil.which(named) or named
        return
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_cargo_folder(), "/usr/bin"]
    for folder in dict.fromkeys(filter(None, folders)):
        rustc = Path(folder) / ("rustc.exe" if os.name == "nt" else "rustc")
        if os.access(rustc, os.X_OK):
            yield str(rustc)


def _cargo_folder() -> list[str]:
    return [str(Path(home) / ".cargo" / "bin")] if (home := os.environ.get("HOME")) else []


def has_serde(rustc: Toolchain) -> bool:
    """Whether cargo and Debian's crates of serde are here, for the rustc that they were packaged with."""
    cargo = Path(rustc.program).with_name("cargo")
    there = any(CRATES.glob("serde_json-*")) and any(CRATES.glob("serde_derive-*"))
    return there and Path(rustc.program).parent == Path("/usr/bin") and os.access(cargo, os.X_OK)


def here() -> dict[str, str]:
    """The compiler of each language with its version, or the line that brings one; for people.

    Examples
    --------
    >>> list(here())
    ['WAT', 'C', 'C++', 'Zig', 'Rust']
    """
    c, zig, rustc = find_c(), find_zig(), find_rustc()
    found = {"C": (c, "c"), "C++": (c, "cpp"), "Zig": (zig, "zig"), "Rust": (rustc, "rust")}
    told = {
        title: toolchain.title if toolchain is not None else suggestions.hint("none: ", WAYS[name])
        for title, (toolchain, name) in found.items()
    }
    if rustc is not None:
        told["Rust"] += " with serde" if has_serde(rustc) else suggestions.hint(" without serde: ", WAYS["serde"])
    return {"WAT": "part of the package", **told}


def compilers_here() -> str:
    """The compilers of this machine, a line a language, for the helps of commands.

    Examples
    --------
    >>> print(compilers_here())
    compilers here:
      WAT   part of the package
      C     ...
    """
    return "\n".join(["compilers here:", *(f"  {title:<4}  {told}" for title, told in here().items())])
