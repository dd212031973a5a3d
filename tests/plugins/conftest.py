"""The bundled plugins, loaded once a file: from the package, or from where JUDICIA_NOTEBOOK_PLUGINS says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import judicia_notebook as jn


@pytest.fixture(scope="module")
def runtime() -> Iterator[jn.Runtime]:
    """One runtime for a file: hypothesis runs hundreds of examples on it."""
    with jn.Runtime() as runtime:
        yield runtime


@pytest.fixture(scope="module")
def checker(runtime: jn.Runtime) -> jn.Plugin:
    return runtime.load("example:checker")
