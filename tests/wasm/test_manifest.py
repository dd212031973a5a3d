"""What a plugin says of itself: where it is looked for, what is accepted, and how a wrong one is refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook.plugins
from judicia_notebook.capabilities import CAPABILITIES, expand
from judicia_notebook.errors import JudiciaError, ManifestError
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.manifest import (
    FunctionInfo,
    Manifest,
    derived,
    from_section,
    from_toml,
    from_value,
    read_manifest,
)
from judicia_notebook.wasm.sections import read_module
from tests.support.effort import fuzz

FULL = """
name = "checker"
version = "1.2.0-rc.1"
author = "Ada"
description = "Compares."
plugin_type = "problem"
capabilities = ["read_database=submissions,contests", "random", "file_storage=/data@inputs", "read_files=/data@inputs"]
http_routes = ["/board", "GET /board/top"]
subscriptions = ["contest.*", "**"]
abi = 1
toolchain = "rustc 1.63"

[quota]
cpu = "50ms"
memory = 1048576
wall = 1.5

[functions.check]
description = "Judges one output."
request = { type = "object", required = ["output"] }

[functions.version]

[config]
tolerance = 1e-9
modes = ["exact", { name = "tokens" }]
"""
MANIFEST = Manifest(
    name="checker",
    version="1.2.0-rc.1",
    author="Ada",
    description="Compares.",
    plugin_type="problem",
    capabilities=(
        "read_database=submissions,contests",
        "random",
        "read_files=/data@inputs",
        "write_files=/data@inputs",
    ),
    quota={"cpu": "50ms", "memory": 1048576, "wall": 1.5},
    http_routes=("/board", "GET /board/top"),
    subscriptions=("contest.*", "**"),
    functions={
        "check": FunctionInfo("Judges one output.", {"type": "object", "required": ["output"]}),
        "version": FunctionInfo(),
    },
    config={"tolerance": 1e-9, "modes": ["exact", {"name": "tokens"}]},
    toolchain="rustc 1.63",
)


def module(*manifests: bytes) -> ModuleInfo:
    """A module with those custom sections and nothing else."""
    data = b"\0asm\x01\0\0\0"
    for content in manifests:
        body = bytes([len("judicia.manifest")]) + b"judicia.manifest" + content
        data += b"\0" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body
    return read_module(data)


def refused(read: Callable[[], Any]) -> str:
    with pytest.raises(ManifestError) as caught:
        read()
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    return lines[0]


# --- where it is found -----------------------------------------------------------------------------------------------


def test_the_section_goes_before_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plugin.toml").write_text('name = "beside"')
    assert read_manifest(module(b'{"name": "inside"}'), tmp_path / "x.wasm") == (Manifest("inside"), "section")
    assert read_manifest(module(), tmp_path / "x.wasm") == (Manifest("beside"), "plugin.toml")


def test_without_either_a_name_is_derived(tmp_path: Path) -> None:
    assert read_manifest(module(), tmp_path / "Naïve Checker v2.wasm") == (Manifest("na-ve-checker-v2"), "derived")
    assert read_manifest(module()) == (Manifest("plugin"), "derived")


def test_two_sections_are_refused() -> None:
    both = module(b'{"name": "a"}', b'{"name": "a"}')
    assert refused(lambda: read_manifest(both)) == "there are 2 custom sections `judicia.manifest`, and one is allowed"


def test_bundled_plugins_have_manifests() -> None:
    folder = Path(next(iter(judicia_notebook.plugins.__path__)))
    for path in folder.glob("*/plugin.toml"):
        assert from_value(path).name == path.parent.name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("checker", "checker"),
        ("My Checker (2)", "my-checker-2"),
        ("2048", "plugin-2048"),
        ("", "plugin"),
        ("...", "plugin"),
        ("Ω", "plugin"),
        ("a" * 100, "a" * 64),
        ("__x__", "x"),
    ],
)
def test_a_derived_name_is_a_valid_one(stem: str, name: str) -> None:
    assert derived(stem) == Manifest(name)
    assert from_value(derived(stem)).name == name


# --- the same manifest from each source ------------------------------------------------------------------------------


def test_every_field_is_read_from_toml() -> None:
    assert from_toml(FULL) == MANIFEST


def test_what_is_read_can_be_written_into_a_section_and_read_again() -> None:
    assert from_section(msgspec.json.encode(MANIFEST)) == MANIFEST


def test_a_manifest_may_be_given_by_hand(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "mine.toml", tmp_path / "mine.json"
    toml.write_text(FULL)
    as_json.write_bytes(msgspec.json.encode(MANIFEST))
    for value in (MANIFEST, msgspec.to_builtins(MANIFEST), msgspec.structs.asdict(MANIFEST), toml, str(as_json)):
        assert from_value(value) == MANIFEST


def test_a_manifest_given_by_hand_is_checked_as_well() -> None:
    message = refused(lambda: from_value(Manifest(name="x", capabilities=("nothing_known",))))
    assert message.startswith("manifest: field `capabilities[0]`: unknown capability 'nothing_known'.")
    mixed: dict[Any, Any] = {"name": "x", 3: 4}
    assert refused(lambda: from_value(mixed)) == "manifest: expected names that are text, given 3"
    assert refused(lambda: from_value({"name": "x", "config": {"when": {1, 2}}})) == (
        "manifest: field `config.when`: expected what JSON can hold, given a set"
    )
    assert refused(lambda: from_value(7)) == (  # type: ignore[arg-type]
        "manifest: expected a dict, a Manifest or the path of a file, given 7"
    )
    assert refused(lambda: from_value("absent.toml")) == "absent.toml: there is no such file"


def test_an_alias_is_stored_as_its_parts() -> None:
    assert from_value({"name": "x", "capabilities": ["file_storage", "random", "random"]}).capabilities == (
        "read_files",
        "write_files",
        "random",
    )
    assert set(expand("file_storage")) <= CAPABILITIES.keys()


def test_every_capability_may_be_asked_for() -> None:
    assert from_value({"name": "x", "capabilities": list(CAPABILITIES)}).capabilities == tuple(CAPABILITIES)


@pytest.mark.parametrize("version", ["1.0", "0.1.2", "1.2.3-rc.1", "1.2.3+build.5", "10.20.30-a-b+c"])
def test_versions_that_are_accepted(version: str) -> None:
    assert from_value({"name": "x", "version": version}).version == version


# --- wrong fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'capabilities = ["random", "netwrok_access"]',
            "field `capabilities[1]`: unknown capability 'netwrok_access'. Did you mean 'network_access'?",
        ),
        ('capabilities = ["random="]', "field `capabilities[0]`: expected a scope after `random=`, given ''"),
        ('capabilities = "random"', "field `capabilities`: expected a list of capabilities, given 'random'"),
        ("capabilities = [3]", "field `capabilities[0]`: expected text, given 3"),
        ('version = "one"', "field `version`: expected a version such as 1.2.0, given 'one'"),
        ('version = "1.2.0\\n"', "field `version`: expected a version such as 1.2.0, given '1.2.0\\n'"),
        ("version = 1.2", "field `version`: expected a version such as 1.2.0, given 1.2"),
        ('plugin_type = "game"', "field `plugin_type`: expected contest, problem or utility, given 'game'"),
        ("plugin_type = []", "field `plugin_type`: expected contest, problem or utility, given a list"),
        ('abi = "1"', "field `abi`: expected a version of the ABI as a whole number, such as 1, given '1'"),
        ("abi = true", "field `abi`: expected a version of the ABI as a whole number, such as 1, given true"),
        ("abi = 0", "field `abi`: expected a version of the ABI as a whole number, such as 1, given 0"),
        ("description = 3", "field `description`: expected text, given 3"),
        (f'description = "{"x" * 2001}"', "field `description`: expected at most 2000 characters, given 2001"),
        (f'author = "{"x" * 201}"', "field `author`: expected at most 200 characters, given 201"),
        ('capabilites = ["random"]', "field `capabilites`: unknown field. Did you mean 'capabilities'?"),
        ('"w\\nz" = 1', "field `w⏎z`: unknown field. There is: abi, author,"),
        ("quota = 3", "field `quota`: expected a table of names and values, given 3"),
        (
            "quota.cpu = true",
            "field `quota.cpu`: expected a number, or text with a unit such as '50ms' or '16MiB', given true",
        ),
        (
            "quota.cpu = []",
            "field `quota.cpu`: expected a number, or text with a unit such as '50ms' or '16MiB', given a list",
        ),
        ("quota.cpu = inf", "is not TOML: has the number inf, which is not a finite float"),
        (
            "quota.fuel = 99999999999999999999",
            "field `quota.fuel`: expected an integer of at most 64 bits, given a longer one",
        ),
        ('quota."C P U" = 1', "field `quota.C P U`: expected a kind of quota, such as cpu, given 'C P U'"),
        (
            'http_routes = ["board"]',
            "field `http_routes[0]`: expected a route such as '/board' or 'GET /board', given 'board'",
        ),
        (
            'subscriptions = ["a..b"]',
            "field `subscriptions[0]`: expected an event pattern such as 'contest.*', given 'a..b'",
        ),
        ('functions = ["check"]', "field `functions`: expected a table of names and values, given a list"),
        ('functions.check = "judges"', "field `functions.check`: expected a table of names and values, given 'judges'"),
        (
            "functions.check.request = 3",
            "field `functions.check.request`: expected a table of names and values, given 3",
        ),
        ("functions.check.reqest = {}", "field `functions.check.reqest`: unknown field. Did you mean 'request'?"),
        ('functions."a b" = {}', "field `functions.a b`: expected an export's name without spaces"),
        ("config.day = 2020-01-01", "field `config.day`: expected what JSON can hold, given a date"),
        ("config = 3", "field `config`: expected a table of names and values, given 3"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected_and_given(line: str, sentence: str) -> None:
    assert refused(lambda: from_toml(f'name = "x"\n{line}\n')).startswith(f"plugin.toml: {sentence}")


@pytest.mark.parametrize("name", ["", "Checker", "2048", "-x", "a.b", "a b", "a" * 65, "check\n", "ä", 3, None])
def test_a_name_is_what_can_stand_before_the_dot(name: object) -> None:
    message = refused(lambda: from_section(json.dumps({"name": name}).encode()))
    assert message.startswith(
        "section judicia.manifest: field `name`: expected a name of a-z, 0-9, _ and - that begins"
    )


def test_the_name_must_be_there() -> None:
    assert refused(lambda: from_toml("")) == "plugin.toml: field `name`: is missing"


def test_lists_and_tables_are_bounded() -> None:
    for field, value in {
        "capabilities": ["random"] * 101,
        "http_routes": ["/"] * 101,
        "subscriptions": ["a"] * 101,
        "quota": {f"k{n}": 1 for n in range(65)},
        "functions": {f"f{n}": {} for n in range(1001)},
    }.items():
        message = refused(lambda field=field, value=value: from_value({"name": "x", field: value}))  # type: ignore[misc]
        assert f"field `{field}`: expected at most" in message
        assert f"given {len(value)}" in message


# --- wrong documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is not JSON: Expecting value (line 1, column 1)"),
        (b'{"name": "x"} ]', "is not JSON: Extra data (line 1, column 15)"),
        (b'{"name": "x",}', "is not JSON: "),
        (b'{"name": "x", "name": "y"}', "has the key 'name' twice"),
        (b'{"name": "x", "config": {"a": 1, "a": 1}}', "has the key 'a' twice"),
        (b'{"name": "x", "config": NaN}', "has the value NaN, which is not JSON"),
        (b'{"name": "x", "config": -Infinity}', "has the value -Infinity, which is not JSON"),
        (b'{"name": "x", "config": {"a": 1e999}}', "has the number 1e999, which is not a finite float"),
        (b'{"name": "x", "abi": 18446744073709551616}', "has the integer 18446744073709551616, which does not fit"),
        (b'{"name": "x", "abi": ' + b"9" * 9999 + b"}", "has the integer 99999999999999999999..., which does not fit"),
        (b'{"name": "x", "description": "\\ud800"}', "has half of a surrogate pair, which no UTF-8 can hold"),
        (b'{"name": "x\xff"}', "is not UTF-8 (byte 11)"),
        (b'\xef\xbb\xbf{"name": "x"}', "is not JSON: Unexpected UTF-8 BOM"),
        (b'["name"]', "expected an object with the manifest's fields, given a list"),
        (b'{"name": "x", "config": ' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", "is nested deeper than 64 levels"),
        (b"[" * 100_000, "is nested deeper than 64 levels"),
        (b" " * (1 << 20) + b"{}", "has 1048578 bytes, and 1048576 are allowed"),
    ],
)
def test_a_section_that_is_not_strict_json_is_refused(data: bytes, sentence: str) -> None:
    assert refused(lambda: from_section(data)).startswith(f"section judicia.manifest: {sentence}")


def test_brackets_inside_text_are_no_nesting() -> None:
    text = "[{" * 200 + '\\"' + "[" * 100
    assert from_section(b'{"name": "x", "description": "' + text.encode() + b'"}').description.count("[") == 300
    assert from_toml(f'name = "x"\ndescription = "{text}" # [[[').description.count("[") == 300
    assert from_toml('name = "x"\ndescription = """' + "[\n\" '''" * 80 + '"""').description.count("[") == 80


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"name", "is not TOML: Expected '=' after a key in a key/value pair"),
        (b"\0\1\2", "is not TOML: "),
        (b'name = "x"\nname = "y"', "is not TOML: Cannot overwrite a value"),
        (b'name = "\xff"', "is not UTF-8 (byte 8)"),
        (b"config = " + b"[" * 65, "is nested deeper than 64 levels"),
        (b"config" + b".a" * 17 + b" = 1", "has a key of more than 16 dotted parts"),
        (b"[config" + b' . "a"' * 500_000 + b"]", "is larger than the 1048576 bytes that are read"),
        (b"config = " + b"1" * 9999, "is not TOML: "),
        (b"#" * ((1 << 20) + 1), "is larger than the 1048576 bytes that are read"),
        (b"config.a = " + b"{a.a.a.a.a.a = " * 12 + b"1" + b"}" * 12, "field `config.a"),
    ],
)
def test_a_file_that_is_not_bounded_toml_is_refused(data: bytes, sentence: str) -> None:
    assert refused(lambda: from_toml(data)).startswith(f"plugin.toml: {sentence}")


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 400_000,
        'x = ["""\n\'""", {c' + ".c" * 400_000 + ' = 1}, "\'"]',
        "[" + ".".join("a" * 15) + "]\n" + "".join(f"k{n}{'.a' * 14}=1\n" for n in range(20_000)),
        "a=" + "[" * 1_000_000,
        'a="' + '\\"' * 500_000,
        "a=" + '"""' * 340_000,
        "a=" + " " * 1_000_000,
    ],
    ids=["dotted", "dotted-behind-quotes", "dotted-under-a-header", "brackets", "escapes", "quotes", "blanks"],
)
def test_toml_made_to_take_long_does_not(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ManifestError):
        from_toml(text)
    assert time.perf_counter() - began < 30


