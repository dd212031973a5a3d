"""A plugin that nobody else uses, and its policy."""

from __future__ import annotations

import pytest

import judicia_notebook as jn


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", name="subject")


@pytest.fixture
def policy(p: jn.Plugin) -> jn.Policy:
    return p.policy
