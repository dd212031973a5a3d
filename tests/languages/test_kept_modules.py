"""A module comes from the cache only where nothing but what its key says could have changed it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import toolchain
from judicia_notebook.languages.sdk_digest import digest
from tests.languages.compilers import RUST, clang, use

NUMBER = '__attribute__((export_name("f"))) int f(void) { return NUMBER; }\n'
HELLO = '#include "judicia.h"\nJUDICIA_EXPORT(f) { jn_put_int(answer, 1); }\n'


def answer(rt: jn.Runtime, built: jn.Built) -> object:
    return rt.load(built.wasm, abi="raw", name="p").raw("f")()


@pytest.mark.parametrize(
    "asking",
    [
        '#if __has_include("number.h")\n#include "number.h"\n#else\n#define NUMBER 1\n#endif\n',
        '#if __has_\\\ninclude("number.h")\n#define NUMBER 2\n#else\n#define NUMBER 1\n#endif\n',
    ],
)
def test_a_header_that_appears_later_is_seen(rt: jn.Runtime, tmp_path: Path, c_compiler: str, asking: str) -> None:
    path = tmp_path / "has.c"
    path.write_text(f"// {tmp_path}\n{asking}{NUMBER}")
    assert answer(rt, jn.build(path)) == 1
    (tmp_path / "number.h").write_text("#define NUMBER 2\n")
    assert answer(rt, jn.build(path)) == 2


def test_a_header_beside_the_source_shadows_the_sdks_also_when_it_comes_later(tmp_path: Path, c_compiler: str) -> None:
    path = tmp_path / "plugin.c"
    path.write_text(f"// {tmp_path}\n{HELLO}")
    assert [jn.build(path).cached, jn.build(path).cached] == [False, True]
    (tmp_path / "judicia.h").write_text("#error mine\n")
    with pytest.raises(jn.BuildError, match="mine"):
        jn.build(path)
    (tmp_path / "judicia.h").unlink()
    assert jn.build(path).cached


def test_a_header_of_the_c_library_that_is_shadowed_later_is_seen(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("clang", monkeypatch)
    if not Path("/usr/include/wasm32-wasi").is_dir():
        pytest.skip("there is no wasi-libc; enable: apt-get install wasi-libc libclang-rt-14-dev-wasm32")
    path = tmp_path / "plugin.c"
    path.write_text(f'// {tmp_path}\n#include "limits.h"\n{NUMBER.replace("NUMBER", "SCHAR_MAX")}')
    assert answer(rt, jn.build(path, flags="--target=wasm32-wasi")) == 127
    (tmp_path / "limits.h").write_text("#define SCHAR_MAX 5\n")
    assert answer(rt, jn.build(path, flags="--target=wasm32-wasi")) == 5


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        (HELLO, True),
        ("#include <stdint.h>\n" + NUMBER.replace("NUMBER", "1"), True),
        ("# /* */ include /* */ <stdint.h>\n" + NUMBER.replace("NUMBER", "1"), False),
        ("#define H <stdint.h>\n#include H\n" + NUMBER.replace("NUMBER", "1"), False),
        ('__asm__("");\n' + NUMBER.replace("NUMBER", "1"), False),
    ],
)
def test_what_may_ask_for_files_is_compiled_each_time(text: str, is_kept: bool, c_compiler: str) -> None:
    jn.build(text, "c")
    assert jn.build(text, "c").cached is is_kept


@pytest.mark.parametrize("flags", ["-includejudicia.h", "-L.", "@options", "-I..", "-L/usr/lib"])
def test_flags_that_may_name_files_are_compiled_each_time(flags: str, tmp_path: Path, c_compiler: str) -> None:
    for _ in range(2):
        try:
            assert not jn.build(NUMBER, "c", flags=[flags, "-DNUMBER=1"]).cached
        except jn.BuildError:
            assert flags == "@options"


def test_a_compiler_that_is_exchanged_in_place_compiles_again(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, wrapper = clang(), tmp_path / "clang"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CLANG", str(wrapper))
    for number in (1, 2):
        wrapper.write_text(f'#!/bin/sh\nexec {real} -DNUMBER={number} "$@"\n')
        wrapper.chmod(0o700)
        assert answer(rt, jn.build(f"// {tmp_path}\n{NUMBER}", "c")) == number


def test_a_linker_that_is_exchanged_in_place_links_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, program, linker = clang(), tmp_path / "clang", tmp_path / "wasm-ld"
    there = shutil.which("wasm-ld") or "/usr/bin/wasm-ld"
    program.write_text(f'#!/bin/sh\ncase $2 in -print-prog-name*) echo {linker};; *) exec {real} "$@";; esac\n')
    program.chmod(0o700)
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CLANG", str(program))
    source = f"// {tmp_path}\n{NUMBER.replace('NUMBER', '1')}"
    kept = []
    for number in (1, 1, 2):
        if not linker.exists() or number == 2:
            linker.write_text(f'#!/bin/sh\n# {number} {"x" * number}\nexec {there} "$@"\n')
            linker.chmod(0o700)
        kept.append(jn.build(source, "c").cached)
    assert kept == [False, True, False]


def test_the_c_library_belongs_to_the_compiler_that_links_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    found = toolchain.find_clang()
    assert found is not None
    libraries = toolchain.with_c_library(found, "--target=wasm32-wasi").identity
    if not libraries:
        pytest.skip("there is no wasi-libc; enable: apt-get install wasi-libc libclang-rt-14-dev-wasm32")
    assert "libc.a" in libraries
    assert "libclang_rt" in libraries


def test_a_compiler_whose_files_cannot_be_looked_at_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert toolchain._identity("clang 14", tmp_path / "nowhere") == ""
    assert toolchain._identity("clang 14", __file__).startswith("clang 14\n")


def test_a_variable_that_rust_reads_is_no_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    use("rustc", monkeypatch)
    source = f'{RUST}#[no_mangle] pub extern "C" fn f() -> usize {{ env !("PATH").len() }}\n'
    assert [jn.build(source, "rust").cached, jn.build(source, "rust").cached] == [False, False]


def test_the_digest_of_an_sdk_that_lies_below_a_folder_called_target_sees_changes(tmp_path: Path) -> None:
    folder = tmp_path / "target" / "sdk"
    (folder / "target").mkdir(parents=True)
    (folder / "judicia.h").write_text("1")
    before = digest(folder)
    (folder / "judicia.h").write_text("2")
    os.utime(folder / "judicia.h", (1, 1))
    assert digest(folder) != before
    changed = digest(folder)
    (folder / "target" / "built").write_text("x")
    assert digest(folder) == changed
