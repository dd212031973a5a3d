"""A sweep on a Dask cluster, with a real scheduler and real worker processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.sweep import contents, laboratory
from tests.experiments.sweep.guests import VERSIONS
from tests.support.waiting import LONG_PATIENCE, until

SPECIMEN = "example:specimen"


def sweep(*arguments: Any, **more: Any) -> Any:
    return jn.sweep(*arguments, progress=False, **more)


def digests_there() -> list[str]:
    return sorted(contents._kept)


def laboratories_there() -> int:
    return len(laboratory._free) + len(laboratory._busy)


def test_a_cluster_measures_every_cell_once_with_one_engine_a_worker(client: Any) -> None:
    for executor in (client.get_executor(), client):
        frame = sweep(
            SPECIMEN, "call_host", [{"service": "clock"}, {"service": "log"}],
            grants=[(), ["wall_clock"]], repeats=25, executor=executor,
        )  # fmt: skip
        assert frame["cell"].tolist() == list(range(100))
        assert set(frame["outcome"]) == {"ok"}
        assert frame["run_id"].nunique() <= 2
        assert frame["denied"].sum() == 25


def test_a_cluster_counts_what_this_thread_does(client: Any) -> None:
    grid: dict[str, Any] = {"numbers": [3, 5], "repeats": 4, "monitors": "coverage, functions"}
    here, away = (sweep(VERSIONS, "walk", executor=executor, **grid) for executor in (None, client))
    assert away["monitored"].notna().all()
    for name in ("coverage", "functions"):
        assert away.counts[name].equals(here.counts[name])


def test_modules_and_payloads_go_to_each_worker_once_by_digest(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = client.get_executor(pure=False)
    submit, batches = executor.submit, []

    def watch(fn: Any, batch: laboratory.Batch) -> Any:
        batches.append(batch)
        return submit(fn, batch)

    monkeypatch.setattr(executor, "submit", watch)
    text = "1 " * 10_000
    frame = sweep("example:checker", "check", [{"output": text, "answer": text}], repeats=60, executor=executor)
    assert len(frame) == 60
    assert len(batches) > 4
    assert [batch for batch in batches if batch.contents] == []
    for there in client.run(digests_there).values():
        assert frame["digest"][0] in there
    assert set(client.run(laboratories_there).values()) == {0}


def test_a_worker_that_forgot_is_told_again(client: Any) -> None:
    watch_over = threading.Event()
    executor = client.get_executor(pure=False)
    submit, sent = executor.submit, []

    def forgetful(fn: Any, batch: laboratory.Batch) -> Any:
        if not watch_over.is_set():
            watch_over.set()
            client.run(contents.forget)
        sent.append(batch)
        return submit(fn, batch)

    executor.submit = forgetful
    frame = sweep(SPECIMEN, "echo", ["told again"], repeats=30, executor=executor)
    assert frame["cell"].tolist() == list(range(30))
    assert [batch for batch in sent if batch.contents] != []


def test_a_worker_killed_in_the_middle_costs_no_cell_and_doubles_none(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    victim = next(iter(client.run(os.getpid).values()))
    rows_when_killed: list[int] = []

    def kill() -> None:
        until(lambda: path.exists() and path.read_bytes().count(b"\n") > 20)
        rows_when_killed.append(path.read_bytes().count(b"\n") - 1)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    frame = sweep(
        SPECIMEN, "spin", [{"ms": 2}, {"ms": 4}], quotas=[None, {"fuel": 100_000}], repeats=150,
        executor=client.get_executor(), path=path,
    )  # fmt: skip
    killer.join(LONG_PATIENCE)

    assert 20 <= rows_when_killed[0] < 600
    assert frame["cell"].tolist() == list(range(600))
    assert path.read_bytes().count(b"\n") == 601
    assert frame["outcome"].value_counts().to_dict() == {"ok": 300, "quota_fuel": 300}
    for _, rows in frame[frame["outcome"] == "ok"].groupby("param_payload"):
        assert rows["fuel"].nunique() == 1  # whoever measured it
    client.wait_for_workers(2, timeout=LONG_PATIENCE)
    assert victim not in client.run(os.getpid).values()


def test_ctrl_c_gives_up_what_runs_on_the_cluster_and_the_same_sweep_goes_on_there(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"

    def measure() -> Any:
        return sweep(SPECIMEN, "spin", [{"ms": 2}], repeats=400, executor=client, path=path)

    def press() -> None:
        until(lambda: path.exists() and path.read_bytes().count(b"\n") > 20)
        os.kill(os.getpid(), signal.SIGINT)

    watch = threading.Thread(target=press, daemon=True)
    watch.start()
    with pytest.raises(KeyboardInterrupt) as stopped:
        measure()
    watch.join(LONG_PATIENCE)
    done = stopped.value.frame  # type: ignore[attr-defined]
    assert 19 <= len(done) < 400
    frame = measure()
    assert frame["cell"].tolist() == list(range(400))
    assert path.read_bytes().count(b"\n") == 401
    assert set(done["run_id"]) < set(frame["run_id"])


def test_what_a_worker_cannot_do_is_raised_here(client: Any) -> None:
    with pytest.raises(jn.PolicyError, match="its folders are on this machine"):
        sweep("example:specimen", "echo", [None], grants=[["read_files"]], executor=client)


def trap_here() -> Any:
    """Run in a worker."""
    with jn.Runtime() as rt:
        return rt.load(SPECIMEN).call("trap")


def test_an_error_of_a_call_in_a_worker_comes_whole(client: Any) -> None:
    with pytest.raises(jn.GuestTrap, match="`unreachable`") as caught:
        client.submit(trap_here).result(timeout=LONG_PATIENCE)
    assert caught.value.record is not None
    assert caught.value.record.function == "trap"
