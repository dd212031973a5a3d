"""Where notifications arrive in tests: real servers on loopback, for webhooks and for mail."""

from __future__ import annotations

import asyncio
import email
import email.message
import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP

from tests.support.waiting import PATIENCE


class Webhook:
    """A server on loopback that keeps what it is sent, and answers with the next of `answers`, or 200."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.busy.set()
                assert hook.gate.wait(PATIENCE)
                hook.paths.append(self.path)
                status = hook.answers.pop(0) if hook.answers else 200
                if status == 200:
                    hook.received.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def url(self, path: str = "hook") -> str:
        return f"json://127.0.0.1:{self.port}/{path}?rto={PATIENCE}"

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.received]

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


class Mailbox:
    """A mail server on loopback. aiosmtpd's own controller takes no port that the system chooses."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], email.message.EmailMessage]] = []
        self._loop = asyncio.new_event_loop()
        serving = self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(serving)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = self._server.sockets[0].getsockname()[1]

    async def handle_DATA(  # noqa: N802  # aiosmtpd looks for this name
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.received.append((list(envelope.rcpt_tos), message))
        return "250 kept"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._server.close()
        self._loop.run_until_complete(self._server.wait_closed())
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=judge@example.org&to=staff@example.org&format=html"
