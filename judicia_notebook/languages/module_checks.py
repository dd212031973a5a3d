"""Remarks on a module that its compiler has no reason to make: what a plugin of ABI 1 needs, and it does not have."""

from __future__ import annotations

from judicia_notebook.engine import abi
from judicia_notebook.errors import LoadError
from judicia_notebook.languages.clang_text import at
from judicia_notebook.languages.language import Language
from judicia_notebook.languages.source_code import SourceCode
from judicia_notebook.records.diagnostics import Diagnostic
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.sections import identify, read_module

_PLUMBING = abi.RESERVED | {"_initialize"}
_EXPORTS = {
    "c": 'JUDICIA_EXPORT(f) { ... } with "judicia.h", or __attribute__((export_name("f")))',
    "cpp": 'JUDICIA_EXPORT(f) { ... } with "judicia.h", or extern "C" and __attribute__((export_name("f")))',
    "zig": 'judicia.exports(.{ .f = f }) with @import("judicia"), or export fn',
    "rust": 'export!(f) with the crate judicia_guest, or #[no_mangle] pub extern "C" fn',
}
_ALLOC = {
    "c": '#include "judicia.h" brings it.',
    "cpp": '#include "judicia.h" brings it.',
    "zig": '@import("judicia") brings it.',
    "rust": "The SDK's crate brings it.",
}


def is_linked_module(wasm: bytes) -> bool:
    r"""Whether bytes are a module, and linked: ``-S``, ``-E`` and ``-c`` have a compiler write something else.

    Examples
    --------
    >>> is_linked_module(b"int f(void);"), is_linked_module(b"\0asm" + bytes([1, 0, 0, 0]))
    (False, True)
    """
    if identify(wasm) != "module":
        return False
    try:
        return all(custom.name != "linking" for custom in read_module(wasm).custom_sections)
    except LoadError:
        return True  # the load says what is wrong with it


def remarks(wasm: bytes, text: str, language: Language) -> list[Diagnostic]:
    """Warnings on a module that loads and will disappoint: nothing exported, no allocator, an undefined function."""
    try:
        module = read_module(wasm)
    except LoadError:
        return []  # the load says more
    return [*_undefined(module, text), *_missing(module, language)]


def _undefined(module: ModuleInfo, text: str) -> list[Diagnostic]:
    """Functions that the linker left to the host, as Zig and Rust have it do for every name that is not defined."""
    names = [item.name for item in module.imports if item.kind == "func" and item.module == "env"]
    lines, source = text.split("\n"), SourceCode(text)
    rows = []
    for name in names[:20]:
        place = source.first_use(name)
        message = f"`{name}` is not defined; the module imports it as env.{name}"
        note = f"A load needs imports={{'env.{name}': ...}} for it."
        here = at(lines, *place, "warning", message, note) if place is not None else None
        rows.append(here or Diagnostic(None, None, "warning", message, note))
    return rows


def _missing(module: ModuleInfo, language: Language) -> list[Diagnostic]:
    own = [export for export in module.exports if export.name not in _PLUMBING]
    functions = [export for export in own if export.kind == "func" and export.type is not None]
    if not functions:
        note = f"To export a function: {_EXPORTS[language.name]}."
        return [Diagnostic(None, None, "warning", "the module exports no function", note)]
    takes_json = [item for item in functions if item.type and (item.type.params, item.type.results) == abi.CALL]
    if takes_json and module.export(abi.ALLOC) is None:
        names = ", ".join(item.name for item in takes_json[:3])
        message = f"it exports no {abi.ALLOC}, so that {names} cannot be called with JSON"
        return [Diagnostic(None, None, "warning", message, _ALLOC[language.name])]
    return []
