"""What a module says of itself in its custom sections: its languages and tools, and the features it was built for.

Claims of a stranger. They are shown, bounded and printable, and decide nothing. A damaged section says no more than
what stands before the damage. The conventions: Tool Conventions of WebAssembly, ProducersSection and Linking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

from judicia_notebook.errors import InvalidModule
from judicia_notebook.text import printable
from judicia_notebook.wasm.binary_format import DEFAULT, Cursor

_FIELDS = ("language", "processed-by", "sdk")
_MOST_BYTES: Final = 1 << 16  # of a section that are looked at
_MOST_CLAIMS: Final = 32  # of a section
_MOST_READ: Final = 200  # of a section, also those that are not shown
_MOST_TEXT: Final = 100  # characters of a name and of a version
T = TypeVar("T")


class Producer(NamedTuple):
    """A language, a tool or an SDK that a module names, with its version; both printable."""

    field: str
    name: str
    version: str

    def __str__(self) -> str:
        name = re.sub(r"^C_plus_plus(_(?=\d)|$)", "C++", self.name)  # as DWARF writes it
        return f"{name} {self.version}".rstrip()


def read_producers(section: bytes | memoryview) -> tuple[Producer, ...]:
    r"""What a ``producers`` section names, at most 32.

    Examples
    --------
    >>> print(*read_producers(bytes.fromhex("01 0c") + b"processed-by" + b"\1\5rustc\0061.63.0"))
    rustc 1.63.0
    >>> print(Producer("language", "C_plus_plus_14", ""))
    C++14
    """
    return tuple(_some(_producers(_Claims(bytes(section[:_MOST_BYTES]), DEFAULT))))


def read_target_features(section: bytes | memoryview) -> tuple[str, ...]:
    r"""The features that a ``target_features`` section says are used, at most 32.

    Examples
    --------
    >>> read_target_features(b"\1+\4simd")
    ('simd',)
    """
    return tuple(_some(_features(_Claims(bytes(section[:_MOST_BYTES]), DEFAULT))))


class _Claims(Cursor):
    """Reads names that may be no UTF-8, and cuts them."""

    __slots__ = ()

    def text(self) -> str:
        size = self.u32("the length of a name")
        start = self.pos
        self.skip(size, "a name")
        shown = self.data[start : min(self.pos, start + 4 * _MOST_TEXT)]
        return printable(shown.decode(errors="replace"), _MOST_TEXT)


def _producers(cursor: _Claims) -> Iterator[Producer | None]:
    for _ in range(cursor.u32("the number of fields")):
        field = cursor.text()
        for _ in range(cursor.u32("the number of values")):
            producer = Producer(field, cursor.text(), cursor.text())
            yield producer if field in _FIELDS else None


def _features(cursor: _Claims) -> Iterator[str | None]:
    for _ in range(cursor.u32("the number of features")):
        is_used = cursor.byte("a prefix") in b"+="
        name = cursor.text()
        yield name if is_used else None


def _some(claims: Iterator[T | None]) -> Iterator[T]:
    """The first of them, up to the first damage. None is a claim that is not shown, and was read all the same."""
    shown = 0
    try:
        for _, claim in zip(range(_MOST_READ), claims, strict=False):
            if claim is not None:
                yield claim
                shown += 1
            if shown == _MOST_CLAIMS:
                return
    except InvalidModule:
        return
