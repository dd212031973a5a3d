"""The specimen runs into each wall on request, and says what it did where there is none."""

from __future__ import annotations

from typing import Any

import pytest

import judicia_notebook as jn

MIB = 1 << 20
PAGE = 1 << 16


def measured(plugin: jn.Plugin, function: str, payload: Any = None, **options: Any) -> tuple[Any, jn.CallRecord]:
    """The answer of a call that has to end well, and its record."""
    outcome = plugin.attempt(function, payload, **options)
    assert outcome.error is None
    assert outcome.record is not None
    return outcome.value, outcome.record


def test_it_imports_what_its_functions_need_and_nothing_else(specimen: jn.Plugin) -> None:
    assert {f"{one.module} {one.name}" for one in specimen.imports} == {
        "judicia:clock now",
        "judicia:host fail",
        "judicia:log write",
        "judicia:random bytes",
        "wasi_snapshot_preview1 poll_oneoff",
    }


@pytest.mark.parametrize("name", ["specimen", "checker", "scoreboard", "burglar"])
def test_the_manifest_describes_every_function_and_no_other(rt: jn.Runtime, name: str) -> None:
    plugin = rt.load(f"example:{name}")
    offered = {one.name for one in plugin.exports if one.kind == "func"}
    assert set(plugin.manifest.functions) == offered - {"judicia_alloc", "judicia_free"}
    assert plugin.manifest.toolchain.startswith("rustc ")


# --- CPU -------------------------------------------------------------------------------------------------------------


def test_spin_does_as_many_turns_as_it_says(specimen: jn.Plugin) -> None:
    specimen.call("echo")
    (one, short), (two, long) = (measured(specimen, "spin", {"ms": ms}) for ms in (1, 2))
    assert two["iterations"] == 2 * one["iterations"] > 0
    # A turn costs several instructions, and each instruction costs fuel: the loop was not optimised away.
    assert short.fuel is not None
    assert long.fuel is not None
    assert long.fuel - short.fuel > 5 * one["iterations"]


def test_spin_for_no_time_does_nothing(specimen: jn.Plugin) -> None:
    assert specimen.call("spin", {"ms": 0}) == {"iterations": 0}


def test_spin_runs_into_the_cpu_quota(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.QuotaExceeded) as caught:
        specimen.call("spin", {"ms": 60_000}, quota={"cpu": "20ms"})
    assert caught.value.quota == "cpu"
    assert specimen.call("echo", 1) == 1


# --- memory ----------------------------------------------------------------------------------------------------------


def test_grow_adds_one_page_unless_told(specimen: jn.Plugin) -> None:
    assert specimen.call("grow") == {"grown": PAGE, "refused": 0}


def test_grow_really_holds_the_memory(specimen: jn.Plugin) -> None:
    specimen.call("spin", {"ms": 0})  # the allocator's own first page
    answer, record = measured(specimen, "grow", {"bytes": 3 * MIB, "step": MIB})
    assert answer == {"grown": 3 * MIB, "refused": 0}
    assert record.memory_bytes is not None
    assert record.memory_peak_bytes == record.memory_bytes + 3 * MIB


def test_grow_rounds_a_step_up_to_pages(specimen: jn.Plugin) -> None:
    assert specimen.call("grow", {"bytes": PAGE + 1, "step": 1}) == {"grown": 2 * PAGE, "refused": 0}


@pytest.mark.parametrize("step", [PAGE, MIB, 64 * MIB])
def test_grow_runs_into_the_memory_quota(specimen: jn.Plugin, step: int) -> None:
    with pytest.raises(jn.QuotaExceeded) as caught:
        specimen.call("grow", {"bytes": 64 * MIB, "step": step})
    assert caught.value.quota == "memory"
    assert specimen.call("echo", 1) == 1


def test_its_manifest_lowers_the_memory_quota_to_16_mib(specimen: jn.Plugin) -> None:
    assert measured(specimen, "echo")[1].limit_memory_bytes == 16 * MIB


def test_grow_can_go_on_after_a_refusal_and_count_it(specimen: jn.Plugin) -> None:
    answer, record = measured(specimen, "grow", {"bytes": 20 * MIB, "step": MIB, "keep_going": True})
    grown, refused = answer["grown"], answer["refused"]
    assert grown + refused * MIB == 20 * MIB
    assert grown < 16 * MIB
    assert record.grows_refused == refused > 0


# --- traps and failures ----------------------------------------------------------------------------------------------


def test_recurse_uses_up_the_stack(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap) as caught:
        specimen.call("recurse")
    assert caught.value.trap == "stack_overflow"
    assert any("descend" in name for name in caught.value.backtrace)


def test_trap_is_an_unreachable(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap) as caught:
        specimen.call("trap")
    assert caught.value.trap == "unreachable"
    assert "trap" in caught.value.backtrace[-1]


def test_the_text_of_a_panic_is_in_the_log(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap):
        specimen.call("panic", {"message": "nine is not ten"})
    line = specimen.logs.iloc[-1]
    assert line.level == "error"
    assert "nine is not ten" in line.message
    assert "src/lib.rs" in line.message


