"""What a child may do to its parent, and what others may do to a child: it is gone in bounded time, and all is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psutil
import pytest

import judicia_notebook as jn
from judicia_notebook.errors import Cancelled, GuestError, JudiciaError, Killed, QuotaExceeded
from judicia_notebook.experiments.unmetered import process, protocol
from judicia_notebook.experiments.unmetered.cells import Unmetered
from judicia_notebook.experiments.unmetered.process import Child, Gone
from judicia_notebook.experiments.unmetered.protocol import HEADER
from judicia_notebook.experiments.unmetered.reports import Report, make_report, read_report
from judicia_notebook.runtime.request import make_request
from tests.support.guests import ECHO, load
from tests.support.processes import is_there, wait_until_gone
from tests.support.waiting import PATIENCE, until

GUEST = (
    ECHO,
    '(func (export "spin") (loop $on (br $on)))',
    '(func (export "one") (result i32) (i32.const 1))',
)
LARGE = {"payload": "80MiB", "answer": "80MiB", "memory": "400MiB", "cpu": 30, "wall": 60}
ONE = make_request("one", numbers=())
SPIN = make_request("spin", numbers=())


@pytest.fixture
def unmetered(rt: jn.Runtime) -> Iterator[Unmetered]:
    with Unmetered(load(rt, *GUEST, quota={"cpu": 30, "wall": 60})) as found:
        yield found


def once_it_spins(pid: int, act: Callable[[], object]) -> threading.Thread:
    """Do something while a child's call runs: once it has used so much that nothing but an endless guest can have."""
    process = psutil.Process(pid)
    before = process.cpu_times().user

    def watch() -> None:
        until(lambda: process.cpu_times().user > before + 0.3)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_answers_of_64_mib_come_whole(rt: jn.Runtime) -> None:
    with Unmetered(load(rt, *GUEST, quota=LARGE)) as found:
        data = os.urandom(1 << 20) * 64
        outcome = found.attempt(make_request("echo", data=data))
        assert outcome.value == data
        assert outcome.record is not None
        assert outcome.record.bytes_out == 64 << 20
        refused = found.attempt(make_request("echo", data=data), {"answer": "1MiB"})
        assert isinstance(refused.error, QuotaExceeded)
        assert refused.error.quota == "answer"


def test_a_child_that_is_killed_is_an_error_of_its_own_and_the_next_call_goes_on(unmetered: Unmetered) -> None:
    assert unmetered.attempt(ONE).value == 1
    (pid,) = unmetered.pids
    watch = once_it_spins(pid, lambda: os.kill(pid, signal.SIGKILL))
    outcome = unmetered.attempt(SPIN)
    watch.join()
    assert isinstance(outcome.error, Killed)
    assert "signal 9" in str(outcome.error)
    assert outcome.record is not None
    assert (outcome.record.outcome, outcome.record.instance_id) == ("killed", None)
    assert outcome.record.wall_ms > 200
    assert unmetered.attempt(ONE).value == 1
    wait_until_gone([pid])


