"""Eight kernels compile at once where nothing is kept yet: each cell works, and what is kept afterwards is whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import judicia_notebook as jn
from tests.languages.compilers import SOURCES
from tests.support.kernels import Kernel, Reply

KERNELS = 8
SHARED = "shared"


def cells(number: int) -> list[str]:
    """What one kernel runs: the source that all of them have, twice, and one of its own; each is called."""
    own = SOURCES["c"].replace("'7'", f"'{number}'")
    lines = [f"%%plugin define {SHARED} --lang c\n{SOURCES['c']}", f"%plugin call {SHARED}.seven"]
    return [*lines, f"%%plugin define own --lang c\n{own}", "%plugin call own.seven", *lines]


@pytest.fixture
def kernels(tmp_path: Path, c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Kernel]]:
    monkeypatch.setenv(
        "JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "judicia-cache")
    )  # where kernels beside each other keep
    with ExitStack() as stack, ThreadPoolExecutor(KERNELS) as pool:
        started = list(pool.map(lambda number: Kernel(tmp_path / f"kernel{number}"), range(KERNELS)))
        for kernel in started:
            stack.callback(kernel.close)
        list(pool.map(lambda kernel: kernel.run("%load_ext judicia_notebook"), started))
        yield started


@pytest.mark.kernel
def test_eight_kernels_compile_at_once_into_an_empty_cache(kernels: list[Kernel], tmp_path: Path) -> None:
    folder = tmp_path / "judicia-cache"
    assert not (folder / "builds").exists()

    def run(number: int) -> list[Reply]:
        return [kernels[number].run(cell) for cell in cells(number)]

    with ThreadPoolExecutor(KERNELS) as pool:
        told = list(pool.map(run, range(KERNELS)))
    for number, replies in enumerate(told):
        assert [reply.status for reply in replies] == ["ok"] * len(replies), replies
        assert [reply.text for reply in replies[1::2]] == ["7", str(number), "7"]
    assert sorted(path.suffix for path in (folder / "builds").iterdir()) == [".info"] * KERNELS
    for number in range(KERNELS):  # the source with a 7 is that of all
        own = SOURCES["c"].replace("'7'", f"'{number}'")
        built = jn.build(f"\n{own}", "c")
        assert built.cached
        with jn.Runtime() as rt:
            assert rt.load(built.wasm, name="again").call("seven") == number
