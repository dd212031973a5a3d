"""``judicia:http``: what plugins ask servers, and what they answer when they are asked.

- `outgoing`: the operation ``request``, with `urls`, `addresses`, `headers`, `transfer`, `backend` and `decoding`.
- `limits`: what a request may take.

Packages beyond the core are imported by the first use only.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.host.http.addresses import Address
from judicia_notebook.host.http.limits import Limits, changed
from judicia_notebook.host.http.outgoing import Outgoing, Request, target

__all__ = ["HttpService", "Limits"]


class HttpService:
    """``judicia:http`` of one runtime, and ``rt.host.http`` of the notebook."""

    module = "judicia:http"

    def __init__(self) -> None:
        self._outgoing = Outgoing()

    def operations(self) -> Iterable[Operation]:
        yield Operation("request", self._outgoing.request, capability="network_access", request=Request, target=target)

    def close(self) -> None:
        """Let go of threads."""
        self._outgoing.close()

    @property
    def limits(self) -> Limits:
        """What requests of plugins may take; `set_limits` changes them."""
        return self._outgoing.limits

    def set_limits(self, **kinds: float | str) -> None:
        """Change limits, from the next request on; what is not named stays. Sizes may be text such as ``"1MiB"``.

        Raises
        ------
        PolicyError
            An unknown kind or a bad value; nothing is changed then.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.host.http.set_limits(answer_bytes="1MiB", request_time="5s")
        ...     rt.host.http.limits.answer_bytes
        1048576
        """
        self._outgoing.limits = changed(self._outgoing.limits, kinds)

    def use(
        self, *, resolve: Callable[[str, int], list[Address]] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Ask other name servers, or believe other certificates, than is usual; what is not named stays.

        Whatever addresses `resolve(host, port)` names, those that are not public stay out of reach.

        Parameters
        ----------
        resolve : callable, optional
            Answers ``ipaddress`` objects, or raises OSError.
        tls : ssl.SSLContext, optional
            For a certificate authority of your own, ``ssl.create_default_context(cafile=...)``.
        """
        if resolve is not None:
            self._outgoing.resolve = resolve
        if tls is not None:
            self._outgoing.tls = tls
