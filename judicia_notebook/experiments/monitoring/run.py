"""`Plugin.monitor`, `Plugin.monitoring` and `Runtime.monitoring`: calls in instances whose code has counters.

- The plugin's own instances and their state stay as they are: a monitored call has an instance of its own, in which
  the start function and on_initialize run again. In a block one instance lives until the end, and all calls go there.
- The calls are rows like any other, with the origin ``monitor`` and the monitors in the column ``monitored``. The
  engine counts no fuel, since counters would burn it. Where there is a limit of fuel, the code counts its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.monitoring.plan import Plan, plan_for
from judicia_notebook.experiments.monitoring.result import Monitored
from judicia_notebook.experiments.monitoring.tally import Tally
from judicia_notebook.experiments.monitors import read_what
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime.exports import WASI_ABI
from judicia_notebook.runtime.instance import Making
from judicia_notebook.runtime.pool import InstancePool

if TYPE_CHECKING:
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.pool import Instances
    from judicia_notebook.runtime.request import Request


class Prepared(NamedTuple):
    """The code of a plugin with counters, compiled: what any number of monitored calls of it need."""

    plan: Plan
    making: Making


def prepare_monitor(plugin: Callee, what: Sequence[str], quota: Quota | Mapping[str, Any] | None = None) -> Prepared:
    """Have counters written into a plugin's code, and compile it.

    Where a limit of fuel is in force the code counts its own fuel, too, and ends where the original would.

    Raises
    ------
    ValueError
        A monitor's option names what the module has not.
    RewriteError, PolicyError, CompileError
    """
    plugin._check_loaded()
    code = plugin._code
    budget = plugin._capped(quota) or plugin.policy
    plan = plan_for(code, what, meters=budget.limits.fuel is not None)
    made, meter = plan.rewritten, 0 if plan.meter is None else plan.meter.address
    counting = plugin._code_with_counters(made.wasm, made.memory_size, meter, plan.label, made.original_offset)
    making = Making(counting, plugin.config)
    return Prepared(plan, making)


@tells_interrupts("Writing counters into the module was interrupted; nothing was called.")
def _prepare(plugin: Callee, what: Sequence[str], quota: Quota | Mapping[str, Any] | None = None) -> Prepared:
    return prepare_monitor(plugin, what, quota)


def _observed(plugin: Callee, prepared: Prepared, kept: Instances) -> tuple[Tally, InstancePool]:
    """Instances of the plugin's code with counters, and what adds them up."""
    tally = Tally(prepared.plan)
    return tally, InstancePool(plugin.name, prepared.making, kept, plugin.policy, tally)


@tells_interrupts("The monitored call was interrupted; its row is in p.calls.")
def monitor(
    plugin: Callee, request: Request, *, what: str | Iterable[str], quota: Quota | Mapping[str, Any] | None
) -> Monitored:
    """Carry out `Plugin.monitor`, whose docstring says more."""
    wanted = read_what(what)
    plugin._check_loaded()
    request.check(plugin.name, plugin._code.module, plugin.abi)  # before the work of rewriting
    return monitor_once(plugin, request, wanted, _prepare(plugin, wanted, quota), quota)


def monitor_once(
    plugin: Callee,
    request: Request,
    what: tuple[str, ...],
    prepared: Prepared,
    quota: Quota | Mapping[str, Any] | None = None,
) -> Monitored:
    """Make a call in an instance of its own, and count in it.

    Raises
    ------
    JudiciaError
        Nothing of it ran.
    """
    tally, instances = _observed(plugin, prepared, "fresh")
    found = Monitored(what, {plugin.name: tally})
    with plugin._on(instances) as other:
        found.outcome = request.attempt(other, quota)
    if found.outcome.error is not None and not tally.calls:
        try:
            raise found.outcome.error  # nothing of it ran
        finally:
            del found  # its error's traceback has this frame
    return found


@contextmanager
def monitoring(plugins: Sequence[Callee], what: str | Iterable[str]) -> Iterator[Monitored]:
    """Carry out `Runtime.monitoring`, whose docstring says more."""
    wanted = read_what(what)
    if not plugins:
        raise JudiciaError("which plugins?  rt.monitoring(p, q, what=...) counts in the calls of p and q.")
    tallies: dict[str, Tally] = {}
    with ExitStack() as stack:
        for plugin in plugins:
            if plugin.name in tallies:
                raise JudiciaError(f"{plugin.name} is named twice.")
            kept: Instances = "fresh" if plugin.abi == WASI_ABI else 1  # a command's instance cannot be entered twice
            tally, instances = _observed(plugin, _prepare(plugin, wanted), kept)
            tallies[plugin.name] = tally
            stack.enter_context(plugin._deployment.divert(instances))
        yield Monitored(wanted, tallies)
