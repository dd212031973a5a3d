"""`Plugin.bench`: the same call again and again, in new instances and in a kept one, in turns.

It has instances of its own for that, so those of the plugin and their state stay as they are; grants, quotas and config
are the plugin's. Cold and warm calls take turns, so that a slow moment of the machine falls on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis.bench import Bench, Side
from judicia_notebook.errors import CallError, tells_interrupts
from judicia_notebook.policy.policy import via
from judicia_notebook.runtime.pool import InstancePool

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.recorder import CallRecord
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.pool import Instance
    from judicia_notebook.runtime.source import Code

REPEATS, WARMUP = 30, 3


class Callee(Protocol):
    """What is needed of the plugin."""

    name: str

    policy: Policy

    @property
    def code(self) -> Code: ...

    def _json_call(self, function: str, payload: Any, quota: Quota | Mapping[str, Any] | None) -> Call: ...

    def retire(self, idle: list[Instance]) -> None: ...


@tells_interrupts("The bench was interrupted; its calls are in p.calls.")
@tells_interrupts("The bench was interrupted; its calls are in p.calls.")
def bench(
    self: Callee,
    function: str,
    payload: Any = None,
    *,
    repeats: int = REPEATS,
    warmup: int = WARMUP,
    quota: Quota | Mapping[str, Any] | None = None,
) -> Bench:
    """Measure what a call costs, in a new instance (cold) and in one that has served calls before (warm).

    Its calls are rows of `Runtime.calls` like any other, with the origin ``bench``; those to warm up are among them.

    Parameters
    ----------
    function : str
    payload : Any
        As for `call`.
    repeats : int
        Calls of either kind. Six give an interval, thirty a good one.
    warmup : int
        Calls of either kind before them, which are not in the result.
    quota : Quota, optional
        Limits for each call.

    Returns
    -------
    Bench
        ``.cold`` and ``.warm`` with medians and their 95 % intervals, ``.summary`` as a frame.

    Raises
    ------
    CallError
        No call ended well; it is the first one's error.
    NoSuchFunction, PluginNotReady, InvalidPayload
    ValueError
        Fewer than one repeat.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     found = rt.load("example:specimen").bench("echo", [1, 2], repeats=10)
    >>> found.cold.wall_ms.median > found.warm.wall_ms.median
    True
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats is at least 1 and warmup at least 0, not {repeats!r} and {warmup!r}")
    cold = InstancePool(self.name, self.code, "fresh", self.policy)
    warm = InstancePool(self.name, self.code, 1, self.policy)
    errors: list[CallError] = []

    def once(pool: InstancePool) -> CallRecord | None:
        call = self._json_call(function, payload, quota)
        call.target = call.target._replace(instances=pool)
        try:
            call.run()
        except CallError as error:
            errors.append(error)
        return call.record

    records: dict[InstancePool, list[CallRecord]] = {cold: [], warm: []}
    with via("bench"):
        try:
            for turn in range(-warmup, repeats):
                for pool in (cold, warm):
                    if turn == 0 and pool is warm and not warmup:
                        once(warm)  # the first one in an instance is cold
                    record = once(pool)
                    if record is None or turn < 0:
                        continue
                    if pool is cold or record.instance_call != 1 or record.outcome != "ok":
                        records[pool].append(record)  # where a failure cost the kept instance, the next one is cold
        finally:
            self.retire([*cold.close(), *warm.close()])
    found = Bench(self.name, function, warmup, Side(tuple(records[cold])), Side(tuple(records[warm])))
    if errors and all(side.failed == len(side.records) for _, side in found.sides):
        raise errors[0]
    return found
