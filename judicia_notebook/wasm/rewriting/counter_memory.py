"""The memory that a rewritten module has beside its own, and the functions that write into it.

- It is defined, not imported, and the last one: no index of another shifts. The original names no memory behind its own
  (`judicia_notebook.wasm.rewriting.walker`), so no code of the guest reaches it. The host reads it by its export.
- It has 32-bit addresses, whatever the guest's memories have, and one size from the beginning.
- The first `HEADER` bytes are empty, so that no address is 0.
- Functions of ours come behind all others. They are called where code would become too long, and by instruments.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from judicia_notebook.errors import RewriteError
from judicia_notebook.units import format_size
from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.info import MemoryType

HEADER: Final = 64
PAGE: Final = 1 << 16
I64: Final = 0x43  # the exponent of 8 bytes, and bit 6: a memory's index follows
I32: Final = 0x42


class Helper(NamedTuple):
    """A function of ours: its type, the types of its locals, its code without the last ``end``."""

    params: tuple[str, ...]
    results: tuple[str, ...]
    locals: tuple[str, ...]
    code: bytes


class CounterMemory:
    """What lies where in the memory of the counters.

    Parameters
    ----------
    index : int
        Of the memory in the rewritten module.
    first_function : int
        The index of the first function of ours.
    most : int
        Bytes it may have.

    Attributes
    ----------
    size : int
        Bytes that are in use.
    helpers : list of Helper
    """

    def __init__(self, index: int, first_function: int, most: int) -> None:
        self.index = index
        self.size = HEADER
        self.helpers: list[Helper] = []
        self._first_function = first_function
        self._most = most
        self._bump: int | None = None

    def pages(self, others: Iterable[MemoryType]) -> int:
        """Its size in pages, from the beginning to the end; none of the others has it so, and by that it is known."""
        taken = {each.minimum_pages for each in others if each.minimum_pages == each.maximum_pages}
        fewest = -(-self.size // PAGE)
        return next(pages for pages in range(fewest, fewest + len(taken) + 1) if pages not in taken)

    def reserve(self, size: int) -> int:
        """The address of so many bytes more, which begin as zeros; a multiple of 8.

        Raises
        ------
        RewriteError
            There is no room for them.
        """
        address = self.size
        self.size = address + (size + 7 & ~7)
        if self.size > self._most:
            raise RewriteError(
                f"The counters take more than the {format_size(self._most)} that they may take.",
                hint="Monitor less at once.",
            )
        return address

    def add_function(self, helper: Helper) -> int:
        """The index of a new function."""
        self.helpers.append(helper)
        return self._first_function + len(self.helpers) - 1

    @property
    def bump_function(self) -> int:
        """The index of the function that adds 1 to the counter at the address it is given."""
        if self._bump is None:
            get, one = b"\x20\0", b"\x42\1\x7c"
            code = get + get + self.load(0) + one + self.store(0)
            self._bump = self.add_function(Helper(("i32",), (), (), code))
        return self._bump

    # --- code ---

    def load(self, address: int, width: int = 8) -> bytes:
        """``i64.load`` (8) or ``i32.load`` (4) of the counters; what is on the stack is added to the address."""
        kind = b"\x29\x43" if width == 8 else b"\x28\x42"
        return kind + leb128(self.index) + leb128(address)

    def store(self, address: int, width: int = 8) -> bytes:
        """``i64.store`` or ``i32.store``, likewise."""
        kind = b"\x37\x43" if width == 8 else b"\x36\x42"
        return kind + leb128(self.index) + leb128(address)

    def bump(self, address: int) -> bytes:
        """Code that adds 1 to the counter at an address, in place."""
        place = leb128(self.index) + leb128(address)
        return b"\x41\0\x41\0\x29\x43" + place + b"\x42\1\x7c\x37\x43" + place

    def bump_by_call(self, address: int) -> bytes:
        """The same by a call, in fewer bytes and more time."""
        return b"\x41" + signed_leb128(address) + b"\x10" + leb128(self.bump_function)


class Columns:
    """Numbers that an instrument keeps of its sites, a row each: which counter is whose.

    Parameters
    ----------
    *names : str
        Of the columns; each becomes an array of unsigned int.
    """

    __slots__ = ("_columns",)

    def __init__(self, *names: str) -> None:
        self._columns = {name: array("I") for name in names}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> array[int]:
        return self._columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def add(self, *row: int) -> int:
        """Add a row, and return its number."""
        number = len(self)
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        return number

    def cut(self, rows: int) -> None:
        """Forget all rows from this number on."""
        for column in self._columns.values():
            del column[rows:]
