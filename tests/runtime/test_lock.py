"""`Runtime.lock`: what goes beyond it is refused by every way that there is, said by whom, and written down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.object_cards import runtime_card
from judicia_notebook.policy.changes import Snapshot
from tests.support.panel_page import Page

MiB = 1 << 20


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    """A plugin of a runtime that is locked."""
    plugin = rt.load("example:specimen", grant=["wall_clock", "random"], quota={"cpu": "5s", "memory": "32MiB"})
    rt.lock(ceiling={"cpu": "500ms", "memory": "16MiB"}, grants=["wall_clock", "network_access"], by="Ada")
    return plugin


def refusals(rt: jn.Runtime) -> list[tuple[str, str]]:
    return [(row.plugin, row.detail) for row in rt.audit.query("what == 'refused'").itertuples()]


def test_a_lock_takes_from_loaded_plugins_what_lies_beyond_it(rt: jn.Runtime, p: jn.Plugin) -> None:
    assert p.policy.granted == {"wall_clock"}
    assert (p.policy.quota.cpu, p.policy.quota.memory) == (0.5, 16 * MiB)
    assert p.call("call_host", {"service": "random"})["failed"] == 1
    assert p.attempt("spin", {"ms": 1e9}).record.limit_cpu_ms == 500  # type: ignore[union-attr]
    told = rt.audit.query("what in ('lock', 'locked')")[["what", "detail"]].to_numpy().tolist()
    assert told[0] == ["locked", "no more cpu, memory, random"]
    assert told[1][0] == "lock"
    p.policy.reset()
    assert p.policy.granted == {"wall_clock"}


WAYS: dict[str, Callable[[jn.Runtime, jn.Plugin], Any]] = {
    "grant": lambda rt, p: p.policy.grant("random"),
    "a scope that was not named": lambda rt, p: p.policy.grant("network_access=http://127.0.0.1:8000"),
    "quota": lambda rt, p: p.policy.set_quota(cpu="501ms"),
    "a call's own quota": lambda rt, p: p.call("echo", 1, quota={"memory": "17MiB"}),
    "temporarily": lambda rt, p: p.policy.temporarily(grant="random").__enter__(),
    "temporarily a quota": lambda rt, p: p.policy.temporarily(cpu="1s").__enter__(),
    "restore": lambda rt, p: p.policy.restore(Snapshot(granted=("random",))),
    "amend": lambda rt, p: p.policy.amend("panel", lambda now: type(now)(("random",), now.quota)),
    "load with a grant": lambda rt, p: rt.load("example:checker", grant=["random"]),
    "load with a quota": lambda rt, p: rt.load("example:checker", quota={"cpu": "1s"}),
    "a load in its place": lambda rt, p: rt.load("example:checker", name="specimen", grant=["read_files"]),
    "a function of Python": lambda rt, p: rt.load(
        '(module (import "env" "now" (func)) (func (export "f")))', imports={"env.now": lambda: None}
    ),
    "a wider lock": lambda rt, p: rt.lock(grants=["wall_clock", "random"]),
    "a higher lock": lambda rt, p: rt.lock(ceiling={"cpu": "1s"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_beyond_a_lock(rt: jn.Runtime, p: jn.Plugin, way: str) -> None:
    before, version = p.policy.snapshot(), p.policy.version
    allowed = r"locked by Ada at .*\. Allowed: grants: network_access, wall_clock"
    with pytest.raises(jn.PolicyLocked, match=allowed) as caught:
        WAYS[way](rt, p)
    assert caught.value.by == "Ada"
    assert caught.value.since == rt.locked.since  # type: ignore[union-attr]
    assert (p.policy.snapshot(), p.policy.version) == (before, version)
    assert list(rt.plugins) == ["specimen"]
    assert len(refusals(rt)) == (0 if way in {"a wider lock", "a higher lock"} else 1)


def test_refusals_are_audited_with_what_was_asked(rt: jn.Runtime, p: jn.Plugin) -> None:
    for way in ("grant", "quota", "load with a grant"):
        with pytest.raises(jn.PolicyLocked):
            WAYS[way](rt, p)
    assert refusals(rt)[:2] == [("specimen", "grant random"), ("specimen", "quota cpu=0.501")]
    assert refusals(rt)[2][1].startswith("load of example:checker: random may not be granted: this runtime was locked")


def test_a_click_in_the_panel_is_refused_and_says_by_whom(rt: jn.Runtime, p: jn.Plugin) -> None:
    panel = p.panel()
    page = Page(panel)
    page.hello()
    answer = page.do("grant", grants=["random"])
    assert answer["type"] == "refused"
    assert "locked by Ada" in answer["error"]["message"]
    assert page.capability("random")["granted"] is False
    panel.close()


def test_what_the_lock_allows_works_and_loads_are_capped(rt: jn.Runtime, p: jn.Plugin) -> None:
    with p.policy.temporarily(revoke="wall_clock", cpu="100ms"):
        assert p.policy.granted == frozenset()
    p.policy.grant("network_access")
    assert p.policy.granted == {"wall_clock", "network_access"}
    checker = rt.load("example:checker", grant=["wall_clock"])
    assert (checker.policy.quota.cpu, checker.policy.quota.memory) == (0.5, 16 * MiB)
    assert checker.call("check", {"output": "1", "answer": "1"})["verdict"] == "accepted"


def test_a_block_that_began_before_the_lock_brings_nothing_back(rt: jn.Runtime) -> None:
    q = rt.load("example:specimen", grant=["random", "wall_clock"])
    with q.policy.temporarily(revoke=["random"], cpu="100ms"):
        rt.lock(ceiling={"cpu": "200ms"}, grants=["wall_clock"])
    assert q.policy.granted == {"wall_clock"}
    assert q.policy.quota.cpu == 0.2


def test_a_reset_does_not_unlock(rt: jn.Runtime, p: jn.Plugin) -> None:
    done = rt.reset(confirm=True)
    assert done.done
    assert done.stays.endswith("limits, the lock by Ada.")
    with pytest.raises(jn.PolicyLocked):
        rt.load("example:specimen", grant=["random"])
    assert rt.load("example:specimen").policy.quota.cpu == 0.5
    assert [name for name in dir(rt) if "unlock" in name] == []


class _LocksAsItIsRead:
    """A file whose runtime is locked while a load reads it."""

    def __init__(self, path: Path, lock: Callable[[], object]) -> None:
        self._path, self._lock = path, lock

    def __fspath__(self) -> str:
        self._lock()
        return str(self._path)


@pytest.mark.parametrize("is_early", [True, False], ids=["before the load", "while it is read"])
def test_code_that_counts_no_fuel_does_not_come_in_where_a_lock_limits_it(
    rt: jn.Runtime, tmp_path: Path, is_early: bool
) -> None:
    path = tmp_path / "spins.wat"
    path.write_text('(module (func (export "f") (loop $l (br $l))))')
    lock = partial(rt.lock, ceiling={"fuel": 1000}, by="Ada")
    source: Any = path if is_early else _LocksAsItIsRead(path, lock)
    if is_early:
        lock()
    with pytest.raises(jn.PolicyLocked, match="counts no fuel may not be loaded: this runtime was locked by Ada"):
        rt.load(source, name="spins", metering="epochs")
    assert list(rt.plugins) == []
    assert [plugin for plugin, _ in refusals(rt)] == ["spins"]


def test_a_lock_gets_narrower_and_is_of_one_runtime(rt: jn.Runtime, p: jn.Plugin) -> None:
    rt.lock(grants=["wall_clock"])
    lock = rt.lock(ceiling={"cpu": "100ms"}, by="Grace")
    assert lock.grants == frozenset({"wall_clock"})
    assert lock.ceiling == jn.Quota(memory="16MiB", cpu="100ms")
    assert repr(lock).startswith("<Lock by Grace at ")
    with pytest.raises(jn.PolicyLocked, match="Grace"):
        p.policy.grant("network_access")
    assert "locked by Grace: grants: wall_clock; memory up to 16 MiB; cpu up to 100 ms" in runtime_card(rt).text()
    with jn.Runtime() as other:
        assert other.locked is None
        other.load("example:specimen", grant=["random"], quota={"cpu": "5s"})


def test_a_lock_that_would_lock_nothing_or_cannot_hold_is_refused(rt: jn.Runtime) -> None:
    q = rt.load("example:specimen", metering="epochs")
    for given, said in (
        ({}, "Nothing would be locked"),
        ({"ceiling": {}}, "Nothing would be locked"),
        ({"ceiling": {"cpu": None}}, "no limit is not a limit"),
        ({"ceiling": {"cpu": "1h"}}, "above this runtime's ceiling"),
        ({"ceiling": {"fuel": 1000}}, "counts no fuel"),
        ({"grants": ["wall_clok"]}, "Did you mean 'wall_clock'"),
        ({"grants": "wall_clock"}, "a list of grants"),
        ({"grants": [], "by": 7}, "Who locks it is a text"),
    ):
        with pytest.raises(jn.PolicyError, match=said):
            rt.lock(**given)
    assert rt.locked is None
    q.policy.grant("random")
