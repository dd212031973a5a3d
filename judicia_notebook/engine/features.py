"""The features of WebAssembly that a load can switch on, and those that it cannot, with the reason.

What today's compilers emit for plugins is on for every module (`judicia_notebook.engine.compiler.FEATURES`). What few
modules need is off: it is attack surface. `OPTIONAL` is the table of what can be switched on for one plugin, and
``docs/features.md`` shows it. A feature stands there only with tests that every quota holds under it
(``tests/limits/test_every_feature.py``). Names are those of `judicia_notebook.wasm.features.take_census`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from judicia_notebook.errors import PolicyError
from judicia_notebook.text import did_you_mean, printable


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that is off until a load switches it on.

    Attributes
    ----------
    name : str
    switch : str
        Wasmtime's name of it.
    emitted_by : str
        What makes modules that need it.
    guarantee : str
        What holds for a plugin that has it, beside all limits.
    """

    name: str
    switch: str
    emitted_by: str
    guarantee: str

    def row(self) -> dict[str, str]:
        """A row of the table, by the heads of its columns."""
        return {"feature": f"`{self.name}`", "emitted by": self.emitted_by, "what is guaranteed": self.guarantee}


OPTIONAL: Final = {
    feature.name: feature
    for feature in (
        Feature(
            "exceptions", "wasm_exceptions",
            "clang and Emscripten with `-fwasm-exceptions`, for C++ and setjmp (not the older ones: see below)",
            "exceptions that are kept count as memory; no handler catches a limit, a cancel or a trap",
        ),
        Feature(
            "tail_calls", "wasm_tail_call",
            "clang with `-mtail-call`, for `musttail`; compilers of functional languages",
            "each tail call counts fuel and looks at the epoch, so that a recursion without end ends at a limit",
        ),
        Feature(
            "memory64", "wasm_memory64",
            "clang with `--target=wasm64`, Emscripten with `-sMEMORY64`",
            "each access is checked; a memory is bounded by the quota",
        ),
        Feature(
            "relaxed_simd", "wasm_relaxed_simd",
            "clang and Emscripten with `-mrelaxed-simd`",
            "deterministic: the same answers on every machine",
        ),
        Feature(
            "wide_arithmetic", "wasm_wide_arithmetic",
            "clang and Rust with the target feature `wide-arithmetic`",
            "nothing but arithmetic on pairs of integers of 64 bits: it reaches nothing that other code does not",
        ),
    )
}  # fmt: skip
"""What a load can switch on, by name."""

REFUSED: Final = {
    "threads": "a shared memory would bypass the account of a plugin's memories, and no limit ends memory.atomic.wait",
    "gc": "its collector has not been shown to keep to the limits: no tick ends it, and it takes memory of its own",
    "function_references": "no compiler of plugins emits them without gc",
    "stack_switching": "its stacks would bypass the limit of a guest's stack",
    "legacy_exceptions": (
        "the engine has the exceptions of WebAssembly 3.0 alone. Emscripten: -sWASM_LEGACY_EXCEPTIONS=0; clang: "
        "-mllvm -wasm-use-legacy-eh=false; a file that is made: wasm-opt --translate-to-exnref"
    ),
}
"""What no load can switch on, and why."""


def check_features(features: Any) -> tuple[str, ...]:
    """The features that a load asks for, each once, in the order of `OPTIONAL`.

    Parameters
    ----------
    features : str or iterable of str
        One name, or several in whatever order.

    Raises
    ------
    PolicyError
        There is no such feature, or none that can be switched on; the message says why.

    Examples
    --------
    >>> check_features("exceptions"), check_features(["tail_calls", "exceptions"])
    (('exceptions',), ('exceptions', 'tail_calls'))
    """
    if isinstance(features, str):
        features = (features,)
    if isinstance(features, bytes | bytearray | Mapping) or not isinstance(features, Iterable):
        raise PolicyError(f"features is a tuple of names, such as {_written(['exceptions'])}, not {_shown(features)}.")
    wanted = set()
    for name in features:
        if not isinstance(name, str) or name not in OPTIONAL:
            raise _no_such(name)
        wanted.add(name)
    return tuple(name for name in OPTIONAL if name in wanted)


def _no_such(name: Any) -> PolicyError:
    if isinstance(name, str) and name in REFUSED:
        return PolicyError(f"The feature {name} cannot be switched on: {REFUSED[name]}.")
    meant = did_you_mean(name, OPTIONAL) if isinstance(name, str) else ""
    return PolicyError(f"There is no feature {_shown(name)} to switch on.{meant}")


def _shown(value: Any) -> str:
    return repr(printable(value, 60)) if isinstance(value, str) else type(value).__name__


def _written(names: Iterable[str]) -> str:
    """The argument as it is written in Python."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f"({listed},)" if listed.count('"') == 2 else f"({listed})"


def explain_features(used: Iterable[str], on: Iterable[str]) -> str:
    """What to do about a module that uses features which are off; empty where none is.

    Parameters
    ----------
    used : iterable of str
        The features that the module uses.
    on : iterable of str
        Those that its load has switched on.
    """
    used, on = set(used), set(on)
    lines = [f"It uses {name}, which cannot be switched on: {REFUSED[name]}." for name in REFUSED if name in used]
    missing = [name for name in OPTIONAL if name in used - on]
    if missing and not lines:
        wanted = [name for name in OPTIONAL if name in on or name in missing]
        lines.append(f"features={_written(wanted)} switches it on; on a line that is  --features {','.join(wanted)}")
    return "\n".join(lines)
