"""``judicia:events``: plugins publish events, and their subscribers receive them.

- `patterns`: types, patterns and what grants let through.
- `limits`: how many events, subscribers and bytes there may be.
- `event`: an event; `subscriber`: a queue and its deliveries, with retries; `bus`: ``rt.host.events``.
- Here: the operations of a guest. The guest gives type, payload and metadata. The host adds the guest's name, the id,
  the time, and how many events led to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.engine import wire
from judicia_notebook.errors import InvalidPayload
from judicia_notebook.host.dispatcher import Operation, ServiceError
from judicia_notebook.host.events.bus import Events, Subscription
from judicia_notebook.host.events.event import HOSTS_METADATA, Event
from judicia_notebook.host.events.limits import EventLimits
from judicia_notebook.host.events.patterns import is_pattern, is_type, may
from judicia_notebook.host.events.subscriber import Parked
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.records.recorder import Recorder

__all__ = ["Event", "EventLimits", "Events", "EventsService", "Parked", "Subscription"]


class Emit(msgspec.Struct, forbid_unknown_fields=True):
    """An event to publish."""

    type: str
    payload: Any
    metadata: dict[str, Any] | None = None


class Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    """A pattern of events to receive."""

    pattern: str


class EventsService:
    """``judicia:events`` of one runtime; `events` is what Python code has of it."""

    module = "judicia:events"
    left = "events"
    given = "event callbacks"

    def __init__(self, unix_ns: Callable[[], int]) -> None:
        self.events = Events(unix_ns)

    def operations(self) -> Iterable[Operation]:
        yield Operation(
            "emit", self.emit, capability="emit_event", request=Emit, target=lambda request: str(request.type)
        )
        yield Operation(
            "subscribe",
            self.subscribe,
            capability="subscribe_events",
            request=Subscribe,
            target=lambda request: str(request.pattern),
        )

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Take what plugins' hooks are called with, and where rows go."""
        self.events.connect(recorder, deliver)

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """A plugin was loaded, or its code exchanged."""
        self.events.plugin_loaded(plugin)

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """A plugin is being unloaded; its last calls may still run."""
        self.events.plugin_unloaded(plugin)

    def end(self) -> None:
        """Hand nothing more to plugins."""
        self.events.end()

    def kept(self) -> Iterator[str]:
        """The events that are kept, in words."""
        return self.events.kept()

    def forget(self) -> None:
        """Forget all events."""
        self.events.forget()

    def close(self) -> None:
        """Deliver nothing any more."""
        self.events.close()

    def emit(self, scope: CallScope, request: Emit) -> dict[str, str]:
        """Publish an event as this plugin's."""
        if not is_type(request.type):
            text = f"field `type`: an event's type is like `submission.judged`, not `{printable(request.type, 80)}`"
            raise ServiceError("bad_request", text)
        metadata = request.metadata or {}
        for name in HOSTS_METADATA:
            if name in metadata:
                raise ServiceError("bad_request", f"field `metadata.{name}`: it is filled by the host")
        self._check(scope, "emit", "emit_event", request.type)
        try:
            payload = wire.rewrite(request.payload, scope.budget.limits.json_depth)
            event_id = self.events.publish(request.type, scope.plugin, payload, metadata, call_id=scope.call_id)
        except InvalidPayload as error:  # what the request could say and an event cannot
            raise ServiceError("bad_request", f"field `payload` or `metadata`: {error.message}") from None
        return {"id": event_id}

    def subscribe(self, scope: CallScope, request: Subscribe) -> dict[str, Any]:
        """Have events of a pattern delivered to `on_event`, until the plugin is unloaded or its code exchanged."""
        if not is_pattern(request.pattern):
            given = printable(request.pattern, 80)
            text = f"field `pattern`: a pattern is like `contest.*` or `contest.**`, not `{given}`"
            raise ServiceError("bad_request", text)
        self._check(scope, "subscribe", "subscribe_events", request.pattern)
        self.events.add_pattern(scope.plugin, scope.policy, request.pattern, scope.call_id)
        return {}

    @staticmethod
    def _check(scope: CallScope, operation: str, capability: str, pattern: str) -> None:
        if not may(scope.policy.state, capability, scope.plugin, pattern):
            text = f"judicia:events {operation} of {pattern} needs the capability {capability}={pattern}"
            raise ServiceError("capability_denied", text, scope=pattern)
