"""A service of a test's own, offered to plugins in the way every service is: by a line in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.host.registry import Entry, added


class OwnService:
    """``judicia:test``."""

    module = "judicia:test"

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = tuple(operations)

    def operations(self) -> Iterable[Operation]:
        return self._operations


@contextmanager
def offered(*operations: Operation) -> Iterator[None]:
    """Have runtimes that are made inside the block offer ``judicia:test`` with these host functions."""
    with added("_test", Entry("the test's own", lambda _: OwnService(operations))):
        yield
