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
    BuildError,
    CallError,
    Cancelled,
    CapabilityDenied,
    CheckFailed,
    CompileError,
    CompileLimit,
    DebugInfoError,
    GuestError,
    GuestTrap,
    HostFailure,
    InvalidCheck,
    InvalidModule,
    InvalidPayload,
    JudiciaError,
    Killed,
    LoadError,
    ManifestError,
    NoSuchExample,
    NoSuchExport,
    NoSuchFunction,
    NoSuchPlugin,
    PluginNotReady,
    PolicyError,
    PolicyLocked,
    QuotaExceeded,
    ResourceExhausted,
    RewriteError,
    UnknownImport,
)

if TYPE_CHECKING:
    from judicia_notebook.analysis import plots
    from judicia_notebook.analysis.estimates.exponents import growth
    from judicia_notebook.analysis.estimates.first_calls import cold_warm
    from judicia_notebook.analysis.estimates.quantiles import percentiles
    from judicia_notebook.analysis.estimates.successes import success
    from judicia_notebook.analysis.profiles.profile import Profile
    from judicia_notebook.analysis.runs.comparison import Comparison, compare
    from judicia_notebook.analysis.runs.run import Run, read_run
    from judicia_notebook.analysis.survey import survey
    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.context import label
    from judicia_notebook.diagnosis import doctor, show_versions
    from judicia_notebook.engine.plain import base64
    from judicia_notebook.experiments.checks.result import Checked
    from judicia_notebook.experiments.checks.run import check
    from judicia_notebook.experiments.sweep.reading import read_sweep
    from judicia_notebook.experiments.sweep.sweep import sweep
    from judicia_notebook.host.imports import Caller, Import
    from judicia_notebook.languages.build import Built, build
    from judicia_notebook.notebook.live.widgets import stock as widgets
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime import presets
    from judicia_notebook.runtime.inspection import Inspection
    from judicia_notebook.runtime.outcome import Outcome
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime, get_runtime
    from judicia_notebook.runtime.source import examples
    from judicia_notebook.runtime.wasi_command import RunResult
    from judicia_notebook.wasm.manifest import Manifest

__version__ = "0.2.0"

__all__ = [
    "AbiMismatch",
    "AbiViolation",
    "BuildError",
    "Built",
    "CallError",
    "CallRecord",
    "Caller",
    "Cancelled",
    "CapabilityDenied",
    "CheckFailed",
    "Checked",
    "Comparison",
    "CompileError",
    "CompileLimit",
    "DebugInfoError",
    "GuestError",
    "GuestTrap",
    "HostFailure",
    "Import",
    "Inspection",
    "InvalidCheck",
    "InvalidModule",
    "InvalidPayload",
    "JudiciaError",
    "Killed",
    "LoadError",
    "Manifest",
    "ManifestError",
    "NoSuchExample",
    "NoSuchExport",
    "NoSuchFunction",
    "NoSuchPlugin",
    "Outcome",
    "Plugin",
    "PluginNotReady",
    "Policy",
    "PolicyError",
    "PolicyLocked",
    "Profile",
    "Quota",
    "QuotaExceeded",
    "ResourceExhausted",
    "RewriteError",
    "Run",
    "RunResult",
    "Runtime",
    "Trace",
    "UnknownImport",
    "__version__",
    "base64",
    "build",
    "check",
    "cold_warm",
    "compare",
    "doctor",
    "examples",
    "get_runtime",
    "growth",
    "label",
    "load_ipython_extension",
    "percentiles",
    "plots",
    "presets",
    "read_run",
    "read_sweep",
    "show_versions",
    "success",
    "survey",
    "sweep",
    "unload_ipython_extension",
    "widgets",
]

_LAZY = {
    "Built": "languages.build",
    "CallRecord": "records.record",
    "Caller": "host.imports",
    "Checked": "experiments.checks.result",
    "Comparison": "analysis.runs.comparison",
    "Import": "host.imports",
    "Inspection": "runtime.inspection",
    "Manifest": "wasm.manifest",
    "Outcome": "runtime.outcome",
    "Plugin": "runtime.plugin",
    "Policy": "policy.policy",
    "Profile": "analysis.profiles.profile",
    "Quota": "policy.quotas",
    "Run": "analysis.runs.run",
    "RunResult": "runtime.wasi_command",
    "Runtime": "runtime.runtime",
    "Trace": "analysis.traces.story",
    "base64": "engine.plain",
    "build": "languages.build",
    "check": "experiments.checks.run",
    "cold_warm": "analysis.estimates.first_calls",
    "compare": "analysis.runs.comparison",
    "doctor": "diagnosis",
    "examples": "runtime.source",
    "get_runtime": "runtime.runtime",
    "growth": "analysis.estimates.exponents",
    "label": "context",
    "percentiles": "analysis.estimates.quantiles",
    "read_run": "analysis.runs.run",
    "read_sweep": "experiments.sweep.reading",
    "show_versions": "diagnosis",
    "success": "analysis.estimates.successes",
    "survey": "analysis.survey",
    "sweep": "experiments.sweep.sweep",
}

_ROOMS = {"plots": "analysis.plots", "presets": "runtime.presets", "widgets": "notebook.live.widgets.stock"}


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
