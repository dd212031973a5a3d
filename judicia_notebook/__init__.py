"""The lab bench for WebAssembly plugins: load one, see what it touches, turn the knobs, keep the numbers.

::

    import judicia_notebook as jn

    rt = jn.get_runtime()
    checker = rt.load("example:checker")
    checker.call("check", {"output": "4 2", "answer": "4 2"})
    rt.calls                                   # what it cost, as a DataFrame

In a notebook ``%load_ext judicia_notebook`` adds the ``%plugin`` magics, which are thin over the same names.

Importing this package imports neither wasmtime, IPython, pandas nor matplotlib: each comes when it is needed.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import (
    AbiMismatch,
    AbiViolation,
    CallError,
    Cancelled,
    CapabilityDenied,
    CompileError,
    CompileLimit,
    GuestError,
    GuestTrap,
    HostFailure,
    InvalidModule,
    InvalidPayload,
    JudiciaError,
    LoadError,
    ManifestError,
    NoSuchExample,
    NoSuchFunction,
    NoSuchPlugin,
    PluginNotReady,
    PolicyError,
    QuotaExceeded,
    ResourceExhausted,
    UnknownImport,
)

if TYPE_CHECKING:
    from judicia_notebook.command import RunResult
    from judicia_notebook.diagnosis import doctor, show_versions
    from judicia_notebook.engine.plain import base64
    from judicia_notebook.inspection import Inspection
    from judicia_notebook.loading import examples
    from judicia_notebook.manifest import Manifest
    from judicia_notebook.metrics import plots
    from judicia_notebook.metrics.profiles.profile import Profile
    from judicia_notebook.metrics.recorder import CallRecord
    from judicia_notebook.metrics.runs.archive import read_run
    from judicia_notebook.metrics.runs.comparison import Comparison, compare
    from judicia_notebook.metrics.runs.run import Run
    from judicia_notebook.metrics.traces.story import Trace
    from judicia_notebook.notebook.live import stock as widgets
    from judicia_notebook.plugin import Outcome, Plugin
    from judicia_notebook.policy import Policy
    from judicia_notebook.quotas import Quota
    from judicia_notebook.runtime import Runtime, get_runtime
    from judicia_notebook.sweeps.sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "AbiMismatch",
    "AbiViolation",
    "CallError",
    "CallRecord",
    "Cancelled",
    "CapabilityDenied",
    "Comparison",
    "CompileError",
    "CompileLimit",
    "GuestError",
    "GuestTrap",
    "HostFailure",
    "Inspection",
    "InvalidModule",
    "InvalidPayload",
    "JudiciaError",
    "LoadError",
    "Manifest",
    "ManifestError",
    "NoSuchExample",
    "NoSuchFunction",
    "NoSuchPlugin",
    "Outcome",
    "Plugin",
    "PluginNotReady",
    "Policy",
    "PolicyError",
    "Profile",
    "Quota",
    "QuotaExceeded",
    "ResourceExhausted",
    "Run",
    "RunResult",
    "Runtime",
    "Trace",
    "UnknownImport",
    "__version__",
    "base64",
    "compare",
    "doctor",
    "examples",
    "get_runtime",
    "load_ipython_extension",
    "plots",
    "read_run",
    "show_versions",
    "sweep",
    "unload_ipython_extension",
    "widgets",
]

_LAZY = {
    "CallRecord": "metrics.recorder",
    "Comparison": "metrics.runs.comparison",
    "Inspection": "inspection",
    "Manifest": "manifest",
    "Outcome": "plugin",
    "Plugin": "plugin",
    "Policy": "policy",
    "Profile": "metrics.profiles.profile",
    "Quota": "quotas",
    "Run": "metrics.runs.run",
    "RunResult": "command",
    "Runtime": "runtime",
    "Trace": "metrics.traces.story",
    "base64": "engine.plain",
    "compare": "metrics.runs.comparison",
    "doctor": "diagnosis",
    "examples": "loading",
    "get_runtime": "runtime",
    "read_run": "metrics.runs.archive",
    "show_versions": "diagnosis",
    "sweep": "sweeps.sweep",
}

_ROOMS = {"plots": "metrics.plots", "widgets": "notebook.live.stock"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{_ROOMS[name]}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext judicia_notebook`` runs: magics, completion, reprs."""
    from judicia_notebook import notebook

    notebook.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext judicia_notebook`` runs. The runtime and its plugins stay."""
    from judicia_notebook import notebook

    notebook.unload(shell)


def _show_objects_in_ipython() -> None:
    """Where this is imported in a notebook, its objects look there as they do with the extension loaded."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        from judicia_notebook import notebook

        notebook.show_objects(shell)


_show_objects_in_ipython()
