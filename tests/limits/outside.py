"""What exceeds the limits on requests and notifications."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import judicia_notebook as jn
from judicia_notebook.host import http as http_service
from tests.limits.ground import Driver, Ground, Table
from tests.support.receivers import Webhook
from tests.support.servers import Peer, Server, redirect, reply
from tests.support.waiting import PATIENCE

TRIES = 3
"""How often a time is looked at: a pause of the machine does not spoil them all."""

# --- requests --------------------------------------------------------------------------------------------------------


def asks(*, answer: bytes | Callable[[Peer], object] = reply(b"12345"), path: str = "/", **more: Any) -> Driver:  # noqa: B008
    def drive(ground: Ground) -> bool:
        with Server(answer) as server:
            ground.p.policy.grant(f"network_access={server.origin}")
            request = {"method": "GET", "url": server.origin + path, **more}
            said = ground.p.call("http.request", request)
        return "error" in said

    return drive


def goes_elsewhere(peer: Peer) -> None:
    peer.send(reply() if peer.request.startswith(b"GET /there") else redirect("/there"))


def answers_late(peer: Peer) -> None:
    time.sleep(0.4)
    peer.send(reply())


def is_not_connected(ground: Ground) -> bool:
    """A server whose queue is full, so that the system answers nobody; a second is given in all."""
    with socket.socket() as busy, ExitStack() as stack:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        origin = f"http://127.0.0.1:{busy.getsockname()[1]}"
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        ground.p.policy.grant(f"network_access={origin}")
        request = {"method": "GET", "url": origin, "timeout_ms": 1000}
        # The second is over first where the limit is not held, or where the machine pauses for as long.
        return any(ground.p.call("http.request", request)["error"]["code"] != "timeout" for _ in range(TRIES))


def registers(ground: Ground) -> bool:
    return any(ground.refused("http.register_route", method="GET", path=f"/guest/{ground.new()}") for _ in range(2))


def served(target: str = "/guest/", **more: Any) -> Driver:
    return lambda ground: ground.rt.host.http.handle("POST", target, **more).status != 200


GET = b"GET /guest/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(server: http_service.Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def ends_in_time(ground: Ground) -> bool:
    with ground.rt.host.http.serve() as server, connected(server) as connection:
        connection.sendall(GET)
        return b" 504 " in connection.recv(100)


def one_at_a_time(ground: Ground) -> bool:
    return all(one_after_the_other(ground) for _ in range(TRIES))


def one_after_the_other(ground: Ground) -> bool:
    with ground.rt.host.http.serve() as server, ExitStack() as stack:
        connections = []
        for _ in range(3):
            connections.append(stack.enter_context(connected(server)))
            connections[-1].sendall(GET)
        for connection in connections:
            assert b" 200 " in connection.recv(100)
    rows = ground.p.calls.tail(3).sort_values("started_ms")
    ends = (rows["started_ms"] + rows["wall_ms"]).tolist()
    return all(begin >= end for begin, end in zip(rows["started_ms"].tolist()[1:], ends, strict=False))


def connects_twice(ground: Ground) -> bool:
    with ground.rt.host.http.serve() as server, connected(server), connected(server) as second:
        try:
            second.sendall(GET)
            return second.recv(100) == b""
        except ConnectionError:
            return True


HTTP: Table = {
    "url_bytes": (40, asks(path="/" + "x" * 40)),
    "headers": (1, asks(headers={"a": "", "b": ""})),
    "header_bytes": (10, asks(headers={"name": "seven.."})),
    "body_bytes": (4, asks(method="POST", body="12345")),
    "answer_header_bytes": (20, asks()),
    "answer_bytes": (4, asks()),
    "redirects": (0, asks(answer=goes_elsewhere)),
    "connect_time": ("200ms", is_not_connected),
    "request_time": ("200ms", asks(answer=answers_late)),
    "routes": (2, registers),
    "served_url_bytes": (20, served("/guest/" + "x" * 30)),
    "served_headers": (1, served(headers={"a": "", "b": ""})),
    "served_header_bytes": (20, served(headers={"name": "x" * 30})),
    "served_body_bytes": (4, served(body=b"12345")),
    "served_answer_bytes": (999, served()),
    "served_time": ("50ms", ends_in_time),
    "served_at_once": (1, one_at_a_time),
    "served_connections": (1, connects_twice),
}

# --- notifications ---------------------------------------------------------------------------------------------------


def sends(count: int = 1, **more: Any) -> Driver:
    wanted = {"recipient": "a", "title": "b", "message": "c", **more}
    return lambda ground: any(ground.refused("notifications.send", **wanted) for _ in range(count))


def adds_targets(ground: Ground) -> bool:
    try:
        for _ in range(2):
            ground.rt.host.notifications.add_target("json://127.0.0.1")
    except jn.ResourceExhausted:
        return True
    return False


def hooked(ground: Ground, answers: list[int], sent: int, *, closed: bool = False) -> Mapping[str, int]:
    """Send to a server that answers so, or at first not at all; what became of it."""
    board, hook = ground.rt.host.notifications, Webhook()
    try:
        hook.answers = list(answers)
        if closed:
            hook.gate.clear()
        with board.add_target(hook.url()) as handle:
            for _ in range(sent):
                board.send("a", "b", "c")
                assert not closed or hook.busy.wait(PATIENCE)
            hook.gate.set()
            board.flush(PATIENCE)
            return handle.counts
    finally:
        hook.close()


def is_busy(ground: Ground) -> bool:
    return hooked(ground, [], 4, closed=True)["dropped"] > 0


def tries_again(ground: Ground) -> bool:
    ground.rt.host.notifications.set_limits(retry_delay=0.001)
    return hooked(ground, [500] * 3, 1)["retried"] <= 1


def pauses_again(ground: Ground) -> bool:
    return all(seconds_of_a_second_attempt(ground) >= 0.85 for _ in range(TRIES))


def seconds_of_a_second_attempt(ground: Ground) -> float:
    began = time.monotonic()
    hooked(ground, [500], 1)
    return time.monotonic() - began


def parks_again(ground: Ground) -> bool:
    ground.rt.host.notifications.set_limits(attempts=1)
    hooked(ground, [500] * 3, 3)
    return len(ground.rt.host.notifications.parked) <= 1


def remembers_sent(ground: Ground) -> bool:
    for _ in range(5):
        ground.rt.host.notifications.send("a", "b", "x" * 80)
    return len(ground.rt.host.notifications.history) <= 2


def remembers_sent_bytes(ground: Ground) -> bool:
    """In bytes, of which each of these characters has four; what is parked counts, too."""
    ground.rt.host.notifications.set_limits(attempts=1)
    hooked(ground, [500] * 3, 3)
    for _ in range(5):
        ground.rt.host.notifications.send("a", "b", "\U0001f388" * 50)
    found = ground.rt.host.notifications
    messages = sum(len(text.encode()) for text in found.history["message"])
    return messages + sum(one.size for one in found.parked) <= 500


NOTIFICATIONS: Table = {
    "send_rate": (1, sends(4)),
    "recipient": (3, sends(recipient="four")),
    "title": (3, sends(title="four")),
    "message": (3, sends(message="four")),
    "metadata": (10, sends(metadata={"x": "x" * 20})),
    "targets": (1, adds_targets),
    "queue": (1, is_busy),
    "attempts": (2, tries_again),
    "retry_delay": ("900ms", pauses_again),
    "parked": (1, parks_again),
    "history": (2, remembers_sent),
    "history_bytes": (500, remembers_sent_bytes),
}
