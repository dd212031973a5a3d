"""What is said though nobody asked: what a call waits for, what a callback raised, which fallback is in use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import memory, startup
from judicia_notebook.host.displays import show_with
from judicia_notebook.host.files.beneath import StepByStep
from judicia_notebook.notebook.live.activity import calls_waiting
from judicia_notebook.reporting import notices
from judicia_notebook.runtime import pool
from tests.support.guests import wat
from tests.support.waiting import until

SOON = 20
CELL = """
(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
(func (export "put") (param i32 i32) (result i64) (call $judicia:files.write (local.get 0) (local.get 1)))
(func (export "spin") (param i32 i32) (result i64) (loop (br 0)) (unreachable))
"""


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(wat(CELL), name="guest", quota={"cpu": None, "wall": "60s"})


@pytest.fixture
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has said nothing yet."""
    monkeypatch.setattr(notices, "_fallbacks", set())


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that are said, once they are."""
    lines: list[str] = []
    say = notices.say

    def note(line: str) -> None:
        say(line)
        lines.append(line)

    monkeypatch.setattr(notices, "say", note)
    return lines


# --- waiting ---------------------------------------------------------------------------------------------------------


def cancel_once_said(busy: jn.CallHandle, said: list[str]) -> threading.Thread:
    """End the call that has the instance, once it is said that another one waits for it."""

    def watch() -> None:
        until(lambda: said)
        busy.cancel()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_call_that_waits_for_longer_than_a_second_says_for_what(
    p: jn.Plugin, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    busy = p.submit("spin", {})
    until(busy.running)
    thread = cancel_once_said(busy, said)
    assert p.call("echo", 1) == 1
    thread.join()
    assert capsys.readouterr().err.splitlines() == said
    assert len(said) == 2, said
    number = busy.call.scope.call_id
    assert said[0] == f"guest.echo waits for an instance of guest, held by call {number} (guest.spin) ..."
    assert said[1].startswith("... guest.echo waited ")


def test_whoever_waits_for_a_call_in_the_background_is_told_too(p: jn.Plugin, said: list[str]) -> None:
    busy, waiting = p.submit("spin", {}), p.submit("echo", 1)
    until(busy.running)
    with pytest.raises(TimeoutError):
        waiting.result(0.1)
    thread = cancel_once_said(busy, said)
    assert waiting.result(SOON) == 1
    thread.join()
    text = "\n".join(said)
    assert f"guest.echo waits for an instance of guest, held by call {busy.call.scope.call_id} (guest.spin) ..." in text
    assert "... guest.echo waited " in text


def test_of_many_calls_that_wait_one_says_so(p: jn.Plugin, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TOLD_AFTER", 3600.0)  # nothing is said before all of them wait
    busy = p.submit("spin", {})
    until(busy.running)
    threads = [threading.Thread(target=p.call, args=("echo", number)) for number in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: calls_waiting(p) == 5)
    monkeypatch.setattr(pool, "TOLD_AFTER", 0.0)
    until(lambda: said)
    monkeypatch.setattr(pool, "TOLD_AFTER", 3600.0)  # nor once the first one waits no more
    busy.cancel()
    for thread in threads:
        thread.join(SOON)
    (first,) = [line for line in said if "waits for an instance" in line]
    assert "5 calls wait" in first


def test_a_call_that_waits_a_moment_says_nothing(
    p: jn.Plugin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "TOLD_AFTER", 3600.0)  # on a busy machine the moment may last longer than a second
    busy = p.submit("spin", {})
    until(busy.running)
    threading.Timer(0.2, busy.cancel).start()
    assert p.call("echo", 1) == 1
    assert capsys.readouterr().err == ""


def test_a_call_in_the_background_that_waits_says_for_what_on_its_card(p: jn.Plugin) -> None:
    from judicia_notebook.notebook.live.call_card.call_card import handle_card

    busy, waiting = p.submit("spin", {}), p.submit("echo", 1)
    until(busy.running)
    text = handle_card(waiting).text()
    assert f"an instance, held by call {busy.call.scope.call_id} (guest.spin)" in text
    busy.cancel()
    assert waiting.result(SOON) == 1
    assert "held by" not in handle_card(waiting).text()


# --- callbacks that fail ---------------------------------------------------------------------------------------------


def failing(*_: object) -> None:
    raise RuntimeError("mine")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert all(record.name == "judicia_notebook" for record in caplog.records if record.levelno >= logging.ERROR)
    caplog.clear()
    return found


def observing(rt: jn.Runtime, p: jn.Plugin, callback: Callable[..., None]) -> Callable[[], object]:
    p.policy.observe(callback)
    return lambda: p.policy.revoke("random") if p.policy.granted else p.policy.grant("random")


def ending(rt: jn.Runtime, p: jn.Plugin, callback: Callable[..., None]) -> Callable[[], object]:
    def call() -> None:
        handle = p.submit("echo", 1)
        handle.add_done_callback(callback)
        handle.result(SOON)
        done = threading.Event()
        handle.add_done_callback(lambda _: done.set())
        assert done.wait(SOON)

    return call


def subscribing(rt: jn.Runtime, p: jn.Plugin, callback: Callable[..., None]) -> Callable[[], object]:
    rt.host.events.set_limits(attempts=2, retry_delay="10ms")
    rt.host.events.subscribe("**", callback)

    def emit() -> None:
        rt.host.events.emit("contest.begins")
        rt.host.events.flush(SOON)

    return emit


def displaying(rt: jn.Runtime, p: jn.Plugin, callback: Callable[..., None]) -> Callable[[], object]:
    remove = show_with(callback)

    def send() -> None:
        rt.host.notifications.send("judges", "Begin", "It begins.")
        if len(rt.host.notifications.history) == 2:
            remove()

    return send


@pytest.mark.parametrize("register", [observing, ending, subscribing, displaying])
def test_what_a_callback_raises_is_logged_once_and_whoever_called_it_goes_on(
    rt: jn.Runtime, p: jn.Plugin, caplog: pytest.LogCaptureFixture, register: Callable[..., Callable[[], object]]
) -> None:
    def mine(*_: object) -> None:
        raise RuntimeError("a mistake in my callback")

    cause = register(rt, p, mine)
    cause()
    until(lambda: caplog.records)
    record = next(one for one in caplog.records if one.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert "a mistake in my callback" in str(record.exc_info[1])
    assert "mine" in record.getMessage()
    assert len(told(caplog)) == 1
    cause()
    assert told(caplog) == []


def test_another_callback_that_fails_is_told_too(p: jn.Plugin, caplog: pytest.LogCaptureFixture) -> None:
    p.policy.observe(failing)
    p.policy.observe(lambda _: failing())
    p.policy.grant("random")
    assert len(told(caplog)) == 2


def test_a_target_that_does_not_take_a_notification_is_told_once(
    rt: jn.Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("apprise", reason="enable: pip install 'judicia-notebook[notify]'")
    notifications = rt.host.notifications
    notifications.set_limits(attempts=1)
    target = notifications.add_target("json://127.0.0.1:9/secret-token", name="scoreboard")
    for _ in range(2):
        notifications.send("judges", "Begin", "It begins.")
        notifications.flush(SOON)
    until(lambda: target.counts["parked"] == 2)
    (said,) = told(caplog)
    assert said.startswith("The target scoreboard did not take a notification")
    assert "secret-token" not in said


# --- fallbacks -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_said")
def test_without_a_cache_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "file" / "modules"))
    with jn.Runtime() as rt:
        for number in range(2):
            rt.load(f'(module (func (export "f") (result i32) i32.const {number + 7000}))', name=f"m{number}")
    said = capsys.readouterr().err
    assert said.count("every load compiles") == 1
    assert "jn.doctor()" in said


@pytest.mark.usefixtures("nothing_said")
def test_without_openat2_it_is_said_at_the_first_use_of_files(
    rt: jn.Runtime, p: jn.Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    rt.host.files.opening = StepByStep()
    p.policy.grant("file_storage")
    capsys.readouterr()
    for _ in range(2):
        assert "ok" in p.call("put", {"path": "a", "content": "b"})
    assert capsys.readouterr().err.count("there is no openat2 here") == 1


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("reservation", 64 << 20, "little address space (64 MiB"), ("AVAILABLE", False, "no own linear memories")],
)
def test_what_the_engine_lacks_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: Any, said: str
) -> None:
    engine = startup.get_engine()
    where = engine if name == "reservation" else memory
    monkeypatch.setattr(where, name, value)
    for _ in range(2):
        startup.get_engine()
    assert capsys.readouterr().err.count(said) == 1


@pytest.mark.usefixtures("nothing_said")
def test_where_nothing_is_lacking_nothing_is_said(rt: jn.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    if not jn.doctor().good:
        pytest.skip("this machine lacks something; enable: see jn.doctor()")
    rt.load("example:checker").call("check", {"output": "1", "answer": "1"})
    assert capsys.readouterr().err == ""


def test_without_stderr_nothing_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    notices.say("nobody hears it")
