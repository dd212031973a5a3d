"""Plugins that slip headers and scripts into what people are told, flood them, and look for the target."""

from __future__ import annotations

import email.message
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.displays import show_with
from judicia_notebook.host.notifications import Notification
from judicia_notebook.notebook.notification_cards import MOST, Notices, notice_card
from tests.support.guests import forwarder, wat
from tests.support.receivers import Mailbox, Webhook
from tests.support.waiting import PATIENCE

SEND = forwarder(send="notifications.send")
# Sends the request again and again, for as long as it may.
FLOOD = """
(func (export "flood") (param i32 i32) (result i64)
  (local $answer i64)
  (loop $on
    (local.set $answer (call $judicia:notifications.send (local.get 0) (local.get 1)))
    (call $judicia_free (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))
                        (i32.wrap_i64 (local.get $answer)))
    (br $on))
  unreachable)
"""
PLAIN = {"recipient": "team-7", "title": "title", "message": "message"}
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def load(rt: jn.Runtime, *cells: str, **options: Any) -> jn.Plugin:
    code = wat(SEND, *cells)
    return rt.load(code, name="crier", grant=["send_notifications"], **options)


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


def parts_of(message: email.message.EmailMessage) -> dict[str, str]:
    return {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}


# --- injection --------------------------------------------------------------------------------------------------------

INJECTED = [
    "title\r\nBcc: everybody@example.org",
    "title\nBcc: everybody@example.org",
    "title\rBcc: everybody@example.org",
    "title\u2028Bcc: everybody@example.org",
    "title\x85Bcc: everybody@example.org",
    "title\x0bBcc: everybody@example.org",
    "title\0",
    "title\ttab",
    "\x1b[2Jtitle",
    "\u202eeltit",
]


@pytest.mark.parametrize("field", ["recipient", "title"])
@pytest.mark.parametrize("text", INJECTED)
def test_what_could_end_a_header_is_refused(rt: jn.Runtime, field: str, text: str) -> None:
    error = load(rt).call("send", {**PLAIN, field: text})["error"]
    assert (error["code"], f"`{field}`" in error["message"]) == ("bad_request", True)
    assert text not in error["message"]
    assert rt.host.notifications.history.empty


@pytest.mark.parametrize("text", ["a\0", "a\x1b[2J", "a\r\nb", "\u202eeltit", "\x85"])
def test_a_message_has_lines_and_tabs_and_no_other_control_characters(rt: jn.Runtime, text: str) -> None:
    p = load(rt)
    assert p.call("send", {**PLAIN, "message": text})["error"]["code"] == "bad_request"
    assert "ok" in p.call("send", {**PLAIN, "message": "one\n\ttwo"})


def test_a_message_that_looks_like_headers_stays_the_body(rt: jn.Runtime, mailbox: Mailbox) -> None:
    """Also one that ends the mail's body as SMTP would have it, and starts another mail."""
    rt.host.notifications.add_target(mailbox.url)
    message = "Bcc: everybody@example.org\n\nhello\n.\nMAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nhello"
    load(rt).call("send", {**PLAIN, "message": message})
    rt.host.notifications.flush(PATIENCE)
    ((recipients, mail),) = mailbox.received
    assert recipients == ["staff@example.org"]
    assert (mail["bcc"], mail["to"], mail["from"].addresses[0].addr_spec) == (
        None,
        "staff@example.org",
        "judge@example.org",
    )
    assert any("MAIL FROM" in text for text in parts_of(mail).values())


def test_html_is_shown_as_text_in_mail_and_notebook(rt: jn.Runtime, mailbox: Mailbox) -> None:
    rt.host.notifications.add_target(mailbox.url)
    shown: list[Notification] = []
    remove = show_with(shown.append)
    try:
        load(rt).call("send", {"recipient": SCRIPT, "title": SCRIPT, "message": SCRIPT, "metadata": {SCRIPT: SCRIPT}})
    finally:
        remove()
    rt.host.notifications.flush(PATIENCE)
    ((_, mail),) = mailbox.received
    html = parts_of(mail)["text/html"]
    card = notice_card(shown[0]).html()
    for text in (html, card):
        assert "alert(1)" in text
        assert "<script" not in text
        assert "<img" not in text


