"""Every error the package raises, as one tree.

::

    JudiciaError
     |- LoadError            a file that cannot become a plugin
     |   |- InvalidModule    not a WebAssembly module, truncated, too large
     |   |- ManifestError    what the plugin says of itself is wrong
     |   |- AbiMismatch      exports that do not fit the ABI
     |   |- UnknownImport    it asks for something this runtime does not offer
     |   |- BuildError       a compiler refused its source, or there is no compiler; carries .diagnostics
     |   |- RewriteError     counters cannot be written into it; carries .function and .offset
     |   `- CompileError     the engine refused it
     |       `- CompileLimit it would cost too much to compile
     |- DebugInfoError       debug information (DWARF) that is damaged, or more than is read
     |- PolicyError          an unknown capability, a bad scope, unit or number, above the ceiling
     |   `- PolicyLocked     beyond what the runtime was locked to; carries .by and .since
     |- PluginNotReady       unloaded, failed to initialize, re-entered
     |- InvalidPayload       what you want to send has no JSON form, or a number does not fit its type
     |- InvalidCheck         a check that could pass whatever was done: nothing is expected, or no value of its kind
     |- CheckFailed          a call or a plugin is not as a check expects it; carries .findings
     |- NoSuchPlugin, NoSuchFunction, NoSuchExport, NoSuchExample
     |- ResourceExhausted    no instance slot, memory for all instances used up, closed or forked runtime
     `- CallError            a call that a plugin, a limit or a person ended; carries .record .plugin .function
         |- GuestError       the plugin reported failure itself
         |- GuestTrap        unreachable, out of bounds, division by zero, ...
         |- QuotaExceeded    a limit in force was reached
         |- CapabilityDenied a host call without its grant, under on_denied="trap"
         |- HostFailure      a service or a Python callback of ours raised
         |- AbiViolation     a bad pointer, length, UTF-8 or JSON from the guest
         |- Killed           the process that ran it, apart from this one, was ended from outside
         `- Cancelled        by .cancel(), the panel or unload

Errors are data: each class names its fields, and it alone turns them into sentences. In a notebook an error of this
tree shows as those two or three lines; any other error is a bug of ours and keeps its traceback.

As data they travel: every error pickles and copies with all its fields, so that a process pool, joblib or a Dask
cluster hands it over whole.
"""

from __future__ import annotations

from judicia_notebook.errors.base import JudiciaError, _revived, describe, stays_in_process
from judicia_notebook.errors.call import CallError
from judicia_notebook.errors.checks import CheckFailed, InvalidCheck
from judicia_notebook.errors.endings import (
    AbiViolation,
    Cancelled,
    CapabilityDenied,
    GuestError,
    GuestTrap,
    HostFailure,
    Killed,
)
from judicia_notebook.errors.imports import ImportGroup, UnknownImport, group_lines
from judicia_notebook.errors.loading import (
    AbiMismatch,
    BuildError,
    CompileError,
    CompileLimit,
    DebugInfoError,
    InvalidModule,
    LoadError,
    ManifestError,
    RewriteError,
)
from judicia_notebook.errors.quota import QuotaExceeded, refused_memory
from judicia_notebook.errors.refusals import (
    InvalidPayload,
    NoSuchExample,
    NoSuchExport,
    NoSuchFunction,
    NoSuchPlugin,
    PluginNotReady,
    PolicyError,
    PolicyLocked,
    ResourceExhausted,
)

__all__ = [
    "AbiMismatch",
    "AbiViolation",
    "BuildError",
    "CallError",
    "Cancelled",
    "CapabilityDenied",
    "CheckFailed",
    "CompileError",
    "CompileLimit",
    "DebugInfoError",
    "GuestError",
    "GuestTrap",
    "HostFailure",
    "ImportGroup",
    "InvalidCheck",
    "InvalidModule",
    "InvalidPayload",
    "JudiciaError",
    "Killed",
    "LoadError",
    "ManifestError",
    "NoSuchExample",
    "NoSuchExport",
    "NoSuchFunction",
    "NoSuchPlugin",
    "PluginNotReady",
    "PolicyError",
    "PolicyLocked",
    "QuotaExceeded",
    "ResourceExhausted",
    "RewriteError",
    "UnknownImport",
    "describe",
    "group_lines",
    "refused_memory",
    "stays_in_process",
]

# Tracebacks, pickles and IPython's registry of printers name a class by its module: all say this one, whatever file a
# class is in. So does what makes an error of a pickle.
for _named in (*(globals()[_name] for _name in __all__), _revived):
    _named.__module__ = __name__
    if "__firstlineno__" in vars(_named):  # since Python 3.13; it would show a class's source from this file's lines
        del _named.__firstlineno__
