"""Numeric exports, as `Plugin.raw` gives them. Calls pass WebAssembly's own numbers, without JSON or allocation."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine.slots import NUMBERS, pack_numbers
from judicia_notebook.errors import InvalidPayload, NoSuchFunction, stays_in_process
from judicia_notebook.runtime.exports import RAW_ABI
from judicia_notebook.runtime.way import NotTaken
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.engine.slots import Export
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.wasm.info import FuncType


@stays_in_process("In the other process, load the plugin and take it anew: p.raw(name).")
class RawFunction:
    """A numeric export, callable: ``p.raw("add")(1, 2)``."""

    def __init__(self, plugin: Callee, name: str, kind: FuncType) -> None:
        self._plugin = plugin
        self.name = name
        self.type = kind

    def __call__(self, *numbers: float, quota: Quota | Mapping[str, Any] | None = None) -> Any:
        """Call it: one number, a tuple of several, or None.

        Raises
        ------
        InvalidPayload
            The wrong count of numbers, or one that does not fit its parameter.
        CallError, PluginNotReady
        """
        plugin, call_id = self._plugin, 0
        if (way := plugin._deployment.way(self.name, RAW_ABI)) is not None:
            try:
                packed = way.pack(*numbers)
            except (struct.error, OverflowError, TypeError):
                packed = self._pack(way.target.code, numbers)  # raises, or they are unsigned
            value = way.go(packed, budget=plugin._capped(quota))
            if value.__class__ is not NotTaken:
                return value
            call_id = value.call_id
        return self.prepare(numbers, quota, call_id=call_id).run()

    def perform(self, numbers: tuple[float, ...], quota: Quota | Mapping[str, Any] | None, positions: list[int]) -> Any:
        """Call it; `positions` gets the position of the row. See `__call__`, which has no time for that."""
        plugin, call_id = self._plugin, 0
        if (way := plugin._deployment.way(self.name, RAW_ABI)) is not None:
            packed = self._pack(way.target.code, numbers)
            value = way.go(packed, positions=positions, budget=plugin._capped(quota))
            if value.__class__ is not NotTaken:
                return value
            call_id = value.call_id
        call = self.prepare(numbers, quota, call_id=call_id)
        value = call.run()
        positions.append(call.record_position)
        return value

    def prepare(self, numbers: tuple[float, ...], quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """A call that is about to be made; `more` goes on to `Plugin._begin`.

        Raises
        ------
        InvalidPayload, NoSuchFunction, PluginNotReady
        """
        plugin = self._plugin
        target = plugin._deployment.target(self.name, RAW_ABI)
        packed = self._pack(target.code, numbers)

        def body(call: Call) -> tuple[float, ...]:
            request = packed if call.target.code is target.code else self._pack(call.target.code, numbers)
            call.capture("request", partial(_text_of, numbers))
            results = self._once(call.sandbox, call.sandbox.export(self.name), request)
            call.capture("answer", partial(_text_of, results))
            return results

        return plugin._begin(target, quota, body, finish=lambda _, results: _single(results), **more)

    def map(
        self, rows: Iterable[float | Sequence[float]], *, quota: Quota | Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Call it once for each row, inside one call: one record, one set of quotas.

        Parameters
        ----------
        rows : iterable
            Of numbers, or of sequences of numbers where it takes several.

        Returns
        -------
        list
            What each call gave, as in a single call.

        Raises
        ------
        InvalidPayload, CallError, PluginNotReady
        """
        plugin = self._plugin
        target = plugin._deployment.target(self.name, RAW_ABI)
        arguments = [tuple(row) if isinstance(row, Iterable) and not isinstance(row, str) else (row,) for row in rows]
        packed = [self._pack(target.code, numbers, f"row {row}: ") for row, numbers in enumerate(arguments)]

        def body(call: Call) -> list[Any]:
            same = call.target.code is target.code
            requests = packed if same else [self._pack(call.target.code, numbers) for numbers in arguments]
            export = call.sandbox.export(self.name)
            return [_single(self._once(call.sandbox, export, request)) for request in requests]

        answers: list[Any] = plugin._begin(target, quota, body).run()
        return answers

    @staticmethod
    def _once(sandbox: Sandbox, export: Export, packed: bytes) -> tuple[float, ...]:
        export.write(packed)
        sandbox.run(export)
        return export.read()

    def _pack(self, code: Code, numbers: tuple[float, ...], place: str = "") -> bytes:
        kind = code.functions.get(self.name)
        if kind is None:
            raise NoSuchFunction(
                f"{self._plugin.name}.{self.name} is gone: the plugin was replaced."
                f"{did_you_mean(self.name, code.functions)}"
            )
        try:
            return pack_numbers(kind.params, numbers)
        except ValueError as error:
            raise InvalidPayload(f"{self._plugin.name}.{self.name} is {kind}: {place}{error}.") from None

    def __repr__(self) -> str:
        return f"<{self._plugin.name}.{printable(self.name, 160)} {self.type}>"


def _text_of(numbers: tuple[float, ...]) -> bytes:
    return ", ".join(map(repr, numbers)).encode()


def numeric_type(plugin: str, functions: Mapping[str, FuncType], export: str) -> FuncType:
    """The type of an export that takes and returns numbers.

    Raises
    ------
    NoSuchFunction
        No such function, or its type has more than i32, i64, f32 and f64 in it.
    """
    kind = functions.get(export)
    if kind is None:
        raise NoSuchFunction(f"{plugin} exports no function {export!r}.{did_you_mean(export, functions)}")
    if not NUMBERS.issuperset((*kind.params, *kind.results)):
        raise NoSuchFunction(f"{plugin}.{export} is {kind}, and only i32, i64, f32 and f64 can be passed.")
    return kind


def _single(results: tuple[float, ...]) -> Any:
    """One number as itself, several as a tuple, none as None."""
    return results[0] if len(results) == 1 else results or None
