"""Plugins that try to get a capability which nobody granted to them."""

from __future__ import annotations

import pytest

import judicia_notebook as jn
from judicia_notebook.authoring.wat import compile_wat

MAY_ALWAYS = pytest.mark.wall({"judicia_notebook.policy:PolicyState.allows": "lambda state, capability: True"})

CLOCK = '(func (export "now") (param i32 i32) (result i64) (call $judicia:clock.now (local.get 0) (local.get 1)))'
WISH = r'(@custom "judicia.manifest" "{\"name\": \"wishful\", \"capabilities\": [\"wall_clock\"]}")'


@MAY_ALWAYS
def test_a_manifest_that_asks_for_a_capability_is_not_granted_it(rt: jn.Runtime) -> None:
    p = rt.load(compile_wat(CLOCK + WISH).encode())
    assert p.call("now").get("error", {}).get("code") == "capability_denied"
