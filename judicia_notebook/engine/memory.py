"""Linear memories of our own: we see and count every grow, and can refuse it.

Wasmtime's own limiter takes five numbers, limits each memory by itself and has no callback. So the engine is given a
*host memory creator*: Wasmtime asks us for each memory and for each grow.

- Address space is reserved once (what Wasmtime asks for, plus its guard) and pages are committed with ``mprotect`` as
  a memory grows. The base never moves, so its address and size are plain numbers here.
- A finished memory's reservation is recycled: ``madvise`` gives its pages back as zeros, and the pages beyond a smaller
  successor's minimum are protected again, or the successor could read past its size.
- A new memory gets its image: what the module's leading data segments write (`wasm.memory_images`). Wasmtime makes a
  module's memories in their order, before any data segment that it writes itself and before the start function.
- All memories of an instance share one `MemoryAccount`, whose limit is looked up again at each grow; all accounts of a
  process share one `MemoryPool`.
- The callbacks run on the thread inside the guest. They fail closed: an exception is kept on the account and the grow
  is refused.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import sys
import threading
import weakref
from ctypes import CDLL, c_int, c_long, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.engine import capi

if TYPE_CHECKING:
    from collections.abc import Callable

    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.wasm.memory_images import Image

AVAILABLE = sys.platform in ("linux", "darwin")
"""Whether this system has the system calls for it. Elsewhere Wasmtime's own limiter has to do."""

_MAX_RECYCLED = 32
_ZEROES_WHAT_IT_TAKES = sys.platform == "linux"  # elsewhere MADV_DONTNEED may leave the old bytes
_ANONYMOUS = (mmap.MAP_PRIVATE | mmap.MAP_ANON | (0x4000 if sys.platform == "linux" else 0x40)) if AVAILABLE else 0
_NONE, _READ_WRITE = 0, 3
_DONTNEED = 4
_POPULATE_WRITE = 23  # Linux 5.14
# Bytes from which all pages of a copy are asked for at once: a fault for each of them takes twice the time.
_AT_ONCE = (32 << 10) if sys.platform == "linux" else sys.maxsize
_MAP_FAILED = c_void_p(-1).value


def _system_calls() -> tuple[Callable[..., Any], ...]:
    libc = CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = c_void_p, [c_void_p, c_size_t, c_int, c_int, c_int, c_long]
    libc.munmap.argtypes = [c_void_p, c_size_t]
    libc.mprotect.argtypes = libc.madvise.argtypes = [c_void_p, c_size_t, c_int]
    return libc.mmap, libc.munmap, libc.mprotect, libc.madvise


if AVAILABLE:
    _mmap, _munmap, _mprotect, _madvise = _system_calls()


def can_reserve(size: int) -> bool:
    """Whether this process may reserve `size` bytes of address space now."""
    if not AVAILABLE:
        return False
    base = _mmap(None, size, _NONE, _ANONYMOUS, -1, 0)
    if base == _MAP_FAILED:
        return False
    _munmap(base, size)
    return True


