"""The methods that measure or make calls take any kind: JSON, bytes, numbers, and WASI commands."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from tests.support.kinds import BYTES, COMMAND_SPIN, NUMERIC
from tests.support.threads import Start, start
from tests.support.waiting import PATIENCE, until

__all__ = ["start"]

METHODS = ("attempt", "submit", "bench", "profile", "trace")


@pytest.fixture
def xor(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(BYTES, name="hasher")


@pytest.fixture
def numeric(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(NUMERIC, name="numeric")


@pytest.fixture
def command(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(COMMAND_SPIN, name="copy")


# --- making a call ---------------------------------------------------------------------------------------------------


def test_an_attempt_gives_the_value_of_its_kind_with_its_record(
    xor: jn.Plugin, numeric: jn.Plugin, command: jn.Plugin, specimen: jn.Plugin
) -> None:
    hashed = xor.attempt("xor", data=b"\x01\x02\x04")
    assert hashed.ok
    assert hashed.value == b"\x07"
    assert hashed.record == xor.last
    scaled = numeric.attempt("scale", numbers=(2.5, 4))
    assert (scaled.value, scaled.record) == (10.0, numeric.last)
    five: Any = np.int32(5)
    assert numeric.attempt("both", numbers=[five]).value == (5, 7)
    ran = command.attempt(args=["-l"], stdin="ünder")
    assert ran.value.stdout == "ünder".encode()
    assert ran.value.record == ran.record == command.last
    assert specimen.attempt("echo").value is None


def test_a_handle_gives_the_value_of_its_kind(xor: jn.Plugin, numeric: jn.Plugin, command: jn.Plugin) -> None:
    handles = [
        xor.submit("xor", data=bytearray(b"ab")),
        numeric.submit("scale", numbers=(0.5, -3)),
        command.submit(args=[], stdin=b"in"),
    ]
    hashed, scaled, ran = [handle.result(PATIENCE) for handle in handles]
    assert (hashed, scaled, ran.stdout) == (b"\x03", -1.5, b"in")
    assert handles[2].record == ran.record
    assert ran.record.bytes_out == 2


def test_an_exit_status_is_a_value_and_a_limit_is_an_error_with_what_was_written(command: jn.Plugin) -> None:
    eight = [*"abcdefgh"]
    ended = command.attempt(args=eight, stdin=b"x")
    assert ended.ok
    assert ended.value.returncode == 3
    assert ended.record is not None
    assert ended.record.outcome == "guest_error"
    assert command.submit(args=eight).result(PATIENCE).returncode == 3
    stopped = command.attempt(args=eight, stdin=b"x", quota={"fuel": 100_000})
    assert isinstance(stopped.error, jn.QuotaExceeded)
    error = command.submit(args=eight, quota={"fuel": 100_000}).exception(PATIENCE)
    assert isinstance(error, jn.QuotaExceeded)
    assert error.record is not None


def test_a_failed_attempt_of_each_kind_is_data(xor: jn.Plugin, numeric: jn.Plugin) -> None:
    for failed in (
        xor.attempt("xor", data=b"a" * 4096, quota={"fuel": 1000}),
        numeric.attempt("spin", numbers=[10**6], quota={"fuel": 1000}),
    ):
        assert isinstance(failed.error, jn.QuotaExceeded)
        assert failed.record is not None
        assert failed.record.outcome == "quota_fuel"


# --- measuring a call ------------------------------------------------------------------------------------------------


def test_bench_measures_each_kind_cold_and_warm(xor: jn.Plugin, numeric: jn.Plugin) -> None:
    for found, name in (
        (xor.bench("xor", data=b"abc" * 40, repeats=6), "hasher.xor"),
        (numeric.bench("spin", numbers=(1000,), repeats=6), "numeric.spin"),
    ):
        assert str(found).startswith(f"{name} · 6 cold and 6 warm calls after 3 to warm up")
        assert {record.outcome for side in (found.cold, found.warm) for record in side.records} == {"ok"}
        assert found.warm.fuel.least == found.warm.fuel.most
        assert all(record.fuel > 1000 for record in found.warm.records if record.fuel is not None)
        assert [record.instance_call for record in found.cold.records] == [1] * 6
    assert {record.bytes_in for record in xor.bench("xor", data=b"abc", repeats=2).warm.records} == {3}


def test_each_run_of_a_command_is_cold(command: jn.Plugin) -> None:
    found = command.bench(args=["-l"], stdin=b"abc", repeats=7, warmup=1)
    assert found.warm.records == ()
    assert len({record.instance_id for record in found.cold.records}) == 7
    assert {record.bytes_in for record in found.cold.records} == {5}
    assert str(found).startswith("copy._start · 7 cold calls after 1 to warm up")
    assert "warm" not in str(found).partition("\n")[2]
    assert set(found.summary["side"]) == {"cold"}
    assert len(command.calls) == 8


def test_profile_finds_the_hot_function_of_each_kind(xor: jn.Plugin, numeric: jn.Plugin, command: jn.Plugin) -> None:
    for profile, name in (
        (xor.profile("xor", data=b"a" * 4096, samples=20, seconds=60), "xor"),
        (numeric.profile("spin", numbers=[5_000_000], samples=20, seconds=60), "spin"),
        (command.profile(args=["a"], samples=20, seconds=60), "_start"),
    ):
        assert profile.guest_samples >= 20
        assert profile.functions["function"][0] == name
        assert profile.functions["self_percent"][0] > 50
    assert set(command.calls["origin"]) == {"profile"}
    assert len(set(command.calls["instance_id"])) == len(command.calls)


def test_a_trace_tells_of_each_kind_what_went_in_and_out(
    xor: jn.Plugin, numeric: jn.Plugin, command: jn.Plugin
) -> None:
    hashed = xor.trace("xor", data=b"abc")
    assert hashed.steps[0].text.startswith("hasher.xor(abc),")
    scaled = numeric.trace("scale", numbers=(2.5, 3))
    assert scaled.steps[0].text.startswith("numeric.scale(2.5, 3),")
    assert scaled.steps[-1].text.startswith("numeric.scale = ok 7.5 ")
    ran = command.trace(args=["a b", "c"], stdin=b"hello")
    assert ran.steps[0].text.startswith("copy._start('a b' c),")
    assert any("fd_read" in step.text for step in ran.steps)
    assert command.trace().record == ran.record


def test_bytes_in_a_payload_are_refused_everywhere_with_the_ways_out(specimen: jn.Plugin) -> None:
    for method in (*METHODS, "call"):
        for payload in (b"hello", {"a": [bytearray(b"x")]}, [memoryview(b"x")]):
            with pytest.raises(jn.InvalidPayload) as caught:
                getattr(specimen, method)("echo", payload)
            for way in ("call_bytes(function, data)", ".decode()", "jn.base64(data)"):
                assert way in str(caught.value)
    with pytest.raises(jn.InvalidPayload, match=r"payloads\[1\] is bytes"):
        jn.sweep(specimen, "echo", ["a", b"a"], progress=False)
    assert len(specimen.calls) == 0


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_call_is_refused_before_there_is_one(
    method: str, specimen: jn.Plugin, numeric: jn.Plugin, command: jn.Plugin
) -> None:
    of_json, of_numbers, of_command = (getattr(plugin, method) for plugin in (specimen, numeric, command))
    wrong: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (TypeError, "not payload and data", lambda: of_json("echo", 1, data=b"")),
        (TypeError, "not numbers and args", lambda: of_json("echo", numbers=(1,), args=[])),
        (TypeError, "which function", lambda: of_json(data=b"")),
        (TypeError, "stdin is a WASI command's", lambda: of_json("echo", stdin=b"x")),
        (TypeError, "without a function, not 'echo'", lambda: of_json("echo", args=[])),
        (jn.NoSuchFunction, "no WASI command", lambda: of_json(args=[])),
        (jn.NoSuchFunction, "is a WASI command", lambda: of_command("main", data=b"")),
        (jn.InvalidPayload, "data is bytes, not str", lambda: of_json("echo", data="text")),
        (jn.InvalidPayload, "such as numbers=", lambda: of_numbers("spin", numbers=5)),
        (jn.InvalidPayload, "argument 1 of numbers is str", lambda: of_numbers("spin", numbers=["5"])),
        (jn.InvalidPayload, "it takes 1 number, 2 were given", lambda: of_numbers("spin", numbers=(1, 2))),
        (jn.InvalidPayload, "args is a list of texts", lambda: of_command(args="-l")),
        (jn.InvalidPayload, "stdin is bytes or text, not int", lambda: of_command(args=[], stdin=5)),
        (jn.NoSuchFunction, "exports no function 'spim'", lambda: of_numbers("spim", numbers=(1,))),
    ]
    for error, words, make in wrong:
        with pytest.raises(error, match=words):
            make()
    assert [len(plugin.calls) for plugin in (specimen, numeric, command)] == [0, 0, 0]


# --- sweeps ----------------------------------------------------------------------------------------------------------


def sweep(*given: Any, **more: Any) -> Any:
    return jn.sweep(*given, progress=False, **more)


def test_a_sweep_over_bytes(xor: jn.Plugin) -> None:
    frame = sweep(xor, "xor", data={"short": b"a", 100: b"b" * 100}, repeats=2, warmup=0)
    assert frame["param_payload"].tolist() == ["short", "short", 100, 100]
    assert frame["bytes_in"].tolist() == [1, 1, 100, 100]
    assert set(frame["outcome"]) == {"ok"}
    assert sweep(xor, "xor", data=[b"a", b"b"], repeats=1)["param_payload"].tolist() == [0, 1]


def test_a_sweep_over_numbers_has_a_column_for_each_argument() -> None:
    frame = sweep(NUMERIC, "scale", numbers=[(1.5, 2), (float("inf"), -(1 << 63))], repeats=1)
    assert frame["param_payload"].tolist() == ["1.5, 2", f"inf, {-(1 << 63)}"]
    assert frame["param_number_1"].tolist() == [1.5, float("inf")]
    assert frame["param_number_2"].tolist() == [2, -(1 << 63)]
    large = sweep(NUMERIC, "scale", numbers=[(10**30, 1)], repeats=1)
    assert (large["param_number_1"].tolist(), large["outcome"].tolist()) == ([1e30], ["ok"])
    turns = sweep(NUMERIC, "spin", numbers=[10, 20, np.int64(40)], repeats=1, instances=1)
    assert turns["param_payload"].tolist() == turns["param_number_1"].tolist() == [10, 20, 40]
    fuel = turns["fuel"].tolist()
    assert fuel[2] - fuel[1] == 2 * (fuel[1] - fuel[0]) > 0  # each has its own number


def test_a_sweep_over_commands_takes_each_input_with_each_arguments() -> None:
    frame = sweep({"copy": COMMAND_SPIN}, args=[[], ["a b"]], stdin={"two": b"22", "three": "333"}, repeats=1)
    assert frame["param_payload"].tolist() == [" < two", " < three", "'a b' < two", "'a b' < three"]
    assert frame["param_args"].tolist() == ["", "", "'a b'", "'a b'"]
    assert frame["param_stdin"].tolist() == ["two", "three"] * 2
    assert frame["bytes_out"].tolist() == [2, 3, 2, 3]
    assert set(frame["function"]) == {"_start"}
    alone = sweep(COMMAND_SPIN, args=[[*"abcdefgh"]], repeats=1)
    assert alone["outcome"].tolist() == ["guest_error"]
    assert "param_stdin" not in alone


def test_a_sweep_without_payloads_calls_the_function_without_one(specimen: jn.Plugin) -> None:
    frame = sweep(specimen, "echo", quotas=[{"cpu": "1s"}, {"cpu": "2s"}], repeats=1)
    assert frame["bytes_in"].tolist() == [0, 0]
    assert frame["outcome"].tolist() == ["ok", "ok"]


def test_a_sweep_refuses_a_wrong_grid_of_each_kind() -> None:
    for error, words, given in (
        (TypeError, "not data and numbers", {"function": "spin", "data": [b""], "numbers": [1]}),
        (TypeError, "data is a list of data", {"function": "spin", "data": b"abc"}),
        (TypeError, "which function", {"numbers": [1]}),
        (ValueError, "no numbers to sweep over", {"function": "spin", "numbers": []}),
        (jn.InvalidPayload, "takes 1 number, 2 were given", {"function": "spin", "numbers": [1, (1, 2)]}),
        (jn.InvalidPayload, "data is bytes", {"function": "spin", "data": ["a"]}),
        (jn.NoSuchFunction, "no function 'spin' to call with bytes", {"function": "spin", "data": [b""]}),
        (jn.NoSuchFunction, "no WASI command", {"args": [[]]}),
    ):
        with pytest.raises(error, match=words):
            sweep(NUMERIC, **given)


@pytest.fixture(scope="module")
def other_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(int).result()  # it is there before the test that uses it
        yield pool


@pytest.mark.parametrize(
    ("source", "given"),
    [
        (BYTES, {"function": "xor", "data": [b"a", b"\xff" * 10]}),
        (NUMERIC, {"function": "scale", "numbers": [(1.5, 2), (float("nan"), 2)]}),
        (COMMAND_SPIN, {"args": [["a"]], "stdin": [b"\xff", b""]}),
    ],
    ids=["data", "numbers", "args"],
)
def test_each_kind_goes_to_other_processes_and_goes_on_from_its_file(
    other_process: ProcessPoolExecutor, tmp_path: Path, source: str, given: dict[str, Any]
) -> None:
    there = sweep(source, **given, repeats=1, executor=other_process)
    assert there["outcome"].tolist() == ["ok", "ok"]
    path = tmp_path / "sweep.jsonl"
    here = sweep(source, **given, repeats=1, path=path)
    again = sweep(source, **given, repeats=1, path=path)
    assert again["started"].tolist() == here["started"].tolist()
    for column in ("param_payload", "bytes_in", "bytes_out", "fuel"):
        assert there[column].tolist() == here[column].tolist()


def test_a_file_of_another_kind_of_call_is_left_alone(tmp_path: Path, specimen: jn.Plugin) -> None:
    path = tmp_path / "sweep.jsonl"
    sweep(specimen, "echo", [1], repeats=1, path=path)
    with pytest.raises(jn.JudiciaError, match=r"kind \('payload' there, 'data' here\)"):
        sweep(specimen, "echo", data=[b"1"], repeats=1, path=path)


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_each_attempt_has_its_own_row_while_other_threads_make_theirs(rt: jn.Runtime, start: Start) -> None:
    numeric = rt.load(NUMERIC, name="numeric", instances=3)

    def attempts(number: int) -> list[int]:
        thread = threading.current_thread().name
        made = [numeric.attempt("both", numbers=[number]) for _ in range(300)]
        assert {outcome.value for outcome in made} == {(number, 7)}
        records = [outcome.record for outcome in made]
        assert {record.thread for record in records if record is not None} == {thread}
        return [record.call_id for record in records if record is not None]

    all_came = [start(attempts, number) for number in range(3)]
    until(lambda: all(all_came))
    ids = [call_id for [came] in all_came for call_id in came]
    assert len(set(ids)) == len(ids) == 900
