"""Checks of this machine, with the way out of each fault: `doctor`. The versions of the packages: `show_versions`.

Where the engine cannot be imported the doctor is still there to say why: what needs it imports it inside its function.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from judicia_notebook.errors import JudiciaError
from judicia_notebook.units import format_size, format_time

if TYPE_CHECKING:
    from judicia_notebook.engine.engine import Engine

_PACKAGES = (
    "judicia-notebook",
    "wasmtime",
    "msgspec",
    "ipykernel",
    "ipython",
    "ipywidgets",
    "anywidget",
    "jupyterlab",
    "pandas",
    "numpy",
    "matplotlib",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether the thing is as it should be, and what to do if it is not."""

    topic: str
    good: bool
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What `doctor` found; its text form is for people."""

    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        return all(finding.good for finding in self.findings)

    def __str__(self) -> str:
        width = max(len(finding.topic) for finding in self.findings)
        return "\n".join(
            f"{'ok  ' if finding.good else 'look'}  {finding.topic:<{width}}  {finding.text}"
            for finding in self.findings
        )

    __repr__ = __str__


def doctor() -> Report:
    """What is degraded on this machine, and why. Nothing is changed."""
    return Report(tuple(_look()))


def _look() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("python", sys.version_info >= (3, 11), f"{version} on {platform.system()} {platform.machine()}")
    try:
        from judicia_notebook.engine.core import CORE
    except ImportError as error:
        yield Finding("core", False, str(error))
        return
    yield Finding("core", True, str(CORE.build))
    try:
        from judicia_notebook.engine.startup import get_engine

        engine = get_engine()
    except (JudiciaError, ImportError) as error:
        yield Finding("engine", False, str(error))
        return
    yield Finding("engine", True, f"wasmtime {_installed('wasmtime')}, checked at its start")
    yield _memories(engine)
    yield _stack()
    yield _clocks()
    yield _ceiling()
    yield _cache()
    yield _files()
    yield _kernel()
    yield _toolchains()


def _memories(engine: Engine) -> Finding:
    from judicia_notebook.engine import memory

    reserved = format_size(engine.reservation)
    if not memory.AVAILABLE:
        return Finding("memory", False, "this system has no own linear memories: quotas hold for each memory by itself")
    good = engine.reservation >= 4 << 30
    text = f"quotas are exact; {reserved} of address space for each memory"
    return Finding("memory", good, text if good else f"{text}: each access is checked, which is slower; see ulimit -v")


def _stack() -> Finding:
    from judicia_notebook.engine import safety

    try:
        safety.check_thread()
    except JudiciaError as error:
        return Finding("thread stack", False, str(error))
    return Finding("thread stack", True, f"at least {safety.MIN_STACK >> 10} KiB here")


def _clocks() -> Finding:
    resolution = time.get_clock_info("thread_time").resolution
    return Finding("CPU clock", resolution <= 1e-3, f"resolution {format_time(resolution)} for each thread")


def _ceiling() -> Finding:
    from judicia_notebook.engine.system_memory import MOST_MEMORY, memory_ceiling, memory_limit
    from judicia_notebook.policy.quotas import DEFAULTS

    there, ceiling = memory_limit(), memory_ceiling()
    of = (
        f", a quarter of the {format_size(there)} that this process may have" if there and ceiling < MOST_MEMORY else ""
    )
    return Finding("memory ceiling", ceiling >= DEFAULTS.memory, f"{format_size(ceiling)} for a plugin{of}")  # type: ignore[operator]  # bytes by now


def _cache() -> Finding:
    from judicia_notebook.engine import cache

    folder = cache.default_folder()
    if folder is None:
        why = "no home folder; name one in JUDICIA_NOTEBOOK_CACHE" if hasattr(os, "getuid") else "none on this system"
        return Finding("cache", False, f"{why}: every load compiles")
    why = cache.trouble(folder)
    return Finding("cache", not why, f"{folder}: {why}: every load compiles" if why else str(folder))


def _files() -> Finding:
    from judicia_notebook.host.files.beneath import best_opening

    opening = best_opening()
    if opening is None:
        return Finding("files", False, "this system cannot open beneath a folder safely: plugins get no files")
    return Finding("files", opening.name == "openat2", f"paths are resolved by {opening.name}")


def _kernel() -> Finding:
    version = _installed("ipykernel")
    if version is None:
        return Finding("ipykernel", True, "not installed: there are no magics and no notebooks")
    if version == "7.4.0":  # our widgets undo its misrouting (notebook/live/widget.py); those of other packages do not
        return Finding("ipykernel", True, "7.4.0: clicks on widgets of others may come late or never while a cell runs")
    return Finding("ipykernel", True, version)


def _toolchains() -> Finding:
    """What `%%plugin define` and ``tools/build_plugins.py`` can compile here; doing without is no fault."""
    rustc = shutil.which("rustc")
    if rustc is None:
        return Finding("toolchains", True, "WAT; no Rust here")
    command = [rustc, "--print", "target-libdir", "--target", "wasm32-unknown-unknown"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        said = ""
    there = bool(said) and Path(said).is_dir()
    return Finding(
        "toolchains", True, "WAT, Rust" if there else f"WAT; {rustc} lacks the wasm32-unknown-unknown target"
    )


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def show_versions() -> None:
    """Print what a bug report needs: versions of Python, the system and the packages."""
    lines = [f"python {platform.python_version()}  {platform.platform()}  {os.cpu_count()} CPUs"]
    lines += [f"{package:<18} {_installed(package) or 'not installed'}" for package in _PACKAGES]
    sys.stdout.write("\n".join(lines) + "\n")
