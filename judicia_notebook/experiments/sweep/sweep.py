"""`judicia_notebook.sweep`: from the arguments to the tidy frame."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import JudiciaError, PolicyError
from judicia_notebook.experiments.sweep import contents, laboratory
from judicia_notebook.experiments.sweep.dispatch import Dispatch, Here
from judicia_notebook.experiments.sweep.grid import Grid, make_grid
from judicia_notebook.experiments.sweep.journal import Journal
from judicia_notebook.experiments.sweep.laboratory import Plan, Row
from judicia_notebook.reporting.interrupts import Interrupted

if TYPE_CHECKING:
    import pandas as pd

STAYS_THERE = {
    ("read_database", "write_database"): (
        "its SQLite file would lie where that worker runs; give database='postgresql://...'"
    ),
    ("emit_event", "subscribe_events"): (
        "its events would stay in that worker's process, and events of this process would not reach it"
    ),
    ("network_access", "register_routes"): (
        "routes and requests would be those of the machine that happens to run the cell"
    ),
    ("send_notifications",): "they would stay in that worker's process, where the user does not see them",
    ("read_files", "write_files"): "its folders are on this machine",
    ("read_shared_memory", "write_shared_memory"): "its regions are in this process",
}
"""Capabilities of services that make no sense in another process, and why. A plugin that merely could ask for one is
denied there as it is here."""


def sweep(
    plugins: Any,
    function: str,
    payloads: Any,
    *,
    quotas: Any = None,
    grants: Any = None,
    repeats: int = 10,
    warmup: int = 3,
    order: str = "random",
    seed: int = 0,
    instances: Any = "fresh",
    executor: Any = None,
    database: str | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure a function over a grid: every plugin with every payload, every quota and every set of grants.

    Every cell is measured in a runtime of the sweep's own, so loaded plugins and their records stay as they are. A call
    that fails is a row like any other: see ``outcome`` and ``error``.

    Parameters
    ----------
    plugins : source, Plugin, list of these, or dict of names and these
        A source is what `Runtime.load` takes. A `Plugin` comes with its grants, quotas and config.
    function : str
    payloads : list, or dict of names and payloads
        As for `Plugin.call`.
    quotas : Quota or dict, list of these, or dict of names and these, optional
        The limits that each changes; the others are the plugin's own.
    grants : list of lists of grants, or dict of names and these, optional
        The grants of each, instead of the plugin's own. In a list, a text is one alternative.
    repeats : int
        Cells for each configuration.
    warmup : int
        Calls that are not kept: with fresh instances before the first cell of each plugin on each worker, otherwise at
        the beginning of each configuration.
    order : "random" or "grid"
        Random: all cells are shuffled, so that a slow minute is spread over the grid. Kept instances keep the repeats
        of a configuration together.
    seed : int
        Of the order.
    instances : "fresh" or int
        A new instance for every cell; or so many, new for each configuration, whose state lives through its repeats.
    executor : concurrent.futures.Executor, optional
        Threads, processes (spawned, never forked), or a Dask cluster: ``client.get_executor()``, or the client. Without
        one everything runs on this thread. Measure on a machine with a core for each worker.
    database : str, optional
        As for `Runtime`; away from this process a postgresql URL.
    path : path, optional
        A file to keep every finished cell in. The same sweep with the same path goes on where it ended.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        One row a cell in the order of the grid: ``cell``, ``repeat``, what was varied as ``param_plugin``,
        ``param_payload``, ``param_quota``, ``param_grants`` and one ``param_*`` for each field that all payloads have
        and each kind of quota that is named; ``worker``; and the columns of `Runtime.calls`. An outcome of
        ``not_begun`` had no call (the plugin did not initialize), one of ``worker_lost`` took its worker down.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The finished cells are in the file, and as a frame in the exception's ``frame``.
    ValueError, TypeError
        A wrong grid.
    JudiciaError
        A plugin that cannot be loaded, a bad grant or quota, a grant that makes no sense in another process, a file
        of another sweep, or an executor that lost its workers (with the finished cells in its ``frame``).

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> frame = jn.sweep("example:specimen", "echo", [1, [1, 2]], repeats=2, progress=False)
    >>> len(frame), set(frame["outcome"])
    (4, {'ok'})
    """
    grid = make_grid(
        plugins, function, payloads, quotas=quotas, grants=grants, repeats=repeats, warmup=warmup, order=order,
        seed=seed, instances=instances, database=database,
    )  # fmt: skip
    place = _place(executor)
    if place.elsewhere:
        _check_services(grid, database)
    plan = Plan(secrets.token_hex(8), function, grid.variants, instances, warmup, database)
    with Journal(path, grid.identity, grid.size) as journal:
        try:
            _measure(grid, plan, journal, place, progress=progress)
        except KeyboardInterrupt as error:
            interrupt = Interrupted(_progress(grid, journal, path))
            _keep(interrupt, grid, journal)
            raise interrupt.with_traceback(error.__traceback__) from None
        except JudiciaError as error:
            _keep(error, grid, journal)
            error.add_note(_progress(grid, journal, path))
            raise
    from judicia_notebook.experiments.sweep.table import frame

    return frame(grid, journal.entries)


