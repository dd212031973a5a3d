"""Grants: their grammar, and that changing a policy is atomic, live, recorded and never a silent compromise."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.context import via
from judicia_notebook.policy.policy import FormerPolicy
from tests.support.waiting import PATIENCE

MiB = 1 << 20


def audited(rt: jn.Runtime) -> list[tuple[str, str, str]]:
    return [(row.what, row.detail, row.via) for row in rt.audit.itertuples() if row.what not in ("load", "denied")]


# --- grants ----------------------------------------------------------------------------------------------------------

SCOPED = {
    "read_database": ("submissions", "sub missions"),
    "write_database": ("_t1", "1t"),
    "emit_event": ("contest.*", "contest.*.x"),
    "subscribe_events": ("contest.**", "contest..x"),
    "network_access": ("https://api.example.org:8443/v1", "api.example.org"),
    "read_files": ("/srv/data@data", "srv/data@data"),
    "write_files": ("/srv/out@out", "/srv/out"),
    "read_shared_memory": ("frame", "fra me"),
    "write_shared_memory": ("frame", ""),
    "register_routes": ("/scores", "scores"),
    "imports": ("env.now", "env now"),
}


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_capability_can_be_granted_and_revoked(policy: jn.Policy, capability: str) -> None:
    policy.grant(capability)
    assert policy.granted == {capability}
    assert policy.grants == {capability: ()}
    assert policy.state.allows(capability)
    policy.revoke(capability)
    assert policy.grants == {}


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_scope_is_checked_by_what_its_capability_means(policy: jn.Policy, capability: str) -> None:
    if capability not in SCOPED:
        with pytest.raises(jn.PolicyError, match=f"{capability} takes no scope"):
            policy.grant(f"{capability}=anything")
        return
    good, bad = SCOPED[capability]
    policy.grant(f"{capability}={good}")
    assert policy.grants == {capability: (good,)}
    for scope in (bad, "", "a\0b"):
        with pytest.raises(jn.PolicyError, match=f"{capability}="):
            policy.grant(f"{capability}={scope}")
    assert policy.grants == {capability: (good,)}


@pytest.mark.parametrize(
    "url",
    [
        "http://", "ftp://example.org", "https://user:pass@example.org", "https://example.org?x=1", "https://example.org#a",
        "https://example.org:port", "https://*.example.org", "https://exa mple.org", "https://a.org\\@evil.org", "//a",
    ],
)  # fmt: skip
def test_a_network_scope_is_a_plain_origin_with_a_path(policy: jn.Policy, url: str) -> None:
    with pytest.raises(jn.PolicyError, match="scheme://host"):
        policy.grant(f"network_access={url}")


def test_an_unknown_capability_is_refused_with_the_nearest_name_and_nothing_is_granted(policy: jn.Policy) -> None:
    with pytest.raises(jn.PolicyError, match=r"no capability 'netwrok_access'\. Did you mean 'network_access'"):
        policy.grant("random", "netwrok_access")
    with pytest.raises(jn.PolicyError, match="'wall_clock'"):
        policy.grant(5)  # type: ignore[arg-type]
    with pytest.raises(jn.PolicyError):
        policy.grant("")
    assert policy.granted == frozenset()
    policy.grant("random")
    with pytest.raises(jn.PolicyError):
        policy.revoke("random", "nothing")
    assert policy.granted == {"random"}


def test_file_storage_is_stored_as_its_two_parts(policy: jn.Policy) -> None:
    policy.grant("file_storage=/srv/data@data")
    assert policy.granted == {"read_files=/srv/data@data", "write_files=/srv/data@data"}
    policy.revoke("file_storage")
    assert policy.granted == frozenset()


def test_a_list_of_tables_is_one_grant_each(policy: jn.Policy) -> None:
    policy.grant("read_database=submissions, users", "read_database=users")
    assert policy.grants == {"read_database": ("submissions", "users")}


def test_one_scope_can_be_taken_away_or_all_of_them(policy: jn.Policy) -> None:
    policy.grant("read_database=a,b,c", "read_database", "random")
    policy.revoke("read_database=b")
    assert policy.granted == {"read_database=a", "read_database=c", "read_database", "random"}
    policy.revoke("read_database")
    assert policy.granted == {"random"}


def test_what_is_not_granted_can_be_revoked_without_a_trace(policy: jn.Policy) -> None:
    before = policy.state
    policy.revoke("random", "read_database=a")
    assert policy.state is before


def test_on_denied_takes_two_values(policy: jn.Policy) -> None:
    policy.on_denied = "trap"
    assert policy.on_denied == "trap"
    with pytest.raises(jn.PolicyError, match="'error' or 'trap', not 'raise'"):
        policy.on_denied = "raise"
    assert policy.on_denied == "trap"


# --- bringing back ---------------------------------------------------------------------------------------------------


def test_a_snapshot_brings_everything_back(policy: jn.Policy) -> None:
    policy.grant("random")
    policy.set_quota(cpu="5ms")
    before = policy.snapshot()
    policy.revoke("random")
    policy.grant("wall_clock")
    policy.set_quota(cpu="7ms", fuel=10)
    policy.on_denied = "trap"
    policy.restore(before)
    assert policy.granted == {"random"}
    assert (policy.quota.cpu, policy.quota.fuel, policy.state.on_denied) == (0.005, None, "error")


def test_reset_goes_back_to_what_the_plugin_was_loaded_with(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"cpu": "50ms"}, on_denied="trap", grant=["random"])
    p.policy.set_quota(cpu="500ms", memory="32MiB")
    p.policy.grant("wall_clock")
    p.policy.revoke("random")
    p.policy.on_denied = "error"
    p.policy.reset()
    assert p.policy.granted == {"random"}
    assert (p.policy.quota.cpu, p.policy.quota.memory) == (0.05, 16 * MiB)
    assert p.policy.state.on_denied == "trap"


def test_temporary_changes_end_with_their_block_also_by_an_error(policy: jn.Policy) -> None:
    policy.grant("read_files", "random")

    def fail() -> None:
        with policy.temporarily(grant="wall_clock", revoke=["read_files"], cpu="5ms") as same:
            assert same is policy
            assert policy.granted == {"random", "wall_clock"}
            assert policy.quota.cpu == 0.005
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert policy.granted == {"read_files", "random"}
    assert policy.quota.cpu == 1.0


def test_what_somebody_else_changes_during_the_block_stays_changed(policy: jn.Policy) -> None:
    policy.grant("random", "read_files")
    with policy.temporarily(grant=["wall_clock"], revoke=["read_files"], cpu="5ms"):
        policy.revoke("random")
        policy.grant("emit_event")
        policy.set_quota(wall="1s")
    assert policy.granted == {"read_files", "emit_event"}
    assert (policy.quota.cpu, policy.quota.wall) == (1.0, 1.0)


def test_a_bad_temporary_change_changes_nothing(policy: jn.Policy) -> None:
    before = policy.snapshot()
    with pytest.raises(jn.PolicyError), policy.temporarily(grant=["random"], cpu="5 parsecs"):
        pytest.fail("the block must not begin")
    assert policy.snapshot() == before


def test_temporary_changes_may_be_nested(policy: jn.Policy) -> None:
    with policy.temporarily(cpu="50ms"), policy.temporarily(cpu="5ms", grant=["random"]):
        assert policy.quota.cpu == 0.005
    assert (policy.quota.cpu, policy.granted) == (1.0, frozenset())


# --- what is written down --------------------------------------------------------------------------------------------


def test_every_change_is_audited_with_its_way(rt: jn.Runtime, policy: jn.Policy) -> None:
    policy.grant("random", "read_database=a")
    with via("magic"):
        policy.revoke("random")
    with via("panel"):
        policy.set_quota(cpu="5ms")
    policy.on_denied = "trap"
    policy.grant("read_database=a")  # nothing new
    assert audited(rt) == [
        ("grant", "random, read_database=a", "Python"),
        ("revoke", "random", "magic"),
        ("quota", "cpu=0.005", "panel"),
        ("on_denied", "trap", "Python"),
    ]


def test_a_call_can_be_traced_to_exactly_what_was_in_force(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("echo", 1)
    p.policy.grant("random")
    p.policy.set_quota(cpu="500ms")
    p.call("echo", 2)
    first, second = rt.calls["policy_version"]
    kept = rt.policies.set_index("policy_version")
    assert kept.index.is_unique
    assert kept.loc[first, "grants"] == ()
    assert kept.loc[second, "grants"] == ("random",)
    assert (kept.loc[first, "quota"]["cpu"], kept.loc[second, "quota"]["cpu"]) == (1.0, 0.5)
    assert p.policy.version == second


def test_versions_are_of_the_whole_runtime(rt: jn.Runtime) -> None:
    one, other = rt.load("example:specimen"), rt.load("example:checker")
    for policy in (one.policy, other.policy, one.policy):
        policy.grant("random" if not policy.granted else "wall_clock")
    versions = list(rt.policies["policy_version"])
    assert versions == sorted(set(versions))
    assert set(rt.policies["plugin"]) == {"specimen", "checker"}


# --- observers -------------------------------------------------------------------------------------------------------


def test_observers_see_each_change_once_and_can_be_taken_off(policy: jn.Policy) -> None:
    seen: list[tuple[int, frozenset[str]]] = []
    remove = policy.observe(lambda one: seen.append((one.version, one.granted)))
    policy.grant("random")
    policy.grant("random")
    policy.revoke("random")
    remove()
    remove()
    policy.grant("wall_clock")
    assert [granted for _, granted in seen] == [{"random"}, frozenset()]


def test_what_an_observer_raises_troubles_nobody(policy: jn.Policy) -> None:
    seen: list[str] = []

    def bad(_: jn.Policy) -> None:
        raise RuntimeError("mine")

    policy.observe(bad)
    policy.observe(lambda one: seen.append(one.on_denied))
    policy.on_denied = "trap"
    assert (policy.on_denied, seen) == ("trap", ["trap"])


@pytest.mark.parametrize("change", ["grant", "revoke", "set_quota", "on_denied", "restore"])
def test_an_observer_is_called_outside_the_lock(policy: jn.Policy, change: str) -> None:
    """It may wait for a thread that changes the policy itself, as a panel does."""
    policy.grant("random")
    waited: list[bool] = []

    def observer(one: jn.Policy) -> None:
        if waited:
            return
        waited.append(True)
        thread = threading.Thread(target=one.set_quota, kwargs={"wall": "3s"}, daemon=True)
        thread.start()
        thread.join(PATIENCE if change == "on_denied" else 5)
        waited[0] = thread.is_alive()

    remove = policy.observe(observer)
    snapshot = policy.snapshot()
    match change:
        case "grant":
            policy.grant("wall_clock")
        case "revoke":
            policy.revoke("random")
        case "set_quota":
            policy.set_quota(cpu="3ms")
        case "on_denied":
            policy.on_denied = "trap"
        case "restore":
            policy.restore(type(snapshot)((), snapshot.quota, "trap"))
    remove()
    assert waited == [False]


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def together() -> Iterator[list[threading.Thread]]:
    """Threads put in here are started, and joined at the end."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(PATIENCE)


