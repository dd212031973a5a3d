"""From a file to a plugin: what is accepted, and that everything else is one clear line and no harm."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.runtime.source import MAX_FILE, example_folder

ECHO = compile_wat('(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))')
CHECKER = example_folder() / "checker" / "checker.wasm"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="no such files here; enable: run on Linux or macOS")


def section(*documents: Any) -> str:
    """The echo module with these manifests in sections of their own."""
    texts = [json.dumps(text if isinstance(text, str) else json.dumps(text)) for text in documents]
    return ECHO + "".join(f'(@custom "judicia.manifest" {text})' for text in texts)


@pytest.fixture
def keeper(rt: jn.Runtime) -> Iterator[jn.Plugin]:
    """A plugin that lives through whatever a test loads, with its state and its policy."""
    p = rt.load(ECHO.encode(), name="keeper", grant=["random"])
    assert p.call("echo", 1) == 1
    policy, instance = p.policy.state, p.last.instance_id if p.last else None
    yield p
    assert p.call("echo", 2) == 2
    assert p.last is not None
    assert p.last.instance_id == instance
    assert p.policy.state is policy
    assert list(rt.plugins) == ["keeper"]


def refusal(load: Callable[[], object]) -> jn.LoadError:
    with pytest.raises(jn.LoadError) as caught:
        load()
    return caught.value


def one_clear_line(error: jn.LoadError, source: str) -> None:
    text, *more = str(error).splitlines()
    assert text.startswith((f"{source}: ", f"{source} imports ")), text
    assert not more or source.endswith(".wat"), more  # the line of the text, or what to do about an import
    assert 10 < len(text) < 300, text
    assert "Traceback" not in text
    assert "0x" not in text.replace("at offset 0x", ""), text


# --- bad files -------------------------------------------------------------------------------------------------------

NOISE = random.Random(1).randbytes(5000)
BAD_FILES: dict[str, tuple[bytes, type[jn.LoadError], str]] = {
    "empty.wasm": (b"", jn.InvalidModule, "empty"),
    "short.wasm": (b"\0asm", jn.InvalidModule, "4 bytes"),
    "truncated.wasm": (CHECKER.read_bytes()[:5000], jn.InvalidModule, "the file ends"),
    "random.wasm": (NOISE, jn.InvalidModule, "not WebAssembly"),
    "header.wasm": (b"\0asm\1\0\0\0" + NOISE, jn.InvalidModule, "section"),
    "elf.wasm": (b"\x7fELF\2\1\1" + NOISE, jn.InvalidModule, "an ELF file, not WebAssembly"),
    "version.wasm": (b"\0asm\2\0\0\0", jn.InvalidModule, "version 2"),
    "component.wasm": (b"\0asm\x0d\0\1\0", jn.InvalidModule, "a component"),
    "component.wat": (b"(component)", jn.InvalidModule, "a component"),
    "noise.wat": (NOISE, jn.InvalidModule, "utf-8"),
    "types.wat": (b"(module (func (result i32) (i64.const 1)))", jn.CompileError, "expected i32, found i64"),
    "threads.wat": (b"(module (memory 1 1 shared))", jn.CompileError, "threads"),
    "memory64.wat": (b"(module (memory i64 1))", jn.CompileError, "memory64"),
    "doubled.wat": (b'(module (func (export "a")) (func (export "a")))', jn.InvalidModule, "a stands there twice"),
    "memory.wat": (b'(module (import "env" "memory" (memory 1)))', jn.UnknownImport, "env.memory (a memory)"),
    "import.wat": (
        b'(module (import "judicia:clock" "now" (func (param i32) (result i64))))',
        jn.LoadError,
        "judicia:clock.now as (i32) -> i64; here it is (i32, i32) -> i64",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path, name: str) -> None:
    content, kind, why = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    error = refusal(lambda: rt.load(tmp_path / name))
    assert isinstance(error, kind)
    assert why in str(error)
    one_clear_line(error, name)
    assert error.source == name
    same = refusal(lambda: rt.load(tmp_path / name, name="keeper", grant=["wall_clock"], quota={"cpu": "1ms"}))
    stays = "\n  keeper stays as it was loaded before." if name.endswith(".wat") else ""
    assert stays in str(same)
    assert str(same).replace(stays, "") == str(error)


def test_the_interpreter_itself_is_no_plugin(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    error = refusal(lambda: rt.load(Path(sys.executable).resolve()))
    assert isinstance(error, jn.InvalidModule)
    one_clear_line(error, Path(sys.executable).resolve().name)


def test_a_mistake_in_text_is_found_by_line_and_column(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    error = refusal(lambda: rt.load(b"(module\n (func $x (result i32)\n   (i32.const)))", name="text"))
    assert isinstance(error, jn.InvalidModule)
    assert "3:14" in str(error)
    assert str(error).startswith("47 bytes: ")


def test_a_folder_is_no_module(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    error = refusal(lambda: rt.load(tmp_path))
    assert "is a directory" in str(error)
    one_clear_line(error, tmp_path.name)


def test_a_missing_file_is_named(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    for path in (tmp_path / "no.wasm", str(tmp_path / "no.wasm"), tmp_path / "no" / "no.wasm"):
        error = refusal(lambda path=path: rt.load(path))  # type: ignore[misc]
        one_clear_line(error, "no.wasm")
        assert "there is no such file" in str(error)


def test_a_file_too_large_is_refused_without_being_read(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    with (tmp_path / "big.wasm").open("wb") as file:
        file.write(b"\0asm\1\0\0\0")
        file.truncate(MAX_FILE * 400)
    error = refusal(lambda: rt.load(tmp_path / "big.wasm"))
    one_clear_line(error, "big.wasm")
    assert "too large: 100 GiB, at most 256 MiB" in str(error)


@needs_posix
def test_a_pipe_does_not_keep_the_kernel_waiting(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wasm")
    one_clear_line(refusal(lambda: rt.load(tmp_path / "pipe.wasm")), "pipe.wasm")


@needs_posix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(rt: jn.Runtime, keeper: jn.Plugin, device: str) -> None:
    error = refusal(lambda: rt.load(device))
    one_clear_line(error, Path(device).name)
    assert "not a regular file" in str(error)


@needs_posix
def test_an_unreadable_file_says_so(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    path = tmp_path / "locked.wasm"
    path.write_bytes(b"")
    path.chmod(0)
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(65534)
    try:
        error = refusal(lambda: rt.load(path))
    finally:
        os.seteuid(uid)
    one_clear_line(error, "locked.wasm")
    assert "Permission denied" in str(error)


@pytest.mark.parametrize("source", ["a\0b", "~nobody-of-this-name/x.wasm", "x" * 5000, ""], ids=repr)
def test_a_path_that_cannot_be_is_a_load_error(rt: jn.Runtime, keeper: jn.Plugin, source: str) -> None:
    refusal(lambda: rt.load(source))


@pytest.mark.parametrize("source", [5, None, ["x"], 1.5], ids=repr)
def test_a_source_that_is_none_says_what_one_is(rt: jn.Runtime, keeper: jn.Plugin, source: Any) -> None:
    assert "a path, bytes or 'example:NAME'" in str(refusal(lambda: rt.load(source)))


def test_an_unknown_example_names_those_there_are(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    with pytest.raises(jn.NoSuchExample, match=r"no example 'chekcer'\. Did you mean 'checker'"):
        rt.load("example:chekcer")
    for name in ("", "../checker", "checker/../checker", "/etc/passwd"):
        with pytest.raises(jn.NoSuchExample):
            rt.load(f"example:{name}")


@needs_posix
def test_the_name_of_a_file_cannot_move_the_cursor(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[31m\n.wasm"
    path.write_bytes(b"")
    text = str(refusal(lambda: rt.load(path)))
    assert "\x1b" not in text
    assert "\n" not in text


def test_names_inside_a_module_cannot_move_the_cursor(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    wat = rb'(module (import "e\1b[31mnv\0a  To allow it:" "\u{202e}n" (func)))'
    error = refusal(lambda: rt.load(wat, name="evil"))
    text = str(error).splitlines()[0]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "which this runtime does not offer" in text


# --- imports ---------------------------------------------------------------------------------------------------------

UNKNOWN = """(import "env" "now" (func $now (param i32) (result i32)))
  (func (export "fine")) (func (export "use") (drop (call $now (i32.const 1))))"""


def test_an_unknown_import_is_refused_with_what_there_is(rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path) -> None:
    (tmp_path / "scan.wat").write_text(f"(module {UNKNOWN})")
    error = refusal(lambda: rt.load(tmp_path / "scan.wat"))
    assert isinstance(error, jn.UnknownImport)
    text = " ".join(str(error).split())
    for part in (
        "scan.wat",
        "imports env.now, which this runtime does not offer.",
        f"Known modules: {', '.join(rt._platform.dispatcher.modules)}",
        'unknown_imports="trap"',
        "loads it anyway",
    ):
        assert part in text
    assert text.index("scan.wat") == 0


def test_an_unknown_import_may_be_left_to_trap_when_it_is_called(rt: jn.Runtime) -> None:
    p = rt.load(f"(module {UNKNOWN})", name="scan", unknown_imports="trap")
    assert p.raw("fine")() is None
    with pytest.raises(jn.GuestTrap) as trap:
        p.raw("use")()
    assert "env" in str(trap.value)
    assert "now" in str(trap.value)
    assert p.raw("fine")() is None


def test_only_two_ways_with_unknown_imports(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    with pytest.raises(jn.PolicyError, match="'error' or 'trap', not 'ignore'"):
        rt.load(ECHO, name="new", unknown_imports="ignore")


# --- manifests -------------------------------------------------------------------------------------------------------

BAD_MANIFESTS: dict[str, tuple[tuple[Any, ...], type[jn.LoadError], str]] = {
    "type": (({"name": "x", "version": 5},), jn.ManifestError, "field `version`"),
    "name": (({"name": "X Y"},), jn.ManifestError, "field `name`"),
    "nameless": (({},), jn.ManifestError, "field `name`: is missing"),
    "unknown field": (({"name": "x", "versoin": "1.0"},), jn.ManifestError, "Did you mean 'version'"),
    "capability": (({"name": "x", "capabilities": ["randon"]},), jn.ManifestError, "Did you mean 'random'"),
    "version": (({"name": "x", "version": "one"},), jn.ManifestError, "a version such as 1.2.0"),
    "quota kind": (({"name": "x", "quota": {"cpus": 1}},), jn.ManifestError, "Did you mean 'cpu'"),
    "quota unit": (({"name": "x", "quota": {"cpu": "5 parsecs"}},), jn.ManifestError, "unknown unit 'parsecs'"),
    "quota number": (({"name": "x", "quota": {"memory": -1}},), jn.ManifestError, "negative"),
    "abi": (({"name": "x", "abi": 2},), jn.AbiMismatch, "ABI 2"),
    "not json": (("name = 'x'",), jn.ManifestError, "is not JSON"),
    "twice": (({"name": "x"}, {"name": "x"}), jn.ManifestError, "2 custom sections `judicia.manifest`"),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_bad_manifest_in_a_module_is_refused_by_its_field(
    rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path, case: str
) -> None:
    documents, kind, why = BAD_MANIFESTS[case]
    (tmp_path / "plugin.wat").write_text(section(*documents))
    for name in (None, "keeper"):
        error = refusal(lambda name=name: rt.load(tmp_path / "plugin.wat", name=name))  # type: ignore[misc]
        assert isinstance(error, kind)
        assert why in str(error)
        one_clear_line(error, "plugin.wat")


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ("name = ", "is not TOML"),
        ("\xff", "is not"),
        ("name = 'x'\nname = 'y'", "is not TOML"),
        ("name = 'x'\nabi = 2", "ABI 2"),
        ("name = 5", "field `name`"),
        ("name = 'x'\nquota.cpu = true", "field `quota.cpu`"),
    ],
)
def test_a_bad_file_beside_a_module_is_refused_and_named(
    rt: jn.Runtime, keeper: jn.Plugin, tmp_path: Path, toml: str, why: str
) -> None:
    (tmp_path / "scan.wat").write_text(ECHO)
    (tmp_path / "plugin.toml").write_text(toml, encoding="latin-1")
    error = refusal(lambda: rt.load(tmp_path / "scan.wat"))
    assert why in str(error)
    assert "\n" not in str(error)
    assert "scan.wat" in str(error)


def test_a_manifest_comes_from_the_section_else_from_beside_else_from_the_name(rt: jn.Runtime, tmp_path: Path) -> None:
    (tmp_path / "My Tool.wat").write_text(ECHO)
    assert (p := rt.load(tmp_path / "My Tool.wat")).name == "my-tool"
    assert p.manifest_origin == "derived"
    (tmp_path / "plugin.toml").write_text('name = "beside"\nversion = "2.0.0"')
    assert (p := rt.load(tmp_path / "My Tool.wat")).name == "beside"
    assert (p.manifest_origin, p.manifest.version) == ("plugin.toml", "2.0.0")
    (tmp_path / "My Tool.wat").write_text(section({"name": "inside", "version": "3.0.0"}))
    assert (p := rt.load(tmp_path / "My Tool.wat")).name == "inside"
    assert (p.manifest_origin, p.manifest.version) == ("section", "3.0.0")
    p = rt.load(tmp_path / "My Tool.wat", manifest={"name": "given"})
    assert (p.name, p.manifest_origin) == ("given", "given")


# --- good ones -------------------------------------------------------------------------------------------------------


def test_bytes_text_paths_and_examples_are_all_sources(rt: jn.Runtime, tmp_path: Path) -> None:
    shutil.copy(CHECKER, tmp_path / "copy.wasm")
    data = CHECKER.read_bytes()
    path = tmp_path / "copy.wasm"
    sources: list[Any] = ["example:checker", path, str(path), data, bytearray(data)]
    assert len({rt.load(source, name=f"n{number}").digest for number, source in enumerate(sources)}) == 1
    (tmp_path / "text.wat").write_text(ECHO)
    texts: list[Any] = [ECHO, ECHO.encode(), f"  \n{ECHO}", f";; a comment\n{ECHO}".encode(), tmp_path / "text.wat"]
    plugins = [rt.load(source, name=f"t{number}") for number, source in enumerate(texts)]
    assert [p.call("echo", p.name) for p in plugins] == list(rt.plugins)[5:]
    assert not rt.calls["digest"].isna().any()


def test_the_examples_are_listed_with_what_they_are() -> None:
    found = jn.examples()
    assert {"checker", "specimen"} <= set(found)
    assert all(text.endswith(".") for text in found.values())


def test_another_folder_of_examples_can_be_named(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    shutil.copy(CHECKER, tmp_path / "mine" / "mine.wasm")
    monkeypatch.setenv("JUDICIA_NOTEBOOK_PLUGINS", str(tmp_path))
    assert jn.examples() == {"mine": ""}
    assert rt.load("example:mine").digest == rt.load("example:mine", name="other").digest


@pytest.mark.parametrize("name", ["a", "a" * 64, "con-1_x"])
def test_a_plugin_may_be_given_a_name(rt: jn.Runtime, name: str) -> None:
    assert rt.load(ECHO, name=name).name == name
    assert rt.plugins[name].call("echo", name) == name


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a b", "a.b", "é", "a" * 65, "a\n", "example:x"])
def test_a_name_that_would_not_fit_before_a_dot_is_refused(rt: jn.Runtime, keeper: jn.Plugin, name: str) -> None:
    error = refusal(lambda: rt.load(ECHO, name=name))
    assert "a-z, 0-9, _ and -" in str(error)


def test_a_module_without_the_abis_exports_is_loaded_as_raw(rt: jn.Runtime) -> None:
    p = rt.load(b'(module (func (export "f") (result i32) (i32.const 7)))', name="numbers")
    assert (p.abi, p.functions, p.raw("f")()) == ("raw", (), 7)
    with pytest.raises(jn.AbiMismatch, match=r'p\.raw\("f"\)'):
        p.call("f")


@pytest.mark.parametrize(
    ("wat", "missing"),
    [
        ("", "memory, judicia_alloc (i32) -> i32, judicia_free (i32, i32) -> ()"),
        ('(memory (export "memory") 1)', "judicia_alloc"),
        (
            """(memory (export "memory") 1) (func (export "judicia_alloc") (param i64) (result i32) (i32.const 0))
            (func (export "judicia_free") (param i32 i32))""",
            "judicia_alloc",
        ),
        (
            """(func (export "memory")) (func (export "judicia_alloc") (param i32) (result i32) (i32.const 0))
            (func (export "judicia_free") (param i32 i32))""",
            "memory",
        ),
    ],
)
def test_a_module_that_claims_the_abi_must_have_its_exports(
    rt: jn.Runtime, keeper: jn.Plugin, wat: str, missing: str
) -> None:
    error = refusal(lambda: rt.load(f"(module {wat})", name="x", abi="judicia-v1"))
    assert isinstance(error, jn.AbiMismatch)
    assert missing in str(error)
    error = refusal(lambda: rt.load(f"(module {wat})", manifest={"name": "x"}))
    assert isinstance(error, jn.AbiMismatch)


def test_an_unknown_abi_is_refused(rt: jn.Runtime, keeper: jn.Plugin) -> None:
    assert "there is no ABI 'v9'" in str(refusal(lambda: rt.load(ECHO, name="x", abi="v9")))


def test_any_plugin_may_be_loaded_for_its_numbers_alone(rt: jn.Runtime) -> None:
    p = rt.load(ECHO, name="x", abi="raw")
    assert (p.abi, p.functions) == ("raw", ())
    assert p.raw("echo")(3, 0) == 3 << 32


# --- audit before anything runs --------------------------------------------------------------------------------------

AUDITED = """
(module
  (@custom "judicia.manifest" "{\\"name\\": \\"scout\\", \\"capabilities\\": [\\"wall_clock\\"]}")
  (import "judicia:random" "bytes" (func (param i32 i32) (result i64)))
  (import "judicia:log" "write" (func (param i32 i32) (result i64)))
  (import "env" "now" (func (param i32)))
  (memory (export "memory") 2 10) (memory 1) (table 5 7 funcref)
  (func $go unreachable) (start $go)
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "judicia_free") (param i32 i32))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0))
  (func (export "add") (param i32 i32) (result i32) (i32.const 0)))