class MemoryPool:
    """The bytes that all instances together hold, and their ceiling."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.used = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            if self.used + size > self.ceiling:
                return False
            self.used += size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self.used -= size


class Observer(Protocol):
    """Learns of grows."""

    def on_grow(self, event: str, used: int) -> None: ...


class MemoryAccount:
    """The linear memories of one instance: what they hold, their limit, and the grows that were refused.

    Attributes
    ----------
    used : int
        Bytes held by all memories of the instance together.
    refused : (int, int, str) or None
        The last refused grow: the bytes it would have made in all, the limit, and the limit's owner: ``plugin``,
        ``runtime`` or ``system``.
    grows_refused : int
        How many grows were refused so far.
    observer : weakref.ref or None
        Whose `on_grow` is called with (event, used) after each ``grow`` and ``grow_refused``. Weak, because Wasmtime's
        memories keep their account, and an account must not keep its sandbox.
    """

    __slots__ = ("budget", "error", "grows_refused", "memories", "observer", "pool", "refused", "used")

    def __init__(self, budget: Budget, pool: MemoryPool) -> None:
        self.budget = budget
        self.pool = pool
        self.used = 0
        self.refused: tuple[int, int, str] | None = None
        self.grows_refused = 0
        self.memories: list[Memory] = []
        self.observer: weakref.ref[Observer] | None = None
        self.error: BaseException | None = None

    def admit(self, size: int, *, initial: bool = False) -> bool:
        """Book `size` more bytes if they fit; whether they do. The memory that an instance begins with is no grow."""
        limit = self.budget.limits.memory_bytes
        wanted = self.used + size
        if limit is not None and wanted > limit:
            return self.refuse(wanted, limit, "plugin")
        if not self.pool.take(size):
            return self.refuse(wanted, self.pool.ceiling, "runtime")
        self.used = wanted
        if not initial:
            self._tell("grow")
        return True

    def refuse(self, wanted: int, limit: int, whose: str) -> bool:
        """Note a refused grow; always False."""
        self.refused = (wanted, limit, whose)
        self.grows_refused += 1
        self._tell("grow_refused")
        return False

    def _tell(self, event: str) -> None:
        observer = self.observer() if self.observer is not None else None
        if observer is not None:
            observer.on_grow(event, self.used)

    def release(self, size: int) -> None:
        self.used -= size
        self.pool.give_back(size)


class Memory:
    """One linear memory: where it lies and how large it is now (bytes)."""

    __slots__ = ("account", "base", "committed", "mapped", "reserved", "size")

    def __init__(self, account: MemoryAccount, base: int, size: int, reserved: int, mapped: int) -> None:
        self.account = account
        self.base = base
        self.size = size
        self.committed = size
        self.reserved = reserved
        self.mapped = mapped


_memories: dict[int, Memory] = {}
_keys = itertools.count(1)
_recycled: dict[int, list[tuple[int, int]]] = {}  # bytes mapped -> (base, bytes committed)
_instantiating = threading.local()


class instantiating:  # noqa: N801  # reads as a statement: with instantiating(account)
    """While this block runs, memories made on this thread belong to `account`, and begin with `images` in turn."""

    __slots__ = ("account", "images")

    def __init__(self, account: MemoryAccount, images: tuple[Image, ...]) -> None:
        self.account = account
        self.images = images

    def __enter__(self) -> None:
        _instantiating.account = self.account
        _instantiating.images = iter(self.images)

    def __exit__(self, *_: object) -> None:
        _instantiating.account = _instantiating.images = None


def _commit(mapped: int, size: int) -> int | None:
    """A reservation of `mapped` bytes, the first `size` of them zeros and usable; None where the system gives none."""
    free = _recycled.get(mapped)
    try:
        base, committed = free.pop() if free else (_mmap(None, mapped, _NONE, _ANONYMOUS, -1, 0), 0)
    except IndexError:  # another thread took the last one between the look and the pop
        base, committed = _mmap(None, mapped, _NONE, _ANONYMOUS, -1, 0), 0
    if base == _MAP_FAILED:
        return None
    # Recycled from a larger memory: its pages beyond this one's size would still be readable.
    beyond = size < committed and _mprotect(base + size, committed - size, _NONE)
    if beyond or (size > committed and _mprotect(base, size, _READ_WRITE)):
        _munmap(base, mapped)
        return None
    return base


def _fits(image: Image, size: int) -> bool:
    """Whether an image ends within a memory of that size. It does unless we and Wasmtime read a module differently."""
    return not image or image[-1].offset + len(image[-1].content) <= size


def _fill(base: int, image: Image) -> None:
    """Copy an image into a memory of zeros."""
    for offset, content in image:
        if len(content) >= _AT_ONCE:  # where the system does not know this, the copy faults the pages in as it goes
            first = offset & -mmap.PAGESIZE
            _madvise(base + first, offset + len(content) - first, _POPULATE_WRITE)
        ctypes.memmove(base + offset, content, len(content))


@capi.callback(capi.MEMORY_NEW)
def _new_memory(env: int, kind: int, minimum: int, maximum: int, reserved: int, guard: int, result: int) -> int | None:
    account: MemoryAccount | None = None
    try:
        account = _instantiating.account
        if account is None:
            return capi.error_new(b"a linear memory was asked for outside an instantiation")  # type: ignore[no-any-return]
        image = next(_instantiating.images, ())
        if not _fits(image, minimum):
            raise RuntimeError("an image is larger than its memory")
        if not account.admit(minimum, initial=True):
            return capi.error_new(b"memory quota")  # type: ignore[no-any-return]
        reserved = max(reserved, minimum)
        base = _commit(reserved + guard, minimum)
        if base is None:
            account.release(minimum)
            account.refuse(account.used + minimum, account.used, "system")
            return capi.error_new(b"the system has no memory left")  # type: ignore[no-any-return]
        _fill(base, image)
        key = next(_keys)
        memory = _memories[key] = Memory(account, base, minimum, reserved, reserved + guard)
        account.memories.append(memory)
        out = capi.LinearMemory.from_address(result)
        out.env, out.get, out.grow, out.finalize = key, _GET, _GROW, _FINALIZE
        return None
    except BaseException as error:  # a Python exception must not cross into Wasmtime
        if account is not None:
            account.error = error
        return capi.error_new(b"no memory")  # type: ignore[no-any-return]


@capi.callback(capi.MEMORY_GET)
def _get_memory(env: int, size: Any, capacity: Any) -> int:
    memory = _memories[env]
    size[0], capacity[0] = memory.size, memory.reserved
    return memory.base


@capi.callback(capi.MEMORY_GROW)
def _grow_memory(env: int, new_size: int) -> int | None:
    account: MemoryAccount | None = None
    try:
        memory = _memories[env]
        account = memory.account
        extra = new_size - memory.size
        if new_size > memory.reserved:
            account.refuse(account.used + extra, memory.reserved, "system")
            return capi.error_new(b"address space")  # type: ignore[no-any-return]
        if not account.admit(extra):
            return capi.error_new(b"memory quota")  # type: ignore[no-any-return]
        if new_size > memory.committed:
            if _mprotect(memory.base, new_size, _READ_WRITE):
                account.release(extra)
                account.refuse(account.used + extra, account.used, "system")
                return capi.error_new(b"the system has no memory left")  # type: ignore[no-any-return]
            memory.committed = new_size
        memory.size = new_size
        return None
    except BaseException as error:  # a Python exception must not cross into Wasmtime
        if account is not None:
            account.error = error
        return capi.error_new(b"no memory")  # type: ignore[no-any-return]


@capi.callback(capi.FINALIZE)
def _finalize_memory(env: int) -> None:
    memory = _memories.pop(env)
    memory.account.release(memory.size)
    memory.account.memories.remove(memory)  # they hold each other; without this they would wait for the collector
    free = _recycled.setdefault(memory.mapped, [])
    if _ZEROES_WHAT_IT_TAKES and len(free) < _MAX_RECYCLED:
        _madvise(memory.base, memory.committed, _DONTNEED)
        free.append((memory.base, memory.committed))
    else:
        _munmap(memory.base, memory.mapped)


def _address(callback: Any) -> int:
    return ctypes.cast(callback, c_void_p).value or 0


_GET, _GROW, _FINALIZE = (_address(callback) for callback in (_get_memory, _grow_memory, _finalize_memory))


def install(config: int) -> None:
    """Make an engine built from this configuration ask us for its linear memories."""
    capi.config_set(config, "memory_init_cow", False)  # with a creator and copy-on-write images Wasmtime aborts
    creator = capi.MemoryCreator(None, _address(_new_memory), None)
    capi.memory_creator_set(config, ctypes.addressof(creator))