def test_a_reader_sees_one_policy_or_the_other_and_never_a_mixture(
    policy: jn.Policy, together: list[threading.Thread]
) -> None:
    policy.grant("random")
    policy.set_quota(cpu="100ms")
    first = policy.snapshot()
    policy.revoke("random")
    policy.grant("wall_clock", "read_database=a")
    policy.set_quota(cpu="200ms")
    second = policy.snapshot()
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            policy.restore(first)
            policy.restore(second)

    together += [threading.Thread(target=write) for _ in range(2)]
    for thread in together:
        thread.start()
    seen = set()
    for _ in range(3000):
        state = policy.state
        seen.add((state.granted, state.limits.cpu_ns, state.quota.cpu, tuple(sorted(state.capabilities))))
    over.set()
    assert seen <= {
        (("random",), 100_000_000, 0.1, ("random",)),
        (("wall_clock", "read_database=a"), 200_000_000, 0.2, ("read_database", "wall_clock")),
    }


def test_no_change_is_lost_between_threads(rt: jn.Runtime, policy: jn.Policy) -> None:
    start = threading.Barrier(4)

    def grant(number: int) -> None:
        start.wait(PATIENCE)
        for step in range(50):
            policy.grant(f"read_database=t{number}_{step}")
            policy.set_quota(jn.Quota(**{("cpu", "wall", "fuel", "log")[number]: step + 2}))

    threads = [threading.Thread(target=grant, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(policy.granted) == 200
    assert (policy.quota.cpu, policy.quota.wall, policy.quota.fuel, policy.quota.log) == (51, 51, 51, 51)
    assert rt.policies["policy_version"].is_unique
    assert len(rt.policies) == 401


# --- the rights of replaced code -------------------------------------------------------------------------------------


def test_a_policy_of_replaced_code_reads_as_what_that_code_may_do(policy: jn.Policy) -> None:
    policy.grant("random")
    policy.set_quota(memory="2MiB")
    former = FormerPolicy(policy, policy.snapshot())
    policy.grant("wall_clock")
    policy.set_quota(memory="4MiB", cpu="1ms")
    assert former.granted == {"random"}
    assert former.grants == {"random": ()}
    assert (former.quota.memory, former.quota.cpu, former.version) == (2 * MiB, 0.001, policy.version)
    assert (former.limits.memory_bytes, former.limits) == (2 * MiB, former.state.limits)
    assert former.snapshot().granted == ("random",)
    policy.on_denied = "trap"
    policy.revoke("random")
    assert former.on_denied == "trap"
    assert not former.granted
