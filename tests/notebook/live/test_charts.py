"""The kernel's half of the live charts: what a frame counts, who is told of it, and that nothing is left behind.

What a browser draws of it is looked at in tests/browser.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.live.call_card.call_card import make_handle_card
from judicia_notebook.notebook.live.charts.charts import ChartSession
from judicia_notebook.notebook.live.charts.frames import LAST_OUTCOMES, Frame, FrameReader
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


class View:
    """What a browser is to charts: it says hello and bye, and keeps what it is told."""

    def __init__(self, source: jn.Plugin | jn.Runtime) -> None:
        self.heard: list[dict[str, Any]] = []
        self.session = ChartSession(source, self.heard.append)

    def say(self, kind: str, view: str = "view") -> None:
        self.session.receive({"type": kind, "view": view})

    def of(self, kind: str, view: str = "") -> list[dict[str, Any]]:
        return [one for one in tuple(self.heard) if one["type"] == kind and one.get("view", "") == view]

    def frames(self, view: str = "") -> list[dict[str, Any]]:
        return [frame for one in self.of("frames", view) for frame in json.loads(one["frames"])]


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", grant=["random"])


@pytest.fixture
def reader(rt: jn.Runtime, specimen: jn.Plugin) -> FrameReader:
    specimen.call("echo")
    return FrameReader(rt._recorder, "specimen")


@pytest.fixture
def view(specimen: jn.Plugin) -> Iterator[View]:
    view = View(specimen)
    yield view
    view.session.close()


# --- frames ----------------------------------------------------------------------------------------------------------


def test_a_frame_has_every_call_and_host_call_since_the_one_before(reader: FrameReader, specimen: jn.Plugin) -> None:
    specimen.call("call_host", {"service": "random", "n": 3})
    specimen.call("call_host", {"service": "clock", "n": 2})
    specimen.attempt("trap")
    specimen.attempt("spin", {"ms": 5000}, quota={"cpu": "5ms"})
    handle = specimen.submit("sleep", {"ms": 60_000})
    handle.cancel()
    handle.exception(PATIENCE)
    frame = reader.read(specimen)
    assert (frame.ended, frame.outcomes) == (5, "odxqc")
    assert (frame.host["random"], frame.host["wall_clock"]) == ((3, 0), (2, 2))
    again = reader.read(specimen)
    assert (again.ended, again.outcomes, again.host, again.memory, again.cpu) == (0, "", {}, None, None)
    assert again.at >= frame.at


def test_a_frame_has_the_largest_use_of_the_calls_that_ended_and_its_own_limit(
    reader: FrameReader, specimen: jn.Plugin
) -> None:
    specimen.call("grow", {"bytes": 1 << 20}, quota={"memory": "8MiB"})
    grown = specimen.last
    specimen.call("spin", {"ms": 20}, quota={"cpu": "700ms"})
    busy = specimen.last
    specimen.call("echo")
    assert grown is not None
    assert busy is not None
    frame = reader.read(specimen)
    assert frame.memory == grown.memory_peak_bytes
    assert frame.cpu == pytest.approx(busy.cpu_ms / 1e3, abs=1e-6)
    assert (frame.memory_limit, frame.cpu_limit) == (8 << 20, 0.7)
    idle = reader.read(specimen)
    assert (idle.memory_limit, idle.cpu_limit) == (specimen.policy.quota.memory, specimen.policy.quota.cpu)


def test_a_running_call_is_in_the_frame_with_what_it_uses_so_far(reader: FrameReader, specimen: jn.Plugin) -> None:
    specimen.policy.set_quota(cpu="60s", wall="60s")
    handle, waiting = specimen.submit("spin", {"ms": 60_000}), specimen.submit("echo")

    def far_enough() -> Frame | None:
        frame = reader.read(specimen)
        return frame if frame.running and (frame.cpu or 0) > 0.01 else None

    frame = until(far_enough)
    assert (frame.running, frame.waiting, frame.ended) == (1, 1, 0)
    assert (frame.memory or 0) > 0
    assert frame.cpu_limit == 60.0
    handle.cancel()
    waiting.result(PATIENCE)


def test_calls_of_other_plugins_are_in_no_frame(rt: jn.Runtime, reader: FrameReader, specimen: jn.Plugin) -> None:
    other = rt.load("example:specimen", name="other", grant=["random"])
    other.call("call_host", {"service": "random", "n": 3})
    specimen.call("echo")
    frame = reader.read(specimen)
    assert (frame.ended, frame.outcomes, frame.host) == (1, "o", {})


def test_of_very_many_calls_all_are_counted_and_the_last_are_named(reader: FrameReader, specimen: jn.Plugin) -> None:
    for _ in range(3 * LAST_OUTCOMES):
        specimen.call("echo")
    specimen.attempt("trap")
    frame = reader.read(specimen)
    assert frame.ended == 3 * LAST_OUTCOMES + 1
    assert frame.outcomes == "o" * (LAST_OUTCOMES - 1) + "x"


# --- views -----------------------------------------------------------------------------------------------------------


def chart_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("judicia-panel")]


def test_without_a_view_there_is_no_thread_and_with_the_last_one_it_ends(view: View) -> None:
    before = set(chart_threads())
    assert not view.session.feed.running
    view.say("hello", "one")
    view.say("hello", "two")
    assert view.session.feed.views == 2
    assert len(set(chart_threads()) - before) == 1
    view.say("bye", "one")
    assert view.session.feed.running
    view.say("bye", "two")
    assert not view.session.feed.running
    until(lambda: set(chart_threads()) <= before)


def test_a_view_is_told_what_it_shows_and_then_what_happens(view: View, specimen: jn.Plugin) -> None:
    specimen.call("echo")
    view.say("hello")
    about = view.of("about", "view")[-1]
    assert (about["plugin"], about["outcomes"], about["choices"]) == ("specimen", "o", None)
    until(view.frames)
    specimen.call("call_host", {"service": "random", "n": 5})
    until(lambda: sum(frame.get("host", {}).get("random", [0])[0] for frame in view.frames()) == 5)
    assert sum(frame.get("ended", 0) for frame in view.frames()) == 1
    assert max(len(one["frames"]) for one in view.of("frames")) < 1000


def test_a_view_that_comes_later_is_told_what_the_others_saw(view: View, specimen: jn.Plugin) -> None:
    view.say("hello", "one")
    handle = specimen.submit("sleep", {"ms": 60_000})
    until(lambda: len(view.frames()) > 40)
    view.say("hello", "two")
    handle.cancel()
    caught_up = view.frames("two")
    assert len(caught_up) > 40
    assert caught_up == view.frames()[: len(caught_up)]
    assert len(view.of("frames", "two")) > 1
    assert max(len(one["frames"]) for one in view.of("frames", "two")) < 10_000
    handle.exception(PATIENCE)


def test_a_quiet_plugin_is_heard_of_now_and_then_so_that_the_page_knows_the_kernel_is_there(view: View) -> None:
    view.say("hello")
    until(lambda: len(view.frames()) >= 3)
    ats = [frame["at"] for frame in view.frames()]
    assert ats == sorted(ats)
    assert ats[2] - ats[1] > 0.5


def test_an_unloaded_plugin_is_said_to_be_and_harms_nothing(view: View, specimen: jn.Plugin) -> None:
    view.say("hello")
    until(view.frames)
    specimen.unload()
    until(lambda: view.of("about")[-1]["state"] == "unloaded")
    seen = len(view.frames())
    until(lambda: len(view.frames()) > seen)


@pytest.mark.parametrize(
    "content",
    [None, "hello", {}, {"type": "hello"}, {"type": "do", "id": 1, "op": "grant", "grants": ["random"]}, {"type": 7}],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(view: View, specimen: jn.Plugin, content: object) -> None:
    version = specimen.policy.version
    view.session.receive(content)
    assert [one["type"] for one in view.heard] == ["refused"]
    assert specimen.policy.version == version
    assert not view.session.feed.running


def test_charts_of_a_runtime_begin_anew_with_each_plugin_that_is_chosen(rt: jn.Runtime) -> None:
    view = View(rt)
    view.say("hello")
    assert (view.of("about")[-1]["plugin"], view.frames()) == ("", [])
    rt.load("example:specimen")
    other = rt.load("example:specimen", name="other")
    until(lambda: view.of("about")[-1]["choices"] == ["specimen", "other"])
    first = view.of("about")[-1]
    view.session.receive({"type": "do", "id": 1, "op": "choose", "plugin": "other"})
    second = view.of("about")[-1]
    assert (first["plugin"], second["plugin"]) == ("specimen", "other")
    assert second["epoch"] > first["epoch"]
    other.call("echo")
    until(lambda: sum(json.loads(one["frames"])[0].get("ended", 0) for one in view.of("frames")) == 1)
    assert view.of("frames")[-1]["epoch"] == second["epoch"]
    view.session.receive({"type": "do", "id": 2, "op": "choose", "plugin": "nobody"})
    assert "There is: other, specimen." in json.dumps(view.of("refused")[-1])
    view.session.close()


def test_charts_need_no_frame_of_pandas() -> None:
    program = """if True:
        import sys, time, judicia_notebook as jn
        from judicia_notebook.notebook.live.charts.charts import ChartSession
        with jn.Runtime() as rt:
            p = rt.load("example:specimen")
            heard = []
            session = ChartSession(p, heard.append)
            session.receive({"type": "hello", "view": "view"})
            p.call("echo")
            until = time.monotonic() + 30
            while len(heard) < 4 and time.monotonic() < until:
                time.sleep(0.01)
            session.close()
        print(len(heard) >= 4, [name for name in ("pandas", "IPython", "anywidget") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "True []\n", done.stderr


# --- the widget ------------------------------------------------------------------------------------------------------


def test_the_widget_listens_to_its_page_until_it_is_closed(specimen: jn.Plugin) -> None:
    charts: Any = specimen.charts(scale=1.6)
    assert charts.scale == 1.6
    hello = {"content": {"data": {"method": "custom", "content": {"type": "hello", "view": "v"}}}, "buffers": []}
    charts._handle_msg(hello)
    assert charts.session.feed.running
    charts.close()
    assert not charts.session.feed.running
    charts._handle_msg(hello)
    assert not charts.session.feed.running


def test_a_page_without_a_kernel_has_the_numbers_as_a_table(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    specimen.call("call_host", {"service": "clock", "n": 7})
    specimen.attempt("trap")
    charts: Any = specimen.charts()
    shown = charts._repr_mimebundle_()[0]
    for part in ("Charts of specimen", "wall_clock", "denied", "7", "trap", "16 MiB"):
        assert part in shown["text/plain"]
        assert part in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert repr(charts) == "<Charts of specimen>"
    charts.close()
    empty: Any = jn.Runtime().charts()
    assert "%plugin load" in empty._repr_mimebundle_()[0]["text/plain"]
    empty.close()


@pytest.mark.parametrize("scale", [0, 0.4, 5, float("nan")])
def test_a_scale_that_nobody_can_read_is_refused(specimen: jn.Plugin, scale: float) -> None:
    with pytest.raises(ValueError, match="scale is a number from"):
        specimen.charts(scale=scale)


@pytest.mark.parametrize("line", ["%plugin charts", "%plugin charts specimen --scale 1.6", "rt.charts()", "p.charts()"])
def test_charts_are_shown_in_a_notebook_and_leave_no_thread_where_nobody_looks(kernel: Kernel, line: str) -> None:
    # Panels that other tests have shown in this kernel are served until their lease has run out.
    kernel.run("p = %plugin load example:specimen\nimport threading\nbefore = set(threading.enumerate())")
    snapshot, shown = kernel.run(line).shown
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "Charts of specimen" in snapshot["text/html"]
    new = "[t.name for t in set(threading.enumerate()) - before if t.name.startswith('judicia-panel')]"
    assert kernel.value(new) == []


def test_each_page_keeps_its_own_style_beside_the_others(specimen: jn.Plugin) -> None:
    made: list[Any] = [specimen.charts(), specimen.panel(), make_handle_card(specimen.submit("echo"))]
    assert len({one._anywidget_id for one in made}) == len(made)
    assert len({one.get_state()["_anywidget_id"] for one in made}) == len(made)
    for one in made:
        one.close()