# --- wrong files -----------------------------------------------------------------------------------------------------


def beside(tmp_path: Path) -> str:
    return refused(lambda: read_manifest(module(), tmp_path / "x.wasm"))


def test_a_directory_in_the_manifests_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plugin.toml").mkdir()
    assert beside(tmp_path) == "plugin.toml: is a directory, and only a regular file is read"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders; enable: run on Linux or macOS")
def test_a_pipe_in_the_manifests_place_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plugin.toml")
    assert beside(tmp_path) == "plugin.toml: is a pipe, and only a regular file is read"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows; enable: run on Linux or macOS")
def test_a_link_in_the_manifests_place_is_refused_but_may_be_given_by_hand(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('name = "linked"')
    (tmp_path / "plugin.toml").symlink_to("elsewhere")
    assert beside(tmp_path) == "plugin.toml: is a symbolic link, and only a regular file is read"
    assert from_value(tmp_path / "plugin.toml").name == "linked"
    (tmp_path / "plugin.toml").unlink()
    (tmp_path / "plugin.toml").symlink_to("/dev/zero")
    assert refused(lambda: from_value(tmp_path / "plugin.toml")) == "zero: is a device, and only a regular file is read"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "plugin.toml").open("wb") as file:
        file.truncate(1 << 40)
    assert beside(tmp_path) == "plugin.toml: is larger than the 1048576 bytes that are read"
    (tmp_path / "mine.json").write_bytes(b'{"name": "x"}' + b" " * (1 << 20))
    message = "mine.json: is larger than the 1048576 bytes that are read"
    assert refused(lambda: from_value(tmp_path / "mine.json")) == message


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    # Who runs the tests may be allowed to read everything.
    (tmp_path / "plugin.toml").write_text('name = "x"')
    monkeypatch.setattr(os, "open", denied)
    assert beside(tmp_path) == "plugin.toml: cannot be read: Permission denied"


# --- anything at all -------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(Manifest.__struct_fields__)


@fuzz(150, database=None)
@given(st.dictionaries(FIELDS, VALUES, max_size=5))
def test_any_value_in_any_field_is_accepted_in_a_form_json_can_hold_or_refused(document: dict[str, Any]) -> None:
    try:
        manifest = from_value({"name": "x", **document})
    except JudiciaError as error:
        assert isinstance(error, ManifestError)  # noqa: PT017 - either way ends well
        return
    assert from_section(json.dumps(msgspec.to_builtins(manifest), allow_nan=False).encode()) == manifest


@fuzz(150, database=None)
@given(st.integers(0, len(FULL)), st.integers(0, 30), st.text(max_size=8))
def test_a_damaged_file_is_read_or_refused(start: int, removed: int, piece: str) -> None:
    try:
        from_toml(FULL[:start] + piece + FULL[start + removed :])
    except ManifestError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either way ends well
