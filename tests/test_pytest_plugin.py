"""The fixtures for authors of plugins, through a real pytest in a folder that is no part of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import judicia_notebook as jn

ROOT = Path(jn.__file__).parents[1]
WAT = """(module
  (@custom "judicia.manifest" "{\\"name\\": \\"counter\\"}")
  (memory (export "memory") 1) (data (i32.const 8) "0")
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "count") (param i32 i32) (result i64)
    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1))) (i64.const 0x8_00000001)))"""
# As an entry point does, and also where an installed one of the same module is there.
LOADED = ("-p", "no:judicia", "-p", "judicia_notebook.pytest_plugin")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own; warnings are errors, and so are markers that nobody has registered."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "JUDICIA", "CI"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "--strict-markers", "-q"]
    return subprocess.run(
        [*command, *LOADED, *arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def outcome_of(folder: Path, text: str, *arguments: str) -> str:
    """What pytest prints of a file with these tests."""
    (folder / "test_it.py").write_text(text, "utf-8")
    return run_pytest(folder, *arguments).stdout


def test_each_test_gets_a_fresh_runtime_that_is_closed_afterwards(tmp_path: Path) -> None:
    text = """
import pytest
import judicia_notebook as jn
kept = []

def test_one(judicia_runtime):
    assert isinstance(judicia_runtime, jn.Runtime)
    judicia_runtime.load("example:specimen").call("echo", 1)
    kept.append((judicia_runtime, judicia_runtime.data_dir))
    assert judicia_runtime is not jn.get_runtime()

def test_two(judicia_runtime):
    before, folder = kept[0]
    assert judicia_runtime is not before
    assert dict(judicia_runtime.plugins) == {}
    assert len(judicia_runtime.calls) == 0
    assert not folder.exists()
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        before.load("example:specimen")

def test_it_is_closed_where_a_test_fails(judicia_runtime):
    kept.append(judicia_runtime)
    assert 1 == 2

def test_so_it_is():
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        kept[1].load("example:specimen")
"""
    assert "1 failed, 3 passed" in outcome_of(tmp_path, text)


def test_markers_say_how_runtime_and_plugin_are_made_and_the_nearest_decides(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "counter.wat").write_text(WAT)
    text = """
import pytest
import judicia_notebook as jn

pytestmark = [
    pytest.mark.judicia_runtime(seed=1, ceiling=jn.Quota(cpu="30s")),
    pytest.mark.judicia_plugin("example:specimen", quota={"cpu": "20s"}),
]

def test_module(judicia_runtime, judicia_plugin):
    assert judicia_runtime.ceiling.cpu == 30
    assert judicia_plugin.name == "specimen"
    assert judicia_plugin.policy.quota.cpu == 20
    assert "capability_denied" in str(judicia_plugin.call("call_host", {"service": "clock"}))

@pytest.mark.judicia_plugin(grant=["wall_clock"])
class TestClass:
    def test_grant(self, judicia_plugin):
        assert judicia_plugin.policy.quota.cpu == 20
        assert judicia_plugin.attempt("call_host", {"service": "clock"}).record.denied == 0

    @pytest.mark.judicia_runtime(ceiling=jn.Quota(cpu="40s"))
    @pytest.mark.judicia_plugin(grant=[])
    def test_nearest(self, judicia_plugin, judicia_runtime):
        assert judicia_runtime.ceiling.cpu == 40
        assert judicia_plugin.attempt("call_host", {"service": "clock"}).record.denied == 1

@pytest.mark.judicia_plugin("plugins/counter.wat")
@pytest.mark.parametrize("time", [1, 2])
def test_file_beside(judicia_plugin, time):
    assert judicia_plugin.name == "counter"
    assert judicia_plugin.call("count") == 1
    assert judicia_plugin.call("count") == 2
"""
    assert "5 passed" in outcome_of(tmp_path, text)


def test_the_setting_names_the_plugin_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "counter.wat").write_text(WAT)
    (tmp_path / "pytest.ini").write_text("[pytest]\njudicia_plugin = counter.wat\n")
    (tmp_path / "tests").mkdir()
    text = "def test_it(judicia_plugin):\n    assert judicia_plugin.call('count') == 1\n"
    assert "1 passed" in outcome_of(tmp_path / "tests", text, "-c", str(tmp_path / "pytest.ini"))


WRONG = {
    "def test_it(judicia_plugin): pass": "nothing says which plugin judicia_plugin is",
    "@pytest.mark.judicia_runtime(sed=1)\ndef test_it(judicia_runtime): pass": "unexpected keyword argument 'sed'",
    "@pytest.mark.judicia_plugin('example:specimen', grants=[])\ndef test_it(judicia_plugin): pass": (
        "unexpected keyword argument 'grants'"
    ),
    "@pytest.mark.judicia_plugin('a.wasm', 'b.wasm')\ndef test_it(judicia_plugin): pass": "takes one plugin",
    "@pytest.mark.judicia_plugin('none.wasm')\ndef test_it(judicia_plugin): pass": "there is no such file",
    "@pytest.mark.judicia_plugin('example:specimen', grant=['wall_clok'])\ndef test_it(judicia_plugin): pass": (
        "Did you mean 'wall_clock'"
    ),
}


@pytest.mark.parametrize("text", list(WRONG), ids=list(WRONG.values()))
def test_what_is_wrong_with_a_marker_is_said(tmp_path: Path, text: str) -> None:
    printed = outcome_of(tmp_path, f"import pytest\n{text}\n")
    assert WRONG[text] in printed
    assert "1 error" in printed


def test_markers_and_fixtures_are_described(tmp_path: Path) -> None:
    assert "@pytest.mark.judicia_runtime(seed=None" in run_pytest(tmp_path, "--markers").stdout
    assert "@pytest.mark.judicia_plugin(source, grant=()" in run_pytest(tmp_path, "--markers").stdout
    (tmp_path / "test_it.py").touch()
    fixtures = run_pytest(tmp_path, "--fixtures").stdout
    assert "judicia_runtime -- " in fixtures
    assert "judicia_plugin -- " in fixtures


def test_a_project_that_asks_for_nothing_loads_nothing_heavy(tmp_path: Path) -> None:
    text = """
import sys

def test_it():
    assert "judicia_notebook.pytest_plugin" in sys.modules
    heavy = ("wasmtime", "pandas", "numpy", "IPython", "matplotlib", "sqlalchemy", "msgspec", "ctypes.wintypes")
    assert [name for name in heavy if name in sys.modules] == []
    ours = sorted(name for name in sys.modules if name.startswith("judicia_notebook."))
    assert not any(name.split(".")[1] in ("runtime", "engine", "host", "notebook", "policy") for name in ours), ours
"""
    assert "1 passed" in outcome_of(tmp_path, text)
