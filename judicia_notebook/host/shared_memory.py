"""``judicia:shared_memory``: regions of bytes that the notebook and plugins both see, without JSON in between.

The notebook makes a region, with a name, a dtype and a shape, and has it as a NumPy array. A guest names the region, an
offset, and an address in its own memory. The host copies the bytes once, straight from one memory to the other.

- **A writer** holds a lock: a guest for one copy, the notebook for a ``with region.write():``.
- **A reader** takes no lock. A counter, the *sequence*, is odd while a writer writes and even in between. A reader
  reads it before and after its copy: the same even number twice means that no writer came in between. Otherwise the
  reader copies again, a few times, and then gives up with an error.
- **The danger.** A guest's copy runs without the interpreter's lock, so the region's bytes change while NumPy works.
  NumPy reads a mask or an index array twice, once to check it and once to use it. Therefore a region holds numbers
  only, no booleans or objects, and `Region.copy` gives an array that never changes.
- Guests lose a closed region at once; its bytes go with the last array that shows them.
"""

from __future__ import annotations

import contextlib
import math
import operator
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ctypes import memmove
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.invocation import SLICE
from judicia_notebook.errors import PolicyError, ResourceExhausted
from judicia_notebook.host.dispatcher import Operation, ServiceError
from judicia_notebook.policy.limits import MOST, LimitTable, limit
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import listed, printable
from judicia_notebook.units import format_names, format_size

if TYPE_CHECKING:
    import numpy as np

    from judicia_notebook.host.scope import CallScope

    Array = np.ndarray[Any, Any]

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""What a region may be called: what a grant can name."""

READ, WRITE = "read_shared_memory", "write_shared_memory"
_WIDEST = {"i": 8, "u": 8, "f": 8, "c": 16}  # bytes of the numbers that other languages have too


@dataclass(frozen=True, slots=True)
class SharedMemoryLimits:
    """The limits in force. Times are seconds, sizes bytes.

    Examples
    --------
    >>> SharedMemoryLimits(regions=10).regions, SharedMemoryLimits().attempts
    (10, 8)
    """

    total_bytes: int = limit(256 << 20, "bytes", "runtime", "all regions together", beyond="the user can make no more")
    regions: int = limit(100, "regions", "runtime", "regions that are open", beyond="the user can make no more")
    wait: float = limit(
        1.0, "s", "request", "for a writer to finish, within what is left of the call's wall time", beyond="`conflict`"
    )
    attempts: int = limit(
        8, "copies", "request", "of a read while a writer changes the region", beyond="`conflict`", least=1
    )


KINDS: Final = LimitTable(SharedMemoryLimits, "shared_memory", "shared memory")


class Region:
    """Bytes that the notebook and plugins share. `SharedMemory.create` makes them.

    Attributes
    ----------
    name : str
    nbytes : int
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], forget: Callable[[Region], None]
    ) -> None:
        import numpy as np

        self.name = name
        self.nbytes = math.prod(shape) * dtype.itemsize
        self._bytes = np.zeros(self.nbytes, "u1")
        self._array = self._bytes.view(dtype).reshape(shape)
        self._address = int(self._bytes.ctypes.data)
        self._sequence = 0
        self._lock = threading.Lock()
        self._writer = 0  # the thread that writes
        self._forget = forget
        self._closed = False

    # What the notebook uses -----------------------------------------------------------------------------------------

    @property
    def array(self) -> Array:
        """The region itself as an array, without a copy. Plugins that may write change it at any moment.

        Raises
        ------
        ResourceExhausted
            The region is closed.
        """
        self._check_open()
        return self._array

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its numbers."""
        return self._array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """How many numbers there are, by axis."""
        return self._array.shape

    @property
    def sequence(self) -> int:
        """Twice the number of writes so far; odd while a writer writes."""
        return self._sequence

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or another region took its name."""
        return self._closed

    @contextlib.contextmanager
    def write(self) -> Iterator[Array]:
        """Write alone: ``with region.write() as array: ...``. Guests' reads that overlap it are made again.

        Raises
        ------
        ResourceExhausted
            The region is closed.
        RuntimeError
            This thread is writing already.
        """
        self._check_open()
        self._check_not_writing()
        with self._lock, self._written():
            yield self._array

    def copy(self) -> Array:
        """A copy that never changes, without any half of a write.

        Raises
        ------
        ResourceExhausted
            The region is closed.
        RuntimeError
            This thread is writing.
        """
        self._check_open()
        self._check_not_writing()
        with self._lock:
            return self._array.copy()

    def close(self) -> None:
        """Take the region away from plugins. Arrays that show it stay as they are."""
        self._closed = True
        self._forget(self)

    def _check_open(self) -> None:
        if self._closed:
            again = suggestions.python("rt.host.shared_memory.create", self.name, self.nbytes)
            raise ResourceExhausted(
                f"The region {self.name} is closed.", hint=suggestions.hint("To make another:  ", again)
            )

    def _check_not_writing(self) -> None:
        if self.is_written_here:
            raise RuntimeError(f"this thread is inside `with {self.name}.write():` already, and would wait for itself")

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"sequence {self._sequence}"
        return f"<Region {self.name}: {self.shape} of {self.dtype}, {format_size(self.nbytes)}, {state}>"

    # What guests use ------------------------------------------------------------------------------------------------

    @property
    def is_written_here(self) -> bool:
        """Whether this thread is writing."""
        return self._writer == threading.get_ident()

    def copy_to(self, address: int, offset: int, length: int) -> int | None:
        """Copy bytes out, to an address in this process. Returns their sequence, or None if a writer came by."""
        before = self._sequence
        if before % 2:
            return None
        memmove(address, self._address + offset, length)
        return before if self._sequence == before else None

    def copy_from(self, address: int, offset: int, length: int, seconds: float) -> int | None:
        """Copy bytes in. Returns the sequence afterwards, or None if another writer held the lock all the time."""
        if not self._lock.acquire(timeout=seconds):
            return None
        try:
            with self._written():
                memmove(self._address + offset, address, length)
            return self._sequence
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """Odd inside, even after; also after a block that an interrupt kept from counting to its end."""
        self._writer = threading.get_ident()
        self._sequence = (self._sequence + 1) | 1
        try:
            yield
        finally:
            self._sequence = (self._sequence | 1) + 1
            self._writer = 0