def test_fail_reports_what_it_was_given(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestError) as caught:
        specimen.call("fail", {"code": "teapot", "message": 'short and "stout" \u2615'})
    assert (caught.value.code, caught.value.message) == ("teapot", 'short and "stout" \u2615')


def test_fail_needs_no_payload(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestError) as caught:
        specimen.call("fail")
    assert caught.value.code == "failed"


@pytest.mark.parametrize(
    ("function", "payload", "said"),
    [
        ("spin", {}, "missing field `ms`"),
        ("spin", {"ms": "long"}, "field `ms`: invalid type: string"),
        ("spin", {"ms": -1}, "field `ms`: -1 is not between"),
        ("spin", {"ms": 1, "why": 2}, "unknown field `why`"),
        ("spin", None, "an object with the field `ms`"),
        ("grow", {"step": 0}, "field `step`: 0 is not between"),
        ("log", {"n": 1, "level": "loud"}, "field `level`: unknown variant `loud`"),
        ("call_host", {"service": "database"}, "field `service`: unknown variant `database`"),
        ("call_host", {"service": "log", "every_ms": -5}, "field `every_ms`"),
    ],
)
def test_a_wrong_request_is_refused_naming_the_field(
    specimen: jn.Plugin, function: str, payload: Any, said: str
) -> None:
    with pytest.raises(jn.GuestError) as caught:
        specimen.call(function, payload)
    assert caught.value.code == "bad_request"
    assert said in caught.value.message


# --- host calls ------------------------------------------------------------------------------------------------------


def test_sleep_waits_without_using_cpu(specimen: jn.Plugin) -> None:
    answer, record = measured(specimen, "sleep", {"ms": 60}, quota={"cpu": "40ms"})
    assert answer == {"slept_ms": 60}
    assert record.wall_ms >= record.host_ms >= 60


def test_sleep_runs_into_the_wall_quota(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.QuotaExceeded) as caught:
        specimen.call("sleep", {"ms": 60_000}, quota={"wall": "30ms"})
    assert caught.value.quota == "wall"
    assert specimen.call("echo", 1) == 1


def test_log_writes_its_lines_in_order(specimen: jn.Plugin) -> None:
    assert specimen.call("log", {"n": 3, "level": "warning"}) == {"ok": 3, "failed": 0, "last_error": None}
    assert list(specimen.logs.message) == ["line 1", "line 2", "line 3"]
    assert set(specimen.logs.level) == {"warning"}


def test_log_counts_the_lines_that_the_quota_refuses(specimen: jn.Plugin) -> None:
    specimen.policy.set_quota(log="1KiB")
    answer = specimen.call("log", {"n": 20, "message": "x" * 100})
    assert answer["ok"] + answer["failed"] == 20
    assert 0 < answer["ok"] < 11
    assert answer["last_error"]["code"] == "quota_exceeded"


@pytest.mark.parametrize(("service", "capability"), [("clock", "wall_clock"), ("random", "random")])
def test_call_host_counts_denials_and_goes_on(specimen: jn.Plugin, service: str, capability: str) -> None:
    answer, record = measured(specimen, "call_host", {"service": service, "n": 3})
    assert (answer["ok"], answer["failed"], record.denied) == (0, 3, 3)
    assert answer["last_error"]["code"] == "capability_denied"
    assert capability in answer["last_error"]["message"]


def test_call_host_brings_the_clock_once_it_is_granted(specimen: jn.Plugin) -> None:
    specimen.policy.grant("wall_clock")
    answer = specimen.call("call_host", {"service": "clock", "n": 2})
    assert (answer["ok"], answer["failed"], answer["last_error"]) == (2, 0, None)
    assert answer["last"]["unix_ms"] > 1.7e12
    assert answer["last"]["monotonic_ms"] >= 0


def test_call_host_brings_random_bytes_once_they_are_granted(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", grant=["random"])
    first, second = (specimen.call("call_host", {"service": "random"})["last"] for _ in range(2))
    assert len(first) == len(second) == 8
    assert first != second
    assert all(0 <= byte <= 255 for byte in first + second)


def test_call_host_writes_to_the_log_without_any_grant(specimen: jn.Plugin) -> None:
    assert specimen.call("call_host", {"service": "log", "n": 2})["ok"] == 2
    assert list(specimen.logs.message) == ["call 1", "call 2"]


def test_call_host_waits_between_its_calls(specimen: jn.Plugin) -> None:
    answer, record = measured(specimen, "call_host", {"service": "log", "n": 3, "every_ms": 20})
    assert answer["ok"] == 3
    assert record.wall_ms >= 40
    assert record.host_calls == 3 + 2  # it does not wait after the last


# --- echo ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [None, 0, -1, 2**64 - 1, -(2**63), 0.1, "", '\u00e9\U0001f600\0"\\', [], {}, {"a": [1, {"b": None}]}, True],
)
def test_echo_answers_its_payload(specimen: jn.Plugin, payload: Any) -> None:
    answer = specimen.call("echo", payload)
    assert answer == payload
    assert type(answer) is type(payload)


@pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256)), b"\xff" * MIB])
def test_echo_bytes_answers_its_bytes(specimen: jn.Plugin, data: bytes) -> None:
    assert specimen.call_bytes("echo_bytes", data) == data
