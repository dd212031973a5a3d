"""One target's queue of notifications, and what the user reads when the target refuses them.

The queue (`judicia_notebook.host.delivery.queue`) asks before each attempt whether the sender may still send: a revoke
takes back what waits.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.host.delivery import broker
from judicia_notebook.host.delivery.queue import Failure, Queue
from judicia_notebook.host.notifications.notification import Notification
from judicia_notebook.host.notifications.targets import Target

if TYPE_CHECKING:
    from judicia_notebook.host.delivery.broker import Broker
    from judicia_notebook.policy.policy import Policy

_log = logging.getLogger("judicia_notebook")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Parked(broker.Parked[Notification]):
    """A delivery that was given up; `Notifications.replay` tries it again.

    Attributes
    ----------
    notification : Notification
    target : str
        The name of the target that did not take it.
    attempts : int
    error : str
        The failure of the last attempt. It holds nothing of the target's URL.
    """

    outbox: Outbox
    policy: Policy | None

    @property
    def notification(self) -> Notification:
        """The notification that could not be delivered."""
        return self.published

    @property
    def target(self) -> str:
        """The name of the target that did not take it."""
        return self.receiver

    @property
    def _title(self) -> str:
        return self.published.id


class Outgoing(NamedTuple):
    """A notification on its way; without a policy it is the user's own."""

    published: Notification
    policy: Policy | None

    @property
    def allowed(self) -> bool:
        """Whether its sender may still send."""
        return self.policy is None or self.policy.state.allows("send_notifications")


class Outbox:
    """One target and its queue.

    Attributes
    ----------
    target : Target
    queue : Queue
    """

    def __init__(self, target: Target, notifications: Broker[Notification, Parked]) -> None:
        self.target = target
        self.queue: Queue[Outgoing] = notifications.queue_to(self)
        self._notifications = notifications
        self._is_reported = False

    @property
    def name(self) -> str:
        """The target's."""
        return self.target.name

    def may_receive(self, outgoing: Outgoing) -> bool:
        return outgoing.allowed

    def attempt(self, outgoing: Outgoing) -> Failure | None:
        error = self.target.deliver(outgoing.published)
        return Failure(error) if error else None

    def park(self, outgoing: Outgoing, attempts: int, failure: Failure) -> None:
        parked = Parked(outgoing.published, self.name, attempts, failure, self, outgoing.policy)
        self._notifications.park(parked)

    def after_parking(self, failure: Failure) -> None:
        """Log the first delivery that was given up. The lock is not held: a handler may send notifications."""
        if not self._is_reported:
            self._is_reported = True
            _log.error(
                "The target %s did not take a notification: %s. rt.host.notifications.parked holds it; later "
                "failures are not logged.", self.name, failure.text,
            )  # fmt: skip
