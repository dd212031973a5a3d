"""Values on their way between JSON and a database.

`null`, truth values, numbers and text stand for themselves; bytes are ``{"base64": "..."}`` both ways, since JSON has
none. Moments are ISO 8601 text. Numbers that JSON has no form for (infinity, NaN) come as text.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from judicia_notebook.host.database.limits import DatabaseLimits
from judicia_notebook.host.dispatcher import ServiceError

Value = None | bool | int | float | str | bytes
"""What a database is given."""

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1


def parameters(given: Sequence[Any], limits: DatabaseLimits) -> list[Value]:
    """The values of a request's ``params``.

    Raises
    ------
    ServiceError
        ``bad_request``: something that is no value, named by its place; ``quota_exceeded``: too many, or one too long.
    """
    if len(given) > limits.parameters:
        raise ServiceError("quota_exceeded", f"{len(given)} parameters; at most {limits.parameters}")
    return [_parameter(f"${number}", value, limits) for number, value in enumerate(given, start=1)]


def _parameter(name: str, value: Any, limits: DatabaseLimits) -> Value:
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            value = base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise ServiceError("bad_request", f"{name}: this is not base64") from None
    elif isinstance(value, list | dict):
        raise ServiceError(
            "bad_request", f'{name}: a list or an object is no value; send it as JSON text, bytes as {{"base64": ...}}'
        )
    if isinstance(value, int) and not isinstance(value, bool) and not _INT_MIN <= value <= _INT_MAX:
        raise ServiceError("bad_request", f"{name}: an integer has at most 64 bits with its sign")
    if isinstance(value, str) and "\0" in value:
        raise ServiceError("bad_request", f"{name}: text holds no NUL; send it as bytes")
    if isinstance(value, str | bytes) and (size := _size(value)) > limits.value_bytes:
        raise ServiceError("quota_exceeded", f"{name} has {size} bytes; at most {limits.value_bytes}")
    return value  # type: ignore[no-any-return]  # what is left is what JSON has


def to_json(value: Value) -> Any:
    """A database's value as JSON has it.

    Examples
    --------
    >>> to_json(b"hi"), to_json(float("inf")), to_json(1.5)
    ({'base64': 'aGk='}, 'Infinity', 1.5)
    """
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


@dataclass(slots=True)
class Rows:
    """The rows of one answer, counted as they come.

    Parameters
    ----------
    limits : DatabaseLimits
    """

    limits: DatabaseLimits
    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    used: int = 0

    def add(self, values: Sequence[Value]) -> None:
        """One row more.

        Raises
        ------
        ServiceError
            ``quota_exceeded``
        """
        if len(self.rows) >= self.limits.rows:
            raise ServiceError("quota_exceeded", f"more than {self.limits.rows} rows; LIMIT makes them fewer")
        for number, value in enumerate(values, 1):
            size = _size(value)
            if size > self.limits.value_bytes:
                where = f"row {len(self.rows) + 1}, column {number}"
                raise ServiceError(
                    "quota_exceeded", f"{where}: a value of {size} bytes; at most {self.limits.value_bytes}"
                )
            self.used += size
        if self.used > self.limits.result_bytes:
            raise ServiceError(
                "quota_exceeded", f"more than {self.limits.result_bytes} bytes of values up to row {len(self.rows) + 1}"
            )
        self.rows.append([to_json(value) for value in values])

    def answer(self) -> dict[str, Any]:
        """The answer for the guest."""
        return {"columns": self.columns, "rows": self.rows}


def _size(value: Value) -> int:
    """Bytes a value counts: text as UTF-8, bytes as such, all other values as eight."""
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    return len(value) if isinstance(value, bytes) else 8