def test_a_child_that_is_stopped_is_killed_once_its_time_and_a_grace_are_over(
    unmetered: Unmetered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unmetered.attempt(ONE).value == 1
    (pid,) = unmetered.pids
    # Before the call: stopped during it, it may just have ended the call by itself.
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    with monkeypatch.context() as patched:  # for this call alone: others get the grace that a busy machine needs
        patched.setattr(process, "GRACE_SECONDS", 1.0)
        patched.setattr("judicia_notebook.experiments.unmetered.cells.GRACE_SECONDS", 1.0)
        outcome = unmetered.attempt(SPIN, {"wall": 0.5})
    assert 1.5 <= time.monotonic() - began < PATIENCE
    assert isinstance(outcome.error, QuotaExceeded)
    assert (outcome.error.quota, outcome.error.limit) == ("wall", 0.5)
    assert "did not end by itself" in str(outcome.error)
    wait_until_gone([pid])
    assert unmetered.attempt(ONE).value == 1


def test_a_child_that_does_not_take_a_large_request_is_killed(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with Unmetered(load(rt, *GUEST, quota=LARGE)) as found:
        assert found.attempt(ONE).value == 1
        (pid,) = found.pids
        os.kill(pid, signal.SIGSTOP)
        with monkeypatch.context() as patched:
            patched.setattr(process, "GRACE_SECONDS", 1.0)
            outcome = found.attempt(make_request("echo", data=bytes(8 << 20)))
        assert isinstance(outcome.error, Killed)
        wait_until_gone([pid])
        assert found.attempt(ONE).value == 1


def test_another_thread_stops_it_for_good(unmetered: Unmetered) -> None:
    assert unmetered.attempt(ONE).value == 1
    (pid,) = pids = unmetered.pids
    watch = once_it_spins(pid, lambda: unmetered.stop("the sweep was stopped"))
    outcome = unmetered.attempt(SPIN)
    watch.join()
    assert isinstance(outcome.error, Cancelled)
    assert "the sweep was stopped" in str(outcome.error)
    assert isinstance(unmetered.attempt(ONE).error, Cancelled)
    wait_until_gone(pids)


def test_ctrl_c_ends_the_wait_and_the_child(unmetered: Unmetered) -> None:
    assert unmetered.attempt(ONE).value == 1
    (pid,) = unmetered.pids
    watch = once_it_spins(pid, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        unmetered.attempt(SPIN)
    watch.join()
    wait_until_gone([pid])
    last = unmetered._plugin.last
    assert last is not None
    assert last.outcome == "cancelled"
    assert unmetered.attempt(ONE).value == 1


def test_no_signal_to_the_group_or_by_name_reaches_it(unmetered: Unmetered) -> None:
    assert unmetered.attempt(ONE).value == 1
    (pid,) = unmetered.pids
    assert os.getsid(pid) == os.getpgid(pid) == pid
    os.kill(pid, signal.SIGINT)
    assert unmetered.attempt(ONE).value == 1
    assert unmetered.pids == (pid,)


@pytest.mark.parametrize(
    "said",
    [
        HEADER.pack(protocol.ENDED, 0, 1 << 60),
        HEADER.pack(protocol.ENDED, 1 << 31, 0),
        HEADER.pack(b"evil", 0, 0),
        HEADER.pack(protocol.ENDED, 3, 0) + b"abcd",
        HEADER.pack(protocol.ENDED, 10, 0) + b"abc",
        b"abc",
        b"",
    ],
)
def test_what_no_child_of_ours_says_is_its_end(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import os; os.write(1, {said!r}); os.close(1); os.read(0, 1); {{parent}}"
    monkeypatch.setattr(process, "_PROGRAM", program)
    child = Child()
    with pytest.raises(Gone):
        child.ask(None, patience=30, most_body=1 << 20)
    assert child.ended
    assert not is_there(child.pid)


@pytest.mark.parametrize(
    "said", [b"\xc1", b"\x80", b"\x82\xa6record\xc0\xa6report\x83\xa4kind\xa3int\xa7message\xa0\xa4hint\xa0"]
)
def test_a_message_of_another_shape_reads_as_killed(
    unmetered: Unmetered, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unmetered.attempt(ONE).value == 1
    ask = Child.ask

    def forged(child: Child, *arguments: Any, **more: Any) -> protocol.Frame:
        return ask(child, *arguments, **more)._replace(message=said)

    monkeypatch.setattr(Child, "ask", forged)
    outcome = unmetered.attempt(ONE)
    assert isinstance(outcome.error, Killed)
    assert unmetered.pids == ()


@pytest.mark.parametrize(
    "odd",
    [
        {"grows_refused": 1 << 40},
        {"memory_bytes": 1 << 63},
        {"guest_ms": float("nan")},
        {"guest_ms": float("inf")},
        {"started_ms": 1e300},
        {"host_calls": -1},
    ],
)
def test_numbers_that_no_row_holds_read_as_killed(
    unmetered: Unmetered, odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unmetered.attempt(ONE).value == 1
    ask = Child.ask

    def forged(child: Child, *arguments: Any, **more: Any) -> protocol.Frame:
        frame = ask(child, *arguments, **more)
        ended = protocol.unpack(protocol.Ended, frame)
        assert ended.record is not None
        record = msgspec.structs.replace(ended.record, **odd)
        return frame._replace(message=msgspec.msgpack.encode(protocol.Ended(record, None)))

    monkeypatch.setattr(Child, "ask", forged)
    assert isinstance(unmetered.attempt(ONE).error, Killed)
    assert unmetered.pids == ()


def test_only_errors_that_are_listed_come_through_and_texts_are_cut() -> None:
    with pytest.raises(ValueError, match="an error of the kind"):
        read_report(Report("SystemExit", "", ""), "p", "f")
    huge = GuestError("m" * (1 << 20) + "\ud800", code="c\udfff", data={"a": "x" * (2 << 20)}, hint="h" * 100_000)
    report = make_report(huge)
    assert max(len(report.message), len(report.code), len(report.hint)) <= 20_000
    assert report.data is None
    protocol.pack(protocol.ENDED, protocol.Ended(None, report))
    back = read_report(report, "p", "f")
    assert isinstance(back, GuestError)
    assert (back.code, back.plugin, back.function) == ("c?", "p", "f")
    unknown = make_report(JudiciaError("odd"))
    assert unknown.kind == "HostFailure"


def test_it_ends_at_the_limit_also_where_nobody_reads_its_last_words(rt: jn.Runtime) -> None:
    plugin = load(rt, *GUEST)
    with Unmetered(plugin) as found:
        assert found.attempt(ONE).value == 1
        (pid,) = found.pids
        child = found._children._at_work
        assert child is not None
        (key,) = child.loaded
        rights = protocol.Rights((), plugin.policy.snapshot().quota.given(), "error")
        order = protocol.Call(key, "numbers", "spin", rights, {"cpu": 0.1}, fresh=True, renew=False)
        for part in protocol.pack(protocol.CALL, order, SPIN.pack()):
            os.write(child._into, part)
        until(lambda: not is_there(pid), 20)
        assert child._process.wait() == 3, "its ticker has ended it"
