"""`Plugin.bench`: the same call again and again, in new instances and in a kept one, in turns.

- It makes instances of its own, so the plugin's instances and their state stay as they are. Grants, quotas and config
  are the plugin's.
- Cold and warm calls take turns, so that a slow moment of the machine falls on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.bench import Bench, Side
from judicia_notebook.context import via
from judicia_notebook.errors import CallError
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime.pool import InstancePool, Making

if TYPE_CHECKING:
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.callee import Callee


@tells_interrupts("The bench was interrupted; its calls are in p.calls.")
def bench(
    plugin: Callee,
    function: str,
    payload: Any,
    *,
    repeats: int,
    warmup: int,
    quota: Quota | Mapping[str, Any] | None,
) -> Bench:
    """Carry out `Plugin.bench`, whose docstring says more."""
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats is at least 1 and warmup at least 0, not {repeats!r} and {warmup!r}")
    making = Making(plugin._code, plugin.config)
    cold = InstancePool(plugin.name, making, "fresh", plugin.policy)
    warm = InstancePool(plugin.name, making, 1, plugin.policy)
    errors: list[CallError] = []

    def once(pool: InstancePool) -> CallRecord | None:
        call = plugin.json_call(function, payload, quota, pool)
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
                        once(warm)  # the first call in an instance is cold
                    record = once(pool)
                    if record is None or turn < 0:
                        continue
                    if pool is cold or record.instance_call != 1 or record.outcome != "ok":
                        records[pool].append(record)  # after a failure the next call is cold, in a new instance
        finally:
            plugin.retire([*cold.close(), *warm.close()])
    found = Bench(plugin.name, function, warmup, Side(tuple(records[cold])), Side(tuple(records[warm])))
    if errors and all(side.failed == len(side.records) for _, side in found.sides):
        raise errors[0]
    return found
