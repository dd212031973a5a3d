"""The audit before anything runs: what a module is, asks for and could touch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judicia_notebook.policy.grants import Requests, read_requests
from judicia_notebook.runtime.exports import ENTRIES, callable_functions, numeric_exports
from judicia_notebook.runtime.source import source_label
from judicia_notebook.text import listed, printable
from judicia_notebook.units import format_size

if TYPE_CHECKING:
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.source import Read
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.manifest import Manifest

PAGE = 65536


@dataclass(frozen=True, slots=True)
class ImportedFunction:
    """An import: what it takes, and whether this runtime has it."""

    module: str
    name: str
    kind: str
    type: str
    capability: str | None
    known: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a module is, asks for and could touch. Nothing of it was run.

    Attributes
    ----------
    imports : tuple of ImportedFunction
        The whole attack surface: what is not here the plugin cannot reach.
    functions : tuple of str
        What `Plugin.call` can call.
    numeric : tuple of str
        What `Plugin.raw` can call, with its type.
    others : tuple of str
        The exports that are none of these and that no ABI has a use for, with their kind.
    exports : tuple of (name, kind, type)
    memories : tuple of (int, int or None)
        Minimum and maximum, in bytes.
    tables : tuple of (int, int or None)
        Minimum and maximum, in elements.
    start_function : str or None
        The function that runs by itself at the first call.
    sections : tuple of (str, int)
        Name and size in bytes, in the file's order.
    requests : Requests
        The grants that the manifest asks for, and its texts that are no grants.
    granted : tuple of str
        The grants of the plugin now; none where it is not loaded.
    """

    name: str
    source: str
    digest: str
    size: int
    abi: str
    manifest: Manifest
    manifest_origin: str
    imports: tuple[ImportedFunction, ...]
    functions: tuple[str, ...]
    numeric: tuple[str, ...]
    others: tuple[str, ...]
    exports: tuple[tuple[str, str, str], ...]
    memories: tuple[tuple[int, int | None], ...]
    tables: tuple[tuple[int, int | None], ...]
    start_function: str | None
    sections: tuple[tuple[str, int], ...]
    requests: Requests
    granted: tuple[str, ...]

    @property
    def requested(self) -> tuple[str, ...]:
        """The grants that the manifest asks for."""
        return self.requests.grants

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that its imports need. The manifest has no part in it."""
        return tuple(sorted({item.capability for item in self.imports if item.capability}))

    @property
    def rights(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What it asks for, what its imports take, and what is granted, each under its name in all views."""
        return (("asks for", self.requests.texts), ("imports", self.capabilities), ("granted", self.granted))

    def __str__(self) -> str:
        lines = [
            f"{self.name} {self.manifest.version} ({self.manifest.plugin_type}), {self.abi}",
            f"  file        {format_size(self.size)}, sha256 {self.digest[:12]}, manifest: {self.manifest_origin}",
            *(f"  {what:<11} {listed(names)}" for what, names in self.rights),
            f"  functions   {', '.join(printable(name, 60) for name in self.functions) or 'none'}",
            *([f"  numbers     {listed(self.numeric)}"] if self.numeric else []),
            *([f"  exports     {listed(self.others)}"] if self.others else []),
        ]
        for item in self.imports:
            takes = "unknown here" if not item.known else item.capability or "no capability needed"
            lines.append(f"    import    {printable(item.module, 60)} {printable(item.name, 60)}  ({takes})")
        for smallest, largest in self.memories:
            most = format_size(largest) if largest is not None else "no maximum"
            lines.append(f"  memory      {format_size(smallest)} to {most}")
        if self.start_function is not None:
            lines.append(f"  start       {printable(self.start_function, 80)} runs by itself at the first call")
        return "\n".join(lines)


def inspect(found: Read | Code, dispatcher: Dispatcher, *, name: str = "", granted: Collection[str] = ()) -> Inspection:
    """Describe a module that was read."""
    module = found.module
    start = module.start
    names = {export.index: export.name for export in module.exports if export.kind == "func"}
    return Inspection(
        name=name or found.manifest.name,
        source=source_label(found.source),
        digest=found.digest,
        size=len(found.wasm),
        abi=found.abi,
        manifest=found.manifest,
        manifest_origin=found.manifest_origin,
        imports=tuple(
            ImportedFunction(
                item.module,
                item.name,
                item.kind,
                str(item.type),
                dispatcher.capabilities.get((item.module, item.name)),
                dispatcher.find(item.module, item.name) is not None,
            )
            for item in module.imports
        ),
        functions=tuple(callable_functions(module, found.abi)),
        numeric=tuple(f"{name}{kind}" for name, kind in numeric_exports(module, found.abi).items()),
        others=_others(module, found.abi),
        exports=tuple((export.name, export.kind, str(export.type) if export.type else "") for export in module.exports),
        memories=tuple((memory.minimum_pages * PAGE, _pages(memory.maximum_pages)) for memory in module.memories),
        tables=tuple((table.minimum, table.maximum) for table in module.tables),
        start_function=None if start is None else module.names.get(start) or names.get(start) or f"function {start}",
        sections=_sections(module),
        requests=read_requests(found.manifest.capabilities),
        granted=tuple(sorted(granted)),
    )


def _others(module: ModuleInfo, abi_name: str) -> tuple[str, ...]:
    """Exports that are not functions, and functions that take more than numbers."""
    shown = {
        *callable_functions(module, abi_name),
        *numeric_exports(module, abi_name),
        *ENTRIES,
    }
    return tuple(
        f"{export.name}{export.type}" if export.type is not None else f"{export.name} ({export.kind})"
        for export in module.exports
        if export.name not in shown
    )


def _sections(module: ModuleInfo) -> tuple[tuple[str, int], ...]:
    """Name and size of each section; a custom one with its own name."""
    custom = iter(module.custom_sections)
    return tuple(
        (f"custom {next(custom).name!r}" if section.id == 0 else section.name, section.size)
        for section in module.sections
    )


def _pages(count: int | None) -> int | None:
    return None if count is None else count * PAGE
