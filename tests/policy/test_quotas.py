"""Limits in words and numbers: what is read, what is refused, what a manifest may ask, and which limit is in force."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.policy.quotas import KINDS

MiB = 1 << 20


# --- quotas ----------------------------------------------------------------------------------------------------------


def test_a_quota_reads_units_and_knows_what_it_was_not_given() -> None:
    quota = jn.Quota(memory="16MiB", cpu="50ms", wall=dt.timedelta(seconds=2), fuel=None, log=0)
    assert quota.given() == {"memory": 16 * MiB, "cpu": 0.05, "wall": 2.0, "fuel": None, "log": 0}
    assert repr(jn.Quota(cpu="50ms")) == "Quota(cpu=0.05)"
    assert jn.Quota() == jn.Quota() != jn.Quota(fuel=None)


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ({"cpu": "50"}, "no unit"),
        ({"cpu": "50MiB"}, "unknown unit 'MiB'"),
        ({"memory": "50ms"}, "unknown unit 'ms'"),
        ({"memory": -1}, "negative"),
        ({"cpu": -0.5}, "negative"),
        ({"wall": math.nan}, "finite"),
        ({"wall": math.inf}, "finite"),
        ({"cpu": 10**400}, "cpu"),
        ({"memory": 1.5}, "1.5"),
        ({"memory": "9" * 400 + "MiB"}, "memory"),
        ({"fuel": 1.5}, "whole number"),
        ({"fuel": -1}, "whole number"),
        ({"fuel": "many"}, "whole number"),
        ({"fuel": True}, "whole number"),
        ({"host_calls": "10"}, "whole number"),
        ({"payload": None}, "must be a limit"),
        ({"answer": None}, "must be a limit"),
        ({"json_depth": None}, "must be a limit"),
        ({"json_depth": 401}, "at most 400"),
        ({"json_values": None}, "must be a limit"),
        ({"instances": None}, "must be a limit"),
        ({"instances": 0}, "instances"),
        ({"fuel": 1 << 64}, "fuel"),
    ],
    ids=str,
)
def test_a_bad_quota_is_refused_by_its_kind_and_reason(policy: jn.Policy, kinds: dict[str, Any], why: str) -> None:
    before = policy.state
    for attempt in (lambda: jn.Quota(**kinds), lambda: policy.set_quota(**kinds)):
        with pytest.raises(jn.PolicyError) as refusal:
            attempt()
        assert why in str(refusal.value)
        assert str(refusal.value).startswith(f"quota {next(iter(kinds))}: ")
    assert policy.state is before


def test_a_misspelt_kind_is_told_the_right_one(p: jn.Plugin) -> None:
    with pytest.raises(jn.PolicyError, match=r"no quota 'memroy'\. Did you mean 'memory'"):
        p.policy.set_quota(memroy="1MiB")
    with pytest.raises(jn.PolicyError, match="Did you mean 'cpu'"):
        p.call("echo", 1, quota={"cpus": 1})


def test_whole_numbers_of_numpy_are_as_good_as_ints() -> None:
    assert jn.Quota(memory=np.int64(65536), fuel=np.int32(10)).given() == {"memory": 65536, "fuel": 10}  # type: ignore[arg-type]


def test_the_defaults_are_those_of_the_table(rt: jn.Runtime) -> None:
    quota = rt.load("example:checker").policy.quota
    assert quota.given() == {
        "memory": 64 * MiB,
        "cpu": 1.0,
        "wall": 10.0,
        "fuel": None,
        "payload": 16 * MiB,
        "answer": 16 * MiB,
        "log": MiB,
        "host_calls": 100_000,
        "host_call_rate": None,
        "table_elements": 10_000,
        "instances": 8,
        "queue": 1000,
        "json_depth": 128,
        "json_values": 500_000,
    }
    assert list(KINDS) == list(quota.given())


def test_what_a_change_does_not_name_stays(policy: jn.Policy) -> None:
    policy.set_quota(jn.Quota(cpu="5ms"), wall="1s")
    policy.set_quota(memory=None)
    assert (policy.quota.cpu, policy.quota.wall, policy.quota.memory, policy.quota.payload) == (
        0.005,
        1.0,
        None,
        16 * MiB,
    )


def test_above_the_ceiling_is_an_error_and_never_cut(rt: jn.Runtime, p: jn.Plugin) -> None:
    before = p.policy.state
    with pytest.raises(jn.PolicyError, match=r"quota cpu: 2 min is above this runtime's ceiling of 1 min") as refusal:
        p.policy.set_quota(cpu="2min", wall="1s")
    assert "jn.Runtime(ceiling=jn.Quota(cpu=...))" in refusal.value.hint
    with pytest.raises(jn.PolicyError, match=r"quota wall: 16\.7 min"):
        p.call("echo", 1, quota={"wall": 1000})
    with pytest.raises(jn.PolicyError, match="quota memory"):
        rt.load("example:checker", quota={"memory": "1000GiB"})
    assert p.policy.state is before
    assert list(rt.plugins) == ["subject"]


def test_no_limit_of_its_own_leaves_the_ceiling_in_force() -> None:
    with jn.Runtime(ceiling=jn.Quota(cpu="100ms", host_calls=3, log="20B", json_depth=2)) as rt:
        p = rt.load("example:specimen")
        p.policy.set_quota(cpu=None, host_calls=None, log=None)
        assert p.policy.limits.cpu_ns == 100_000_000
        for function, payload, quota in (("spin", {"ms": 5000}, "cpu"), ("log", {"n": 5, "message": ""}, "host_calls")):
            error = p.attempt(function, payload).error
            assert isinstance(error, jn.QuotaExceeded)
            assert error.quota == quota
        assert p.call("log", {"n": 3, "message": "9 bytes.."})["failed"] == 1
        with pytest.raises(jn.AbiViolation):
            p.call("echo", [[[1]]])


def test_a_lower_ceiling_lowers_the_defaults() -> None:
    with jn.Runtime(ceiling=jn.Quota(cpu="100ms", memory="2MiB")) as rt:
        assert rt.load("example:checker").policy.quota.cpu == 0.1
        assert rt.load("example:specimen").policy.quota.memory == 2 * MiB
        assert rt.ceiling.wall == 600.0


# --- what a manifest asks --------------------------------------------------------------------------------------------


def manifest(**fields: Any) -> dict[str, Any]:
    return {"name": "asker", **fields}


def test_a_manifest_may_lower_a_default_and_what_it_asks_beyond_waits(rt: jn.Runtime) -> None:
    p = rt.load(
        "example:checker", manifest=manifest(quota={"cpu": "20ms", "memory": "128MiB", "fuel": 5_000_000, "wall": 10})
    )
    assert (p.policy.quota.cpu, p.policy.quota.memory, p.policy.quota.fuel) == (0.02, 64 * MiB, 5_000_000)
    assert p.requested_quota == {"memory": 128 * MiB}
    p.policy.set_quota(memory="128MiB")
    assert p.requested_quota == {}


def test_a_manifest_that_asks_beyond_the_ceiling_loads_with_the_default(rt: jn.Runtime) -> None:
    p = rt.load("example:checker", manifest=manifest(quota={"cpu": "1h"}))
    assert p.policy.quota.cpu == 1.0
    assert p.requested_quota == {"cpu": 3600.0}


def test_what_a_manifest_asks_is_never_granted_by_itself(rt: jn.Runtime) -> None:
    p = rt.load("example:checker", manifest=manifest(capabilities=["random", "read_database=a,b"]))
    assert p.policy.granted == frozenset()
    assert list(p.requested) == ["random", "read_database=a", "read_database=b"]
    p.policy.grant(*p.requested)
    assert list(p.requested) == []


def test_a_runtimes_ceiling_is_not_assigned() -> None:
    with jn.Runtime() as rt, pytest.raises(AttributeError):
        rt.ceiling = jn.Quota(wall="1s")  # type: ignore[misc]  # policies would not follow it
