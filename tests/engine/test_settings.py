"""Engines with other settings: what their code counts, and that no engine gets the code of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from judicia_notebook.engine import compile_apart, startup
from judicia_notebook.engine.compiler import Compiler
from judicia_notebook.engine.settings import FULL, NONE
from judicia_notebook.errors import CompileError
from judicia_notebook.wasm.sections import read_module

UNMETERED = """
from judicia_notebook.engine import startup
from judicia_notebook.engine.settings import NONE
startup.use(NONE)
import judicia_notebook as jn
with jn.Runtime() as rt:
    p = rt.load("example:specimen")
    p.call("echo", 1)
    kept = p.last.fuel
    p.bench("echo", 1, repeats=1, warmup=0)
    print(kept, set(rt.calls["fuel"].isna()), startup.get_engine().key)
"""


def test_code_without_metering_counts_no_fuel_and_is_kept_apart_in_the_cache(tmp_path: Path) -> None:
    environment = os.environ | {"JUDICIA_NOTEBOOK_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", UNMETERED], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    fuel, missing, key = done.stdout.split()
    assert (fuel, missing) == ("None", "{True}")
    assert key != startup.get_engine().key
    names = [path.name for path in (tmp_path / "cache").glob("*.cwasm")]
    assert names
    assert all(key in name for name in names)


def test_an_engine_refuses_code_of_other_settings() -> None:
    module = read_module(bytes.fromhex("0061736d01000000"))
    bare, full = Compiler(settings=NONE), Compiler(settings=FULL)
    assert bare.key != full.key
    code = bare.serialize(bare.compile_here(module.data))
    with pytest.raises(CompileError):
        full.deserialize(code, "")
    bare.deserialize(code, "").close()


@pytest.mark.address_space
def test_a_child_compiles_with_the_settings_that_it_is_told() -> None:
    bare = Compiler(settings=NONE)
    empty = bytes.fromhex("0061736d01000000")
    code = compile_apart.compile_apart(empty, bare.reservation, compile_apart.CompileLimits(), NONE)
    bare.deserialize(code, "").close()


def test_the_settings_of_an_engine_that_runs_cannot_be_chosen() -> None:
    startup.get_engine()
    with pytest.raises(RuntimeError, match="started before"):
        startup.use(NONE)


def test_no_engine_runs_here_whose_guests_nothing_stops() -> None:
    with pytest.raises(RuntimeError, match="in a process of its own"):
        startup.get_engine(NONE)
    assert not hasattr(startup.get_compiler(NONE), "pid"), "a compiler, and no engine"
