"""``judicia:log``: lines into the plugin's log. It takes no capability, but has a quota."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from judicia_notebook.host.dispatcher import Operation, ServiceError

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope


class Write(msgspec.Struct, forbid_unknown_fields=True):
    """A line, and what belongs to it as data."""

    level: Literal["trace", "debug", "info", "warn", "warning", "error"]
    message: str
    fields: dict[str, Any] | None = None


class LogService:
    """``judicia:log``."""

    module = "judicia:log"

    def operations(self) -> Iterable[Operation]:
        yield Operation("write", self.write, request=Write, target=lambda request: request.level)

    def write(self, scope: CallScope, request: Write) -> dict[str, Any]:
        """Add a line, unless the call's log quota is used up."""
        size = len(request.message.encode()) + (len(msgspec.json.encode(request.fields)) if request.fields else 0)
        room = scope.log_room()
        if room is not None and size > room:
            limit = scope.budget.limits.log_bytes
            raise ServiceError("quota_exceeded", f"more than {limit} bytes of log in one call")
        scope.log_bytes += size
        scope.log("warning" if request.level == "warn" else request.level, request.message, request.fields)
        return {}