Unsigned = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class Copy(msgspec.Struct, forbid_unknown_fields=True):
    """Which bytes of a region, and where they are or shall be in the guest's memory."""

    name: str
    offset: Offset
    ptr: Unsigned
    length: Unsigned


class Info(msgspec.Struct, forbid_unknown_fields=True):
    """Which region."""

    name: str


class SharedMemory:
    """``judicia:shared_memory`` of one runtime, and ``rt.host.shared_memory`` of the notebook.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     frame = rt.host.shared_memory.create("frame", (2, 3), "i4")
    ...     with frame.write() as pixels:
    ...         pixels[:] = 7
    ...     int(frame.array.sum()), frame.sequence
    (42, 2)
    """

    module = "judicia:shared_memory"
    left = "shared regions"
    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self) -> None:
        self._limits = SharedMemoryLimits()
        self._lock = threading.Lock()
        self._regions: dict[str, Region] = {}
        self._closed = False

    def operations(self) -> Iterable[Operation]:
        yield Operation("read", self.read, capability=READ, request=Copy, target=_bytes_of)
        yield Operation("write", self.write, capability=WRITE, request=Copy, target=_bytes_of)
        yield Operation("info", self.info, capability=READ, request=Info, target=lambda request: _shown(request.name))

    # For the notebook -----------------------------------------------------------------------------------------------

    def create(self, name: Any, shape: int | Sequence[int], dtype: Any = "u1") -> Region:
        """Make a region of zeros. One that has the name already is closed and replaced.

        Parameters
        ----------
        name : str
            Letters, digits and ``_``; what grants name: ``read_shared_memory=NAME``.
        shape : int or sequence of int
        dtype : anything that NumPy takes as one
            Whole or floating numbers of at most 8 bytes, or complex ones of at most 16.

        Raises
        ------
        PolicyError
            No such name, shape or dtype.
        ResourceExhausted
            Beyond a limit, or the runtime is closed.
        """
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PolicyError(f"A region's name is of letters, digits and _, at most 63 of them; {name!r} is not.")
        sizes, kind = _checked_shape(shape), _checked_dtype(dtype)
        wanted = math.prod(sizes) * kind.itemsize
        with self._lock:
            if self._closed:
                raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")
            others = [other for other in self._regions.values() if other.name != name]
            if len(others) >= self._limits.regions:
                there = listed([other.name for other in others])
                raise ResourceExhausted(
                    f"{len(others)} regions are open already; close one of them: {there}.",
                    hint="or allow more:  rt.host.shared_memory.set_limits(regions=...)",
                )
            total = wanted + sum(other.nbytes for other in others)
            if total > self._limits.total_bytes:
                raise ResourceExhausted(
                    f"All regions together would have {format_size(total)}, "
                    f"above the limit of {format_size(self._limits.total_bytes)}.",
                    hint="To allow more:  rt.host.shared_memory.set_limits(total_bytes=...)",
                )
            region, old = Region(name, sizes, kind, self._forget), self._regions.get(name)
            self._regions[name] = region
        if old is not None:
            old.close()
        return region

    @property
    def regions(self) -> Mapping[str, Region]:
        """The open regions, by name."""
        with self._lock:
            return MappingProxyType(dict(self._regions))

    @KINDS.in_force
    def limits(self) -> SharedMemoryLimits:
        """How many regions and bytes there may be; `set_limits` changes them."""
        return self._limits

    def set_limits(self, **kinds: float | str) -> None:
        """Change limits, from the next request on; what is not named stays. Sizes may be text such as ``"1GiB"``.

        Raises
        ------
        PolicyError
            An unknown kind or a bad value; nothing is changed then.
        """
        self._limits = KINDS.changed(self._limits, kinds)

    def kept(self) -> Iterator[str]:
        """The open regions, in words."""
        if regions := self.regions:
            yield f"{len(regions)} shared region{'s' if len(regions) > 1 else ''}: {format_names(regions)}"

    def close(self) -> None:
        """Close all regions, and make no more."""
        with deferred(), self._lock:
            self._closed = True
        self.forget()

    def forget(self) -> None:
        """Close all regions. Arrays that were taken from them stay as they are."""
        with deferred(), self._lock:
            regions, self._regions = self._regions, {}
        for region in regions.values():
            region.close()

    def _forget(self, region: Region) -> None:
        with self._lock:
            if self._regions.get(region.name) is region:
                del self._regions[region.name]

    def __repr__(self) -> str:
        regions = self.regions.values()
        return f"<SharedMemory: {len(regions)} regions, {format_size(sum(region.nbytes for region in regions))}>"

    # For guests -----------------------------------------------------------------------------------------------------

    def read(self, scope: CallScope, request: Copy) -> dict[str, int]:
        """Copy bytes of a region into the guest's memory, as they were at one moment."""
        region = self._find(scope, "read", READ, request.name)
        address = self._locate(scope, "read", region, request)
        limits, until = self._limits, monotonic() + self._limits.wait
        copies = 0
        while True:
            scope.go_on()
            if region.sequence % 2 == 0:
                copies += 1
                sequence = region.copy_to(address, request.offset, request.length)
                if sequence is not None:
                    return {"copied": request.length, "sequence": sequence}
            if copies >= limits.attempts or monotonic() >= until:
                raise ServiceError("conflict", f"region {request.name}: its writers leave no pause for a read")
            if region.sequence % 2:
                scope.wait(min(SLICE, max(0.0, until - monotonic()), 0.001 * (1 << min(copies, 4))))

    def write(self, scope: CallScope, request: Copy) -> dict[str, int]:
        """Copy bytes of the guest's memory into a region, while no other writer writes."""
        region = self._find(scope, "write", WRITE, request.name)
        address = self._locate(scope, "write", region, request)
        until = monotonic() + self._limits.wait
        while True:
            scope.go_on()
            rest = scope.remaining()
            patience = max(0.0, min(SLICE, until - monotonic(), SLICE if rest is None else rest))
            sequence = region.copy_from(address, request.offset, request.length, patience)
            if sequence is not None:
                return {"copied": request.length, "sequence": sequence}
            if monotonic() >= until:
                raise ServiceError("conflict", f"region {request.name}: another writer holds it")

    def info(self, scope: CallScope, request: Info) -> dict[str, Any]:
        """A region's size, dtype, shape and sequence."""
        region = self._find(scope, "info", READ, request.name)
        return {
            "size": region.nbytes,
            "dtype": region.dtype.str,
            "shape": list(region.shape),
            "sequence": region.sequence,
        }

    def _find(self, scope: CallScope, operation: str, capability: str, name: str) -> Region:
        """The region, if the plugin may know that it exists."""
        if name not in scope.policy.state.scopes(capability):
            text = f"judicia:shared_memory {operation} needs the capability {capability} for this region"
            raise ServiceError("capability_denied", text, scope=name if NAME.fullmatch(name) else "")
        region = self._regions.get(name)
        if region is None or region.closed:
            raise ServiceError("not_found", f"there is no region {name}")
        if region.is_written_here and operation != "info":  # this call was made inside `with region.write():`
            raise ServiceError("conflict", f"region {name}: the caller of this plugin is writing into it")
        return region

    @staticmethod
    def _locate(scope: CallScope, operation: str, region: Region, request: Copy) -> int:
        """The address of the guest's side of the copy; refuse where either side is not inside its memory."""
        if request.offset + request.length > region.nbytes:
            raise ServiceError(
                "bad_request",
                f"fields `offset` and `length`: {request.length} bytes from {request.offset} on, and "
                f"region {region.name} has {region.nbytes} bytes",
            )
        what = f"the region of its request to judicia:shared_memory {operation}"
        return scope.exchange.locate(request.ptr, request.length, scope, what)


def _shown(name: str) -> str:
    return printable(name, 63)


def _bytes_of(request: Copy) -> str:
    return f"{_shown(request.name)}[{request.offset}:{request.offset + request.length}]"


def _checked_shape(shape: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(map(operator.index, [shape] if hasattr(shape, "__index__") else shape))
    except TypeError:
        raise PolicyError(f"A region's shape is one size or several, not {shape!r}.") from None
    if not sizes or len(sizes) > 32 or any(size < 1 for size in sizes):
        raise PolicyError(f"A region's shape is of 1 to 32 sizes from 1 on; {shape!r} is not.")
    if math.prod(sizes) > MOST:
        raise PolicyError(f"A region of the shape {shape!r} has more values than can be counted here: at most {MOST}.")
    return sizes


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    import numpy as np

    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"dtype: {error}") from None
    if kind.itemsize > _WIDEST.get(kind.kind, 0):
        raise PolicyError(
            f"A region holds whole, floating or complex numbers of a fixed size, such as 'u1' or '<f8', not {kind}."
        )
    return kind