"""


def test_a_file_is_audited_without_being_loaded(rt: jn.Runtime, tmp_path: Path) -> None:
    (tmp_path / "scout.wat").write_text(AUDITED)
    found = rt.inspect(tmp_path / "scout.wat")
    assert (found.name, found.abi, found.source, found.manifest_origin) == (
        "scout",
        "judicia-v1",
        "scout.wat",
        "section",
    )
    assert [(one.module, one.name, one.capability, one.known) for one in found.imports] == [
        ("judicia:random", "bytes", "random", True),
        ("judicia:log", "write", None, True),
        ("env", "now", None, False),
    ]
    assert found.capabilities == ("random",)
    assert (found.requested, found.granted) == (("wall_clock",), ())
    assert found.functions == ("run",)
    assert ("add", "func", "(i32, i32) -> i32") in found.exports
    assert found.memories == ((2 * 65536, 10 * 65536), (65536, None))
    assert found.tables == ((5, 7),)
    assert found.start_function == "go"
    names = [name for name, _ in found.sections]
    assert {"import", "code", "start"} <= set(names)
    assert any("judicia.manifest" in name for name in names)
    assert sum(size for _, size in found.sections) < found.size
    assert dict(rt.plugins) == {}
    assert rt.calls.empty
    text = str(found)
    for part in (
        "scout 0.0.0",
        "judicia:random bytes  (random)",
        "imports that are not offered here",
        ": env.now",
        "128 KiB to 640 KiB",
        "go runs by itself",
    ):
        assert part in text


def test_a_loaded_plugin_is_audited_with_what_it_is_granted(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", name="mine", grant=["random"])
    found = p.inspect()
    assert (found.name, found.digest, found.granted) == ("mine", p.digest, ("random",))
    assert found.requested == ("wall_clock", "random")
    assert rt.inspect("example:specimen").digest == p.digest
    assert set(found.capabilities) == {"random", "wall_clock"}
    assert p.state == "loaded"
    assert rt.calls.empty


def test_the_audit_prints_no_controls_of_a_stranger(rt: jn.Runtime) -> None:
    found = rt.inspect(
        rb'(module (import "e\1b[31m" "\u{202e}" (func)) (func (export "\1b[2J\0a x") (result i32) (i32.const 1)))'
    )
    assert "\x1b" not in str(found)
    assert "\u202e" not in str(found)


@pytest.mark.parametrize("name", ["empty.wasm", "component.wasm", "doubled.wat"])
def test_the_audit_of_a_bad_file_is_a_load_error_too(rt: jn.Runtime, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD_FILES[name][0])
    one_clear_line(refusal(lambda: rt.inspect(tmp_path / name)), name)
