"""The globals that an instance exports: numbers that can be read, and set where they are mutable.

Their types are asked of Wasmtime at each access. Its function for a global's type ends the process for a v128; that
for its value does not.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from judicia_notebook.engine import capi
from judicia_notebook.engine.slots import layout, pack_number
from judicia_notebook.errors import InvalidPayload, NoSuchExport
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.engine.sandbox import Sandbox

_COMPARED: Final = 1000  # names that a wrong one is compared with: a module may have many
_KINDS: Final = {number: kind for kind, number in capi.VALUE_KINDS.items()} | {4: "v128"}


def names_of_numbers(sandbox: Sandbox) -> list[str]:
    """The names of its exported globals that are numbers. Inside, or while no thread can enter."""
    return [name for name in sandbox.linkage.global_names if _value(sandbox, name)[0] in capi.VALUE_KINDS]


def read(sandbox: Sandbox, name: str) -> float:
    """The value of a global: an i32 or i64 as a signed integer, an f32 or f64 as a float.

    Raises
    ------
    NoSuchExport
        There is no exported global of this name.
    InvalidPayload
        It is a vector or a reference.
    """
    return _number(*_numeric(sandbox, name))


def write(sandbox: Sandbox, name: str, value: float) -> float:
    """Set a global; the value that it has now.

    Raises
    ------
    NoSuchExport
    InvalidPayload
        It is immutable, a vector or a reference, or the value does not fit its type.
    """
    kind, _ = _numeric(sandbox, name)
    try:
        packed = pack_number(kind, value)
    except ValueError as error:
        raise InvalidPayload(f"{_where(name)} is {kind}: the value {error}.") from None
    if capi.write_global(sandbox.context, _item(sandbox, name), capi.VALUE_KINDS[kind], packed):
        raise InvalidPayload(f"{_where(name)} is immutable: its module alone gave it its value.")
    return _number(kind, packed)


def _where(name: str) -> str:
    return f"The global {printable(name, 160)}"


def _item(sandbox: Sandbox, name: object) -> capi.Extern:
    names = sandbox.linkage.global_names
    item = sandbox.item(name, capi.EXTERN_GLOBAL) if isinstance(name, str) and name in names else None
    if item is None:
        meant = did_you_mean(str(name), islice(names, _COMPARED))
        raise NoSuchExport(f"No global {printable(repr(name), 160)} is exported.{meant}")
    return item


def _value(sandbox: Sandbox, name: str) -> tuple[str, bytes]:
    kind, data = capi.read_global(sandbox.context, _item(sandbox, name))
    return _KINDS.get(kind, "a reference"), data


def _numeric(sandbox: Sandbox, name: str) -> tuple[str, bytes]:
    kind, data = _value(sandbox, name)
    if kind not in capi.VALUE_KINDS:
        raise InvalidPayload(f"{_where(name)} is {kind}, and no number.")
    return kind, data


def _number(kind: str, data: bytes) -> float:
    number: float = layout((kind,), signed=True).unpack(data[:16])[0]
    return number
