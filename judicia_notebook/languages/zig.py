"""Zig, by PyPI's ziglang. A cell imports the SDK as ``@import("judicia")``, and exports each ``export fn``."""

from __future__ import annotations

import re
from pathlib import Path

from judicia_notebook.languages import clang_text, linker
from judicia_notebook.languages.language import DEBUG, SDK, WASM, Command, Job
from judicia_notebook.languages.messages import Reader, Readers
from judicia_notebook.languages.toolchain import Toolchain, find_zig, none_here
from judicia_notebook.languages.zig_cache import variables

_MODES = {"0": "Debug", **dict.fromkeys("123", "ReleaseFast"), **dict.fromkeys("sz", "ReleaseSmall")}
_READS_FILES = re.compile(
    r"@embedFile|@cInclude|@cImport|\basm\b|@import\s*\(\s*\"(?!std\"|builtin\"|root\"|judicia\")"
)
_SECONDS = 180.0  # a mode's first use builds zig's own library


class Zig:
    """Zig as a language of cells."""

    name, title, file = "zig", "Zig", "cell.zig"

    @property
    def sdk(self) -> Path:
        return SDK / "zig"

    def as_written(self, flags: tuple[str, ...]) -> tuple[str, ...]:
        return flags

    def toolchain(self, _job: Job) -> Toolchain:
        found = find_zig()
        if found is None:
            raise none_here(self.name, self.title, "zig", "JUDICIA_NOTEBOOK_ZIG")
        return found

    def prepare(self, _toolchain: Toolchain, _job: Job) -> None:
        return None

    def command(self, toolchain: Toolchain, job: Job) -> Command:
        words = [toolchain.program, "build-exe", "--color", "off", "-target", "wasm32-freestanding", "-fno-entry"]
        words += [
            "-rdynamic",
            "-fno-strip",
            "-O",
            _MODES[job.level],
            "-freference-trace=32",
            "--stack",
            "262144",
            f"-femit-bin={WASM}",
        ]
        judicia = self.sdk / "judicia.zig"
        with_sdk = judicia.is_file()
        words += [
            *(flag for flag in job.flags if flag != DEBUG),
            *(["--dep", "judicia"] if with_sdk else []),
            f"-Mroot={job.file}",
        ]
        words += [f"-Mjudicia={judicia}"] if with_sdk else []
        return Command(words, variables(), seconds=_SECONDS, waits_for="a level's first use builds Zig's own library")

    def reader(self, job: Job) -> Reader:
        return Readers(clang_text.ClangReader(job.text, job.file), linker.LinkerReader(job.text))

    def asks_for_more(self, job: Job) -> bool:
        return _READS_FILES.search(job.text) is not None

    def has_read_more(self, _folder: Path, _job: Job) -> bool:
        return False


LANGUAGE = Zig()
