"""Names the toolchain behind imports that this runtime does not offer, and how to build the module without them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from judicia_notebook.wasm.info import Import


class Maker(NamedTuple):
    """A maker of such imports: patterns of their modules and names, whose they are, and what to do instead."""

    module: str
    name: str
    what: str
    instead: str


_LOOKED_AT = 1000  # imports, of which a file may have a hundred thousand
_LONGEST = 200  # characters of a name that any maker gives
_MEMORY_INSTEAD = "link without --import-memory: a plugin has its memory itself, and exports it as `memory`"

_MAKERS: Final = (
    Maker(
        r"\./.*_bg\.js|wbg|__wbindgen_\w+",
        ".*",
        "wasm-bindgen's, for JavaScript",
        "build for wasm32-unknown-unknown or wasm32-wasip1 without wasm-bindgen and its `js` features",
    ),
    Maker("gojs|go", ".*", "Go's, for JavaScript", "build with GOOS=wasip1 GOARCH=wasm"),
    Maker("extism:.*|extism", ".*", "Extism's", "build against this runtime's ABI: judicia_notebook/sdk/ABI.md"),
    Maker("wapc", ".*", "waPC's", "build against this runtime's ABI: judicia_notebook/sdk/ABI.md"),
    Maker("env", "proxy_.*", "proxy-wasm's", "build against this runtime's ABI: judicia_notebook/sdk/ABI.md"),
    Maker(
        "env",
        r"__stack_pointer|__memory_base|__table_base|__indirect_function_table",
        "those of a side module, which another program loads",
        "link a program: without -shared, --experimental-pic or -sSIDE_MODULE",
    ),
    Maker("GOT\\..*", ".*", "those of a side module, which another program loads", "link a program, without -shared"),
    Maker(
        "a|env",
        r"[a-zA-Z]{1,2}|_?emscripten_.*|_embind_.*|invoke_\w+|__syscall_.*|__cxa_.*|_?abort_js|_mmap_js|_munmap_js",
        "Emscripten's, for JavaScript",
        "build with -sSTANDALONE_WASM or for wasm32-wasip1",
    ),
    Maker("env", "abort|seed|trace", "AssemblyScript's", "compile with --use abort= and without seed and trace"),
    Maker("wasi", "thread-spawn", "WASI threads'", "build for wasm32-wasip1, without threads"),
    Maker("wasi_unstable", ".*", "those of WASI's first snapshot", "build with a toolchain for wasi_snapshot_preview1"),
    Maker("wasix_.*", ".*", "WASIX's", "build for wasm32-wasip1"),
    Maker("wasi_snapshot_preview1", ".*", "no function of preview 1", "see whether its name is misspelt"),
    Maker("wasi:.*|.*:.*/.*", ".*", "those of the component model", "build a core module: for wasm32-wasip1"),
    Maker(
        "env",
        ".*",
        "what a C linker did not find",
        "link the library that has it; --allow-undefined and --import-undefined let it through",
    ),
)


def makers_of(imports: Iterable[Import]) -> list[str]:
    """Lines that say whose these imports are and what to do instead, each once."""
    lines: dict[str, None] = {}
    for entry in islice(imports, _LOOKED_AT):
        if entry.kind == "memory":
            lines[f"Its memory is imported: {_MEMORY_INSTEAD}."] = None
            continue
        maker = next((it for it in _MAKERS if _is(it.module, entry.module) and _is(it.name, entry.name)), None)
        if maker is not None:
            lines[f"These imports are {maker.what}: {maker.instead}."] = None
    return list(lines)


def _is(pattern: str, name: str) -> bool:
    return len(name) <= _LONGEST and re.fullmatch(pattern, name) is not None
