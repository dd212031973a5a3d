"""C, by zig's clang or the system's: freestanding, or with wasi-libc where the flags name the target ``wasm32-wasi``.

- Freestanding there is no ``string.h`` and no ``main``; the SDK's header supplies what compilers call themselves.
- The names of functions stay in the module: a trap then says which function it was in. zig keeps them with ``-g`` only.
- The checks for undefined behaviour that zig turns on at -O0 need a library that is not here, so they are off.
"""

from __future__ import annotations

import re
from pathlib import Path

from judicia_notebook.languages import clang_text, linker
from judicia_notebook.languages.language import SDK, WASM, Command, Job
from judicia_notebook.languages.messages import Reader, Readers
from judicia_notebook.languages.source_code import SourceCode
from judicia_notebook.languages.toolchain import Toolchain, find_c, none_here, with_c_library
from judicia_notebook.languages.zig_cache import variables

_WASI_NAMES = {linker.WASI_FLAG, *(f"--target=wasm32-{name}" for name in ("wasip1", "unknown-wasi", "unknown-wasip1"))}
_TARGET = re.compile(r"\n--?target(?:\n|=)")  # options that are joined by lines
_SECONDS = 60.0
_FIRST_SECONDS = 900.0  # zig builds the C library for its first use
_STACK = "-Wl,-z,stack-size=262144"  # bytes: the linkers' defaults are 64 KiB and 1 MiB
_MAIN = re.compile(r"(?<![.>:\w])main\s*\(")
_READS_FILES = re.compile(r"\basm\b|__asm|__has_(?:include|embed)|__DATE__|__TIME")
_SPLICED = re.compile(r"(?:\\|\?\?/)[ \t\r]*\n")
_ASKED = re.compile(r"(?:#|%:|\?\?=)\s*(?:/\*|(?:include|include_next|import|embed)\b)")
_SYSTEM = re.compile(r"\s*<[^>\n]*>")
_OURS = re.compile(r'\s*"([\w.-]+)"')
_MEMBERS = re.compile(r"\\\n")


class Clang:
    """A language that clang compiles."""

    def __init__(self, name: str, title: str, file: str, driver: str, options: tuple[str, ...]) -> None:
        self.name = name
        self.title = title
        self.file = file
        self._driver = driver
        self._options = options

    @property
    def sdk(self) -> Path:
        return SDK / "c"

    def as_written(self, flags: tuple[str, ...]) -> tuple[str, ...]:
        words = _TARGET.sub(r"\n--target=", "\n".join(("", *flags))).split("\n")[1:]
        return tuple(linker.WASI_FLAG if word in _WASI_NAMES else word for word in words)

    def toolchain(self, job: Job) -> Toolchain:
        found = find_c()
        if found is None:
            title, variables = f"compiler for {self.title}", ("JUDICIA_NOTEBOOK_CLANG", "JUDICIA_NOTEBOOK_ZIG")
            raise none_here(self.name, title, "clang with wasm-ld, or zig", *variables)
        return with_c_library(found, linker.WASI_FLAG) if linker.WASI_FLAG in job.flags else found

    def prepare(self, _toolchain: Toolchain, _job: Job) -> None:
        return None

    def command(self, toolchain: Toolchain, job: Job) -> Command:
        is_zig, is_wasi = toolchain.kind == "zig", linker.WASI_FLAG in job.flags
        words = [toolchain.program, *([self._driver] if is_zig else [f"--driver-mode={_DRIVER_MODES[self._driver]}"])]
        words += [
            f"-O{job.level}",
            *(["-g"] if is_zig else []),
            *self._options,
            *_WARNINGS,
            "-fno-sanitize=undefined",
        ]
        words += ["-fdebug-compilation-dir=.", "-MMD", "-MF", _DEPENDENCIES, f"-I{self.sdk}"]
        words += [f"-iquote{job.beside}"] if job.beside is not None else []
        words += _wasi(job) if is_wasi else _FREESTANDING_ZIG if is_zig else _FREESTANDING
        words += [] if is_zig else ["-mbulk-memory", "-msign-ext", "-mnontrapping-fptoint", "-Wl,--stack-first"]
        words += [_STACK, *job.flags, *_PLAIN, "-o", WASM, job.file]
        environment = variables() if is_zig else {}
        if is_zig and is_wasi:
            return Command(words, environment, _FIRST_SECONDS, "the first use with the C library builds it")
        return Command(words, environment, _SECONDS)

    def reader(self, job: Job) -> Reader:
        return Readers(clang_text.ClangReader(job.text, job.file), linker.LinkerReader(job.text))

    def asks_for_more(self, job: Job) -> bool:
        """Whether it asks for files other than the SDK's and the compiler's, or for one of the SDK that is shadowed."""
        text = _SPLICED.sub("", "\n".join((*job.flags, job.text)))
        if _READS_FILES.search(text):
            return True
        asked = (found.end() for found in _ASKED.finditer(text))
        return any(not (_SYSTEM.match(text, end) or self._is_the_sdks(text, end, job)) for end in asked)

    def _is_the_sdks(self, text: str, end: int, job: Job) -> bool:
        found = _OURS.match(text, end)
        if found is None or not (self.sdk / found[1]).is_file():
            return False
        if job.beside is None:
            return True
        try:
            (job.beside / found[1]).lstat()  # clang looks there first
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def has_read_more(self, folder: Path, job: Job) -> bool:
        try:
            told = (folder / _DEPENDENCIES).read_text("utf-8", "replace")
        except OSError:
            return True
        files = _MEMBERS.sub(" ", told).partition(": ")[2].split()
        own = {job.file, f"./{job.file}"}
        return any(file not in own and self.sdk not in Path(file).parents for file in files)


_DRIVER_MODES = {"cc": "gcc", "c++": "g++"}
_DEPENDENCIES = "plugin.d"
_WARNINGS = ("-Wall", "-Wno-unused-function", "-Werror=return-type")
_PLAIN = (  # behind the user's: the messages are to be read here
    "-fdiagnostics-format=clang",
    "-fno-crash-diagnostics",
    "-fspell-checking",
    "-fno-color-diagnostics",
    "-fno-caret-diagnostics",
    "-ferror-limit=50",
)
_FREESTANDING = ["--target=wasm32-unknown-unknown", "-ffreestanding", "-nostdlib", "-Wl,--no-entry"]
_FREESTANDING_ZIG = ["--target=wasm32-freestanding", "-ffreestanding", "-nostdlib", "-Wl,--no-entry"]


def _wasi(job: Job) -> list[str]:
    """A command where there is a ``main``, a reactor otherwise."""
    return [] if _MAIN.search(SourceCode(job.text).code) else ["-mexec-model=reactor"]


_C_WARNINGS = ("-Werror=implicit-function-declaration", "-Werror=int-conversion", "-Werror=incompatible-pointer-types")
LANGUAGE = Clang("c", "C", "cell.c", "cc", ("-std=gnu17", *_C_WARNINGS))
