"""``judicia:host fail``: how a plugin reports that it could not do its task. It takes no capability."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.errors import GuestError
from judicia_notebook.host.dispatcher import Operation

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope


class Fail(msgspec.Struct, forbid_unknown_fields=True):
    """Why: for a program (code), for a person (message), and as further data."""

    code: str
    message: str
    data: Any = None


class FailureService:
    """``judicia:host``."""

    module = "judicia:host"

    def operations(self) -> Iterable[Operation]:
        yield Operation("fail", self.fail, request=Fail, target=lambda request: request.code, answers=False)

    def fail(self, scope: CallScope, request: Fail) -> None:
        """The call is a GuestError now, whatever it returns; the first report counts."""
        if scope.reported is None:
            scope.reported = GuestError(
                request.message, code=request.code, data=request.data, plugin=scope.plugin, function=scope.function
            )
            if scope.progress is not None:
                scope.reported.row = scope.progress()
