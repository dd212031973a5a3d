"""The kernel's half of the live panel: what the page may ask for, what it is told, and that nothing is left behind.

A `Page` stands in for the browser at the comm. What a browser makes of
the same messages is the business of tests/browser.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine import interrupts
from judicia_notebook.notebook.live.feed import Feed
from judicia_notebook.notebook.live.panel.panel import PanelSession
from judicia_notebook.notebook.live.quota_rows import RANGES
from judicia_notebook.policy.quotas import KINDS, make_quota
from tests.support.panel_page import Page
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


@pytest.fixture
def runtime() -> Iterator[jn.Runtime]:
    with jn.Runtime() as runtime:
        yield runtime


@pytest.fixture
def specimen(runtime: jn.Runtime) -> jn.Plugin:
    return runtime.load("example:specimen")


@pytest.fixture
def page(specimen: jn.Plugin) -> Iterator[Page]:
    page = Page(specimen.panel())
    page.hello()
    yield page
    page.panel.close()


def panel_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("judicia-panel")]


# --- the kernel is the truth -----------------------------------------------------------------------------------------


def test_hello_is_answered_with_the_whole_state(specimen: jn.Plugin, page: Page) -> None:
    revision, state = page.states()[0]
    assert (revision, state["plugin"], state["on_denied"], state["first_tab"]) == (1, "specimen", "error", "running")
    assert {row["name"]: row["granted"] for row in state["capabilities"]} == {"wall_clock": False, "random": False}
    assert {row["kind"]: row["value"] for row in state["quotas"]} == {
        kind: getattr(specimen.policy.quota, kind) for kind in RANGES
    }


def test_a_click_is_done_when_a_state_of_its_revision_shows_it(specimen: jn.Plugin, page: Page) -> None:
    done = page.do("grant", grants=["wall_clock"])
    assert specimen.policy.granted == {"wall_clock"}
    granted = {revision: _granted(state) for revision, state in page.states()}
    assert (granted[1], granted[done["revision"]]) == (set(), {"wall_clock"})
    told = [one["revision"] for one in page.heard[: page.heard.index(done)] if one["type"] == "state"]
    assert done["revision"] in told, "the state comes before the word that it is there"


def _granted(state: dict[str, Any]) -> set[str]:
    return {row["name"] for row in state["capabilities"] if row["granted"]}


def test_what_anybody_changes_is_sent_at_once(specimen: jn.Plugin, page: Page) -> None:
    specimen.policy.grant("random")
    assert _granted(page.state) == {"random"}
    specimen.policy.set_quota(cpu="20ms")
    assert (page.quota("cpu")["value"], page.quota("cpu")["text"]) == (0.02, "20ms")
    specimen.policy.on_denied = "trap"
    assert page.state["on_denied"] == "trap"


def test_two_panels_agree(specimen: jn.Plugin, page: Page) -> None:
    other = Page(specimen.panel())
    try:
        other.hello()
        other.do("grant", grants=["random"])
        page.do("grant", grants=["wall_clock"])
        assert _granted(page.state) == _granted(other.state) == {"random", "wall_clock"}
    finally:
        other.panel.close()


def test_revisions_rise_and_the_last_state_is_the_policy_whoever_changes_it(specimen: jn.Plugin, page: Page) -> None:
    def toggle(capability: str) -> None:
        for _ in range(50):
            specimen.policy.grant(capability)
            specimen.policy.revoke(capability)

    threads = [threading.Thread(target=toggle, args=(name,)) for name in ("random", "wall_clock")]
    for thread in threads:
        thread.start()
    for _ in range(20):
        page.do("grant", grants=["network_access"])
        page.do("revoke", grants=["network_access"])
    for thread in threads:
        thread.join(PATIENCE)
    specimen.policy.grant("random")
    revisions = [revision for revision, _ in page.states()]
    assert revisions == sorted(set(revisions))
    assert _granted(page.state) == {"random"} == specimen.policy.granted


def test_changes_by_the_panel_stand_in_the_audit_as_such(specimen: jn.Plugin, page: Page) -> None:
    page.do("grant", grants=["wall_clock"])
    page.do("set_quota", kind="cpu", value="20ms")
    audit = specimen.audit
    made = audit[audit["via"] == "panel"]
    assert list(zip(made["what"], made["detail"], strict=True)) == [("grant", "wall_clock"), ("quota", "cpu=0.02")]
    assert [(row["what"], row["by"]) for row in page.state["audit"]][:2] == [("quota", "panel"), ("grant", "panel")]
    specimen.call("call_host", {"service": "random", "n": 1})
    number = int(specimen.calls["call_id"].iloc[-1])
    page.do("revoke", grants=["wall_clock"])
    shown = [(row["what"], row["by"]) for row in page.state["audit"]][:2]
    assert shown == [("revoke", "panel"), ("denied", f"plugin, call {number}")]


# --- what may be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        None,
        "grant",
        {},
        {"type": "state", "revision": 9},
        {"type": "hello"},
        {"type": "hello", "view": 3},
        {"type": "hello", "view": "v" * 1000},
        {"type": "do"},
        {"type": "do", "id": 1},
        {"type": "do", "id": 1, "op": "eval", "plugin": "specimen"},
        {"type": "do", "id": [1], "op": "grant", "plugin": "specimen", "grants": ["random"]},
        {"type": "do", "id": 1, "op": "grant", "plugin": "specimen", "grants": "random"},
        {"type": "do", "id": 1, "op": "grant", "plugin": "specimen", "grants": [7]},
        {"type": "do", "id": 1, "op": "grant", "plugin": "specimen"},
        {"type": "do", "id": 1, "op": "grant", "plugin": "specimen", "grants": ["fly"]},
        {"type": "do", "id": 1, "op": "grant", "plugin": "another", "grants": ["random"]},
        {"type": "do", "id": 1, "op": "grant", "grants": ["random"]},
        {"type": "do", "id": 1, "op": "scope", "plugin": "specimen", "capability": "random", "scopes": ["x"]},
        {"type": "do", "id": 1, "op": "scope", "plugin": "specimen", "capability": "network_access", "scopes": []},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "luck", "value": 1},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "cpu", "value": "50"},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "cpu", "value": -1},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "fuel", "value": 1e300},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "fuel", "value": "many"},
        {"type": "do", "id": 1, "op": "set_quota", "plugin": "specimen", "kind": "payload", "value": None},
        {"type": "do", "id": 1, "op": "on_denied", "plugin": "specimen", "value": "ignore"},
        {"type": "do", "id": 1, "op": "preset", "plugin": "specimen", "preset": "all"},
        {"type": "do", "id": 1, "op": "cancel", "plugin": "specimen", "call": "1"},
        {"type": "do", "id": 1, "op": "undo", "plugin": "specimen"},
        {"type": "do", "id": 1, "op": "call", "plugin": "specimen", "function": "nothing"},
        {"type": "do", "id": 1, "op": "call", "plugin": "specimen", "function": "echo", "payload": "{"},
        {"type": "do", "id": 1, "op": "call", "plugin": "specimen", "function": "echo", "every_ms": 0},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(specimen: jn.Plugin, page: Page, message: object) -> None:
    before = specimen.policy.state
    page.say(message)
    answers = [one for one in page.heard if one["type"] not in ("state", "beat")]
    assert [answer["type"] for answer in answers] == ["refused"]
    assert answers[0]["error"]["message"]
    assert specimen.policy.state is before
    assert len(specimen.calls) == 0


def test_a_quota_above_the_ceiling_is_refused_with_its_hint(specimen: jn.Plugin, page: Page) -> None:
    error = page.do("set_quota", kind="cpu", value="90min")["error"]
    assert error["type"] == "PolicyError"
    assert "ceiling" in error["message"]
    assert "jn.Runtime(ceiling=" in error["hint"]
    assert specimen.policy.quota.cpu == 1.0


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("memory", 131072, 131072),
        ("memory", "8MiB", 8 << 20),
        ("cpu", 0.25, 0.25),
        ("cpu", " 50ms ", 0.05),
        ("wall", "none", None),
        ("fuel", "12 840", 12840),
        ("fuel", 2000.0, 2000),
        ("host_call_rate", "10", 10),
    ],
)
def test_a_quota_is_set_as_typed_or_dragged(
    specimen: jn.Plugin, page: Page, kind: str, value: object, expected: object
) -> None:
    assert page.do("set_quota", kind=kind, value=value)["type"] == "done"
    assert getattr(specimen.policy.quota, kind) == expected
    assert page.quota(kind)["value"] == expected


def test_a_quota_that_there_is_not_is_named() -> None:
    from judicia_notebook.notebook.live.quota_rows import typed

    with pytest.raises(jn.PolicyError, match=r"no quota 'fule'.*'fuel'"):
        typed("fule", "1")


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("value", [0, 1, 7, 999, 65536, 16777217, 3 << 20, 123_456_789])
def test_what_a_field_shows_reads_back_as_the_same_quota(kind: str, value: int) -> None:
    from judicia_notebook.notebook.live.quota_rows import typed

    number = value / 1e6 if kind in ("cpu", "wall") else value
    assert getattr(make_quota({kind: typed(kind, KINDS[kind].write(number))}), kind) == number


def test_a_revoke_takes_all_scopes_and_a_scope_exchanges_them(specimen: jn.Plugin, page: Page) -> None:
    page.do("grant", grants=["read_database=users", "random"])
    page.do("scope", capability="read_database", scopes=["submissions", "contests"])
    assert specimen.policy.grants == {"read_database": ("submissions", "contests"), "random": ()}
    page.do("widen", capability="read_database")
    assert specimen.policy.grants == {"read_database": ("submissions", "contests"), "random": ()}
    assert page.capability("read_database")["bare"]
    page.do("grant", grants=["read_database=users"])
    page.do("revoke", grants=["read_database"])
    assert specimen.policy.granted == {"random"}


def test_presets_grant_nothing_what_it_asks_for_or_everything(specimen: jn.Plugin, page: Page) -> None:
    page.do("grant", grants=["network_access=https://example.org"])
    page.do("preset", preset="everything")
    assert set(specimen.policy.grants) == set(CAPABILITIES)
    assert specimen.policy.grants["network_access"] == ("https://example.org",)
    page.do("preset", preset="asked")
    assert specimen.policy.granted == {"wall_clock", "random"}
    page.do("preset", preset="nothing")
    assert specimen.policy.granted == frozenset()


def test_undo_takes_back_the_panels_last_change_and_no_one_elses(specimen: jn.Plugin, page: Page) -> None:
    specimen.policy.grant("random", "wall_clock")
    page.do("set_quota", kind="cpu", value="20ms")
    page.do("preset", preset="everything")
    page.do("on_denied", value="trap")
    specimen.policy.revoke("random")  # by somebody else, meanwhile
    specimen.policy.set_quota(memory="8MiB")
    assert page.do("undo")["type"] == "done"
    assert specimen.policy.on_denied == "error"
    page.do("undo")
    assert specimen.policy.granted == {"wall_clock"}, "what was revoked meanwhile stays revoked"
    page.do("undo")
    assert (specimen.policy.quota.cpu, specimen.policy.quota.memory) == (1.0, 8 << 20)
    assert page.state["undo"] == ""
    assert page.do("undo")["type"] == "refused"


def test_a_drag_is_one_step(specimen: jn.Plugin, page: Page) -> None:
    for value in (0.5, 0.2, 0.1):
        page.do("set_quota", kind="cpu", value=value, drag="first")
    page.do("set_quota", kind="cpu", value=0.05, drag="second")
    page.do("undo")
    assert specimen.policy.quota.cpu == 0.1
    page.do("undo")
    assert specimen.policy.quota.cpu == 1.0


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_is_made_in_the_background_and_answered(specimen: jn.Plugin, page: Page) -> None:
    page.do("call", function="echo", payload='{"a": [1, "<b>"]}')
    answer = until(lambda: page.state["answer"])
    assert (answer["ok"], json.loads(answer["text"])) == (True, {"a": [1, "<b>"]})
    assert answer["cost"].startswith("specimen.echo: ok")
    assert list(specimen.calls["origin"]) == ["panel"]
    assert specimen.calls["thread"][0] != threading.main_thread().name


def test_a_call_that_fails_says_why(specimen: jn.Plugin, page: Page) -> None:
    page.do("call", function="fail", payload='{"message": "<script>no</script>"}')
    answer = until(lambda: page.state["answer"])
    assert not answer["ok"]
    assert "<script>no</script>" in answer["text"]
    assert page.state["calls"][0]["outcome"] == "guest_error"


def test_a_repetition_goes_on_through_denials_until_it_is_stopped(specimen: jn.Plugin, page: Page) -> None:
    specimen.policy.on_denied = "trap"
    page.do("call", function="call_host", payload='{"service": "clock"}', every_ms=1)
    until(lambda: (page.state["answer"] or {}).get("failed", 0) > 2)
    page.do("grant", grants=["wall_clock"])
    until(lambda: page.state["answer"]["ok"])
    page.do("stop")
    assert page.state["repeating"] == ""
    until(lambda: panel_threads() == ["judicia-panel"] and not specimen._deployment.is_busy)


def test_a_running_call_is_shown_and_cancelled(specimen: jn.Plugin, page: Page) -> None:
    handle = specimen.submit("sleep", {"ms": 100_000}, quota={"wall": 60})
    row = until(lambda: [row for row in page.state["running"] if not row["waiting"]])[0]
    assert (row["function"], row["origin"]) == ("sleep", "user")
    assert page.do("cancel", call=row["call"])["type"] == "done"
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    until(lambda: not page.state["running"])
    assert page.do("cancel", call=row["call"])["type"] == "done", "there is nothing left to end"


def test_a_quota_set_by_the_panel_ends_a_run(specimen: jn.Plugin, page: Page) -> None:
    specimen.policy.set_quota(cpu="60s", wall="120s")
    handle = specimen.submit("spin", {"ms": 60_000})
    until(lambda: page.state["running"])
    page.do("set_quota", kind="cpu", value=0.02)
    assert isinstance(handle.exception(PATIENCE), jn.QuotaExceeded)
    assert until(lambda: page.state["calls"])[0]["outcome"] == "quota_cpu"


# --- what it shows ---------------------------------------------------------------------------------------------------


def test_counters_and_last_rows_are_those_of_the_frames(specimen: jn.Plugin, page: Page) -> None:
    for round_ in range(30):
        specimen.call("call_host", {"service": "clock", "n": 20})
        if round_ == 10:
            specimen.policy.grant("wall_clock")
        if round_ % 7 == 0:
            specimen.call("log", {"n": 3, "message": f"round {round_}"})
            page.hello()  # reads what is new
    page.hello()
    by_decision = specimen.host_calls[specimen.host_calls["capability"] == "wall_clock"]["decision"].value_counts()
    clock = page.capability("wall_clock")
    assert (clock["allowed"], clock["denied"]) == (by_decision["allowed"], by_decision["denied"]) == (380, 220)
    assert page.state["calls_made"] == len(specimen.calls)
    assert [row["call"] for row in page.state["calls"]] == specimen.calls["call_id"].tolist()[::-1][:20]
    assert [row["text"] for row in page.state["log"]] == specimen.logs["message"].tolist()[::-1]


def test_requested_imported_and_granted_are_told_apart(specimen: jn.Plugin, page: Page) -> None:
    page.do("grant", grants=["network_access=https://example.org"])
    rows = {row["name"]: (bool(row["asked"]), row["imported"], row["granted"]) for row in page.state["capabilities"]}
    assert rows == {
        "network_access": (False, False, True),
        "wall_clock": (True, True, False),
        "random": (True, True, False),
    }


def test_what_a_guest_writes_is_cut_and_made_printable(specimen: jn.Plugin, page: Page) -> None:
    specimen.call("log", {"n": 1, "message": "\u202e<img src=x>\x1b[31m" + "x" * 5000})
    page.hello()
    text = page.state["log"][0]["text"]
    assert text.startswith("\ufffd<img src=x>\ufffd[31m")
    assert len(text) < 500


def test_the_runtimes_panel_shows_the_plugin_that_is_chosen(runtime: jn.Runtime) -> None:
    page = Page(runtime.panel())
    try:
        page.hello()
        assert (page.state["plugin"], page.state["choices"]) == ("", [])
        checker = runtime.load("example:checker")
        specimen = runtime.load("example:specimen")
        until(lambda: len(page.state["choices"]) == 2)
        assert page.state["plugin"] == "checker"
        page.do("choose", plugin="specimen")
        assert page.state["plugin"] == "specimen"
        page.do("grant", plugin="checker", grants=["random"])  # was asked for before the choice was confirmed
        assert checker.policy.granted == {"random"}
        assert specimen.policy.granted == frozenset()
        assert page.do("choose", plugin="nobody")["error"]["type"] == "NoSuchPlugin"
        specimen.unload()
        until(lambda: page.state["plugin"] == "checker")
        checker.policy.grant("wall_clock")
        assert _granted(page.state) == {"random", "wall_clock"}
    finally:
        page.panel.close()


def test_a_runtimes_panel_has_a_row_that_follows_each_plugin_also_one_that_is_not_shown(runtime: jn.Runtime) -> None:
    runtime.load("example:checker")
    specimen = runtime.load("example:specimen", quota={"wall": "1min"})
    page = Page(runtime.panel())
    try:
        page.hello()
        assert page.state["plugin"] == "checker"
        specimen.attempt("fail", {"message": "no"})
        handle = specimen.submit("sleep", {"ms": 60_000})
        until(lambda: page.state["choices"][1]["running"] == 1)
        row = page.state["choices"][1]
        assert (row["name"], row["last"], row["ok"]) == ("specimen", "fail: guest_error", False)
        handle.cancel()
        until(lambda: page.state["choices"][1]["last"] == "sleep: cancelled")
        assert page.state["choices"][0] == {
            "name": "checker",
            "state": "loaded",
            "running": 0,
            "waiting": 0,
            "last": "",
            "ok": True,
        }
    finally:
        page.panel.close()


def test_an_unloaded_plugin_is_shown_as_such_and_changes_no_more(specimen: jn.Plugin, page: Page) -> None:
    specimen.unload()
    assert page.do("grant", grants=["random"])["error"]["type"] == "PluginNotReady"
    page.hello()
    assert page.state["state"] == "unloaded"


# --- without a kernel, and afterwards --------------------------------------------------------------------------------


def test_a_saved_notebook_shows_a_static_table(specimen: jn.Plugin) -> None:
    specimen.policy.grant("network_access=https://example.org/?".rstrip("?"))
    specimen.attempt("fail", {"message": "<script>no</script>"})
    panel = specimen.panel()
    try:
        bundle = (panel._repr_mimebundle_() or ({},))[0]
    finally:
        panel.close()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for words in ("wall_clock", "https://example.org/", "16MiB", "guest_error"):
        assert words in bundle["text/plain"]
        assert words in bundle["text/html"]
    assert "<script" not in bundle["text/html"]


def test_without_a_view_there_is_neither_thread_nor_observer(specimen: jn.Plugin) -> None:
    until(lambda: panel_threads() == [])  # those of an earlier test may have a beat to finish
    watching = list(specimen.policy._observers)
    page = Page(specimen.panel())
    assert panel_threads() == []
    page.hello("one")
    page.hello("two")
    assert panel_threads() == ["judicia-panel"]
    page.say({"type": "bye", "view": "one"})
    specimen.policy.grant("random")
    assert _granted(page.state) == {"random"}
    page.say({"type": "bye", "view": "two"})
    until(lambda: panel_threads() == [])
    heard = len(page.heard)
    specimen.policy.grant("wall_clock")
    assert len(page.heard) == heard
    assert specimen.policy._observers == watching
    page.panel.close()


def test_closing_a_panel_ends_what_it_keeps_going(specimen: jn.Plugin) -> None:
    page = Page(specimen.panel())
    page.hello()
    page.do("call", function="sleep", payload='{"ms": 100000}', every_ms=10)
    until(lambda: specimen._deployment.is_busy)
    page.panel.close()
    until(lambda: not specimen._deployment.is_busy and panel_threads() == [])
    page.hello()
    assert panel_threads() == []


def test_closing_a_panel_cancels_the_call_it_made(specimen: jn.Plugin) -> None:
    page = Page(specimen.panel())
    page.hello()
    page.do("call", function="sleep", payload='{"ms": 100000}')
    until(lambda: specimen._deployment.is_busy)
    page.panel.close()
    assert until(lambda: specimen.last).outcome == "cancelled"


def test_a_view_that_was_given_up_comes_back_with_its_next_word(specimen: jn.Plugin, page: Page) -> None:
    page.say({"type": "bye", "view": "view"})
    specimen.policy.grant("random")
    page.say({"type": "alive", "view": "view"})
    assert _granted(page.state) == {"random"}


def test_a_silent_view_is_given_up_but_not_while_the_kernel_cannot_listen(specimen: jn.Plugin) -> None:
    seen: list[tuple[bool, int]] = []
    feed = Feed(
        lambda: seen.append((interrupts.in_foreground() is not None, feed.views)),
        opened=lambda: None,
        closed=lambda: None,
        seconds=0.002,
        lease=0.01,
    )

    def in_the_foreground() -> list[int]:
        return [views for foreground, views in seen if foreground]

    def watch() -> None:
        until(interrupts.in_foreground)
        feed.hear("view")
        until(lambda: len(in_the_foreground()) > 50)
        specimen.cancel_calls()

    thread = threading.Thread(target=watch)
    thread.start()
    with pytest.raises(jn.Cancelled):
        specimen.call("sleep", {"ms": 100_000}, quota={"wall": 60})
    thread.join(PATIENCE)
    assert set(in_the_foreground()) == {1}
    until(lambda: not feed.running)


def test_a_kernel_that_hides_a_message_from_the_shell_it_is_for_is_told_not_to(specimen: jn.Plugin) -> None:
    from judicia_notebook.notebook.live.widget import answer_where_asked

    class Comm:
        def _reply_subshell_for(self, data: object, default: object) -> object:
            return None

    comm = Comm()
    answer_where_asked(comm)
    assert comm._reply_subshell_for("data", "browser's") == "browser's"


def test_a_panel_whose_page_is_gone_stands_in_nobodys_way(specimen: jn.Plugin) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no comm")

    session = PanelSession(specimen, broken)
    session.receive({"type": "hello", "view": "view"})
    specimen.policy.grant("random")
    session.receive({"type": "do", "id": 1, "op": "grant", "plugin": "specimen", "grants": ["wall_clock"]})
    session.close()
    assert specimen.policy.granted == {"random", "wall_clock"}


def test_a_tab_or_scale_that_does_not_exist_is_an_error(specimen: jn.Plugin) -> None:
    with pytest.raises(ValueError, match="Did you mean 'audit'"):
        specimen.panel(show="audits")
    with pytest.raises(ValueError, match="scale"):
        specimen.panel(scale=0)


# --- in a kernel -----------------------------------------------------------------------------------------------------


def test_plugin_panel_shows_a_widget_and_its_table(kernel: Kernel) -> None:
    kernel.run("%plugin load example:specimen")
    snapshot, shown = kernel.run("%plugin panel specimen --show call --scale 1.6").shown
    assert set(shown) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert set(snapshot) == {"text/html", "text/plain"}
    assert "wall_clock" in snapshot["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in kernel.run("%plugin panel").shown[1]
    wrong = kernel.run("%plugin panel specimen --show audits")
    assert wrong.status == "error"
    assert "Did you mean 'audit'" in wrong.output
    assert kernel.run("%plugin panel specimen --scale 0").status == "error"
    assert "%plugin panel specimen --show " + "audit" in kernel.complete("%plugin panel specimen --show a")


# --- it follows a name, and not what had it before -------------------------------------------------------------------


def test_a_panel_follows_its_plugins_name_through_unload_and_load(runtime: jn.Runtime, page: Page) -> None:
    runtime.unload("specimen")
    assert until(lambda: page.state["state"] == "unloaded")
    refused = page.do("grant", grants=["random"])
    assert "unloaded" in refused["error"]["message"]
    anew = runtime.load("example:specimen")
    assert until(lambda: page.state["state"] != "unloaded")
    assert page.do("grant", grants=["random"])["type"] == "done"
    assert anew.policy.state.allows("random")
    assert page.capability("random")["granted"]
    reloaded = runtime.reload("specimen")
    assert reloaded is anew
    assert until(lambda: page.state["policy_version"] == anew.policy.version)


def test_what_was_meant_for_the_plugin_that_had_the_name_changes_nothing(runtime: jn.Runtime, page: Page) -> None:
    for capability in ("random", "wall_clock"):
        page.do("grant", view="view", grants=[capability])
    seen = page.state["policy_version"]
    runtime.unload("specimen")
    anew = runtime.load("example:specimen", quota={"cpu": "50ms"})
    before = anew.policy.state
    for fields in (
        {"op": "grant", "grants": ["random"]},
        {"op": "widen", "capability": "random"},
        {"op": "set_quota", "kind": "cpu", "value": "1s"},
        {"op": "preset", "preset": "asked"},
        {"op": "undo", "step": seen},
    ):
        assert page.do(**fields, view="view", seen=seen)["type"] == "refused", fields
    assert anew.policy.state is before
    page.hello()
    assert page.do("grant", view="view", grants=["random"], seen=page.state["policy_version"])["type"] == "done"


# --- what is used, and what is asked of a function --------------------------------------------------------------------


def test_what_is_used_is_told_linearly_of_the_limit(specimen: jn.Plugin, page: Page) -> None:
    specimen.policy.set_quota(memory="8MiB", fuel=None)
    specimen.call("grow", {"bytes": 3 << 20})
    page.hello()
    memory, fuel = page.quota("memory"), page.quota("fuel")
    last = specimen.last
    assert last is not None
    assert memory["share"] == pytest.approx((last.memory_peak_bytes or 0) / (8 << 20))
    assert (memory["of"], fuel["share"], fuel["of"]) == ("8 MiB", None, "")


def test_a_function_comes_with_its_fields_and_a_payload_that_it_takes(specimen: jn.Plugin, page: Page) -> None:
    functions = {row["name"]: row for row in page.state["functions"]}
    row = functions["call_host"]
    assert row["about"].startswith("Calls a service")
    assert (row["fields"][0]["name"], row["fields"][0]["needed"]) == ("service", True)
    assert row["fields"][0]["kind"] == 'one of "clock", "random", "log"'
    assert json.loads(row["sample"]) == {"service": "clock", "n": 1, "every_ms": 0}
    specimen.policy.grant("random", "wall_clock")
    for name in ("call_host", "fail", "grow", "log", "spin", "sleep"):
        sample = functions[name]["sample"]
        outcome = specimen.attempt(name, json.loads(sample) if sample else None)
        assert outcome.error is None or name == "fail", (name, outcome.error)


@pytest.mark.parametrize(
    ("kind", "typed", "meant"), [("memory", "64mib", "64MiB"), ("cpu", "1S", "1s"), ("fuel", "1M", "1000000")]
)
def test_a_slip_in_a_limit_is_answered_with_what_was_meant(page: Page, kind: str, typed: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in page.do("set_quota", kind=kind, value=typed)["error"]["message"].replace(
        " or ", "? "
    )
