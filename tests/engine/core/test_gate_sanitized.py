"""The gate and the proof of exactness under AddressSanitizer and UBSan, with and without SSE2: no text makes them look
beside it or overflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from judicia_notebook.engine.core import sources
from tests.support.waiting import LONG_PATIENCE

ROOT = Path(__file__).resolve().parents[3]
TEXTS = 20_000 if os.environ.get("SOAK") else 1500
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
BUILDS = {"ordinary": (), "portable": ("-DJC_GATE_PORTABLE",), "without_int128": ("-U__SIZEOF_INT128__",)}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What reads texts, built in each way."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler; enable: apt-get install gcc")
    folder = tmp_path_factory.mktemp("sanitized")
    made = []
    for name, flags in BUILDS.items():
        made.append(folder / f"gate_{name}.so")
        files = [sources.FOLDER / name for name in ("gate.c", "exact.c", "python.c")]
        command = ["gcc", *sources.FLAGS, *SANITIZED, *flags, "-o", made[-1], *files]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if "asan" in done.stderr and "find" in done.stderr:
            pytest.skip("no AddressSanitizer; enable: apt-get install gcc libasan8")
        assert done.returncode == 0, done.stderr
    return made


def fuzz(
    texts: int, libraries: list[Path], options: str = "", module: str = "gate_fuzz"
) -> subprocess.CompletedProcess[str]:
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": f"detect_leaks=0:{options}",  # Python leaves some memory behind
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", f"tests.engine.core.{module}", str(texts), *map(str, libraries)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONG_PATIENCE)


def test_no_text_makes_it_look_beside_the_text(libraries: list[Path]) -> None:
    done = fuzz(TEXTS, libraries)
    assert done.returncode == 0, done.stderr[-5000:]


def test_no_text_makes_the_proof_look_beside_the_text(libraries: list[Path]) -> None:
    done = fuzz(TEXTS, libraries, module="exact_fuzz")
    assert done.returncode == 0, done.stderr[-5000:]


def test_where_there_is_no_memory_it_says_so(libraries: list[Path]) -> None:
    done = fuzz(0, libraries, "allocator_may_return_null=1:max_allocation_size_mb=1")
    assert done.returncode == 0, done.stderr[-5000:]
