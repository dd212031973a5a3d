"""The exports of a module as callers see them: which ABI it keeps, and which functions can be called how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.engine import abi
from judicia_notebook.engine.slots import NUMBERS
from judicia_notebook.errors import AbiMismatch
from judicia_notebook.wasm.info import FuncType

if TYPE_CHECKING:
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.manifest import Manifest

RAW_ABI, WASI_ABI = "raw", "wasi"
START, REACTOR_INITIALIZE = "_start", "_initialize"
ENTRIES = abi.RESERVED | {START, REACTOR_INITIALIZE}
"""Exports that an ABI uses, and a person has no use for."""


def callable_functions(module: ModuleInfo, abi_name: str) -> dict[str, FuncType]:
    """The exports that can be called with a request, as the ABI has it; hooks included."""
    if abi_name != abi.NAME:
        return {}
    return {
        name: kind
        for name, kind in exported_functions(module).items()
        if (kind.params, kind.results) == abi.CALL and name not in abi.RESERVED
    }


def exported_functions(module: ModuleInfo) -> dict[str, FuncType]:
    """Every exported function."""
    return {export.name: export.type for export in module.exports if export.kind == "func" and export.type is not None}


def numeric_exports(module: ModuleInfo, abi_name: str) -> dict[str, FuncType]:
    """The exports that `Plugin.raw` calls, without those that the ABI or WASI has a use for."""
    others = {*callable_functions(module, abi_name), *ENTRIES}
    return {
        name: kind
        for name, kind in exported_functions(module).items()
        if name not in others and NUMBERS.issuperset((*kind.params, *kind.results))
    }


def choose_abi(module: ModuleInfo, manifest: Manifest, origin: str, wanted: str | None) -> str:
    """The ABI that a module is loaded for.

    Raises
    ------
    AbiMismatch
        The module does not keep the wanted ABI, or looks as if it meant to keep ABI 1 and does not.
    """
    if wanted not in (None, abi.NAME, WASI_ABI, RAW_ABI):
        raise AbiMismatch(f"there is no ABI {wanted!r}; there is {abi.NAME!r}, {WASI_ABI!r} and {RAW_ABI!r}")
    if wanted is None and manifest.abi != 1:
        raise AbiMismatch(f"it is written for ABI {manifest.abi}, and this runtime offers ABI 1")
    missing = abi.missing_exports(module)
    if wanted == RAW_ABI:
        return RAW_ABI
    if wanted == WASI_ABI or (wanted is None and missing and _is_command(module)):
        if not _is_command(module):
            found = exported_functions(module).get(START)
            lacks = f"its {START} is {found}" if found else f"it exports no {START}"
            lacks = "it exports no memory" if found == FuncType() else lacks
            raise AbiMismatch(f"it is no WASI command, which exports memory and {START} () -> (): {lacks}")
        return WASI_ABI
    if not missing:
        if misshapen := abi.misshapen_hooks(module):
            raise AbiMismatch(f"its {', its '.join(misshapen)}, and must be a function (i32, i32) -> i64")
        return abi.NAME
    meant = any(module.export(name) is not None for name in (abi.ALLOC, abi.FREE))  # no module has these by chance
    if wanted == abi.NAME or origin != "derived" or meant:
        raise AbiMismatch(
            f"it lacks exports of ABI 1: {', '.join(missing)}",
            hint='abi="raw" loads it for its numeric exports alone.' if meant and wanted is None else "",
        )
    return RAW_ABI


def _is_command(module: ModuleInfo) -> bool:
    memory = module.export("memory")
    return memory is not None and memory.kind == "memory" and exported_functions(module).get(START) == FuncType()
