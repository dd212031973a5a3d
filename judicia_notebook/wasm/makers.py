"""The toolchains and hosts whose modules are met in the wild: a table of the signs they leave, and of the ways out.

Only data. `recognition` holds a module against it. A sign is a claim of the file: it decides which sentences of ours a
person reads, and nothing else.

- A pattern is a regular expression for a whole name. Those of an import are its module, its name and, where that alone
  tells makers apart, its kind with its type as the text format writes them.
- The order counts: of two makers whose patterns fit an import, the first has it.
- A maker hides those that its modules only seem to be made by as well.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Maker(NamedTuple):
    """A maker of modules.

    Attributes
    ----------
    what : str
        What its modules are, as in "It looks like ...".
    whose : str
        Whose its imports are, as in "2 functions, ...".
    ways : tuple of str
        What to do with such a module, the best first.
    imports : tuple of (module, name) or (module, name, type)
    exports, functions, sections, producers : tuple of str
        Patterns of exported names, of function names in the name section, of custom sections, and of what its
        producers section names.
    hides : tuple of str
        The names of other makers.
    """

    name: str
    what: str
    whose: str
    ways: tuple[str, ...] = ()
    imports: tuple[tuple[str, ...], ...] = ()
    exports: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()


SUPPLY: Final = "load it in Python with {imports}"
"""The way out for what the user supplies; `recognition` fills the names in."""

_OUR_ABI = "build it against this runtime's ABI: judicia_notebook/sdk/ABI.md"
_WASIP1 = "build it for wasm32-wasip1"
_EMSCRIPTEN_NAMES = (
    r"_?emscripten_\w+|_?embind_\w+|_?_emval_\w+|invoke_\w+|__syscall_?\w+|__cxa_\w+|__resumeException|_?abort_js"
    r"|llvm_eh_typeid_for|[gs]etTempRet0|__assert_fail|_\w+_js|abortStackOverflow|abortOnCannotGrowMemory|nullFunc_\w+"
    r"|DYNAMICTOP_PTR|STACKTOP|STACK_MAX|tempDoublePtr|jsCall_\w+|___\w+|memoryBase|tableBase|segfault|alignfault"
    r"|e?gl[A-Z]\w+|SDL_\w+|al(?:Gen|Get|Source|Buffer|Listener)\w+"
)
_BINARYEN_NAMES = (
    r"log_execution|(?:load|store)_(?:ptr|val_\w+)|memory_grow_(?:pre|post)|(?:struct|array)_[gs]et_(?:val|index)_\w+"
    r"|[gs]et_(?:i32|i64|f32|f64|v128|\w*ref)"
)
_SIDE = "those of a side module, which another program loads"
_NO_SIDE = "link a program: without -shared, --experimental-pic or -sSIDE_MODULE"
_SIDE_NAMES = r"__memory_base|__table_base|__stack_pointer|__memory_base32|__table_base32"

MAKERS: Final = (
    Maker(
        "this runtime", "", "no host functions of this runtime",
        ("see whether the name is misspelt: judicia_notebook/sdk/ABI.md lists them",),
        imports=(("judicia:.*", ".*"),),
    ),
    Maker(
        "object file", "an object file (linking section), not linked", "an object file's, not linked",
        ("link it: clang or wasm-ld, without -c and -r",),
        imports=(("env", "__linear_memory"),), sections=("linking", r"reloc\..*"),
        hides=("side module", "Emscripten for a browser", "Emscripten standalone"),
    ),
    Maker(
        "tree-sitter", "a tree-sitter grammar (a side module)", "a tree-sitter grammar's",
        ("web-tree-sitter loads it; for this runtime link it with the parser into one program",),
        exports=(r"tree_sitter_\w+",), hides=("side module", "Emscripten for a browser", "Emscripten standalone"),
    ),
    Maker(
        "Pyodide", "a Python extension for Pyodide (a side module)", "a Python extension's",
        ("Pyodide loads it; nothing of it runs without CPython around it",),
        exports=(r"PyInit_\w+",), hides=("side module", "Emscripten for a browser", "Emscripten standalone"),
    ),
    Maker(
        "side module", "a side module, which another program loads", _SIDE, (_NO_SIDE,),
        imports=((r"GOT\..*", ".*"), ("env", _SIDE_NAMES)), sections=(r"dylink(?:\.0)?",),
        hides=("Emscripten for a browser", "Emscripten standalone"),
    ),
    Maker(
        "Ruby with rb-js", "Ruby with its gem js (rb-js), which needs JavaScript", "rb-js's, for JavaScript",
        ("take a Ruby without the gem js, such as ruby-wasm's ruby.wasm for WASI",),
        imports=(("rb-js-abi-host|rb:js/.*", ".*"),), exports=("rb-abi-guest.*|rb-js-abi-guest.*",),
    ),
    Maker(
        "wasm-bindgen", "a module made by wasm-bindgen, which needs JavaScript", "wasm-bindgen's, for JavaScript",
        (
            "load it in Python with imports=jn.presets.wasm_bindgen_stub, where a call of JavaScript is a trap",
            "build for wasm32-unknown-unknown or wasm32-wasip1 without wasm-bindgen and its `js` features",
        ),
        imports=((r"\./.*_bg\.js|wbg|__wbindgen_\w+", ".*"), (".*", r"__wbindgen_\w+|__wbg_\w+")),
        exports=(r"__wbindgen_\w+|__wbg_\w+|__externref_(?:table|drop|heap)\w*",),
        sections=("__wasm_bindgen_unstable",), producers=("wasm-bindgen.*",),
    ),
    Maker(
        "TinyGo for JavaScript", "a program of TinyGo for JavaScript", "TinyGo's, for JavaScript",
        ("build it with tinygo build -target=wasip1",),
        imports=(("gojs|env", r"runtime\.(?:ticks|sleepTicks|alloc)"), ("env", r"syscall/js\..*")),
        hides=("TinyGo", "Go for JavaScript", "WASI command", "WASI reactor", "WASI module"),
    ),
    Maker(
        "Go for JavaScript", "a program of Go for JavaScript", "Go's, for JavaScript",
        ("build it with GOOS=wasip1 GOARCH=wasm",), imports=(("gojs|go", ".*"),), hides=("Go",),
    ),
    Maker(
        "TinyGo", "a module made by TinyGo", "TinyGo's", ("build it with tinygo build -target=wasip1",),
        exports=(r"tinygo_\w+|go_scheduler",), functions=(r"tinygo_\w+",), producers=("tinygo.*",), hides=("Go",),
    ),
    Maker("Go", "a program of Go", "Go's", functions=(r"_rt0_wasm_\w+|runtime\.rt0_go",),
          sections=("go[.:]buildid",), producers=("go cmd/compile|go",)),
    Maker(
        "Extism", "an Extism plugin", "Extism's", (_OUR_ABI,),
        imports=(("extism(?::.*)?", ".*"), ("env", r"extism_\w+")),
    ),
    Maker(
        "waPC", "a waPC module", "waPC's", (_OUR_ABI,), imports=(("wapc", ".*"),), exports=("__guest_call|wapc_init",),
    ),
    Maker(
        "proxy-wasm", "a proxy-wasm filter", "proxy-wasm's", ("Envoy and other proxies load it", _OUR_ABI),
        imports=(("env", r"proxy_\w+"),), exports=(r"proxy_(?:abi_version|on)_\w+",),
    ),
    Maker(
        "dprint", "a dprint plugin", "dprint's",
        ("supply them in Python: {imports}", "dprint loads it"),
        imports=(("dprint", ".*"),),
        exports=(r"dprint_plugin_version_\d+|get_plugin_schema_version|get_shared_bytes_ptr|clear_shared_bytes",),
    ),
    Maker(
        "Open Policy Agent", "a policy of Open Policy Agent", "Open Policy Agent's",
        ("supply them in Python: {imports}",),
        imports=(("env", r"opa_\w+"),), exports=(r"opa_\w+",),
    ),
    Maker(
        "Wasabi", "a module instrumented by Wasabi", "Wasabi's hooks", ("supply the hooks in Python: {imports}",),
        imports=(("__wasabi_hooks", ".*"),),
    ),
    Maker(
        "Binaryen's instrumentation", "a module instrumented by Binaryen's wasm-opt",
        "those of Binaryen's instrumentation",
        ("supply the hooks in Python: {imports}", "leave out --log-execution, --instrument-memory and the like"),
        imports=(("env|instrument", _BINARYEN_NAMES),),
    ),
    Maker("Node-API", "an addon of Node-API, which needs JavaScript", "Node-API's, for JavaScript",
          ("take the package's build for WASI without Node-API, if there is one",),
          imports=(("env|napi|emnapi", r"(?:napi|emnapi|node_api)_\w+|_emnapi_\w+"),),
          exports=(r"napi_register_\w+|node_api_module_\w+|emnapi_\w+",)),
    Maker("CosmWasm", "a CosmWasm contract", "CosmWasm's", (_OUR_ABI,), exports=(r"interface_version_\d+",),
          imports=(("env", r"db_(?:read|write|remove|scan|next)|addr_\w+|secp256k1_\w+|ed25519_\w+|query_chain"),)),
    Maker("Internet Computer", "a canister of the Internet Computer", "the Internet Computer's", (_OUR_ABI,),
          imports=(("ic0", ".*"),), exports=(r"canister_\w+.*",)),
    Maker("Fastly Compute", "a program for Fastly Compute", "Fastly's", (_OUR_ABI,), imports=((r"fastly_\w+", ".*"),)),
    Maker("Substrate", "a runtime of Substrate (Polkadot)", "Substrate's", (_OUR_ABI,),
          imports=(("env", r"ext_(?:\w*storage|crypto|hashing|allocator|misc|logging|trie|offchain)_\w+"),)),
    Maker("Lunatic", "a program for Lunatic", "Lunatic's", (_OUR_ABI,), imports=((r"lunatic(?:::\w+)+", ".*"),)),
    Maker("WASM-4", "a game for WASM-4", "WASM-4's", ("supply them in Python: {imports}",),
          imports=(("env", "blit|blitSub|textUtf8|traceUtf8"),)),
    Maker("Javy", "a program of Javy, linked dynamically", "Javy's", ("build it with javy build, without -C dynamic",),
          imports=((r"javy_\w+", ".*"),), producers=("javy",)),
    Maker("Kotlin", "a program of Kotlin for JavaScript", "Kotlin's, for JavaScript",
          ("build it for Kotlin's target wasmWasi",),
          imports=((r"js_code|intrinsics|\./.*\.uninstantiated\.mjs", ".*"), (".*", r"kotlin\..*"))),
    Maker("Dart", "a program of Dart (dart2wasm), which needs JavaScript", "Dart's, for JavaScript",
          ("dart2wasm has no target without JavaScript",), imports=(("dart2wasm|_?dart.*", ".*"),)),
    Maker("TeaVM", "a program of TeaVM, which needs JavaScript", "TeaVM's", ("build it with TeaVM's target WASI",),
          imports=((r"teavm\w*", ".*"),), exports=(r"teavm_\w+",)),
    Maker("Haskell", "a program of GHC for JavaScript", "GHC's, for JavaScript",
          ("leave out foreign imports of JavaScript",), imports=(("ghc_wasm_jsffi", ".*"),)),
    Maker("Swift", "a program of Swift with JavaScriptKit, which needs JavaScript", "JavaScriptKit's",
          ("leave out JavaScriptKit",), imports=(("javascript_kit", ".*"), (".*", r"swjs_\w+"))),
    Maker(
        "Emscripten standalone", "a module made by Emscripten, standalone", "Emscripten's, standalone",
        ("load it in Python with imports=jn.presets.emscripten_standalone", "compile without -sALLOW_MEMORY_GROWTH"),
        imports=(("env", "emscripten_notify_memory_growth"),),
        exports=(r"_?emscripten_\w+|stack(?:Save|Alloc|Restore)|dynCall_\w+|setThrew|__[gs]et_temp_ret",),
        functions=(r"_*emscripten_\w+",), sections=("emscripten_metadata",), producers=("emscripten.*", "emcc.*"),
    ),
    Maker(
        "Emscripten for a browser", "a module made by Emscripten for a browser", "Emscripten's, for JavaScript",
        ("compile with -sSTANDALONE_WASM", "try imports=jn.presets.emscripten_standalone, and supply the others"),
        imports=(
            ("a", "[a-zA-Z_$][a-zA-Z0-9_$]{0,2}"),
            ("env", _EMSCRIPTEN_NAMES),
            (r"asm2wasm|global\.Math", ".*"),
            ("global", "NaN|Infinity"),
        ),
        hides=("Emscripten standalone",),
    ),
    Maker(
        "AssemblyScript", "a module made by AssemblyScript", "AssemblyScript's",
        (
            "load it in Python with imports=jn.presets.assemblyscript",
            "compile with --use abort= and without seed, trace and console",
        ),
        imports=(
            ("env", "abort", r"func \(i32, i32, i32, i32\) -> \(\)"),
            ("env", "seed|trace|console\\.\\w+|performance\\.now|Date\\.\\w+|Math\\.\\w+|crypto\\.\\w+|process\\.\\w+"),
            ("console|Date|Math|performance|crypto|process", r"\w+"),
        ),
        exports=("__(?:new|pin|unpin|collect|rtti_base|alloc|retain|release|setArgumentsLength|setargc)",),
        functions=(r"~lib/.*|~start|~setArgumentsLength",), producers=("assemblyscript.*", "asc"),
    ),
    Maker("abort", "", "AssemblyScript's, or Emscripten's",
          (SUPPLY, "AssemblyScript: compile with --use abort=; Emscripten: with -sSTANDALONE_WASM"),
          imports=(("env", "abort|_?abort"),)),
    Maker(
        "WASI threads", "a program with WASI threads", "those of WASI threads",
        ("build it for wasm32-wasip1, without threads",),
        imports=(("wasi", r"thread[-_]spawn"),), exports=("wasi_thread_start",),
    ),
    Maker("WASIX", "a WASIX program", "WASIX's", ("build it for wasm32-wasip1, not wasm32-wasmer-wasi",),
          imports=((r"wasix_\w+", ".*"),), hides=("WASI command", "WASI reactor", "WASI module")),
    Maker("WASI's first snapshot", "a program for WASI's first snapshot", "those of WASI's first snapshot",
          ("build it with a toolchain for wasi_snapshot_preview1",), imports=(("wasi_unstable", ".*"),),
          hides=("WASI command", "WASI reactor")),
    Maker(
        "part of a component", "a core module that is part of a component", "those of the component model",
        (f"{_WASIP1} in place of wasm32-wasip2, as a core module",),
        imports=((r"(?:\[export\])?[\w-]+:[\w-]+/[\w/.:-]+(?:@[\w.+-]+)?|cm32p2.*|\[export\].*|\$root", ".*"),),
        exports=(r"cabi_(?:post|import|realloc)\w*.*|[\w-]+:[\w-]+/[\w-]+(?:@[\w.+-]+)?#.*|cm32p2.*",),
        sections=("component-type.*", "wit-component.*"), hides=("WASI reactor",),
    ),
    Maker("WASI preview 1", "", "no function of WASI preview 1 here",
          ("see whether its name is misspelt; sockets are not offered",),
          imports=(("wasi_snapshot_preview1", ".*"), (r"wasi_\w+", ".*"))),
    Maker(
        "spectest", "a module of WebAssembly's own tests", "those of WebAssembly's own tests", (SUPPLY,),
        imports=(("spectest", ".*"),),
    ),
)  # fmt: skip
"""All makers, the more special first."""

WASI_COMMAND, WASI_REACTOR, WASI_MODULE = (
    "a WASI command (preview 1)",
    "a WASI reactor (preview 1)",
    "a module that imports WASI preview 1",
)

OTHERS: Final = {
    "memory": Maker(
        "memory", "", "defined elsewhere",
        (
            f"{SUPPLY}, or link without --import-memory: a plugin has its memory itself, and exports it as `memory`",
            "AssemblyScript: without --importMemory; Emscripten: without -sIMPORTED_MEMORY",
        ),
    ),
    "table": Maker(
        "table", "", "defined elsewhere",
        (f"{SUPPLY}, or link without --import-table: a plugin has its table itself",),
    ),
    "global": Maker(
        "global", "", "defined elsewhere",
        (f"{SUPPLY}, or with its real value", "give it a value in the source, or link what defines it"),
    ),
    "tag": Maker(
        "tag", "", "defined elsewhere",
        ("link statically, so that the module defines its tags itself", "C++: compile without -fwasm-exceptions"),
    ),
    "env": Maker(
        "C linker", "", "declared by the author, or what a C linker did not find",
        (SUPPLY, "link the library that has them; --allow-undefined and --import-undefined let them through"),
    ),
    "func": Maker("", "", "of no maker known here", (SUPPLY,)),
}  # fmt: skip
"""For what no maker's patterns fit: by the kind of the import, or the module of a function."""

FILES: Final = {
    "a gzip archive": "unpack it first: gunzip",
    "a zstd archive": "unpack it first: zstd -d",
    "a bzip2 archive": "unpack it first: bunzip2",
    "an xz archive": "unpack it first: unxz",
    "a zip archive (a wheel is one, too)": "unpack it, and load the .wasm file in it",
    "an HTML page": "the download gave a page in place of the file; look at it in an editor, and download it again",
    "a Git LFS pointer to a file that was not fetched": "fetch the file: git lfs pull",
    "a module that Wasmtime compiled (.cwasm)": "load the .wasm file it was compiled from",
    "an ELF file": "it is a native library or program; build it for wasm32-wasip1",
    "a Windows program": "it is native code; build it for wasm32-wasip1",
    "a Mach-O file": "it is native code; build it for wasm32-wasip1",
    "a static library": "link it into a module: wasm-ld --no-entry --export-all",
    "LLVM bitcode": "compile and link it: clang --target=wasm32",
    "base64 of a module": "decode it first: base64.b64decode(text)",
}
"""What to do with a file that is no module, by the words of `sections.identify`."""
