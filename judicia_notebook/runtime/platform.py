"""What a call is aimed at: a plugin's code, policy and instances, and the platform around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.policy.policy import FormerPolicy, Policy
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.recorder import Recorder, Subject
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.pool import InstancePool
    from judicia_notebook.runtime.source import Code


@dataclass(frozen=True, slots=True)
class Platform:
    """What a plugin gets from its runtime."""

    dispatcher: Dispatcher
    recorder: Recorder
    pool: MemoryPool
    ceiling: Quota
    cache_folder: Path | None
    workers: Workers


class Making(NamedTuple):
    """What new instances of a plugin are made of: exchanged together, so that no code is handed another's config."""

    code: Code
    config: Mapping[str, Any]


class Activity:
    """A plugin's running calls, the place of the last one's row, what new instances are made of, what old code may."""

    __slots__ = ("former", "last", "making", "running")

    def __init__(self, making: Making) -> None:
        self.making = making
        self.former: dict[str, FormerPolicy] = {}  # by the digest of code that was replaced
        self.last = -1
        self.running: dict[int, Call] = {}


class Target(NamedTuple):
    """What is being called, and in which code."""

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
        subject = self.subject._replace(digest=code.digest, abi=code.abi)
        return self._replace(code=code, config=config, subject=subject)
