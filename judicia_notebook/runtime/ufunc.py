"""Numeric exports over arrays and columns, as `Plugin.ufunc` gives them: one call and one record for all rows.

- The arguments are brought to one shape, as NumPy broadcasts, and checked against the function's type before the plugin
  is entered. What NumPy calls a safe cast is made, nothing else.
- The rows go through a block of columns, ``engine/row_loops.py``, some ten thousand at a time.
- What ends a row ends the call. The error has the row's number and the results of the rows before it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.engine.row_loops import FEW_ROWS, loop_code, loop_of
from judicia_notebook.engine.slots import pack_number, pack_numbers
from judicia_notebook.errors import CallError, InvalidPayload, NoSuchFunction, stays_in_process
from judicia_notebook.runtime.exports import RAW_ABI
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    import numpy as np

    from judicia_notebook.engine.row_loops import Loop
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.wasm.info import FuncType
    from judicia_notebook.wasm.row_loop import Column

    Array = np.ndarray[Any, Any]

_DTYPES = {"i32": ("int32", "uint32"), "i64": ("int64", "uint64"), "f32": ("float32",), "f64": ("float64",)}
"""What a column of each type may be read as; the first is what a result is."""

_TAKEN = {
    "i32": "int32, uint32 or narrower integers",
    "i64": "int64, uint64 or narrower integers",
    "f32": "float32, or what it holds exactly",
    "f64": "float64, or other numbers",
}
_NUMBERS = "biuf"  # NumPy's kinds: bool, signed, unsigned, float


class _Argument(NamedTuple):
    """An argument as an array of its own shape, and as what its parameter reads it."""

    array: Array
    dtype: str


@stays_in_process("In the other process, load the plugin and take it anew: p.ufunc(name).")
class UniversalFunction:
    """A numeric export over arrays and columns: ``p.ufunc("add")(df.a, df.b)``."""

    def __init__(self, plugin: Callee, name: str, kind: FuncType) -> None:
        self._plugin = plugin
        self.name = name
        self.type = kind

    def __call__(self, *columns: Any, quota: Quota | Mapping[str, Any] | None = None) -> Any:
        """Call it once for each row, inside one call: one record, one set of quotas.

        Parameters
        ----------
        *columns : array_like, pandas.Series or number
            An argument for each parameter. They are broadcast as NumPy does. A Python number must fit its parameter as
            in `Plugin.raw`. An array's dtype must be its parameter's, or one that casts to it safely
            (`numpy.can_cast`); integers may be signed or unsigned. All Series must have the same index.
        quota : Quota, optional
            Limits for this call alone.

        Returns
        -------
        numpy.ndarray, pandas.Series, numpy scalar, tuple or None
            int32, int64, float32 or float64, of the common shape; integers are signed, as `Plugin.raw` has them. Where
            an argument is a Series and the result has its length, a Series with its index. A NumPy scalar where all
            arguments are numbers. A tuple where the function has several results, None where it has none.

        Raises
        ------
        InvalidPayload
            The wrong count of arguments, a dtype or number that does not fit, shapes or indices that do not go
            together. The plugin was not entered.
        CallError
            ``error.row`` is the row in which it came, in C order and from 0; ``error.rows_before`` has the results of
            the rows before it.
        NoSuchFunction, PluginNotReady
        """
        plugin = self._plugin
        target = plugin._deployment.target(self.name, RAW_ABI)
        rows = self._rows(target.code, columns)
        if rows.count > FEW_ROWS:
            settings = target.code.linkage.engine.settings
            loop_code(rows.kind.params, rows.kind.results, settings)  # compiled before the call's clocks run

        def body(call: Call) -> _Rows:
            mine = rows if call.target.code is target.code else self._rows(call.target.code, columns)
            mine.run(call, self.name)
            return mine

        done: _Rows = plugin._begin(target, quota, body).run()
        return _single([done.shaped(results, columns) for results in done.results])

    def _rows(self, code: Code, columns: Sequence[Any]) -> _Rows:
        where, kind = f"{self._plugin.name}.{self.name}", code.functions.get(self.name)
        if kind is None:
            raise NoSuchFunction(f"{where} is gone: the plugin was replaced.{did_you_mean(self.name, code.functions)}")
        try:
            return _Rows(kind, columns)
        except _Misfit as error:
            raise InvalidPayload(f"{where} is {kind}: {error.message}.", hint=error.hint) from None

    def __repr__(self) -> str:
        return f"<{self._plugin.name}.{printable(self.name, 160)} {self.type} over columns>"


class _Misfit(Exception):
    """Arguments that do not fit, in words."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _Rows:
    """The rows of one call: its arguments in a common shape, and the results so far.

    Raises
    ------
    _Misfit
    """

    def __init__(self, kind: FuncType, columns: Sequence[Any]) -> None:
        import numpy as np

        if len(columns) != len(kind.params):
            try:
                pack_numbers(kind.params, (0,) * len(columns))
            except ValueError as error:
                raise _Misfit(str(error).replace("number", "column")) from None
        _check_indices(columns)
        self.kind = kind
        self.arguments = [_read(*parts) for parts in zip(range(1, 1 + len(columns)), kind.params, columns, strict=True)]
        shapes = [argument.array.shape for argument in self.arguments]
        try:
            self.shape = np.broadcast_shapes(*shapes)
        except ValueError:
            spelled = ", ".join(map(str, shapes))
            raise _Misfit(f"the shapes {spelled} do not go together") from None
        self.count = math.prod(self.shape)
        self.results: list[Array] = []

    def run(self, call: Call, function: str) -> None:
        """Call the function for each row; inside the call's instance."""
        import numpy as np

        sandbox, scope = call.sandbox, call.scope
        export = sandbox.export(function)
        self.results = [np.empty(self.count, _DTYPES[kind][0]) for kind in self.kind.results]
        if not self.count:
            return
        began = perf_counter_ns()
        loop = loop_of(sandbox, call.loops, self.kind, self.count)
        fill, take = self._filler(loop), self._taker(loop)
        scope.exchange.write_ns += perf_counter_ns() - began
        start = 0
        scope.progress = lambda: start + loop.rows
        for start in range(0, self.count, loop.layout.rows):
            rows = min(loop.layout.rows, self.count - start)
            began = perf_counter_ns()
            fill(start, rows)
            scope.exchange.write_ns += perf_counter_ns() - began
            try:
                loop.run(sandbox, export, rows)
            except CallError as error:
                take(start, loop.rows)
                self._note(scope.reported or error, start + loop.rows)
                raise
            began = perf_counter_ns()
            take(start, rows)
            scope.exchange.read_ns += perf_counter_ns() - began
            if scope.reported is not None:  # the call ends with it
                self._note(scope.reported, start + rows)
                return

    def _note(self, error: CallError, row: int) -> None:
        """Tell an error its row, unless it knows it, and the results of the rows before."""
        row = error.row = row if error.row is None else error.row
        error.rows_before = _single([results[:row].copy() for results in self.results])
        error.facts = (
            *error.facts,
            f"It was in row {row} of {self.count}; error.rows_before has the results of the rows before it.",
        )

    def _filler(self, loop: Loop) -> Callable[[int, int], None]:
        """What copies so many rows from a start into the block."""
        moving: list[tuple[Array, Any]] = []
        for argument, column in zip(self.arguments, loop.layout.arguments, strict=True):
            there = _view(loop, column, argument.dtype)
            if argument.array.size == 1:  # in each row the same, and nothing writes over it
                there[: self.count] = argument.array.reshape(())
            else:
                moving.append((there, _flat(argument.array, self.shape)))

        def fill(start: int, rows: int) -> None:
            for there, source in moving:
                there[:rows] = source[start : start + rows]

        return fill

    def _taker(self, loop: Loop) -> Callable[[int, int], None]:
        """What copies so many rows of the block into the results from a start on."""
        pairs = [
            (results, _view(loop, column, _DTYPES[column.kind][0]))
            for results, column in zip(self.results, loop.layout.results, strict=True)
        ]

        def take(start: int, rows: int) -> None:
            for results, there in pairs:
                results[start : start + rows] = there[:rows]

        return take

    def shaped(self, results: Array, columns: Sequence[Any]) -> Any:
        """A flat result in the common shape, and as a Series where an argument is one."""
        shaped = results.reshape(self.shape)
        if not self.shape:
            return shaped[()]
        series = [column for _, column in _series(columns)]
        if not series or self.shape != (len(series[0]),):
            return shaped
        names = {column.name for column in series}
        name = series[0].name if len(names) == 1 else None
        return sys.modules["pandas"].Series(shaped, index=series[0].index, name=name)


