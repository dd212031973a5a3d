"""One request on its way, with all its hops: the events that end it, and waits that end with it.

- Each step that takes time asks a `Transfer`: is the call still wanted, is there time, do the grants still reach the
  URL?
- The socket work happens on the call's own thread, so that its CPU time counts. The thread sleeps in slices, and a
  cancel shuts the connection at once.
- The dispatcher writes the request's own row. Each redirect adds another row here, with the same ``seq``. Otherwise a
  plugin could hide the second server behind the first. The first row's time includes the others', so that sums stay
  right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from judicia_notebook.engine.invocation import SLICE
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http.addresses import Address, is_one_host, is_own, is_public
from judicia_notebook.host.http.limits import HttpLimits
from judicia_notebook.host.http.urls import Url, reach
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope


_DECISIONS: Final = {"capability_denied": "denied", "quota_exceeded": "limited"}


class Transfer:
    """A request in progress.

    Parameters
    ----------
    scope : CallScope
    limits : HttpLimits
        As they were when it began.
    seconds : float
        How long it may take, with all redirects.

    Attributes
    ----------
    noted : str
        A further remark for the row of the present hop.
    """

    def __init__(self, scope: CallScope, limits: HttpLimits, seconds: float) -> None:
        self.limits = limits
        self.noted = ""
        self._scope = scope
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._url: Url | None = None
        self._hops = 0
        self._seen: object = None

    @property
    def plugin(self) -> str:
        """The plugin that sent the request."""
        return self._scope.plugin

    def on_cancel(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Have `hook` called when the call is cancelled, as in `CallScope`."""
        return self._scope.on_cancel(hook)

    def remaining(self) -> float:
        """Seconds that are left. Never negative."""
        own = max(0.0, self._until - time.monotonic())
        rest = self._scope.remaining()
        return own if rest is None else min(own, rest)

    @contextmanager
    def hop(self, method: str, url: Url) -> Iterator[None]:
        """The block asks for a URL, if the grants reach it now, and leaves a row.

        Raises
        ------
        ServiceError
            ``capability_denied``
        """
        self._url, self._seen, self.noted = url, None, ""
        self._hops += 1
        began, decision, said = time.perf_counter_ns(), "failed", ""
        try:
            self.go_on()
            yield
            decision = "allowed"
        except ServiceError as error:
            decision, said = _DECISIONS.get(error.code, "failed"), error.message
            raise
        finally:
            if self._hops == 1:
                self._scope.noted = self.noted
            else:
                self._leave_row(f"{method} {url}", began, decision, self.noted or said)

    def not_followed(self, method: str, location: str, why: str) -> None:
        """Leave a row for a redirect to a text that is no URL."""
        self._leave_row(f"{method} {printable(location, 200)}", time.perf_counter_ns(), "failed", why)

    def _leave_row(self, target: str, began: int, decision: str, detail: str) -> None:
        scope = self._scope
        since = began - scope.recorder.began_ns
        where = (scope.call_id, scope.plugin, scope.host_calls, "network_access", "judicia:http request", target)
        scope.recorder.add_host_call(*where, since, 0, 0, 0, decision, f"redirect {self._hops - 1}: {detail}")

    def check(self) -> BaseException | None:
        """Why it has to end; None while it may go on."""
        ended = self._scope.check()
        if ended is not None:
            return ended
        if time.monotonic() > self._until:
            return ServiceError("timeout", f"the server took longer than the {self._seconds:g} s the request may take")
        state = self._scope.policy.state
        # Each change of the policy makes a new state, so that identity is enough.
        if state is not self._seen and self._url is not None:
            if reach(state, self._url) == "denied":
                return self._denied(self._url, "")
            self._seen = state
        return None

    def go_on(self) -> None:
        """Between two steps.

        Raises
        ------
        ServiceError
            Time is up, or the URL is no longer granted.
        CallError
            The call was cancelled, or a limit ended it.
        """
        ended = self.check()
        try:
            if ended is not None:
                raise ended
        finally:
            del ended  # its traceback has this frame

    def slice(self, until: float) -> float:
        """How long to sleep before the next look, towards a moment of the monotonic clock."""
        return max(0.0, min(SLICE, self.remaining() + 0.001, until - time.monotonic()))

    def admit(self, url: Url, address: Address) -> None:
        """Let a connection be made to an address for a URL.

        Raises
        ------
        ServiceError
            ``capability_denied``
        """
        may = reach(self._scope.policy.state, url)
        if may == "address" and address == url.address and is_one_host(address):
            return
        if may == "denied":
            raise self._denied(url, "")
        if not is_public(address):
            raise self._denied(url, f"{address} is not public")
        if is_own(address):
            raise self._denied(url, f"{address} is this machine")

    def _denied(self, url: Url, why: str) -> ServiceError:
        """The denial. The guest learns only what it knew before; the user reads where the server wanted to send it."""
        self.noted = why
        if self._hops > 1:
            text = "judicia:http request was redirected to where the capability network_access does not reach"
        else:
            text = f"judicia:http request needs the capability network_access={url.origin}"
        return ServiceError("capability_denied", text, scope=url.origin)
