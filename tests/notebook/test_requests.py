"""What a plugin's card says of the quotas its manifest asks for: lines that work when they are typed."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.cards import Line
from judicia_notebook.notebook.object_cards import plugin_card


def lines(plugin: jn.Plugin) -> dict[str, str]:
    """What there is to type, by what is said of it."""
    return {part.text: part.code for part in plugin_card(plugin).parts if isinstance(part, Line)}


def load(rt: jn.Runtime, **quota: Any) -> jn.Plugin:
    return rt.load("example:checker", manifest={"name": "asker", "quota": quota})


ALLOW = "Asks for more than the default. To allow it:"
BEYOND = "Asks for more than this runtime's ceiling:"


@pytest.mark.parametrize("ceiling", ["512MiB", 123_456_789])
def test_a_quota_beyond_the_ceiling_is_suggested_up_to_it_and_the_ceiling_is_named(ceiling: Any) -> None:
    with jn.Runtime(ceiling=jn.Quota(memory=ceiling)) as rt:
        plugin = load(rt, memory="2GiB", cpu="5s")
        said = lines(plugin)
        assert said[BEYOND] == 'jn.Runtime(ceiling=jn.Quota(memory="2GiB"))'
        words = shlex.split(said[ALLOW])
        assert words[:3] == ["%plugin", "quota", "asker"]
        asked = dict(zip(words[3::2], words[4::2], strict=True))
        assert asked["--cpu"] == "5s"
        plugin.policy.set_quota(memory=asked["--memory"], cpu=asked["--cpu"])  # a PolicyError where it lies above
        assert plugin.policy.quota.memory == rt.ceiling.memory
        assert lines(plugin).keys() & {ALLOW, BEYOND} == {BEYOND}


def test_a_quota_within_the_ceiling_is_suggested_as_the_manifest_writes_it() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory="1GiB", fuel=1000)) as rt:
        said = lines(load(rt, memory="256MiB"))
        assert said[ALLOW] == "%plugin quota asker --memory 256MiB"
        assert BEYOND not in said
        plugin = load(rt, fuel=5000)
        plugin.policy.set_quota(fuel=100)
        said = lines(plugin)
        assert said[ALLOW] == "%plugin quota asker --fuel 1000"
        assert said[BEYOND] == "jn.Runtime(ceiling=jn.Quota(fuel=5000))"