def _single(results: Sequence[Any]) -> Any:
    """One result as itself, several as a tuple, none as None."""
    return results[0] if len(results) == 1 else tuple(results) or None


def _view(loop: Loop, column: Column, dtype: str) -> Array:
    """A column of a block as an array, valid as long as the block."""
    import numpy as np

    view: Array = np.frombuffer(loop.block, dtype, loop.layout.rows, column.offset)
    return view


def _flat(array: Array, shape: tuple[int, ...]) -> Any:
    """An array of this shape as slices of its rows in C order are read; without a copy where there need be none."""
    import numpy as np

    return array.reshape(-1) if array.shape == shape else np.broadcast_to(array, shape).flat


def _series(columns: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The pandas Series among the arguments, each with its place from 1."""
    pandas = sys.modules.get("pandas")  # without pandas there is no Series
    if pandas is not None:
        yield from ((place, column) for place, column in enumerate(columns, 1) if isinstance(column, pandas.Series))


def _check_indices(columns: Sequence[Any]) -> None:
    (first, leader), *others = list(_series(columns)) or [(0, None)]
    for place, column in others:
        if not column.index.equals(leader.index):
            raise _Misfit(
                f"arguments {first} and {place} are Series with different indices",
                "a.align(b) brings them to one index; .to_numpy() takes the rows by their place.",
            )


def _read(place: int, kind: str, given: Any) -> _Argument:
    """An argument as an array that its parameter can take."""
    import numpy as np

    first = _DTYPES[kind][0]
    if isinstance(given, int | float) and not isinstance(given, np.generic):
        try:
            packed = pack_number(kind, given)
        except ValueError as error:
            raise _Misfit(f"argument {place} {error}") from None
        return _Argument(np.frombuffer(packed, first, 1).reshape(()), first)
    array = _array(place, given)
    if array.dtype.kind in _NUMBERS:
        for dtype in _DTYPES[kind]:
            if np.can_cast(array.dtype, dtype, "safe"):
                return _Argument(array, dtype)
    named = getattr(given, "name", None)
    which = f"argument {place}" + (f" ({printable(str(named), 80)})" if named is not None else "")
    hint = f".astype({first!r}) converts it." if array.dtype.kind in _NUMBERS else ""
    raise _Misfit(f"{which} is {printable(str(array.dtype), 80)}, and {kind} takes {_TAKEN[kind]}", hint)


def _array(place: int, given: Any) -> Array:
    import numpy as np

    if isinstance(given, np.ma.MaskedArray):
        raise _Misfit(f"argument {place} is a masked array", ".filled(value) gives the masked places a value.")
    try:
        array: Array = np.asarray(given)
    except Exception as error:  # whatever a foreign object's own code raises
        raise _Misfit(f"argument {place} is no array: {printable(str(error), 200)}") from None
    return array
