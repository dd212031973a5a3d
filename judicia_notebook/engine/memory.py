"""Linear memories of our own: we see and count every grow, and can refuse it. The work is done by ``core/memory.c``.

Wasmtime's own limiter takes five numbers, limits each memory by itself and has no callback. So the engine is given a
*host memory creator*: Wasmtime asks the core for each memory and for each grow.

- Address space is reserved once, and pages become usable as a memory grows. The base never moves, so its address and
  size are plain numbers here.
- All memories of an instance share one `MemoryAccount`, whose limit is looked up again at each grow; all accounts of a
  runtime share one `MemoryPool`.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from ctypes import CDLL, c_int, c_long, c_size_t, c_void_p
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import capi
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.structs import Number, Owner
from judicia_notebook.engine.finalizers import leave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from judicia_notebook.wasm.memory_images import Image

AVAILABLE = sys.platform in ("linux", "darwin")
"""Whether this system has the system calls for it. Elsewhere Wasmtime's own limiter has to do."""

_ANONYMOUS = (mmap.MAP_PRIVATE | mmap.MAP_ANON | (0x4000 if sys.platform == "linux" else 0x40)) if AVAILABLE else 0
_NONE = 0
_MAP_FAILED = c_void_p(-1).value


def _system_calls() -> tuple[Callable[..., Any], ...]:
    libc = CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = c_void_p, [c_void_p, c_size_t, c_int, c_int, c_int, c_long]
    libc.munmap.argtypes = [c_void_p, c_size_t]
    return libc.mmap, libc.munmap


if AVAILABLE:
    _mmap, _munmap = _system_calls()


def can_reserve(size: int) -> bool:
    """Whether this process may reserve `size` bytes of address space now."""
    if not AVAILABLE:
        return False
    base = _mmap(None, size, _NONE, _ANONYMOUS, -1, 0)
    if base == _MAP_FAILED:
        return False
    _munmap(base, size)
    return True


def recycled_bytes() -> int:
    """Address space of finished memories that waits for the next one. It is bounded, and no leak."""
    return int(functions.memory_recycled())


class MemoryPool:
    """The bytes that all instances together hold, and their ceiling."""

    __slots__ = ("__weakref__", "_pool", "_remains", "pointer")

    def __init__(self, ceiling: int) -> None:
        self.pointer: int = functions.pool_new(ceiling)
        if not self.pointer:
            raise MemoryError
        self._remains = leave(self, partial(functions.pool_release, self.pointer))
        self._pool = structs.Pool.from_address(self.pointer)

    @property
    def used(self) -> int:
        """Bytes of linear memory of all instances."""
        return int(self._pool.used)

    @property
    def ceiling(self) -> int:
        """The most there may be."""
        return int(self._pool.ceiling)


class Box:
    """The core's memory of one sandbox. It stays as long as this object, also when the store is gone.

    Parameters
    ----------
    pointer : int
        Of a ``jc_box`` that is held for this object; 0 where there was no memory for one.
    """

    __slots__ = ("__weakref__", "_remains", "fields", "pointer")

    def __init__(self, pointer: int) -> None:
        if not pointer:
            raise MemoryError
        self.pointer = pointer
        self.fields = structs.Box.from_address(pointer)
        self._remains = leave(self, partial(functions.box_release, pointer))

    @classmethod
    def make(cls, engine: int, pool: MemoryPool, samples: int | None) -> Box:
        """A new one, with a store and no instance in it yet.

        Raises
        ------
        MemoryError
        """
        return cls(functions.box_new(engine, pool.pointer, samples))

    @classmethod
    def hold(cls, pointer: int) -> Box:
        """One that the core has made for a call of its own. On the thread inside."""
        functions.box_hold(pointer)
        return cls(pointer)


_OWNERS = {Owner.RUNTIME: "runtime", Owner.SYSTEM: "system"}


class MemoryAccount:
    """The linear memories of one instance: what they hold, and the grows that were refused."""

    __slots__ = ("_box", "_fields")

    def __init__(self, box: Box) -> None:
        self._box = box
        self._fields = box.fields

    @property
    def used(self) -> int:
        """Bytes held by all memories of the instance together."""
        return int(self._fields.held)

    @property
    def grows_refused(self) -> int:
        """How many grows were refused so far."""
        return int(self._fields.grows_refused)

    @property
    def refused(self) -> tuple[int, int, str] | None:
        """The last refused grow of this call: the bytes it would have made in all, the limit, and the limit's owner.

        The owner is ``plugin``, ``runtime`` or ``system``.
        """
        fields = self._fields
        wanted = fields.refused_wanted
        return (wanted, fields.refused_limit, _OWNERS.get(fields.refused_owner, "plugin")) if wanted else None


class EndedAccount:
    """What a `MemoryAccount` said when a call left its instance, which may serve another one by now."""

    __slots__ = ("refused", "used")

    def __init__(self, call: structs.Call) -> None:
        self.used = int(call.numbers[Number.MEMORY_PEAK_BYTES])
        wanted = call.refused_wanted
        owner = _OWNERS.get(call.refused_owner, "plugin")
        self.refused: tuple[int, int, str] | None = (wanted, call.refused_limit, owner) if wanted else None


class Memory:
    """One linear memory: where it lies and how large it is now (bytes)."""

    __slots__ = ("_fields", "base")

    def __init__(self, pointer: int) -> None:
        self._fields = structs.Memory.from_address(pointer)
        self.base: int = self._fields.base  # it never moves

    @property
    def is_like_a_heap(self) -> bool:
        """Whether it could be the engine's heap: the first of an instance, which began empty."""
        return bool(self._fields.heap)

    @property
    def size(self) -> int:
        """Bytes that the guest may use."""
        return int(self._fields.size)


@functools.lru_cache(maxsize=64)
def _array_type(length: int) -> type[ctypes.Array[structs.Image]]:
    """Kept, because ctypes makes the class of an array anew once its last array is gone, and that takes 30 us."""
    return structs.Image * length


def images_of(images: Sequence[Image]) -> tuple[ctypes.Array[structs.Image], int]:
    """The images of an instance's memories, one after the other, as the core copies them into new memories."""
    runs = [(number, offset, content) for number, image in enumerate(images) for offset, content in image]
    array = _array_type(len(runs))()
    for place, (number, offset, content) in enumerate(runs):
        array[place] = structs.Image(number, offset, len(content), content)
    return array, len(runs)


def install(config: int) -> None:
    """Make an engine built from this configuration ask the core for its linear memories."""
    capi.config_set(config, "memory_init_cow", False)  # with a creator and copy-on-write images Wasmtime aborts
    creator = capi.MemoryCreator(None, functions.memory_creator(), None)
    capi.memory_creator_set(config, ctypes.addressof(creator))
