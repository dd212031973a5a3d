"""The machine, clocks and packages of a run. Never its place or author: no host name, user name or path."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any, Literal

PACKAGES = ("judicia-notebook", "wasmtime", "msgspec", "numpy", "pandas")
CLOCKS: dict[str, Literal["perf_counter", "thread_time"]] = {"wall": "perf_counter", "cpu": "thread_time"}
UNITS = {
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "bytes_in": "bytes",
    "bytes_out": "bytes",
    "started": "UTC",
    "at": "UTC",
    "fuel": "units of Wasmtime's fuel, about one for an instruction",
}


def describe() -> dict[str, Any]:
    """Units, packages, machine and clocks, as plain values."""
    return {"units": UNITS, "packages": _packages(), "machine": _machine(), "clocks": _clocks()}


def writer() -> str:
    """The file's writer: the package, with its version where it is installed."""
    return f"judicia-notebook {_packages().get('judicia-notebook', '')}".rstrip()


def _packages() -> dict[str, str]:
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _machine() -> dict[str, Any]:
    """The system's release is left out: people put their names into kernels that they build."""
    memory = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_bytes": memory,
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor()


def _clocks() -> dict[str, Any]:
    infos = {kind: time.get_clock_info(name) for kind, name in CLOCKS.items()}
    return {
        kind: {"name": CLOCKS[kind], "implementation": info.implementation, "resolution_s": info.resolution}
        for kind, info in infos.items()
    }
