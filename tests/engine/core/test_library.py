"""The core's library is found, checked field by field and loaded once, or refused with one sentence."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from ctypes import POINTER, Structure, c_char_p, c_uint32, c_uint64
from pathlib import Path

import pytest

from judicia_notebook.engine.core import CORE, load, sources
from judicia_notebook.engine.core.library import Field

ROOT = Path(__file__).parents[3]
NAME = sources.library_name()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the core's folder: library and sources."""
    return Path(shutil.copytree(sources.FOLDER, tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__")))


def run(program: str, *arguments: str, path: Path = ROOT) -> str:
    """What a process of its own says about a program, with the package of that folder."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- what it says of itself ------------------------------------------------------------------------------------------


def test_the_library_says_what_it_was_built_from() -> None:
    assert CORE.build.digest == sources.digest()
    assert CORE.build.path == sources.FOLDER / NAME
    assert CORE.build.compiler.split()[0] in {"gcc", "clang"}
    assert str(CORE.build).startswith(f"{NAME} {CORE.build.digest[:12]} for ")


def test_the_digest_moves_with_a_byte_and_with_a_name(folder: Path) -> None:
    digests = {sources.digest(folder)}
    (folder / "more.h").write_text("")
    digests.add(sources.digest(folder))
    (folder / "more.h").rename(folder / "most.h")
    digests.add(sources.digest(folder))
    (folder / "core.h").write_text((folder / "core.h").read_text() + "\n")
    digests.add(sources.digest(folder))
    assert len(digests) == 4


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_missing_library_names_what_builds_it(folder: Path) -> None:
    (folder / NAME).unlink()
    with pytest.raises(ImportError, match=r"is missing\. `make core` builds it; an installed package"):
        load(folder / NAME)


def test_a_library_of_other_sources_names_what_builds_it_again(folder: Path) -> None:
    (folder / "core.h").write_text((folder / "core.h").read_text().replace("uint32_t", "uint64_t"))
    with pytest.raises(ImportError, match=r"built from other sources than those beside it .*: run `make core`"):
        load(folder / NAME)


@pytest.mark.parametrize("content", [b"", b"no library\n", b"\x7fELF" + bytes(60)], ids=["empty", "text", "a header"])
def test_a_file_that_is_no_library_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ImportError, match="is no core of judicia_notebook for this machine"):
        load(tmp_path / NAME)


@pytest.mark.skipif(sys.platform != "linux", reason="the machine stands elsewhere in other formats; enable: Linux")
def test_a_library_for_another_machine_is_refused(tmp_path: Path) -> None:
    library = bytearray((sources.FOLDER / NAME).read_bytes())
    library[18:20] = b"\xf3\x00"  # e_machine: RISC-V
    (tmp_path / NAME).write_bytes(library)
    with pytest.raises(ImportError, match="is no core of judicia_notebook for this machine"):
        load(tmp_path / NAME)


def test_another_library_is_refused(tmp_path: Path) -> None:
    from wasmtime import _ffi

    shutil.copyfile(_ffi.filename, tmp_path / NAME)
    with pytest.raises(ImportError, match=r"is no core of judicia_notebook for this machine: .*jc_build"):
        load(tmp_path / NAME)


# --- what Python and C share -----------------------------------------------------------------------------------------


class Swapped(Structure):
    c_name = "jc_field"
    _fields_ = [("name", c_char_p), ("size", c_uint32), ("offset", c_uint32)]


class Wider(Structure):
    c_name = "jc_field"
    _fields_ = [("name", c_char_p), ("offset", c_uint32), ("size", c_uint64)]


class Shorter(Structure):
    c_name = "jc_field"
    _fields_ = [("name", c_char_p), ("offset", c_uint32)]


class Longer(Structure):
    c_name = "jc_layout"
    _fields_ = [("name", c_char_p), ("size", c_uint32), ("fields", POINTER(Field)), ("more", c_uint32)]


class Unknown(Structure):
    c_name = "jc_nothing"
    _fields_ = [("name", c_char_p)]


@pytest.mark.parametrize(
    ("structure", "difference"),
    [
        (Swapped, "jc_field: Python has size at 8 with 4 bytes, .* has offset at 8 with 4 bytes"),
        (Wider, "jc_field: Python has size at 16 with 8 bytes, .* has size at 12 with 4 bytes"),
        (Shorter, "jc_field: Python has 2 fields in 16 bytes, .* has 3 in 16"),
        (Longer, "jc_layout: Python has 4 fields in 32 bytes, .* has 3 in 24"),
        (Unknown, "has no layout of jc_nothing"),
    ],
)
def test_a_struct_that_c_lays_out_differently_is_refused(structure: type[Structure], difference: str) -> None:
    with pytest.raises(ImportError, match=difference):
        CORE.check_layout(structure)


def test_a_function_that_the_library_lacks_is_refused() -> None:
    with pytest.raises(ImportError, match="has no function jc_nothing"):
        CORE.function("jc_nothing", None)


def test_wasmtimes_functions_are_bound_once() -> None:
    from judicia_notebook.engine import startup

    startup.get_engine()
    bind = CORE.function("jc_bind", ctypes.c_int, POINTER(ctypes.c_void_p), ctypes.c_size_t, held=True)
    count = len(CORE.imports())
    others = (ctypes.c_void_p * count)(*[1] * count)
    assert bind(others, count - 1) == -1
    others[count - 1] = None
    assert bind(others, count) == -1


# --- one a process ---------------------------------------------------------------------------------------------------

ANEW = """
import sys
from judicia_notebook.engine import core
first = core.CORE
for name in [name for name in sys.modules if name.startswith("judicia_notebook")]:
    del sys.modules[name]
from judicia_notebook.engine import core
assert core.CORE is not first
print(core.CORE.build.path == first.build.path)
"""

COPY = """
import shutil, sys
from pathlib import Path
from judicia_notebook.engine import core
copied = Path(shutil.copyfile(core.CORE.build.path, Path(sys.argv[1]) / core.CORE.build.path.name))
try:
    core.load(copied)
except ImportError as error:
    print(error)
"""

THUNK = """
import ctypes, gc, sys, weakref
from judicia_notebook.engine import core
thunk = ctypes.CFUNCTYPE(None)(lambda: None)
alive = weakref.ref(thunk)
core.CORE.keep(thunk)
for name in [name for name in sys.modules if name.startswith("judicia_notebook")]:
    del sys.modules[name]
del thunk, core
gc.collect()
print(alive() is not None)
"""

SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inside = interpreters.create()
program = '''
try:
    import judicia_notebook.engine.core
except ImportError as error:
    print(error, flush=True)
'''
run = getattr(interpreters, "exec", None) or interpreters.run_string
run(inside, program)
"""


def test_importing_the_package_anew_is_harmless() -> None:
    assert run(ANEW) == "True"


def test_a_second_file_in_one_process_is_refused(tmp_path: Path) -> None:
    assert "would be a second core in it" in run(COPY, str(tmp_path))


def test_a_thunk_outlives_the_module_that_made_it() -> None:
    assert run(THUNK) == "True"


def test_a_subinterpreter_is_refused() -> None:
    said = run(SUBINTERPRETER)
    assert "no subinterpreter can import it" in said or "does not support loading in subinterpreters" in said


# --- without one -----------------------------------------------------------------------------------------------------

CORELESS = """
import judicia_notebook as jn
print(jn.doctor())
try:
    jn.Runtime()
except ImportError as error:
    print(error)
"""


def test_without_its_core_the_package_says_so_the_doctor_too_and_nothing_is_compiled(tmp_path: Path) -> None:
    package = ROOT / "judicia_notebook"
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns(NAME, "__pycache__", "*.wasm"))
    doctor, error = run(CORELESS, path=tmp_path).rsplit("\n", 1)
    assert "look  core" in doctor
    assert "`make core` builds it" in doctor
    assert "`make core` builds it" in error
    assert not (tmp_path / "judicia_notebook" / "engine" / "core" / NAME).exists()
