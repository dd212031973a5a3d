"""The audit before anything runs: what a module is, asks for and could touch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from judicia_notebook.errors import ImportGroup, group_lines
from judicia_notebook.policy.grants import Requests, read_requests
from judicia_notebook.runtime.exports import ENTRIES, callable_functions, numeric_exports
from judicia_notebook.runtime.source import source_label
from judicia_notebook.text import listed, printable
from judicia_notebook.units import format_size
from judicia_notebook.wasm.recognition import group_imports, recognize

if TYPE_CHECKING:
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.offers import Offers
    from judicia_notebook.runtime.source import Read
    from judicia_notebook.wasm.info import Import, ModuleInfo
    from judicia_notebook.wasm.manifest import Manifest

PAGE = 65536
_MOST_SHOWN = 100  # imports, and functions, in a text
_FREE = "no capability needed"


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
    features : tuple of str
        The features of WebAssembly that its load has switched on; none where it is not loaded.
    recognized : tuple of str
        What it looks like by its imports, exports and custom sections; where imports are missing, each with what to do.
    made_by : tuple of str
        The languages, tools and SDKs that its producers section names, with their versions. A claim of the file.
    target_features : tuple of str
        The features of WebAssembly that the file says it was built for.
    groups : tuple of ImportGroup
        The imports that are not offered, by maker, with the ways out.
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
    features: tuple[str, ...] = ()
    recognized: tuple[str, ...] = ()
    made_by: tuple[str, ...] = ()
    target_features: tuple[str, ...] = ()
    groups: tuple[ImportGroup, ...] = ()

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
        """What it asks for, what its imports take, and what is granted, each under its name in all views.

        Where the imports take no capability it is the modules that they are of: it is not nothing that they reach.
        """
        imports = self.capabilities or self._modules
        return (("asks for", self.requests.texts), ("imports", imports), ("granted", self.granted))

    @property
    def _modules(self) -> tuple[str, ...]:
        found = dict.fromkeys((item.module, item.known) for item in self.imports)
        return tuple(f"{printable(of, 80)} ({_FREE if known else 'not offered'})" for of, known in found)

    @property
    def offered(self) -> tuple[ImportedFunction, ...]:
        """The imports that this runtime has: the first 100, which is more than it offers."""
        return tuple(islice((item for item in self.imports if item.known), _MOST_SHOWN))

    @property
    def more_offered(self) -> int:
        """How many more there are; a file may import a function often."""
        return sum(item.known for item in self.imports) - len(self.offered)

    @property
    def origin(self) -> tuple[tuple[str, str], ...]:
        """What it looks like and what it says of its making, each under its name in all views."""
        rows = (
            ("kind", "; ".join(self.recognized)),
            ("made by", ", ".join(self.made_by)),
            ("built for", ", ".join(self.target_features)),
        )
        return tuple((label, text) for label, text in rows if text)

    def __str__(self) -> str:
        lines = [
            f"{self.name} {self.manifest.version} ({self.manifest.plugin_type}), {self.abi}",
            f"  file        {format_size(self.size)}, sha256 {self.digest[:12]}, manifest: {self.manifest_origin}",
            *(f"  {what:<11} {text}" for what, text in self.origin),
            *(f"  {what:<11} {listed(names)}" for what, names in self.rights),
            f"  functions   {', '.join(self._names_of_functions()) or 'none'}",
            *([f"  numbers     {listed(self.numeric)}"] if self.numeric else []),
            *([f"  exports     {listed(self.others)}"] if self.others else []),
        ]
        if self.features:
            lines.append(f"  features    {', '.join(self.features)}")
        for item in self.offered:
            takes = item.capability or _FREE
            lines.append(f"    import    {printable(item.module, 60)} {printable(item.name, 60)}  ({takes})")
        lines += [f"    import    ... {self.more_offered} more"] * bool(self.more_offered)
        if self.groups:
            lines += ["  imports that are not offered here", *(f"    {line}" for line in group_lines(self.groups))]
        for smallest, largest in self.memories:
            most = format_size(largest) if largest is not None else "no maximum"
            lines.append(f"  memory      {format_size(smallest)} to {most}")
        if self.start_function is not None:
            lines.append(f"  start       {printable(self.start_function, 80)} runs by itself at the first call")
        return "\n".join(lines)

    def _names_of_functions(self) -> list[str]:
        more = len(self.functions) - _MOST_SHOWN
        shown = [printable(name, 60) for name in self.functions[:_MOST_SHOWN]]
        return [*shown, *([f"... {more} more"] if more > 0 else [])]


def inspect(
    found: Read | Code,
    offers: Offers,
    *,
    name: str = "",
    granted: Collection[str] = (),
    features: tuple[str, ...] = (),
) -> Inspection:
    """Describe a module that was read."""
    module = found.module
    start = module.start
    names = {export.index: export.name for export in module.exports if export.kind == "func"}
    imports, missing = _imports(module, offers)
    looks, groups = recognize(module), group_imports(missing)
    return Inspection(
        name=name or found.manifest.name,
        source=source_label(found.source),
        digest=found.digest,
        size=len(found.wasm),
        abi=found.abi,
        manifest=found.manifest,
        manifest_origin=found.manifest_origin,
        imports=imports,
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
        features=features,
        recognized=looks.labels if groups else looks.names,
        made_by=tuple(map(str, looks.producers)),
        target_features=looks.target_features,
        groups=groups,
    )


def _imports(module: ModuleInfo, offers: Offers) -> tuple[tuple[ImportedFunction, ...], list[Import]]:
    """All imports as they are shown, and those that nothing answers."""
    missing = [item for item in module.imports if not offers.has(item)]
    unknown = set(missing)
    shown = tuple(
        ImportedFunction(
            item.module,
            item.name,
            item.kind,
            str(item.type),
            offers.capability(item) if item not in unknown else None,
            item not in unknown,
        )
        for item in module.imports
    )
    return shown, missing


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