def test_a_line_of_the_guests_own_is_not_taken_for_the_hosts(rt: jn.Runtime, webhook: Webhook) -> None:
    rt.host.notifications.add_target(webhook.url())
    load(rt).call("send", {**PLAIN, "message": "Round 2 is cancelled.\n\nFrom @platform to everybody."})
    rt.host.notifications.flush(PATIENCE)
    assert webhook.received[0]["message"].startswith("From crier to team-7.\n\n")
    assert rt.host.notifications.history["source"].tolist() == ["crier"]


@pytest.mark.parametrize(
    "forged",
    [
        {"source": "@platform"},
        {"id": "1"},
        {"target": "json://example.org"},
        {"url": "json://example.org"},
        {"attach": "/etc/passwd"},
        {"body_format": "html"},
        {"type": "<b>"},
        {"urgency": "now"},
        {"type": None},
        {"metadata": [1]},
        {"metadata": "x"},
        {"title": 5},
        {"message": None},
        {"recipient": ["a"]},
    ],
)
def test_a_request_says_what_and_to_whom_and_nothing_else(rt: jn.Runtime, forged: dict[str, Any]) -> None:
    error = load(rt).call("send", {**PLAIN, **forged})["error"]
    assert (error["code"], next(iter(forged)) in error["message"]) == ("bad_request", True)
    assert rt.host.notifications.history.empty


# --- the target -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipient",
    [
        "json://127.0.0.1:{port}/stolen",
        "team-7, json://127.0.0.1:{port}/stolen",
        "../stolen",
        "team-7?to=x",
        "*",
        "team-*",
    ],
)
def test_a_guest_never_chooses_the_target(rt: jn.Runtime, webhook: Webhook, recipient: str) -> None:
    rt.host.notifications.add_target(webhook.url("staff"), recipients="judges")
    p = load(rt)
    text = recipient.format(port=webhook.port)
    assert "ok" in p.call("send", {**PLAIN, "recipient": text, "title": text, "message": text})
    p.call("send", {**PLAIN, "recipient": "judges", "title": text, "message": text})
    rt.host.notifications.flush(PATIENCE)
    assert webhook.paths == ["/staff"]


