"""The plugins printed in sdk/ABI.md: compiled from the page as they stand there, loaded and called."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn

PAGE = Path(jn.__file__).parent / "sdk" / "ABI.md"
FLAGS = ["-Oz", "-ffreestanding", "-nostdlib", "-Wl,--no-entry", "-o", "adder.wasm", "adder.c"]


def printed(language: str) -> str:
    """The one block of this language on the page."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert isinstance(block, str)
    return block


def c_compiler() -> list[str]:
    """One of the two that the page names; without either the test is skipped."""
    clang = shutil.which("clang") or shutil.which("clang-14")
    if clang and (shutil.which("wasm-ld") or shutil.which("wasm-ld-14")):
        return [clang, "--target=wasm32"]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-freestanding"]
    pytest.skip("no C compiler for wasm32; enable: pip install ziglang (or apt-get install clang lld)")


def wat(folder: Path) -> Path:
    path = folder / "adder.wat"
    path.write_text(printed("wat"), "utf-8")
    return path


def c(folder: Path) -> Path:
    (folder / "adder.c").write_text(printed("c"), "utf-8")
    subprocess.run([*c_compiler(), *FLAGS], cwd=folder, check=True)
    return folder / "adder.wasm"


@pytest.fixture(params=[wat, c], ids=["wat", "c"])
def adder(request: pytest.FixtureRequest, rt: jn.Runtime, tmp_path: Path) -> jn.Plugin:
    compile_example: Callable[[Path], Path] = request.param
    return rt.load(compile_example(tmp_path))


@pytest.mark.parametrize(
    ("payload", "total"),
    [([1, 2, [3]], 6), ([], 0), (None, 0), (7, 7), ([2**64 - 1], 2**64 - 1), (list(range(60_000)), 1_799_970_000)],
)
def test_the_example_adds(adder: jn.Plugin, payload: Any, total: int) -> None:
    assert adder.call("sum", payload) == total


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("abc", "expected a list of whole numbers"),
        ([1.5], "expected a list of whole numbers"),
        ([-1], "expected a list of whole numbers"),
        ([2**64 - 1, 1], "the sum does not fit 64 bits"),
    ],
)
def test_the_example_fails_as_the_page_says(adder: jn.Plugin, payload: Any, said: str) -> None:
    with pytest.raises(jn.GuestError) as caught:
        adder.call("sum", payload)
    assert (caught.value.code, caught.value.message) == ("bad_request", said)


def test_the_example_gives_its_memory_back(adder: jn.Plugin) -> None:
    def held() -> int | None:
        adder.call("sum", list(range(10_000)))
        return adder.last.memory_peak_bytes if adder.last is not None else None

    first = held()
    assert first is not None
    assert {held() for _ in range(100)} == {first}


def test_the_example_reads_the_clock_once_it_may(adder: jn.Plugin) -> None:
    assert adder.manifest.capabilities == ("wall_clock",)
    assert adder.call("now")["error"]["code"] == "capability_denied"
    adder.policy.grant("wall_clock")
    assert adder.call("now")["ok"].keys() == {"unix_ms", "monotonic_ms"}
