"""Everything that can be done to plugins, in any order and from several threads, against a plain model of what must be.

A step is one operation, or a few at once. What several threads do at once has no one right result, so the model says
what can be: what nobody took away is still there, what nobody gave is not, and either will do where both happened.
At the end of each run the frames have to add up: there is a row for each call that somebody holds the record of, and
for no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import judicia_notebook as jn
from judicia_notebook.engine import workers
from judicia_notebook.runtime.handle import CallHandle
from tests.support.effort import fuzz
from tests.support.waiting import PATIENCE, until

NAMES = ("a", "b")
GRANTS = ("wall_clock", "random", "emit_event", "read_database=users")
TIMES = ("20ms", "300ms", "700ms")
DEFAULT_CPU = 1.0
ASKS = 3  # host calls of one call

FUNCTIONS: dict[str, tuple[str, Any, set[str]]] = {  # function, payload, outcomes of a call that nobody touches
    "echo": ("echo", {"a": [1, None]}, {"ok"}),
    "fail": ("fail", {"code": "no"}, {"guest_error"}),
    "trap": ("trap", None, {"trap"}),
    "clock": ("call_host", {"service": "clock", "n": ASKS}, {"ok"}),
    "slow": ("call_host", {"service": "random", "n": ASKS, "every_ms": 2}, {"ok"}),
    "log": ("log", {"n": 2}, {"ok"}),
    "sleep": ("sleep", {"ms": 15}, {"ok"}),
    "spin": ("spin", {"ms": 4000}, {"quota_cpu"}),
    "grow": ("grow", {"bytes": 1 << 30, "step": 1 << 20}, {"trap", "quota_memory"}),
}
ENDED_BY_UNLOAD = {"cancelled", "not ready"}


@dataclass(frozen=True)
class Do:
    """One operation."""

    what: str
    name: str
    how: Any = None


def operations() -> st.SearchStrategy[Do]:
    def do(what: str, how: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Do]:
        return st.builds(Do, st.just(what), st.sampled_from(NAMES), st.none() if how is None else how)

    functions, grants = st.sampled_from(tuple(FUNCTIONS)), st.lists(st.sampled_from(GRANTS), max_size=2, unique=True)
    load = do("load", st.tuples(grants, st.sampled_from((None, 1, 2, "fresh"))))
    call, submit = do("call", functions), do("submit", functions)
    change = st.one_of(
        do("grant", st.sampled_from(GRANTS)), do("revoke", st.sampled_from(GRANTS)), do("quota", st.sampled_from(TIMES))
    )
    end = st.one_of(do("reload"), do("unload"), do("unload by handle"))
    cancel = do("cancel", st.integers(0, 5))
    # Most of what is done is calling: a plugin that is gone again at once shows little.
    weighted = {call: 5, submit: 5, cancel: 2, change: 3, load: 2, end: 1}
    return st.sampled_from([one for one, weight in weighted.items() for _ in range(weight)]).flatmap(lambda one: one)


@dataclass
class Expected:
    """What the model knows of a name."""

    loaded: bool = False
    granted: set[str] = field(default_factory=set)
    cpu: float = DEFAULT_CPU


@dataclass
class Made:
    """A call that was made, and what it may come to."""

    function: str
    allowed: set[str]
    handle: CallHandle | None = None
    outcome: str = ""
    record: Any = None
    value: Any = None

    def settle(self) -> None:
        """Wait for it, and see how it ended."""
        if self.handle is not None and not self.outcome:
            error = self.handle.exception(PATIENCE)
            self.record = self.handle.record
            self.outcome = outcome_of(error)
        assert self.outcome in self.allowed, (self.function, self.outcome, self.allowed)
        assert (self.record is None) == (self.outcome == "not ready")
        assert self.record is None or self.record.outcome == self.outcome


def outcome_of(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, jn.PluginNotReady):
        return "not ready"
    assert isinstance(error, jn.CallError), error
    return str(error.outcome)


class Bench(RuleBasedStateMachine):
    """The runtime under test, and the model beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.rt = jn.Runtime()
        self.crowd = ThreadPoolExecutor(4, thread_name_prefix="bench")
        self.expected = {name: Expected() for name in NAMES}
        self.made: list[Made] = []
        self.audited: Counter[str] = Counter()

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def begin(self, names: set[str]) -> None:
        self.step([Do("load", name, (["random"], 2)) for name in sorted(names)])

    @rule(operation=operations())
    def alone(self, operation: Do) -> None:
        self.step([operation])

    @rule(together=st.lists(operations(), min_size=2, max_size=5))
    def at_once(self, together: list[Do]) -> None:
        self.step(together)

    def step(self, operations: list[Do]) -> None:
        before = {name: Expected(one.loaded, set(one.granted), one.cpu) for name, one in self.expected.items()}
        ending = {one.name for one in operations if one.what.startswith("unload")}
        cancelling = any(one.what == "cancel" for one in operations)
        for made in self.made:  # what runs may be ended by this step
            if made.handle is not None and not made.outcome:
                made.allowed |= ENDED_BY_UNLOAD if made.handle.plugin in ending else set()
                made.allowed |= {"cancelled"} if cancelling else set()
        if len(operations) == 1:
            results = [self.perform(operations[0])]
        else:
            results = [one.result(PATIENCE) for one in [self.crowd.submit(self.perform, do) for do in operations]]
        for one in results:
            if isinstance(one, Made):
                name = one.handle.plugin if one.handle is not None else getattr(one.record, "plugin", None)
                one.allowed |= ENDED_BY_UNLOAD if ending and name in {*ending, None} else set()
                one.allowed |= {"cancelled"} if cancelling else set()
                self.made.append(one)
                if one.handle is None:
                    one.settle()
            elif one is not None:
                self.audited[one] += 1
        for name in NAMES:
            mine = [one for one in operations if one.name == name]
            self.foresee(name, mine)
        if len(operations) == 1 and isinstance(results[0], Made) and results[0].handle is None:
            self.check_call(results[0], before[operations[0].name])

    # Doing --------------------------------------------------------------------------------------------------

    def perform(self, do: Do) -> Made | str | None:
        """Do it; the call it made, or what the audit has to say, or nothing."""
        if do.what == "load":
            grants, instances = do.how
            self.rt.load("example:specimen", name=do.name, grant=grants, instances=instances)
            return "load"
        if do.what == "cancel":
            handles = [made.handle for made in tuple(self.made) if made.handle is not None]
            if handles:
                handles[-1 - do.how % len(handles)].cancel()
            return None
        plugin = self.rt.plugins.get(do.name)
        try:
            if do.what in ("reload", "unload"):
                getattr(self.rt, do.what)(do.name)
                return "load" if do.what == "reload" else None
        except jn.NoSuchPlugin:
            return None
        return self.perform_on(plugin, do) if plugin is not None else None

    def perform_on(self, plugin: jn.Plugin, do: Do) -> Made | None:
        if do.what == "unload by handle":
            plugin.unload()
        elif do.what in ("grant", "revoke"):
            getattr(plugin.policy, do.what)(do.how)
        elif do.what == "quota":
            plugin.policy.set_quota(cpu=do.how)
        elif do.what in ("call", "submit"):
            return self.perform_call(plugin, do)
        return None

    def perform_call(self, plugin: jn.Plugin, do: Do) -> Made | None:
        function, payload, outcomes = FUNCTIONS[do.how]
        quota = {"cpu": "5ms"} if do.how == "spin" else None
        made = Made(do.how, {*outcomes} | ({"quota_cpu"} if do.how != "spin" else set()))
        try:
            if do.what == "submit":
                made.handle = plugin.submit(function, payload, quota=quota)
                return made
            attempt = plugin.attempt(function, payload, quota=quota)
        except jn.PluginNotReady:  # it was unloaded between the look and the call
            made.outcome = "not ready"
            return made
        made.outcome, made.record, made.value = outcome_of(attempt.error), attempt.record, attempt.value
        return made

    # What must be -------------------------------------------------------------------------------------------

    def foresee(self, name: str, operations: list[Do]) -> None:
        """What is after these operations at once; where there is a choice, reality chooses among what can be."""
        now, plugin = self.expected[name], self.rt.plugins.get(name)
        kinds = {one.what for one in operations}
        loads, ends = "load" in kinds, bool(kinds & {"unload", "unload by handle"})
        revives = loads or ("reload" in kinds and now.loaded)
        if ends and not revives:
            assert plugin is None
        elif not ends and (loads or now.loaded):
            assert plugin is not None
        elif not ends:
            assert plugin is None
        if plugin is None:
            self.expected[name] = Expected()
            return
        assert plugin.state != "unloaded"
        if (ends or not now.loaded) and len(operations) > 1:  # a new plugin, at an unknown place in the order
            self.expected[name] = Expected(True, set(plugin.policy.granted), seconds(plugin.policy.quota.cpu))
            return
        if not now.loaded:
            now = Expected(True)
        self.expected[name] = self.change(now, operations, plugin.policy)

    def change(self, now: Expected, operations: Iterable[Do], policy: Any) -> Expected:
        given: set[str] = set()
        taken: set[str] = set()
        cpu: set[float] = set()
        for one in operations:
            if one.what == "load":
                given.update(one.how[0])
            elif one.what == "grant":
                given.add(one.how)
            elif one.what == "revoke":
                taken.add(one.how)
            elif one.what == "quota":
                cpu.add(seconds(jn.Quota(cpu=one.how).cpu))
        either = given & taken
        granted = ((now.granted | given) - taken) | (either & policy.granted)
        in_force = seconds(policy.quota.cpu)
        assert not cpu or in_force in cpu
        return Expected(True, granted, in_force if cpu else now.cpu)

    def check_call(self, made: Made, before: Expected) -> None:
        """A call alone knows its policy, so its row can be foretold."""
        record = made.record
        assert before.loaded
        assert record is not None
        assert record.limit_cpu_ms == (5.0 if made.function == "spin" else before.cpu * 1e3), (record, before)
        asks = {"clock": "wall_clock", "slow": "random"}.get(made.function)
        if asks is not None and made.outcome == "ok":
            allowed = ASKS if asks in before.granted else 0
            assert (made.value["ok"], made.value["failed"]) == (allowed, ASKS - allowed)
            assert record.denied == ASKS - allowed

    @invariant()
    def names_and_policies_are_those_of_the_model(self) -> None:
        assert set(self.rt.plugins) == {name for name, one in self.expected.items() if one.loaded}
        for name, plugin in self.rt.plugins.items():
            assert plugin.name == name
            assert plugin.policy.granted == self.expected[name].granted
            assert plugin.policy.quota.cpu == self.expected[name].cpu

    # The end ------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            for made in self.made:
                made.settle()
            self.rt.clear()
            until(lambda: self.rt._platform.pool.used == 0)
            self.check_frames()
            self.check_audit()
        finally:
            self.crowd.shutdown()
            self.rt.close()

    def check_frames(self) -> None:
        rt, calls = self.rt, self.rt.calls
        recorded = {made.record.call_id: made.record for made in self.made if made.record is not None}
        assert calls["call_id"].is_unique
        assert set(calls["call_id"]) == set(recorded)
        assert dict(zip(calls["call_id"], calls["outcome"], strict=True)) == {
            number: record.outcome for number, record in recorded.items()
        }
        counted = rt.host_calls.groupby("call_id").size().to_dict()
        assert counted == {number: record.host_calls for number, record in recorded.items() if record.host_calls}
        entered = rt.samples[rt.samples["event"].isin(["enter", "exit"])].groupby("call_id").size()
        assert entered.to_dict() == dict.fromkeys(recorded, 2)
        assert set(rt.samples["call_id"]) <= set(recorded)
        assert set(rt.logs["call_id"].dropna()) <= set(recorded)
        versions = dict(zip(rt.policies["policy_version"], rt.policies["plugin"], strict=True))
        for record in recorded.values():
            assert versions[record.policy_version] == record.plugin

    def check_audit(self) -> None:
        audit = self.rt.audit
        lines = audit[audit["detail"].str.startswith("example:specimen")]  # of loads, not of what they granted
        what = Counter(lines["what"])
        assert what["load"] + what["reload"] == self.audited["load"]
        assert what["load"] == (audit["what"] == "unload").sum()
        assert self.rt.plugins == {}


def seconds(value: Any) -> float:
    assert isinstance(value, float | int)
    return float(value)


@pytest.mark.soak
def test_any_order_from_any_thread_and_the_frames_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)
    bounds = fuzz(
        20,
        stateful_step_count=30,
        database=None,
        phases=[Phase.generate],  # a race does not come back, so it cannot be made smaller either
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Bench, settings=bounds)
