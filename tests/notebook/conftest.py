"""Kernels for tests.

- `kernel` is one process for all tests; each gets it with the extension loaded and an empty runtime.
- `fresh_kernel` starts a process of its own, for what only the first cell of a kernel can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.kernels import Kernel, environment


@pytest.fixture(scope="session")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernels") / "shared")
    try:
        # Each %reset collects garbage twice; what is imported once is none.
        assert kernel.run("%load_ext judicia_notebook\nimport gc\ngc.freeze()").status == "ok"
        yield kernel
    finally:
        kernel.close()


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The shared kernel, as if the extension had just been loaded into an empty notebook."""
    reply = shared_kernel.run(
        "%reset -f\n%reload_ext judicia_notebook\nimport judicia_notebook as jn\n"
        "jn.get_runtime().close()\nrt = jn.get_runtime()"
    )
    assert reply.status == "ok", reply.output
    return shared_kernel


@pytest.fixture
def fresh_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Kernel]]:
    """Start kernels of one's own; they end with the test."""
    started: list[Kernel] = []

    def start() -> Kernel:
        started.append(Kernel(tmp_path_factory.mktemp("kernels") / "fresh"))
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture
def fresh(fresh_kernel: Callable[[], Kernel]) -> Kernel:
    """A kernel in which nothing has been run yet."""
    return fresh_kernel()


@pytest.fixture
def kernel_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that keep a kernel apart from the user's own set-up, for kernels that others start."""
    return environment(tmp_path_factory.mktemp("kernels"))
