"""The same sweep on threads, in processes and on executors that misbehave: each cell exactly once."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.experiments.sweep import contents, dispatch, laboratory
from tests.experiments.sweep.guests import VERSIONS
from tests.support.waiting import PATIENCE, until

SPECIMEN = "example:specimen"


def sweep(*arguments: Any, **more: Any) -> Any:
    return jn.sweep(*arguments, progress=False, **more)


class Watched(Executor):
    """Hands on to another executor and remembers what was submitted."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner
        self._max_workers = 2
        self.batches: list[laboratory.Batch] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.batches.append(args[0])
        return self.inner.submit(fn, *args, **kwargs)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        until = time.monotonic() + PATIENCE
        while len({*pool.map(pid_after, [0.1] * 4)}) < 2:  # a pool makes them as it needs them
            assert time.monotonic() < until
        yield pool


class InTurns(Executor):
    """Hands batches to two executors in turns: in a common one, one worker may have done all before the other wakes."""

    def __init__(self, *inner: Executor) -> None:
        self.inner = inner
        self._max_workers = len(inner)
        self._chosen: dict[int, Executor] = {}  # by the first cell of a batch, which may come again with its module

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        first = args[0].units[0][0].number
        chosen = self._chosen.setdefault(first, self.inner[len(self._chosen) % len(self.inner)])
        return chosen.submit(fn, *args, **kwargs)


def pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def same_but_for_costs(frame: Any) -> Any:
    names = [name for name in frame if name.startswith("param_")]
    return frame[["cell", "repeat", *names, "plugin", "digest", "bytes_in", "host_calls", "outcome", "denied"]]


@pytest.mark.parametrize("instances", ["fresh", 1])
def test_threads_and_processes_measure_the_same_grid(processes: ProcessPoolExecutor, instances: Any) -> None:
    grid: dict[str, Any] = {"grants": [(), ["wall_clock"]], "quotas": [None, {"memory": "2MiB"}], "repeats": 6}
    payloads = [{"service": "clock"}, {"service": "log", "n": 3}]
    here = sweep(SPECIMEN, "call_host", payloads, instances=instances, **grid)
    with ThreadPoolExecutor(2) as threads:
        on_threads = sweep(SPECIMEN, "call_host", payloads, instances=instances, executor=threads, **grid)
    away = sweep(SPECIMEN, "call_host", payloads, instances=instances, executor=processes, **grid)
    assert same_but_for_costs(here).equals(same_but_for_costs(on_threads))
    assert same_but_for_costs(here).equals(same_but_for_costs(away))
    assert set(on_threads["run_id"]).isdisjoint(here["run_id"])


def test_threads_and_processes_count_what_this_thread_does(processes: ProcessPoolExecutor) -> None:
    grid: dict[str, Any] = {"numbers": [3, 5], "repeats": 4, "monitors": "coverage, functions, path"}
    here = sweep(VERSIONS, "walk", **grid)
    spawn = multiprocessing.get_context("spawn")
    with (
        ThreadPoolExecutor(1) as thread,
        ThreadPoolExecutor(1) as another,
        ProcessPoolExecutor(1, mp_context=spawn) as other,
    ):
        pairs = InTurns(thread, another), InTurns(processes, other)
        elsewhere = [sweep(VERSIONS, "walk", executor=executor, **grid) for executor in pairs]
    for frame in elsewhere:
        assert frame["worker"].nunique() > 1
        for name in ("coverage", "functions", "path"):
            assert frame.counts[name].equals(here.counts[name])
            assert (frame.counts[name]["cell"].nunique(), len(here)) == (16, 16)


def test_each_thread_has_a_runtime_of_its_own() -> None:
    line = threading.Barrier(2)
    with ThreadPoolExecutor(2, initializer=line.wait) as threads:
        frame = sweep(SPECIMEN, "sleep", [{"ms": 20}], repeats=40, executor=threads)
    assert frame["thread"].nunique() == frame["run_id"].nunique() == frame["worker"].nunique() == 2
    assert not frame.duplicated(["run_id", "call_id"]).any()


def test_nothing_is_left_of_a_sweep_that_is_over() -> None:
    with ThreadPoolExecutor(2) as threads:
        sweep(SPECIMEN, "echo", [1], repeats=20, executor=threads)
    assert laboratory._free == laboratory._busy == []


