"""The plugin as protocols, for the files that make calls: numeric exports, commands, hooks, and the experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.outcome import Outcome
    from judicia_notebook.runtime.pool import Instance, InstancePool
    from judicia_notebook.runtime.target import Target


class Recorded(Protocol):
    """A plugin or a runtime, and its records."""

    _recorder: Recorder

    @property
    def last(self) -> CallRecord | None:
        """The record of the last call."""


class Callee(Recorded, Protocol):
    """A plugin, for code that makes calls of it."""

    name: str
    policy: Policy

    @property
    def abi(self) -> str:
        """``judicia-v1``, ``wasi`` or ``raw``."""

    @property
    def _code(self) -> Code:
        """The module as it was read and compiled."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that on_initialize gets, over the manifest's own."""

    def _target(self, function: str, abi_name: str) -> Target:
        """The target of a call of this function now."""

    def _begin(
        self, target: Target, quota: Quota | Mapping[str, Any] | None, body: Callable[[Call], Any], **more: Any
    ) -> Call:
        """A call that is about to be made."""

    def json_call(
        self,
        function: str,
        payload: Any,
        quota: Quota | Mapping[str, Any] | None,
        instances: InstancePool | None = None,
    ) -> Call:
        """A call with JSON that is about to be made, in these instances."""

    def attempt(self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None) -> Outcome:
        """Make a call; how it ended."""

    def retire(self, idle: list[Instance]) -> None:
        """Let go of instances that no call will get."""
