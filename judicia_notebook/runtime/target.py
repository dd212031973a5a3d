"""The target of a call: a function of a plugin, its code and instances, and the calls that it shares them with.

A call is made with a target and knows it. The target knows a call only as far as others may watch or end it, so that
neither file needs the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.policy.policy import FormerPolicy, Policy
    from judicia_notebook.records.record import Subject
    from judicia_notebook.runtime.instance import Making
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.platform import Platform
    from judicia_notebook.runtime.pool import InstancePool


class RunningCall(Protocol):
    """A call that runs or waits, for code that watches it, ends it, or holds it to a policy."""

    scope: CallScope
    origin: str
    started_ns: int
    memory_before: int

    def hold_to(self, policy: FormerPolicy) -> None:
        """Hold it to the policy that its code had before it was replaced; from any thread."""


class Activity:
    """A plugin's running calls, the position of the last call's row, and the policies of code that was replaced.

    Attributes
    ----------
    apart : list of InstancePool
        Instances beside the plugin's own, in which calls of it are made, too.
    """

    __slots__ = ("apart", "former", "last", "running")

    def __init__(self) -> None:
        self.apart: list[InstancePool] = []
        self.former: dict[str, FormerPolicy] = {}  # by the digest of code that was replaced
        self.last = -1
        self.running: dict[int, RunningCall] = {}


class Target(NamedTuple):
    """What a call aims at: a function of a plugin, and the code and instances to run it in."""

    platform: Platform
    policy: Policy
    code: Code
    instances: InstancePool
    subject: Subject
    config: Mapping[str, Any]
    activity: Activity

    def at(self, function: str) -> Target:
        """The same plugin, another function."""
        return self._replace(subject=self.subject._replace(function=function))

    def on(self, making: Making) -> Target:
        """The same function, in other code: the plugin was replaced while the call waited."""
        code, config = making
        subject = self.subject._replace(
            digest=code.digest, abi=code.abi, metering=code.metering, monitored=code.monitored
        )
        return self._replace(code=code, config=config, subject=subject)
