"""What all instances of a plugin share: the compiled module and its host functions, resolved once."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable, Sequence
from ctypes import byref, c_void_p
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.engine import capi
from judicia_notebook.engine.backtraces import Locate, Stopped
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.finalizers import leave, sweep
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.memory import images_of
from judicia_notebook.engine.supplies import SupplyArray
from judicia_notebook.errors import CompileError, ResourceExhausted

if TYPE_CHECKING:
    from judicia_notebook.engine.compiler import Module
    from judicia_notebook.engine.engine import Engine
    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.samples import SampleTable
    from judicia_notebook.engine.supplies import Supply
    from judicia_notebook.wasm.info import ModuleInfo

_UNSIGNED = {"i32": "i", "i64": "l", "f32": "f", "f64": "d", "externref": "n", "funcref": "n"}
_SIGNED = {**_UNSIGNED, "i32": "I", "i64": "L"}
_import_keys = itertools.count(1)
_numbers = itertools.count(1)  # of linkages


class HostFunction(NamedTuple):
    """An import: its name, its type, and its answer, ``call(sandbox, invocation, *numbers) -> number``.

    One of ABI 1 may take bytes: ``call(sandbox, invocation, request, pointer, length) -> number``. The request is None
    where it lies beyond the memory, or is so long that it is copied only once the policy was asked.

    Integers are unsigned, unless `is_signed`. A reference is None, and null where it is a result; several results are a
    tuple.
    """

    module: str
    name: str
    params: tuple[str, ...]
    results: tuple[str, ...]
    call: Callable[..., Any]
    takes_bytes: bool = False
    is_signed: bool = False


class Linkage:
    """A compiled module with its imports resolved: what every instance of a plugin starts from.

    Attributes
    ----------
    number : int
        Of this linkage in this process: instances know by it what they were made of.
    import_names : dict
        The host functions by their keys, such as ``judicia:clock now``.

    Parameters
    ----------
    module : Module
        Its images are what each instance's memories begin with.
    info : ModuleInfo
        The same module as our reader saw it: the types of its exports, which the call path must not get wrong.
    functions : iterable of HostFunction
        The answers to its imports.
    supplies : sequence of Supply
        The memories, globals and tables that it imports.
    provider : Linkage, optional
        Of the module that exports them, by their places.
    trap_unknown : bool
        Whether other function imports trap when called, instead of refusing the module.
    counters : int, optional
        Bytes of a memory that is in no quota of the guest's, since it has counters that were written into the module;
        no other memory of the module has that size from the beginning to the end. `info` is then that of the original,
        which does not have it.
    meter : int
        Where in that memory its code counts its own fuel (`judicia_notebook.wasm.rewriting.fuel_meter`), and ends at
        its limit; 0 where it does not.
    digest : str
        Of the module that `info` is of, hexadecimal; empty: nobody has computed it.
    locate : callable, optional
        Where a frame of code with counters is in the module that `info` is of.

    Raises
    ------
    CompileError
        An import's type is not the one its name has here.
    """

    def __init__(
        self,
        engine: Engine,
        module: Module,
        info: ModuleInfo,
        functions: Iterable[HostFunction],
        supplies: Sequence[Supply] = (),
        provider: Linkage | None = None,
        *,
        trap_unknown: bool = False,
        counters: int | None = None,
        meter: int = 0,
        digest: str = "",
        locate: Locate | None = None,
    ) -> None:
        exported = [export for export in info.exports if export.kind == "func"]
        self.engine = engine
        self.number = next(_numbers)
        self.export_names = {export.index: export.name for export in exported}
        self.function_names = info.names
        self._lines = info, digest, locate
        self.images = images_of(module.images)
        self.memory_count = len(info.memories)
        self.counters = counters
        self.meter = meter
        self.export_types = {export.name: export.type for export in exported if export.type is not None}
        self.memory_names = _memory_names(info)
        self.global_names = dict.fromkeys(export.name for export in info.exports if export.kind == "global")
        self.import_names: dict[int, str] = {}
        self._hosts: list[int] = []
        pre, supplied = c_void_p(), structs.Supplied()
        # Instances share it and calls begin while plugins are replaced, so it goes when the last of them lets go.
        sweep()
        self.close = leave(self, partial(_close_linkage, pre, supplied, self._hosts)).free
        self._pre, self._supplied = pre, supplied
        self._supplies = SupplyArray(supplies)
        self._provider: Linkage | None = None
        linker = capi.linker_new(engine.pointer)
        if provider is not None:
            supplied.linker = linker  # from here on `close` deletes it
        try:
            for function in functions:
                self._define(linker, function)
            if trap_unknown:
                _raise_if(capi.linker_unknown_as_traps(linker, module.pointer))
            if provider is not None:
                self._keep(module, provider)
            else:
                _raise_if(capi.linker_instantiate_pre(linker, module.pointer, byref(pre)))
        except BaseException:
            self.close()
            raise
        finally:
            if provider is None:
                capi.linker_delete(linker)

    def _keep(self, module: Module, provider: Linkage) -> None:
        """What is supplied belongs to one store, so the imports are resolved anew for each instance."""
        images, count = provider.images
        with deferred():
            self._provider = provider
            self._supplied.provider, self._supplied.images = provider.pre, ctypes.addressof(images)
            self._supplied.image_count = count
            self._supplied.module = capi.module_clone(module.pointer)
            self._supplied.supplies, self._supplied.count = self._supplies.address, self._supplies.count

    def _define(self, linker: int, function: HostFunction) -> None:
        key = next(_import_keys)
        types = _SIGNED if function.is_signed else _UNSIGNED
        params = "".join(types.get(kind, "-") for kind in function.params)
        results = "".join(map(_UNSIGNED.__getitem__, function.results))
        host = functions.host_new(key, function.call, params.encode(), results.encode(), function.takes_bytes)
        if not host:
            raise MemoryError
        self._hosts.append(host)
        self.import_names[key] = f"{function.module} {function.name}"
        functype = capi.new_functype(function.params, function.results)
        module, name = function.module.encode(), function.name.encode()
        try:
            _raise_if(
                capi.linker_define_func(
                    linker,
                    module,
                    len(module),
                    name,
                    len(name),
                    functype,
                    functions.trampoline(),
                    host,
                    functions.host_finalizer(),
                )
            )
        finally:
            capi.functype_delete(functype)

    def template(
        self, pool: MemoryPool, samples: SampleTable, *, has_allocator: bool, is_reactor: bool
    ) -> structs.Template:
        """What the core needs to make instances alone. The caller keeps this linkage, the pool and the samples.

        Instances with counters are made by a `Sandbox`.
        """
        if self.counters is not None:
            raise ValueError("the core makes no instances with counters alone")
        images, count = self.images
        return structs.Template(
            engine=self.engine.pointer,
            pre=self.pre,
            images=ctypes.addressof(images),
            image_count=count,
            pool=pool.pointer,
            samples=samples.pointer,
            has_allocator=has_allocator,
            is_reactor=is_reactor,
        )

    def stopped(self, frames: Sequence[capi.Frame], *, trapped: bool) -> Stopped:
        """What finds out the lines of an instance's frames; `trapped`: at an instruction, and not at a tick."""
        info, digest, locate = self._lines
        return Stopped(tuple(frames), self.export_names, info, digest, locate, trapped)

    @property
    def has_supplies(self) -> bool:
        """Whether each instance gets memories, globals or tables that the module imports."""
        return self._provider is not None

    @property
    def pre(self) -> int:
        """The prepared instantiation, of a module that imports functions alone."""
        if not self._pre.value:
            raise ResourceExhausted("This plugin's code is already closed.")
        return self._pre.value

    @property
    def origin(self) -> tuple[int | None, Any]:
        """What `jc_instantiate` takes: the prepared instantiation, or what to instantiate from."""
        if not self.has_supplies:
            return self.pre, None
        if not self._supplied.linker:
            raise ResourceExhausted("This plugin's code is already closed.")
        return None, byref(self._supplied)

    def clone_module(self) -> int:
        """The compiled module; the caller deletes it."""
        pre, _ = self.origin
        return int(capi.instance_pre_module(pre) if pre else capi.module_clone(self._supplied.module))


def _memory_names(info: ModuleInfo) -> dict[int, str]:
    """The names of the exported memories by their indexes, or where there are none, of the imported ones.

    Of a memory that is exported twice it is one name, and ``memory`` rather than any other.
    """
    exports = [export for export in info.exports if export.kind == "memory"]
    imports = [imported.name for imported in info.imports if imported.kind == "memory"]
    if not exports:
        return dict(enumerate(imports))
    return {export.index: export.name for export in sorted(exports, key=lambda export: export.name == "memory")}


def _close_linkage(pre: c_void_p, supplied: structs.Supplied, hosts: list[int]) -> None:
    pointer, pre.value = pre.value, None
    if pointer:
        capi.instance_pre_delete(pointer)
    linker, supplied.linker = supplied.linker, None
    if linker:
        capi.linker_delete(linker)
    module, supplied.module = supplied.module, None
    if module:
        capi.module_delete(module)
    while hosts:
        functions.host_forget(hosts.pop())


def _raise_if(error: int | None) -> None:
    if error:
        raise CompileError(capi.take_error(error))