def test_a_module_goes_to_a_process_that_lacks_it_and_never_with_every_batch(processes: ProcessPoolExecutor) -> None:
    watched = Watched(processes)
    payload = "x" * 100_000
    frame = sweep("example:checker", "check", [{"output": payload, "answer": payload}], repeats=60, executor=watched)
    assert sorted(frame["cell"]) == list(range(60))
    with_bytes = [batch for batch in watched.batches if batch.contents]
    assert 1 <= len(with_bytes) <= 4  # what was under way before the first of two processes had it
    assert all(len(pickle.dumps(batch)) < 20_000 for batch in watched.batches if not batch.contents)

    again = Watched(processes)
    sweep("example:checker", "check", [{"output": payload, "answer": payload}], repeats=60, executor=again)
    assert [batch for batch in again.batches if batch.contents] == []


class Forgetful(Executor):
    """Two workers in turns, one of which always lacks the module and the other one the payload."""

    turns = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert self.turns < PATIENCE
        lacks = sorted(args[0].needs())[self.turns % 2]
        self.turns += 1
        contents._kept.pop(lacks, None)
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_a_batch_does_not_go_to_and_fro_between_workers_that_lack_different_things() -> None:
    frame = sweep(SPECIMEN, "echo", ["to and fro"], repeats=2, executor=Forgetful())
    assert frame["cell"].tolist() == [0, 1]


def test_bytes_that_are_not_what_their_digest_says_are_refused() -> None:
    with pytest.raises(ValueError, match="have another digest"):
        contents.keep({"00" * 32: b"wasm"})


class KilledWorker(Exception):
    """As Dask calls it when a task has taken several workers down."""


