"""What every live session does, whichever widget it is of: it answers whatever a page says, and raises nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import threads
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.call_card.call_card import HandleSession
from judicia_notebook.notebook.live.charts.charts import ChartSession
from judicia_notebook.notebook.live.panel.panel import PanelSession
from judicia_notebook.notebook.live.session import LiveSession, Send
from tests.support.waiting import PATIENCE

REFUSED: dict[str, dict[str, Any]] = {  # an operation that a widget has, and cannot carry out now
    "panel": {"op": "cancel", "plugin": "nobody", "call": 1},
    "charts": {"op": "choose", "plugin": "nobody"},
    "card": {"op": "cancel", "call": -1},
}


class View:
    """What a browser is to a session."""

    def __init__(self, kind: str, make: Callable[[Send], LiveSession]) -> None:
        self.kind = kind
        self.heard: list[dict[str, Any]] = []
        self.session = make(self.heard.append)

    def say(self, content: object) -> list[str]:
        """Say something; the types of what is heard at once, but for what the feed may tell by itself."""
        start = len(self.heard)
        self.session.receive(content)
        return [one["type"] for one in self.heard[start:] if one["type"] != "frames"]

    def operation(self, plugin: jn.Plugin, call: int) -> dict[str, Any]:
        """One that it carries out."""
        done: dict[str, Any] = {"op": "cancel", "call": call} if self.kind == "card" else {"op": "choose"}
        return {"type": "do", "id": 7, "plugin": plugin.name, **done}


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen")


@pytest.fixture
def handle(specimen: jn.Plugin) -> Iterator[jn.CallHandle]:
    handle = specimen.submit("sleep", {"ms": 60_000}, quota={"wall": "60s"})
    yield handle
    handle.cancel()
    handle.exception(PATIENCE)


@pytest.fixture(params=["panel", "charts", "card"])
def view(request: pytest.FixtureRequest, specimen: jn.Plugin, handle: jn.CallHandle) -> Iterator[View]:
    kinds: dict[str, Callable[[Send], LiveSession]] = {
        "panel": lambda send: PanelSession(specimen, send),
        "charts": lambda send: ChartSession(specimen, send),
        "card": lambda send: HandleSession(handle, send),
    }
    view = View(request.param, kinds[request.param])
    yield view
    view.session.close()


def test_a_view_that_says_hello_is_told_what_holds_and_one_that_is_alive_only_if_it_is_news(view: View) -> None:
    told = "about" if view.kind == "charts" else "state"
    assert told in view.say({"type": "hello", "view": "a"})
    assert told in view.say({"type": "alive", "view": "b"})
    assert view.session.feed.views == 2
    assert view.say({"type": "bye", "view": "a"}) in ([], ["state"], ["beat"])  # nothing but what the feed tells
    assert view.session.feed.views == 1


def test_what_was_done_is_answered_with_a_revision_that_has_it(
    view: View, specimen: jn.Plugin, handle: jn.CallHandle
) -> None:
    view.say({"type": "hello", "view": "a"})
    view.say(view.operation(specimen, handle.call.scope.call_id))
    done = next(one for one in view.heard if one["type"] == "done")
    revisions = [one["revision"] for one in view.heard if one["type"] == "state"]
    assert done["id"] == 7
    assert done["revision"] in (revisions or [0])
    assert revisions == sorted(set(revisions))


def test_what_cannot_be_done_is_refused_with_its_id_and_the_reason(view: View) -> None:
    assert "refused" in view.say({"type": "do", "id": 9, **REFUSED[view.kind]})
    refused = next(one for one in view.heard if one["type"] == "refused")
    assert refused["id"] == 9
    assert refused["error"]["type"] in ("NoSuchPlugin", "PolicyError")
    assert refused["error"]["message"]


@pytest.mark.parametrize("content", [None, [], "hello", {"type": "hello"}, {"type": "do", "id": 1, "op": "format"}])
def test_what_makes_no_sense_is_refused_and_opens_no_view(view: View, content: object) -> None:
    assert view.say(content) == ["refused"]
    assert view.session.feed.views == 0


def test_a_view_for_which_there_is_no_thread_is_told_so(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise jn.ResourceExhausted("no thread")

    monkeypatch.setattr(threads, "start", refuse)
    assert view.say({"type": "hello", "view": "a"}) == ["refused"]
    assert view.heard[-1]["error"]["type"] == "ResourceExhausted"
    assert view.session.feed.views == 0


def test_everything_that_is_said_has_a_declared_shape(view: View, specimen: jn.Plugin, handle: jn.CallHandle) -> None:
    view.say({"type": "hello", "view": "a"})
    view.say(view.operation(specimen, handle.call.scope.call_id))
    view.say(None)
    said = messages.Done | messages.Refused | messages.Whole | messages.Beat | messages.About | messages.Frames
    assert {one["type"] for one in view.heard} >= {"done", "refused"}
    for one in tuple(view.heard):
        assert msgspec.to_builtins(msgspec.convert(one, said)) == one