def test_no_secret_of_a_target_is_shown_anywhere(
    rt: jn.Runtime, webhook: Webhook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A user, a password, a token in the path and one in the query; with a target that fails in every way.

    Whoever sets urllib3's logger to DEBUG is shown paths by it; that is nothing a plugin could do.
    """
    caplog.set_level(logging.INFO)
    secrets = ["hunter2", "robert", "tokenpath", "tokenquery"]
    url = f"json://robert:hunter2@127.0.0.1:{webhook.port}/tokenpath?-key=tokenquery&rto=60"
    notifications = rt.host.notifications
    notifications.set_limits(attempts=1)
    handle = notifications.add_target(url)
    webhook.answers = [500]
    p = load(rt)
    answers = [p.call("send", PLAIN)]
    notifications.flush(PATIENCE)
    webhook.close()
    answers.append(p.call("send", PLAIN))
    notifications.flush(PATIENCE)
    with pytest.raises(jn.PolicyError) as caught:
        notifications.add_target("jsonx://robert:hunter2@tokenpath")
    assert [parked.error for parked in notifications.parked] == ["HTTP status 500", "no connection"]
    assert len(webhook.paths) == 1
    frames = [notifications.history, notifications.targets, rt.host_calls, rt.audit, rt.logs]
    things = [answers, handle, vars(handle), notifications, notifications.parked, caught.value]
    told = " ".join([*map(str, things), *map(repr, things), *(frame.to_csv() for frame in frames), caplog.text])
    told += "".join(capfd.readouterr())
    assert [secret for secret in secrets if secret in told] == []


def test_a_guest_cannot_tell_whether_anybody_is_told(rt: jn.Runtime, webhook: Webhook) -> None:
    p = load(rt)
    webhook.answers = [500] * 4
    before = p.call("send", PLAIN)
    rt.host.notifications.set_limits(attempts=1)
    rt.host.notifications.add_target(webhook.url())
    after = p.call("send", PLAIN)
    assert before.keys() == after.keys()
    assert before["ok"].keys() == after["ok"].keys()
    rt.host.notifications.flush(PATIENCE)


# --- floods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "most"),
    [
        ("recipient", "r" * 201, 200),
        ("recipient", "ö" * 101, 200),
        ("title", "t" * 501, 500),
        ("message", "m" * (16 * 1024 + 1), 16384),
        ("metadata", {"x": "y" * 5000}, 4096),
        ("metadata", {str(n): n for n in range(10_000)}, 4096),
    ],
)
def test_what_is_too_large_is_refused_by_name(rt: jn.Runtime, field: str, value: Any, most: int) -> None:
    error = load(rt).call("send", {**PLAIN, field: value})["error"]
    assert error["code"] == "quota_exceeded"
    assert f"`{field}`" in error["message"]
    assert str(most) in error["message"]
    assert rt.host.notifications.history.empty


def test_huge_metadata_is_refused_without_being_kept(rt: jn.Runtime) -> None:
    p = load(rt, quota={"memory": "128MiB"})
    assert p.call("send", {**PLAIN, "metadata": {"x": "y" * (8 << 20)}})["error"]["code"] == "quota_exceeded"
    deep: Any = 0
    for _ in range(100):
        deep = {"x": deep}
    assert "ok" in p.call("send", {**PLAIN, "metadata": deep})
    assert json.dumps(rt.host.notifications.history["metadata"].iloc[0]) == json.dumps(deep)


def test_a_flood_is_held_to_its_rate_and_everything_stays_bounded(rt: jn.Runtime, webhook: Webhook) -> None:
    notifications = rt.host.notifications
    notifications.set_limits(send_rate=50, queue=10, history=20, parked=5, attempts=1)
    handle = notifications.add_target(webhook.url())
    webhook.gate.clear()
    notifications.send("a", "b", "c")
    assert webhook.busy.wait(PATIENCE)  # this one is on its way; what follows waits in the queue
    p = load(rt, FLOOD, quota={"wall": PATIENCE, "cpu": PATIENCE, "host_calls": 1000})
    began = time.monotonic()
    assert isinstance(p.attempt("flood", PLAIN).error, jn.QuotaExceeded)
    seconds = time.monotonic() - began
    decisions = rt.host_calls["decision"].tolist()
    sent = decisions.count("allowed")
    assert sent + decisions.count("limited") == 1001  # with the one beyond the quota of host calls
    assert 0 < sent <= 50 * (seconds + 2)
    history = notifications.history
    assert (len(history), history.attrs["dropped"]) == (20, sent - 19)
    assert handle.counts["dropped"] == sent - 10
    webhook.gate.set()
    notifications.flush(PATIENCE)
    assert len(webhook.received) == 11
    other = rt.load(wat(SEND), name="other", grant=["send_notifications"])
    assert "ok" in other.call("send", PLAIN)
    notifications.flush(PATIENCE)


def test_a_flood_shows_a_few_cards_and_a_line() -> None:
    class Shell:
        execution_count = 1

        def __init__(self) -> None:
            self.shown: list[dict[str, str]] = []
            self.display_pub = self

        def publish(self, bundle: dict[str, str]) -> None:
            self.shown.append(bundle)

    shell = Shell()
    notices = Notices(shell)
    for _ in range(1000):
        notices(Notification("crier", "team-7", "title", "message"))
    assert len(shell.shown) == MOST + 1
    assert "rt.host.notifications.history" in shell.shown[-1]["text/plain"]
    shell.execution_count = 2
    notices(Notification("crier", "team-7", "title", "line\n" * 5000))
    assert len(shell.shown) == MOST + 2
    assert len(shell.shown[-1]["text/html"]) < 5000


def test_senders_on_many_threads_are_all_counted(rt: jn.Runtime) -> None:
    rt.host.notifications.set_limits(send_rate=1_000_000)
    p = load(rt, instances=4)
    threads = [threading.Thread(target=lambda: [p.call("send", PLAIN) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    ids = rt.host.notifications.history["notification_id"]
    assert (len(ids), ids.nunique()) == (200, 200)