def _measure(grid: Grid, plan: Plan, journal: Journal, place: Place, *, progress: bool) -> None:
    units = [unit for unit in grid.units() if any(cell.number not in journal.entries for cell in unit)]
    if not units:
        return
    contents.keep(grid.contents)
    done = sum(cell.number in journal.entries for unit in grid.units() for cell in unit)
    try:
        laboratory.prepare(plan, grid.contents)
        with place.delivered(plan.key, grid.contents), _bar(grid, done, shown=progress) as tell:

            def take(worker: str, rows: Iterable[Row]) -> None:
                new = [row for row in rows if row.cell not in journal.entries]
                journal.add(worker, new)
                tell(len(new))

            Dispatch(place.executor, plan, units, grid.contents, place.workers, take).run()
    finally:
        laboratory.close(plan.key)


def _keep(error: BaseException, grid: Grid, journal: Journal) -> None:
    """Put the finished cells into the exception."""
    from judicia_notebook.experiments.sweep.table import frame

    error.frame = frame(grid, journal.entries)  # type: ignore[attr-defined]


def _progress(grid: Grid, journal: Journal, path: Any) -> str:
    """The finished cells in words, and how to go on."""
    where = "are in its frame" if path is None else f"are in {os.fspath(path)}; the same sweep goes on from there"
    return f"{len(journal.entries)} of {grid.size} cells are done and {where}."


@contextlib.contextmanager
def _bar(grid: Grid, done: int, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """A progress bar, as a widget in a notebook; it is called with the number of finished cells."""
    if not shown:
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=grid.size, initial=done, desc=grid.function, unit="cell") as bar:
        yield bar.update


# Where it runs --------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """An executor and its properties."""

    executor: Executor
    elsewhere: bool
    workers: Callable[[], int]
    delivered: Callable[[str, Any], contextlib.AbstractContextManager[None]]


def _place(executor: Any) -> Place:
    def nothing(_: str, __: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    if executor is None:
        return Place(Here(), elsewhere=False, workers=lambda: 1, delivered=nothing)
    if type(executor).__module__.partition(".")[0] == "distributed":
        from judicia_notebook.experiments.sweep import cluster

        client = cluster.client_of(executor)
        return Place(
            cluster.executor_of(executor),
            elsewhere=True,
            workers=lambda: cluster.threads(client),
            delivered=lambda key, parcel: cluster.delivered(client, key, parcel),
        )
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor is a concurrent.futures.Executor, not {type(executor).__name__}")
    _check_not_forking(executor)
    workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    threads = isinstance(executor, ThreadPoolExecutor)
    return Place(executor, elsewhere=not threads, workers=lambda: workers, delivered=nothing)


def _check_not_forking(executor: Any) -> None:
    """A forked child has no engine, and before Python 3.14 executors fork on Linux by default."""
    context = getattr(executor, "_mp_context", None)
    if context is None or context.get_start_method() != "fork":
        return
    kinds = [kind for kind in multiprocessing.get_all_start_methods() if kind != "fork"]
    raise PolicyError(
        "A sweep cannot run in forked processes: the engine does not survive a fork.",
        hint=f"ProcessPoolExecutor(mp_context=multiprocessing.get_context({kinds[0]!r})) starts them afresh.",
    )


def _check_services(grid: Grid, database: str | None) -> None:
    """Refuse grants of services that make no sense in another process.

    Raises
    ------
    PolicyError
    """
    shared = (database or "").startswith("postgresql")
    used = {
        (configuration.variant, configuration.granted)
        for unit in grid.units()
        for configuration in (cell.configuration for cell in unit)
    }
    for number, wanted in sorted(used, key=str):
        variant = grid.variants[number]
        names = {grant.partition("=")[0] for grant in (variant.granted if wanted is None else wanted)}
        for capabilities, reason in STAYS_THERE.items():
            found = [name for name in capabilities if name in names]
            if found and not (shared and "read_database" in capabilities):
                raise PolicyError(
                    f"{variant.label} is granted {found[0]}, and this sweep runs in other processes: {reason}.",
                    hint="Without executor=, or with threads, the sweep runs in this process.",
                )