class Deadly(Executor):
    """An executor on which every batch with one of some cells takes its worker down."""

    def __init__(self, cells: set[int], error: type[Exception] = KilledWorker) -> None:
        self._cells = cells
        self._error = error
        self._max_workers = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self._cells & {cell.number for unit in args[0].units for cell in unit}:
            future.set_exception(self._error("the last worker was tcp://lab-7:41235"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_cell_that_takes_workers_down_is_a_row_and_spares_those_it_came_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "BATCH_SECONDS", 10.0)  # many cells a batch
    frame = sweep(SPECIMEN, "echo", [1], repeats=50, executor=Deadly({7, 31}))
    lost = frame[frame["outcome"] == "worker_lost"]
    assert lost["cell"].tolist() == [7, 31]
    assert set(lost["error"]) == {"WorkerLost: it took the worker that measured it down, alone and again"}
    assert (frame.drop(index=lost.index)["outcome"] == "ok").all()
    assert frame["cell"].tolist() == list(range(50))


def test_an_executor_that_breaks_leaves_what_is_done_and_the_sweep_can_go_on(tmp_path: Path) -> None:
    from concurrent.futures import BrokenExecutor

    path = tmp_path / "sweep.jsonl"
    with pytest.raises(jn.ResourceExhausted, match="lost its workers") as broken:
        sweep(SPECIMEN, "echo", [1], repeats=50, order="grid", executor=Deadly({20}, BrokenExecutor), path=path)
    done = broken.value.frame  # type: ignore[attr-defined]
    assert 1 <= len(done) <= 20
    frame = sweep(SPECIMEN, "echo", [1], repeats=50, order="grid", path=path)
    assert frame["cell"].tolist() == list(range(50))
    assert set(done["run_id"]) < set(frame["run_id"])


class Twice(Executor):
    """Does everything twice, as a cluster may that lost sight of a worker."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        first, second = fn(*args), fn(*args)
        if isinstance(first, laboratory.Measured):
            second = first._replace(rows=first.rows + second.rows)
        future.set_result(second)
        return future


def test_a_cell_that_was_measured_twice_has_one_row(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    frame = sweep(SPECIMEN, "echo", [1, 2], repeats=10, executor=Twice(), path=path)
    assert frame["cell"].tolist() == list(range(20))
    assert path.read_bytes().count(b"\n") == 21


def test_ctrl_c_ends_the_calls_of_threads_and_keeps_what_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    payloads = [{"ms": 1}, {"ms": 600_000}]
    began = time.monotonic()

    def press() -> None:
        until(lambda: path.exists() and path.read_bytes().count(b"\n") > 5)
        signal_main()

    watch = threading.Thread(target=press, daemon=True)
    watch.start()
    with ThreadPoolExecutor(2) as threads, pytest.raises(KeyboardInterrupt) as stopped:
        sweep(
            SPECIMEN, "sleep", payloads, quotas=[{"wall": "9min"}], repeats=5, warmup=0, order="grid", executor=threads,
            path=path,
        )  # fmt: skip
    watch.join(PATIENCE)
    assert time.monotonic() - began < 4 * PATIENCE  # not the minutes that those calls would sleep
    frame = stopped.value.frame  # type: ignore[attr-defined]
    assert frame["cell"].tolist() == list(range(5))
    assert laboratory._busy == []


def test_a_batch_that_begins_when_its_sweep_was_stopped_measures_nothing() -> None:
    with ThreadPoolExecutor(1) as threads:
        watched = Watched(threads)
        sweep(SPECIMEN, "echo", [1], repeats=3, executor=watched)
    batch = watched.batches[-1]
    key = batch.plan.key

    def cells_measured() -> int:
        measured = laboratory.measure(batch)
        assert isinstance(measured, laboratory.Measured)
        return len(measured.rows)

    assert cells_measured() == len(batch.units)  # a laboratory is free now
    laboratory.stop(key)
    assert cells_measured() == 0
    laboratory.close(key)
    assert cells_measured() == 0  # in a new one
    laboratory.close(key)
    assert laboratory._free == []


def test_ctrl_c_gives_up_what_runs_in_processes_and_they_serve_the_next_sweep(
    processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    path = tmp_path / "sweep.jsonl"

    def press() -> None:
        until(lambda: path.exists() and path.read_bytes().count(b"\n") > 5)
        signal_main()

    watch = threading.Thread(target=press, daemon=True)
    watch.start()
    with pytest.raises(KeyboardInterrupt) as stopped:
        sweep(SPECIMEN, "sleep", [{"ms": 20}], repeats=5000, executor=processes, path=path)
    watch.join(PATIENCE)
    done = stopped.value.frame  # type: ignore[attr-defined]
    assert 1 <= len(done) < 5000
    assert done["cell"].is_unique
    frame = sweep(SPECIMEN, "echo", [1], repeats=20, executor=processes)
    assert set(frame["outcome"]) == {"ok"}


def signal_main() -> None:
    import signal

    os.kill(os.getpid(), signal.SIGINT)


# --- what cannot run elsewhere ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", [name for name in CAPABILITIES if name not in ("wall_clock", "random")])
def test_grants_that_make_no_sense_in_other_processes_are_refused_with_the_reason(
    processes: ProcessPoolExecutor, capability: str
) -> None:
    refused = f"specimen is granted {capability}, and this sweep runs in other processes: "
    with pytest.raises(jn.PolicyError, match=refused):
        sweep(SPECIMEN, "echo", [None], grants=[[], [capability]], executor=processes)


def test_a_plugin_that_could_ask_for_such_a_service_is_denied_there_as_it_is_here(
    processes: ProcessPoolExecutor,
) -> None:
    frames = [
        sweep("example:checker", "check", [{"output": "1", "answer": "1"}], repeats=2, executor=executor)
        for executor in (None, processes)
    ]
    assert [set(frame["outcome"]) for frame in frames] == [{"ok"}, {"ok"}]


def test_a_database_that_all_workers_reach_may_be_granted(processes: ProcessPoolExecutor, postgresql: str) -> None:
    frame = sweep(
        "example:scoreboard", "standings", [None], grants=[["read_database", "write_database"]], repeats=2,
        executor=processes, database=postgresql,
    )  # fmt: skip
    assert set(frame["outcome"]) == {"ok"}


def test_clock_random_and_log_go_everywhere(processes: ProcessPoolExecutor) -> None:
    grants = [["wall_clock", "random"]]
    frame = sweep(
        SPECIMEN, "call_host", [{"service": name} for name in ("clock", "random", "log")], grants=grants, repeats=2,
        executor=processes,
    )  # fmt: skip
    assert set(frame["outcome"]) == {"ok"}
    assert set(frame["denied"]) == {0}


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here; enable: use Linux")
def test_forked_processes_are_refused_with_the_line_that_starts_them_afresh() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        pytest.raises(jn.PolicyError, match="does not survive a fork") as refused,
    ):
        sweep(SPECIMEN, "echo", [1], executor=pool)
    assert "get_context('spawn')" in str(refused.value)
