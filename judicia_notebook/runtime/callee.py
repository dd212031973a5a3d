"""The plugin as protocols, for the files that make calls: numeric exports, commands, hooks, and the experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from judicia_notebook.engine.backtraces import Locate
    from judicia_notebook.policy.budget import CappedBudget
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.deployment import Deployment
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.pool import InstancePool
    from judicia_notebook.runtime.target import Target
    from judicia_notebook.runtime.way import Reading


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
    def _deployment(self) -> Deployment:
        """Where its calls go."""

    @property
    def _code(self) -> Code:
        """The module as it was read and compiled."""

    def _code_with(self, metering: str | None) -> Code:
        """The module as it was compiled, or compiled for another metering.

        Raises
        ------
        PolicyError
        """

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that on_initialize gets, over the manifest's own."""

    def _capped(self, quota: Quota | Mapping[str, Any] | None) -> CappedBudget | None:
        """The limits of a call that has its own."""

    def _begin(
        self, target: Target, quota: Quota | Mapping[str, Any] | None, body: Callable[[Call], Any], **more: Any
    ) -> Call:
        """A call that is about to be made."""

    def _abi_call(
        self,
        function: str,
        request: bytes,
        quota: Quota | Mapping[str, Any] | None,
        finish: Callable[[Call, Any], Any],
        **more: Any,
    ) -> Call:
        """A call of a function of ABI 1 that is about to be made."""

    def _called(
        self,
        function: str,
        request: bytes,
        began: int,
        reading: Reading,
        quota: Quota | Mapping[str, Any] | None,
        positions: list[int] | None,
    ) -> Any:
        """Make a call of a function of ABI 1, on the shortest way; `positions` gets that of its row."""

    def _code_with_counters(self, wasm: bytes, counters: int, meter: int, monitored: str, locate: Locate) -> Code:
        """The module with a monitor's counters written into it, compiled.

        Raises
        ------
        PolicyError, CompileError
        """

    def _check_loaded(self) -> None:
        """Refuse a plugin that was unloaded.

        Raises
        ------
        PluginNotReady
        """

    def _on(self, instances: InstancePool) -> AbstractContextManager[Callee]:
        """The same plugin on other instances, which are closed at the end of the block."""
