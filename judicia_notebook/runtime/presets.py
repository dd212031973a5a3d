"""Imports that a toolchain's modules ask for: ``rt.load("x.wasm", imports=jn.presets.assemblyscript)``.

Each preset is a dict for `Runtime.load`: of what is in it a plugin gets, and is granted, the imports that its module
has. To add to one: ``{**jn.presets.assemblyscript, "env.answer": lambda: 42}``.

- `assemblyscript`: abort, trace, the console, and the clock and seed that ``Date`` and ``Math.random`` take.
- `emscripten_standalone`: what Emscripten's ``-sSTANDALONE_WASM`` leaves beside WASI.
- `wasm_bindgen_stub`: enough for functions that call no JavaScript; a call of JavaScript is a trap that says which.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

from judicia_notebook.host.imports import Caller, Import

_LONGEST = 1 << 16  # bytes of a message that a guest hands over


def _entries(functions: Mapping[tuple[str, str], Callable[..., Any]]) -> Mapping[tuple[str, str], Import]:
    return MappingProxyType({key: Import(function, optional=True) for key, function in functions.items()})


# AssemblyScript -------------------------------------------------------------------------------------------------


def _string(caller: Caller, pointer: int) -> str:
    """A string of AssemblyScript: UTF-16, its bytes counted in the word before it."""
    if not pointer:
        return ""
    length = int.from_bytes(caller.memory.read((pointer & 0xFFFFFFFF) - 4, 4), "little")
    return caller.memory.read(pointer, min(length & ~1, _LONGEST)).decode("utf-16-le", "replace")


def _abort(caller: Caller, message: int, file: int, line: int, column: int) -> NoReturn:
    place = f" in {_string(caller, file)}:{line & 0xFFFFFFFF}:{column & 0xFFFFFFFF}" if file else ""
    caller.trap(f"{_string(caller, message) or 'abort'}{place}")


def _trace(caller: Caller, message: int, count: int, *values: float) -> None:
    numbers = ", ".join(f"{value:g}" for value in values[: max(count, 0)])
    caller.log(f"{_string(caller, message)}{' ' if numbers else ''}{numbers}", "trace")


def _console(level: str) -> Callable[[Caller, int], None]:
    def write(caller: Caller, message: int) -> None:
        caller.log(_string(caller, message), level)

    return write


def _now_ms() -> float:
    return time.time() * 1000


def _monotonic_ms() -> float:
    return time.perf_counter() * 1000


assemblyscript: Final = _entries(
    {
        ("env", "abort"): _abort,
        ("env", "trace"): _trace,
        ("env", "seed"): lambda: float(secrets.randbits(52)),
        ("env", "Date.now"): _now_ms,
        ("env", "performance.now"): _monotonic_ms,
        ("env", "console.log"): _console("info"),
        ("env", "console.info"): _console("info"),
        ("env", "console.debug"): _console("debug"),
        ("env", "console.warn"): _console("warning"),
        ("env", "console.error"): _console("error"),
    }
)
"""What AssemblyScript's standard library imports. By default a module needs ``env.abort`` alone."""


# Emscripten -----------------------------------------------------------------------------------------------------


def _copy(caller: Caller, to: int, source: int, length: int) -> None:
    caller.memory.write(to, caller.memory.read(source, length & 0xFFFFFFFF))


def _fail_assertion(caller: Caller, condition: int, file: int, line: int, function: int) -> NoReturn:
    what, where, name = (caller.memory.text(at) if at else "?" for at in (condition, file, function))
    caller.trap(f"assertion failed: {what} in {name} ({where}:{line})")


def _exit(caller: Caller, status: int) -> NoReturn:
    caller.trap(f"exit({status})")


def _abort_c(caller: Caller) -> NoReturn:
    caller.trap("abort()")


def _refuse_to_grow(_: int) -> int:
    return 0


emscripten_standalone: Final = _entries(
    {
        ("env", "emscripten_notify_memory_growth"): lambda _: None,
        ("env", "emscripten_resize_heap"): _refuse_to_grow,
        ("env", "emscripten_memcpy_js"): _copy,
        ("env", "_emscripten_memcpy_js"): _copy,
        ("env", "emscripten_memcpy_big"): _copy,
        ("env", "emscripten_date_now"): _now_ms,
        ("env", "emscripten_get_now"): _monotonic_ms,
        ("env", "__assert_fail"): _fail_assertion,
        ("env", "abort"): _abort_c,
        ("env", "_abort_js"): _abort_c,
        ("env", "exit"): _exit,
    }
)
"""What Emscripten's standalone modules import beside WASI."""


# wasm-bindgen ---------------------------------------------------------------------------------------------------


def _throw(caller: Caller, pointer: int, length: int) -> NoReturn:
    data = caller.memory.read(pointer, min(length & 0xFFFFFFFF, _LONGEST))
    caller.trap(data.decode("utf-8", "replace"))


def _needs_javascript(caller: Caller, *_: object) -> NoReturn:
    caller.trap(f"{caller.imported} is JavaScript, which is not there")


def _do_nothing(*_: object) -> None:
    """For what only keeps JavaScript's values."""


_MODULES = ("./*_bg.js", "wbg", "__wbindgen_placeholder__", "__wbindgen_externref_xform__")
_STUBS: Final[Mapping[str, Callable[..., Any]]] = {
    "__wbindgen_throw*": _throw,
    "__wbg___wbindgen_throw_*": _throw,
    "__wbindgen_init_externref_table*": _do_nothing,
    "__wbindgen_object_drop_ref*": _do_nothing,
    "*": _needs_javascript,
}
wasm_bindgen_stub: Final = _entries(
    {(module, name): function for name, function in _STUBS.items() for module in _MODULES}
)
"""What wasm-bindgen's modules import, without JavaScript behind it."""

NAMES: Final = ("assemblyscript", "emscripten_standalone", "wasm_bindgen_stub")
"""What there is."""
