"""A call in the background and the card that follows it: what it says meanwhile, at the end, and that it ends there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import judicia_notebook as jn
from judicia_notebook.notebook.live.call_card.call_card import (
    HandleSession,
    handle_card,
    handle_state,
    make_handle_card,
)
from tests.support.guests import load
from tests.support.kernels import environment
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.runtime.handle import CallHandle
    from tests.support.kernels import Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
SLEEP = {"ms": 60_000}


class View:
    """What a browser is to the card of a call."""

    def __init__(self, handle: CallHandle) -> None:
        self.heard: list[dict[str, Any]] = []
        self.session = HandleSession(handle, self.heard.append)

    def say(self, kind: str, view: str = "view") -> None:
        self.session.receive({"type": kind, "view": view})

    def do(self, op: str, **fields: Any) -> dict[str, Any]:
        self.session.receive({"type": "do", "id": 7, "op": op, **fields})
        return next(one for one in reversed(self.heard) if one["type"] in ("done", "refused"))

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(one["state"]) for one in tuple(self.heard) if one["type"] == "state"]


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", quota={"wall": "2min", "cpu": "1min"})


@pytest.fixture
def sleeping(specimen: jn.Plugin) -> Iterator[CallHandle]:
    handle = specimen.submit("sleep", SLEEP)
    until(handle.running)
    yield handle
    handle.cancel()
    handle.exception(PATIENCE)


def panel_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("judicia-panel")]


# --- what holds ------------------------------------------------------------------------------------------------------


def test_a_state_says_whether_a_call_waits_runs_or_has_ended(specimen: jn.Plugin, sleeping: CallHandle) -> None:
    waiting = specimen.submit("echo", {"a": 1})
    until(lambda: handle_state(sleeping).state == "running")
    assert (handle_state(waiting).state, handle_state(waiting).cpu) == ("waiting", "")
    sleeping.cancel()
    sleeping.exception(PATIENCE)
    waiting.result(PATIENCE)
    ended = handle_state(waiting)
    assert (ended.state, json.loads(ended.answer)) == ("ok", {"a": 1})
    assert ended.cost == waiting.record.cost_line() if waiting.record else False
    assert handle_state(sleeping).state == "cancelled"


def test_what_a_running_call_has_used_grows(specimen: jn.Plugin) -> None:
    handle = specimen.submit("spin", SLEEP)
    until(lambda: handle_state(handle).cpu not in ("", "0 s"))
    assert handle_state(handle).memory.endswith("MiB")
    handle.cancel()
    handle.exception(PATIENCE)
    calling = specimen.submit("call_host", {"service": "clock", "n": 100_000, "every_ms": 1})
    until(lambda: handle_state(calling).denied > 5)
    calling.cancel()
    calling.exception(PATIENCE)


def test_a_failure_is_the_text_of_its_error_with_its_cost(specimen: jn.Plugin) -> None:
    handle = specimen.submit("trap")
    handle.exception(PATIENCE)
    state = handle_state(handle)
    assert state.state == "failed"
    assert state.answer.startswith("GuestTrap: ")
    assert state.cost.startswith("specimen.trap: trap")


# --- the card --------------------------------------------------------------------------------------------------------


def test_a_view_is_told_how_the_call_goes_and_how_it_ended(rt: jn.Runtime) -> None:
    goes_on = threading.Event()

    def hold() -> None:
        assert goes_on.wait(PATIENCE)

    held = """(import "env" "hold" (func $hold))
    (func (export "echo") (param i32 i32) (result i64) (call $hold) (call $reply (local.get 0) (local.get 1)))"""
    handle = load(rt, held, imports={"env.hold": hold}, quota={"wall": "2min"}).submit("echo", 400)
    view = View(handle)
    view.say("hello")
    until(lambda: len({state["elapsed"] for state in view.states()}) > 2)
    goes_on.set()
    until(lambda: view.states()[-1]["state"] == "ok")
    last = view.states()[-1]
    assert json.loads(last["answer"]) == 400
    assert last["cost"].startswith("guest.echo: ok")
    revisions = [one["revision"] for one in view.heard]
    assert revisions == sorted(set(revisions))


def test_with_the_call_the_thread_ends_and_a_later_view_is_told_once(specimen: jn.Plugin, sleeping: CallHandle) -> None:
    view = View(sleeping)
    assert not panel_threads()
    view.say("hello", "one")
    assert len(panel_threads()) == 1
    sleeping.cancel()
    sleeping.exception(PATIENCE)
    until(lambda: view.states()[-1]["state"] == "cancelled")
    until(lambda: not panel_threads())
    view.say("hello", "two")
    assert view.states()[-1]["state"] == "cancelled"
    assert not view.session.feed.running
    assert not panel_threads()


def test_a_call_that_ended_before_anybody_looked_is_told_at_once(specimen: jn.Plugin) -> None:
    handle = specimen.submit("echo", 5)
    handle.result(PATIENCE)
    view = View(handle)
    assert view.heard == []
    view.say("hello")
    assert [state["answer"] for state in view.states()] == ["5"]
    assert not panel_threads()


def test_cancel_ends_the_call_and_is_confirmed(sleeping: CallHandle) -> None:
    view = View(sleeping)
    view.say("hello")
    answer = view.do("cancel", call=sleeping.call.scope.call_id)
    assert (answer["type"], answer["id"]) == ("done", 7)
    assert isinstance(sleeping.exception(PATIENCE), jn.Cancelled)
    until(lambda: view.states()[-1]["state"] == "cancelled")
    assert max(one["revision"] for one in view.heard if one["type"] == "state") >= answer["revision"]


@pytest.mark.parametrize(
    "wish", [{"op": "cancel", "call": 0}, {"op": "grant", "grants": ["random"]}, {"op": "undo"}, {"op": "nonsense"}]
)
def test_the_card_does_nothing_but_cancel_its_own_call(
    specimen: jn.Plugin, sleeping: CallHandle, wish: dict[str, Any]
) -> None:
    version = specimen.policy.version
    assert View(sleeping).do(**wish)["type"] == "refused"
    assert not sleeping.done()
    assert specimen.policy.version == version


def test_closing_the_card_leaves_the_call_alone(sleeping: CallHandle) -> None:
    card: Any = make_handle_card(sleeping)
    card._handle_msg(
        {"content": {"data": {"method": "custom", "content": {"type": "hello", "view": "v"}}}, "buffers": []}
    )
    assert card.session.feed.running
    card.close()
    until(lambda: not panel_threads())
    assert sleeping.running()


def test_text_of_a_guest_is_text_in_the_card(specimen: jn.Plugin) -> None:
    handle = specimen.submit("fail", {"message": "<img src=x onerror=alert(1)>\x1b[31m"})
    handle.exception(PATIENCE)
    card = handle_card(handle)
    assert "<img" not in card.html()
    assert "&lt;img" in card.html()
    assert "\x1b" not in card.text() + handle_state(handle).answer


# --- in a saved notebook -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", ["%load_ext judicia_notebook\n", ""])
@pytest.mark.parametrize(
    ("cell", "wait", "said"),
    [
        ("h = p.submit('spin', {'ms': 300})\nh", "h.result()", "in the background · ok"),
        ("h = p.submit('sleep', {'ms': 60_000})\nh", "h.cancel(); h.exception()", "in the background · cancelled"),
        ("h = p.submit('call_host', {'service': 'log', 'n': 300, 'every_ms': 1})\nh", "h.result()", '"ok": 300'),
        ("h = p.submit('echo', 1)\nh.result()\nh", "", "in the background · ok"),
    ],
)
def test_a_saved_notebook_shows_how_the_call_ended(
    load: str, cell: str, wait: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    first = f"{load}import judicia_notebook as jn\nrt = jn.Runtime()\np = rt.load('example:specimen')"
    first += "\np.policy.set_quota(wall='2min', cpu='1min')"
    last = f"{wait}\nimport time; time.sleep(2)"
    book = new_notebook(cells=[new_code_cell(source) for source in (first, cell, last)])
    NotebookClient(book, timeout=PATIENCE, iopub_timeout=PATIENCE).execute()
    snapshot, shown = book.cells[1].outputs
    assert said in snapshot.data["text/plain"]
    assert "To wait for its answer" not in snapshot.data["text/plain"] + snapshot.data["text/html"]
    assert WIDGET in shown.data
    assert not any(one.get("output_type") == "display_data" for one in book.cells[2].outputs)


# --- in a notebook ---------------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(kernel: Kernel) -> Kernel:
    kernel.run("%plugin load example:specimen --wall 2min --cpu 1min")
    return kernel


@pytest.mark.parametrize("prefix", ["", "h = "])
def test_a_call_in_the_background_is_shown_once_and_handed_back(loaded: Kernel, prefix: str) -> None:
    reply = loaded.run(f"{prefix}%plugin call specimen.echo [1] --background")
    assert reply.status == "ok"
    snapshot, shown = reply.shown[:2]
    assert WIDGET in shown
    assert "specimen.echo in the background" in snapshot["text/html"]
    assert reply.value == {}
    assert loaded.value(f"{'h' if prefix else '_'}.result(30)") == [1]


def test_a_handle_that_is_shown_later_follows_its_call_too(loaded: Kernel) -> None:
    loaded.run("h = rt.plugin('specimen').submit('sleep', {'ms': 60000})")
    snapshot, shown = loaded.run("h").shown
    assert WIDGET in shown
    assert "h.cancel()" not in snapshot["text/plain"]
    assert loaded.run("h.cancel(), type(h.exception(30)).__name__").text == "(True, 'Cancelled')"
    ended, _ = loaded.run("h").shown
    assert "Cancelled" in ended["text/plain"]
    assert loaded.run("[h]").text.startswith("[<CallHandle specimen.sleep ended")


def test_a_cell_can_be_sent_in_the_background(loaded: Kernel) -> None:
    reply = loaded.run('%%plugin call specimen.echo --background -o later\n{"a": 2}')
    assert [WIDGET in shown for shown in reply.shown][:2] == [False, True]
    assert loaded.value("later.result(30)") == {"a": 2}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%plugin call specimen.echo --background --expect trap", "one of them, not both"),
    ],
)
def test_what_waits_for_the_end_does_not_go_with_the_background(loaded: Kernel, line: str, said: str) -> None:
    reply = loaded.run(line)
    assert (reply.status, said in reply.output) == ("error", True)
    assert loaded.value("len(rt.calls)") == 0


def test_a_call_that_cannot_be_submitted_raises_in_the_cell(loaded: Kernel) -> None:
    reply = loaded.run("%plugin call specimen.nothing --background")
    assert (reply.error, reply.shown) == ("NoSuchFunction", [])


def test_unloading_the_extension_takes_the_card_away(loaded: Kernel) -> None:
    loaded.run("h = rt.plugin('specimen').submit('echo'); h.result(30)\n%unload_ext judicia_notebook")
    reply = loaded.run("h")
    assert reply.shown == []
    assert reply.text.startswith("<CallHandle specimen.echo ended")
