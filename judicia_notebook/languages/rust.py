"""Rust, by any rustc that has the standard library of wasm32; with the SDK's crate and serde where Debian's crates are.

- A cell is compiled by rustc alone: no cargo, no build script.
- A source that names the SDK's crate or serde needs those compiled first. That is done once for a compiler and an SDK,
  by cargo, from Debian's sources and without a network, into a folder that all kernels share. cargo locks it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import tomllib
from pathlib import Path

from judicia_notebook.engine import cache
from judicia_notebook.errors import BuildError
from judicia_notebook.languages.language import DEBUG, SDK, WASM, Command, Job
from judicia_notebook.languages.messages import Reader
from judicia_notebook.languages.rustc_json import RustcReader
from judicia_notebook.languages.sdk_digest import digest
from judicia_notebook.languages.source_code import SourceCode
from judicia_notebook.languages.toolchain import CRATES, RUST_TARGET, WAYS, Toolchain, find_rustc, has_serde, none_here
from judicia_notebook.reporting import suggestions

_DEPENDENCIES = "plugin.d"
_FIRST_SECONDS = 600.0
_STAMP = "complete"
_KEPT = 2  # folders of other compilers and SDKs, 80 MB each
_SERDE = ("serde", "serde_json")
_SHELL = """\
[package]
name = "cells"
version = "0.0.0"
edition = "2021"
[lib]
path = "empty.rs"
[dependencies]
{sdk} = {{ path = {path} }}
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"
[profile.release]
opt-level = "s"
panic = "abort"
[workspace]
"""
_SOURCES = """\
[source.crates-io]
replace-with = "here"
[source.here]
directory = {folder}
[net]
offline = true
"""


class Rust:
    """Rust as a language of cells."""

    name, title, file = "rust", "Rust", "cell.rs"

    @property
    def sdk(self) -> Path:
        return SDK / "rust"

    def as_written(self, flags: tuple[str, ...]) -> tuple[str, ...]:
        return flags

    def toolchain(self, job: Job) -> Toolchain:
        found = find_rustc()
        if found is None:
            needs = f"rustc with the target {RUST_TARGET}"
            raise none_here(self.name, needs, needs, "RUSTC")
        crates = ", ".join(self._crates(job))
        if crates and not has_serde(found):
            raise BuildError(
                f"there are no crates of serde for {found.title} here, and the source uses {crates}",
                hint=suggestions.hint("To get them:  ", WAYS["serde"]),
            )
        return found

    def prepare(self, toolchain: Toolchain, job: Job) -> Command | None:
        if not self._crates(job):
            return None
        folder = self._built(toolchain)
        if (folder / _STAMP).is_file():
            return None
        _forget_old(folder)
        home, cells = folder / "cargo", folder / "cells"
        _put(home / "config.toml", _SOURCES.format(folder=json.dumps(str(CRATES))))
        _put(cells / "empty.rs", "")
        _put(cells / "Cargo.toml", _SHELL.format(sdk=self._package(), path=json.dumps(str(self.sdk))))
        cargo = str(Path(toolchain.program).with_name("cargo"))
        words = [cargo, "build", "--release", "--offline", "--quiet", "--target", RUST_TARGET]
        words += [
            "--message-format=json",
            "--manifest-path",
            str(cells / "Cargo.toml"),
            "--target-dir",
            str(folder / "target"),
        ]
        variables = {"CARGO_HOME": str(home), "RUSTC": toolchain.program}
        waits_for = "the first use of serde and the SDK builds them"
        return Command(words, variables, seconds=_FIRST_SECONDS, waits_for=waits_for, stamp=folder / _STAMP)

    def command(self, toolchain: Toolchain, job: Job) -> Command:
        words = [toolchain.program, "--edition", "2021", "--crate-type", "cdylib", "--crate-name", "plugin"]
        words += ["--target", RUST_TARGET, "-C", f"opt-level={job.level}", "-C", "panic=abort"]
        words += ["-C", f"strip={'none' if DEBUG in job.flags else 'debuginfo'}"]
        words += ["--error-format=json", "--emit", f"link={WASM},dep-info={_DEPENDENCIES}"]
        if crates := self._crates(job):
            target = self._built(toolchain) / "target"
            deps = target / RUST_TARGET / "release" / "deps"
            words += ["-L", f"dependency={deps}", "-L", f"dependency={target / 'release' / 'deps'}"]
            for crate in crates:
                for library in sorted(deps.glob(f"lib{crate}-*.rlib"))[-1:]:
                    words += ["--extern", f"{crate}={library}"]
        return Command([*words, *job.flags, job.file])

    def reader(self, job: Job) -> Reader:
        return RustcReader(job.text, job.file)

    def asks_for_more(self, _job: Job) -> bool:
        return False  # a file that it asks for and that is not there is a mistake

    def has_read_more(self, folder: Path, job: Job) -> bool:
        """Whether rustc names another file, or a variable of the environment (``env!``)."""
        try:
            told = (folder / _DEPENDENCIES).read_text("utf-8", "replace").splitlines()
        except OSError:
            return True
        files = {line.rpartition(":")[0] for line in told if line.endswith(":")}
        return bool(files - {job.file}) or any(line.startswith("# env-dep:") for line in told)

    def _package(self) -> str:
        """The name of the SDK's package."""
        with (self.sdk / "Cargo.toml").open("rb") as file:
            return str(tomllib.load(file)["package"]["name"])

    def _crates(self, job: Job) -> list[str]:
        """The crates beside the standard library that a source names."""
        known = (self._package().replace("-", "_"), *_SERDE)
        code = SourceCode(job.text).code
        return [crate for crate in known if re.search(rf"\b{crate}\b", code)]

    def _built(self, toolchain: Toolchain) -> Path:
        """The folder for what is built once for a compiler and an SDK."""
        found = cache.default_folder("rust")
        if found is None or not cache.usable(found):
            raise BuildError(
                "there is no cache folder for the crates that the source uses",
                hint="Name one that is yours alone in JUDICIA_NOTEBOOK_CACHE.",
            )
        key = f"{toolchain.program} {toolchain.identity or toolchain.version} {digest(self.sdk)}"
        return found / hashlib.sha256(key.encode()).hexdigest()[:16]


def _put(path: Path, text: str) -> None:
    """Have a file hold this text; another kernel's cargo may be reading it, so it is never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text("utf-8") == text:
            return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _forget_old(folder: Path) -> None:
    """Remove what was built for other compilers and SDKs, but for the latest."""
    ages = {}
    for path in folder.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another kernel removes it
            if path.is_dir() and path != folder:
                ages[path] = path.stat().st_mtime
    for path in sorted(ages, key=lambda path: ages[path])[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


LANGUAGE = Rust()
