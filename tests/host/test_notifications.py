"""Notifications: into the history, onto the screen, and out to real servers, with retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.displays import show_with
from judicia_notebook.host.notifications import Notification
from judicia_notebook.languages.wat import compile_wat
from tests.support.receivers import Mailbox, Webhook
from tests.support.waiting import PATIENCE, until

SEND = (
    '(func (export "send") (param i32 i32) (result i64) (call $judicia:notifications.send (local.get 0) (local.get 1)))'
)
FIRST = {"recipient": "team-7", "title": "First solve", "message": "Problem C is yours."}


def load(rt: jn.Runtime, name: str = "balloons", grant: Any = ("send_notifications",), **options: Any) -> jn.Plugin:
    return rt.load(compile_wat(SEND).encode(), name=name, grant=grant, **options)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture
def quick(rt: jn.Runtime) -> jn.Runtime:
    """Retries at once."""
    rt.host.notifications.set_limits(retry_delay=0.001)
    return rt


# --- the history ------------------------------------------------------------------------------------------------------


def test_what_a_plugin_sends_is_in_the_history(rt: jn.Runtime) -> None:
    p = load(rt)
    answer = p.call("send", {**FIRST, "type": "success", "urgency": "high", "metadata": {"problem": "C"}})
    p.call("send", FIRST)
    history = rt.host.notifications.history
    assert history["notification_id"].iloc[0] == answer["ok"]["id"]
    told = ["source", "recipient", "title", "message", "type", "urgency", "metadata", "targets"]
    assert history[told].to_numpy().tolist() == [
        ["balloons", "team-7", "First solve", "Problem C is yours.", "success", "high", {"problem": "C"}, 0],
        ["balloons", "team-7", "First solve", "Problem C is yours.", "info", "normal", {}, 0],
    ]
    assert history["call_id"].tolist() == rt.calls["call_id"].tolist()
    assert history["at"].is_monotonic_increasing


def test_an_empty_history_has_all_columns(rt: jn.Runtime) -> None:
    empty = rt.host.notifications.history
    rt.host.notifications.send("a", "b", "c")
    assert list(empty.columns) == list(rt.host.notifications.history.columns)
    assert list(rt.host.notifications.targets.columns)[:4] == ["target", "scheme", "recipients", "queued"]


def test_the_history_is_bounded_and_counts_what_it_lost(rt: jn.Runtime) -> None:
    rt.host.notifications.set_limits(history=3)
    for number in range(5):
        rt.host.notifications.send("a", f"title {number}", "c")
    history = rt.host.notifications.history
    assert (history["title"].tolist(), history.attrs["dropped"]) == (["title 2", "title 3", "title 4"], 2)
    rt.host.notifications.set_limits(history_bytes=1000)
    rt.host.notifications.send("a", "large", "c" * 990)
    assert rt.host.notifications.history["title"].tolist() == ["large"]


def test_python_sends_as_the_platform(rt: jn.Runtime) -> None:
    rt.host.notifications.send("judges", "Begin", "Now.", type="announcement", urgency="critical", metadata={"n": 1})
    row = rt.host.notifications.history.iloc[0]
    assert (row["source"], row["type"], row["urgency"], row["metadata"]) == (
        "@platform",
        "announcement",
        "critical",
        {"n": 1},
    )
    for wrong in ({"type": "loud"}, {"urgency": "now"}, {"metadata": {"n": object()}}):
        with pytest.raises(jn.InvalidPayload):
            rt.host.notifications.send("judges", "Begin", "Now.", **wrong)
    for texts in (("", "b", "c"), ("a", "b\n", "c"), ("a", "b", "\x1b[2J")):
        with pytest.raises(jn.InvalidPayload, match="Field"):
            rt.host.notifications.send(*texts)
    with pytest.raises(jn.ResourceExhausted, match="at most 500"):
        rt.host.notifications.send("a", "b" * 501, "c")
    rt.close()
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        rt.host.notifications.send("a", "b", "c")


# --- displays ---------------------------------------------------------------------------------------------------------


def test_a_display_is_shown_each_notification_and_may_fail(rt: jn.Runtime) -> None:
    seen: list[str] = []

    def broken(_: Notification) -> None:
        raise ZeroDivisionError

    removes = [show_with(broken), show_with(lambda notification: seen.append(notification.title))]
    try:
        assert "ok" in load(rt).call("send", FIRST)
    finally:
        for remove in removes:
            remove()
    load(rt).call("send", {**FIRST, "title": "unseen"})
    assert seen == ["First solve"]


# --- going out --------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_what_was_sent_and_who_sent_it(rt: jn.Runtime, webhook: Webhook) -> None:
    handle = rt.host.notifications.add_target(webhook.url())
    load(rt).call("send", {**FIRST, "type": "error", "urgency": "critical"})
    rt.host.notifications.flush(PATIENCE)
    (received,) = webhook.received
    assert received["title"] == "First solve"
    assert received["message"] == "Urgency: critical. From balloons to team-7.\n\nProblem C is yours."
    assert received["type"] == "failure"
    assert handle.counts["delivered"] == 1
    assert rt.host.notifications.history[["targets", "delivered", "parked"]].to_numpy().tolist() == [[1, 1, 0]]


def test_a_mail_server_gets_a_mail(rt: jn.Runtime, mailbox: Mailbox) -> None:
    rt.host.notifications.add_target(mailbox.url)
    load(rt).call("send", {**FIRST, "title": "Größe: 1 < 2"})
    rt.host.notifications.flush(PATIENCE)
    ((recipients, message),) = mailbox.received
    assert recipients == ["staff@example.org"]
    assert message["subject"] == "Größe: 1 < 2"
    body = message.get_body(("plain", "html"))
    assert body is not None
    assert "Problem C is yours." in body.get_content()
    assert "From balloons to team-7." in body.get_content()


def test_patterns_say_whose_notifications_go_where(rt: jn.Runtime, webhook: Webhook) -> None:
    rt.host.notifications.add_target(webhook.url("teams"), recipients="team-*")
    rt.host.notifications.add_target(webhook.url("staff"), recipients=["judges", "runners"])
    p = load(rt)
    for recipient in ("team-7", "judges", "nobody", "TEAM-7"):
        p.call("send", {**FIRST, "recipient": recipient})
    rt.host.notifications.flush(PATIENCE)
    assert sorted(webhook.paths) == ["/staff", "/teams"]
    assert rt.host.notifications.history["targets"].tolist() == [1, 1, 0, 0]


def test_a_target_that_fails_is_tried_again_and_the_order_stays(quick: jn.Runtime, webhook: Webhook) -> None:
    webhook.answers = [500, 503]
    handle = quick.host.notifications.add_target(webhook.url())
    for number in range(3):
        quick.host.notifications.send("a", f"title {number}", "c")
    quick.host.notifications.flush(PATIENCE)
    assert webhook.titles == ["title 0", "title 1", "title 2"]
    assert (handle.counts["delivered"], handle.counts["retried"], handle.counts["parked"]) == (3, 2, 0)


def test_what_no_attempt_delivers_is_parked_and_can_be_replayed(quick: jn.Runtime, webhook: Webhook) -> None:
    notifications = quick.host.notifications
    notifications.set_limits(attempts=3)
    notifications.add_target(webhook.url(), name="hook")
    webhook.answers = [500] * 3
    notifications.send("a", "first", "c")
    notifications.send("a", "second", "c")
    notifications.flush(PATIENCE)
    (parked,) = notifications.parked
    assert (parked.notification.title, parked.target, parked.attempts) == ("first", "hook", 3)
    assert parked.error == "HTTP status 500"
    assert repr(parked).endswith("for hook after 3 attempts: HTTP status 500>")
    assert notifications.history["parked"].tolist() == [1, 0]
    assert notifications.replay() == 1
    notifications.flush(PATIENCE)
    assert webhook.titles == ["second", "first"]
    assert notifications.parked == ()
    assert notifications.history[["delivered", "parked"]].to_numpy().tolist() == [[1, 0], [1, 0]]
    assert notifications.replay(parked) == 0


def test_nobody_at_the_other_end_is_an_error_like_any_other(quick: jn.Runtime, webhook: Webhook) -> None:
    url = webhook.url()
    webhook.close()
    quick.host.notifications.set_limits(attempts=2)
    quick.host.notifications.add_target(url)
    quick.host.notifications.send("a", "b", "c")
    quick.host.notifications.flush(PATIENCE)
    assert [one.error for one in quick.host.notifications.parked] == ["no connection"]


def test_a_slow_target_keeps_nobody_waiting(quick: jn.Runtime, webhook: Webhook) -> None:
    """The send returns, the other target is served, and what finds no room is dropped and counted."""
    other = Webhook()
    try:
        notifications = quick.host.notifications
        notifications.set_limits(queue=2)
        slow = notifications.add_target(webhook.url("slow"))
        webhook.gate.clear()
        p = load(quick)
        p.call("send", FIRST)
        assert webhook.busy.wait(PATIENCE)
        swift = notifications.add_target(other.url("quick"), name="quick")
        for number in range(3):
            p.call("send", {**FIRST, "title": f"title {number}"})
            until(lambda: swift.counts["delivered"] == number + 1)  # noqa: B023  # it is called at once
        assert slow.counts["dropped"] == 1
        frame = notifications.targets.set_index("target")
        assert (frame.loc[slow.name, "queued"], frame.loc["quick", "delivered"]) == (2, 3)
        with pytest.raises(TimeoutError, match=r"json 1 \(3\)"):
            notifications.flush(0.01)
        webhook.gate.set()
        notifications.flush(PATIENCE)
        assert webhook.titles == ["First solve", "title 0", "title 1"]
    finally:
        other.close()


def test_a_removed_target_gets_nothing_more(quick: jn.Runtime, webhook: Webhook) -> None:
    notifications = quick.host.notifications
    webhook.gate.clear()
    with notifications.add_target(webhook.url()) as handle:
        for number in range(3):
            notifications.send("a", f"title {number}", "c")
        assert webhook.busy.wait(PATIENCE)
    assert (handle.counts["dropped"], notifications.targets.empty) == (2, True)
    webhook.gate.set()
    until(lambda: handle.counts["delivered"] == 1)
    assert webhook.titles == ["title 0"]


def test_a_revoke_takes_back_what_still_waits(quick: jn.Runtime, webhook: Webhook) -> None:
    handle = quick.host.notifications.add_target(webhook.url())
    p = load(quick)
    webhook.gate.clear()
    p.call("send", FIRST)
    assert webhook.busy.wait(PATIENCE)
    p.call("send", {**FIRST, "title": "too late"})
    p.policy.revoke("send_notifications")
    quick.host.notifications.send("a", "of the platform", "c")
    webhook.gate.set()
    quick.host.notifications.flush(PATIENCE)
    assert webhook.titles == ["First solve", "of the platform"]
    assert (handle.counts["revoked"], handle.counts["delivered"]) == (1, 2)


def test_parked_deliveries_stay_parked_where_they_cannot_go(quick: jn.Runtime, webhook: Webhook) -> None:
    notifications = quick.host.notifications
    notifications.set_limits(attempts=1)
    handle = notifications.add_target(webhook.url())
    p = load(quick)
    webhook.answers = [500]
    p.call("send", FIRST)
    notifications.flush(PATIENCE)
    p.policy.revoke("send_notifications")
    with pytest.raises(jn.PolicyError, match="grant balloons send_notifications"):
        notifications.replay()
    handle.remove()
    with pytest.raises(jn.PolicyError, match="gone"):
        notifications.replay()
    assert len(notifications.parked) == 1


def test_closing_the_runtime_drops_what_waits_and_ends_the_threads(webhook: Webhook) -> None:
    with jn.Runtime() as rt:
        rt.host.notifications.set_limits(retry_delay=50.0)
        handle = rt.host.notifications.add_target(webhook.url())
        webhook.answers = [500]
        rt.host.notifications.send("a", "first", "c")
        rt.host.notifications.send("a", "second", "c")
        until(lambda: handle.counts["retried"] == 1)
    assert handle.counts["dropped"] == 2


@pytest.mark.parametrize("url", ["", "secret", "nonsense://secret", "json://", 5, None, "json://a, json://secret@b"])
def test_a_url_that_makes_no_target_is_not_repeated(rt: jn.Runtime, url: Any) -> None:
    with pytest.raises(jn.PolicyError, match="Apprise makes no target") as caught:
        rt.host.notifications.add_target(url)
    assert "secret" not in str(caught.value)
    assert rt.host.notifications.targets.empty


@pytest.mark.parametrize("recipients", ["", [], [""], [5]])
def test_a_target_is_for_somebody(rt: jn.Runtime, recipients: Any) -> None:
    with pytest.raises(jn.PolicyError, match="recipients"):
        rt.host.notifications.add_target("json://127.0.0.1", recipients)


def test_there_are_only_so_many_targets(rt: jn.Runtime) -> None:
    rt.host.notifications.set_limits(targets=1)
    rt.host.notifications.add_target("json://127.0.0.1")
    with pytest.raises(jn.ResourceExhausted, match="1 targets already"):
        rt.host.notifications.add_target("json://127.0.0.1")


def test_without_apprise_the_error_says_how_to_get_it(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(jn.PolicyError, match=r"pip install 'judicia-notebook\[notify\]'"):
        rt.host.notifications.add_target("json://127.0.0.1")
