"""An instance of a plugin, and what new ones are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from judicia_notebook.engine.core import functions

if TYPE_CHECKING:
    from judicia_notebook.engine.abi import Exchange
    from judicia_notebook.engine.row_loops import Loop
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.wasm.info import FuncType


class Instance:
    """A sandbox with its place in the plugin's history: which instance it is, and how many calls it has served."""

    __slots__ = ("_fields", "code", "exchange", "loops", "sandbox")

    def __init__(self, code: Code, sandbox: Sandbox, exchange: Exchange) -> None:
        self.code = code
        self.sandbox = sandbox
        self.exchange = exchange
        self.loops: dict[FuncType, Loop] = {}  # over rows, by the type of the function
        self._fields = sandbox.box.fields

    @classmethod
    def made(cls, code: Code, sandbox: Sandbox, exchange: Exchange, generation: int) -> Instance:
        """A new one, of a generation of its pool."""
        instance = cls(code, sandbox, exchange)
        fields = instance._fields
        fields.code, fields.number, fields.generation = code.linkage.number, functions.instance_number(), generation
        return instance

    @property
    def number(self) -> int:
        """Which of all instances of this process it is, from 1."""
        return int(self._fields.number)

    @property
    def calls(self) -> int:
        """How many calls it has served."""
        return int(self._fields.calls)

    @calls.setter
    def calls(self, count: int) -> None:
        self._fields.calls = count


class Observer(Protocol):
    """Looks at an instance before and after each call in it: a monitor. Its calls have the origin ``monitor``."""

    def begin(self, instance: Instance) -> None:
        """On the thread inside, before the call's clocks run; what it raises ends the call."""

    def end(self, instance: Instance, origin: str) -> None:
        """On the thread inside, also of a call that failed, when its clocks have stopped; it raises nothing.

        Parameters
        ----------
        origin : str
            The call's: ``lifecycle`` of a hook.
        """


class Making(NamedTuple):
    """The code and config of new instances: exchanged together, so that no code gets another's config."""

    code: Code
    config: Mapping[str, Any]
