"""Checks of this machine, with the way out of each fault: `doctor`. The versions of the packages: `show_versions`.

Where the engine cannot be imported the doctor is still there to say why: what needs it imports it inside its function.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from judicia_notebook.errors import JudiciaError
from judicia_notebook.units import format_size, format_time

if TYPE_CHECKING:
    from judicia_notebook.engine.engine import Engine
    from judicia_notebook.engine.settings import EngineSettings

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
    yield from _proxy()
    yield from _toolchains()


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
    return Finding("thread stack", True, f"at least {safety.STACK_PER_GUEST >> 10} KiB left here")


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


def _proxy() -> Iterator[Finding]:
    """On a hub, whether a browser gets to what plugins serve."""
    from judicia_notebook.host.http import hub

    if not hub.on_hub():
        return
    path = hub.proxy_path()
    good = f"what plugins serve is at {path}PORT/ of this hub, through jupyter-server-proxy"
    yield Finding("hub", bool(path), good if path else hub.MISSING)


def _toolchains() -> Iterator[Finding]:
    """What `%%plugin define` can compile here, with the line that brings the rest; doing without is no fault."""
    from judicia_notebook.languages.toolchain import here

    for language, told in here().items():
        yield Finding(f"compiler of {language}", True, told)


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _metered(settings: EngineSettings) -> str:
    counts = [what for what, on in (("fuel", settings.fuel), ("epochs", settings.epochs)) if on]
    nans = "canonical NaNs" if settings.canonical_nans else "the processor's NaNs"
    return f"{' and '.join(counts) or 'nothing is counted'}, {nans}"


def _engine_lines() -> list[str]:
    """The settings of the engines, for people; none is started for that."""
    from judicia_notebook.engine.compiler import describe
    from judicia_notebook.engine.settings import SETTINGS

    lines = [f"{'metering ' + name:<18} {_metered(settings)}" for name, settings in SETTINGS.items()]
    told = describe(SETTINGS["full"])  # apart from the metering all are alike
    compiled = f"{told['compiler']}, optimized for {told['optimization']}; memory {told['memory']}"
    return [*lines, f"{'engine':<18} {compiled}", f"{'features':<18} {', '.join(told['features'])}; {told['simd']}"]


def show_versions(form: Literal["report", "paper"] = "report") -> None:
    """Print what a bug report needs: versions of Python, the system and the packages, and the engines' settings.

    Parameters
    ----------
    form : "report" or "paper"
        For a paper one paragraph for its methods: machine, kernel, versions, engine, metering and clocks.

    Raises
    ------
    ValueError
        It is neither.
    """
    if form == "paper":
        sys.stdout.write(_methods() + "\n")
        return
    if form != "report":
        raise ValueError(f"show_versions prints a 'report' or what a 'paper' says, not {form!r}")
    lines = [f"python {platform.python_version()}  {platform.platform()}  {os.cpu_count()} CPUs"]
    lines += [f"{package:<18} {_installed(package) or 'not installed'}" for package in _PACKAGES]
    try:
        lines += _engine_lines()
    except ImportError as error:  # the core does not fit, which is what the report is about, then
        lines.append(f"{'engine':<18} {error}")
    sys.stdout.write("\n".join(lines) + "\n")


# For a paper --------------------------------------------------------------------------------------------------------


def _methods() -> str:
    """The paragraph of a paper's methods: machine, kernel, software, engine, metering and clocks."""
    from judicia_notebook.analysis.runs import environment

    told = environment.describe()
    machine, packages = told["machine"], dict(told["packages"])
    memory = f", {format_size(machine['memory_bytes'])} of memory" if machine["memory_bytes"] else ""
    kernel = f"{machine['system']} {platform.release()} ({machine['architecture']})"
    processor = f"{machine['processor'] or 'an unknown processor'} ({machine['processors']} CPUs{memory}{_governor()})"
    ours, python = packages.pop("judicia-notebook", ""), packages.pop("python")
    software = ", ".join([f"judicia-notebook {ours}".rstrip(), python, *map(" ".join, packages.items())])
    sentences = [f"Measured on {processor} under {kernel} with {software}."]
    sentences += _engine_sentences()
    for kind, clock in told["clocks"].items():
        read = f"{clock['name']} ({clock['implementation']}, resolution {format_time(clock['resolution_s'])})"
        sentences.append(f"{'CPU' if kind == 'cpu' else kind.title()} time is Python's {read}.")
    return textwrap.fill(" ".join(sentences), _PAPER_WIDTH, break_on_hyphens=False)


_PAPER_WIDTH = 100


def _engine_sentences() -> list[str]:
    """How the engine compiles and meters guests."""
    try:
        from judicia_notebook.engine.settings import SETTINGS
        from judicia_notebook.engine.startup import get_engine

        engine = get_engine()
    except (JudiciaError, ImportError) as error:
        return [f"The engine does not start here: {error}"]
    told = engine.describe()
    features = ", ".join(name.replace("_", " ") for name in told["features"])
    modes = "; ".join(f"{name} ({_metered(settings)})" for name, settings in SETTINGS.items())
    checks = "each access is checked" if told["checks_each_access"] else "accesses need no bounds checks"
    reserved, stack = (format_size(told[name]) for name in ("memory_reservation_bytes", "most_wasm_stack_bytes"))
    return [
        f"Wasmtime compiled guests with {told['compiler']}, optimized for {told['optimization']}, with these optional",
        f"features on: {features} ({told['simd']}).",
        f"Each row names its metering, which is full unless chosen: {modes}.",
        f"A linear memory reserves {reserved} of address space, so that {checks}; a guest's stack has {stack}.",
    ]


def _governor() -> str:
    """How the processor's frequency is governed, where the system says it."""
    with contextlib.suppress(OSError):
        found = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text(encoding="ascii").strip()
        return f", frequency governor {found}"
    return ""
