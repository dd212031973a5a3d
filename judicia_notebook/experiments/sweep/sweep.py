"""`judicia_notebook.sweep`: from the arguments to the tidy frame."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.errors import JudiciaError, PolicyError
from judicia_notebook.experiments.monitors import read_what
from judicia_notebook.experiments.sweep import contents, laboratory
from judicia_notebook.experiments.sweep.dispatch import Dispatch, Here
from judicia_notebook.experiments.sweep.grid import Grid, make_grid
from judicia_notebook.experiments.sweep.journal import Journal
from judicia_notebook.experiments.sweep.laboratory import Plan, Row
from judicia_notebook.experiments.sweep.requests import requests
from judicia_notebook.reporting.interrupts import Interrupted
from judicia_notebook.reporting.progress import bar

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
    ("imports",): "the Python functions that answer them are in this process",
}
"""Capabilities of services that make no sense in another process, and why. A plugin that merely could ask for one is
denied there as it is here."""


def sweep(
    plugins: Any,
    function: str | None = None,
    payloads: Any = None,
    *,
    data: Any = None,
    numbers: Any = None,
    args: Any = None,
    stdin: Any = b"",
    quotas: Any = None,
    grants: Any = None,
    metering: Any = None,
    monitors: str | Iterable[str] | None = None,
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
    """Measure a call over a grid: every plugin with every payload, every quota and every set of grants.

    Every cell is measured in a runtime of the sweep's own, so loaded plugins and their records stay as they are. A call
    that fails is a row like any other: see ``outcome`` and ``error``.

    Parameters
    ----------
    plugins : source, Plugin, list of these, or dict of names and these
        A source is what `Runtime.load` takes. A `Plugin` comes with its grants, quotas and config.
    function : str, optional
        None for a WASI command.
    payloads : list, or dict of names and payloads, optional
        As for `Plugin.call`; or one of the following instead, each a list or a dict, too. With none of them the
        function gets no payload.
    data : list of bytes
        As for `Plugin.call_bytes`.
    numbers : list of lists of numbers
        The arguments of a numeric export; a number alone is one argument.
    args : list of lists of str
        The arguments of a WASI command.
    stdin : bytes, str, list of these, or dict of names and these
        The standard input of a WASI command: each with every one of `args`.
    quotas : Quota or dict, list of these, or dict of names and these, optional
        The limits that each changes; the others are the plugin's own.
    grants : list of lists of grants, or dict of names and these, optional
        The grants of each, instead of the plugin's own. In a list, a text is one alternative.
    metering : "full", "epochs", "none" or a list of these, optional
        What the code counts; several are an axis, ``param_metering``. By default a plugin's own. "none" is the speed of
        bare Wasmtime, in child processes: for plugins that import log and clock alone.
    monitors : str or iterable of str, optional
        What to count in each cell, as `what` of `Plugin.monitor`. Each cell has an instance of its own, there is no
        warm-up, and its row says ``monitored``: its times are those of code with counters.
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
        ``param_payload``, ``param_quota``, ``param_grants``, ``param_metering`` where that is given, and one
        ``param_*`` for each field that all payloads have (of numbers ``param_number_1`` and so on, of commands
        ``param_args`` and ``param_stdin``) and each kind of quota that is named; ``worker``; and the columns of
        `Runtime.calls`. An outcome of ``not_begun`` had no call (the plugin did not initialize), one of
        ``worker_lost`` took its worker down.
        With `monitors` its ``counts`` has a frame for each of them, such as ``frame.counts["coverage"]``: a row of it
        is one of `Plugin.monitor` with ``cell``, ``repeat`` and the ``param_*`` columns of its cell before it.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The finished cells are in the file, and as a frame in the exception's ``frame``.
    ValueError, TypeError
        A wrong grid; no such monitor; monitors with kept instances or `metering`.
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
    what = _monitors(monitors, metering, instances)
    calls = requests(function, payloads, data, numbers, args, stdin)
    grid = make_grid(
        plugins, calls, quotas=quotas, grants=grants, metering=metering, repeats=repeats, warmup=warmup, order=order,
        seed=seed, instances=instances, database=database, monitors=what,
    )  # fmt: skip
    place = _place(executor)
    if place.elsewhere:
        _check_services(grid, database)
    plan = Plan(secrets.token_hex(8), grid.kind, grid.function, grid.variants, instances, warmup, database, what)
    with Journal(path, grid) as journal:
        try:
            _measure(grid, plan, journal, place, progress=progress)
        except KeyboardInterrupt as error:
            raise _interrupted(grid, journal, path).with_traceback(error.__traceback__) from None
        except JudiciaError as error:
            _keep(error, grid, journal)
            error.add_note(_progress(grid, journal, path))
            raise
    return _frame(grid, journal)


def _interrupted(grid: Grid, journal: Journal, path: Any) -> Interrupted:
    """The interrupt, with the finished cells."""
    interrupt = Interrupted(_progress(grid, journal, path))
    _keep(interrupt, grid, journal)
    return interrupt


def _monitors(monitors: str | Iterable[str] | None, metering: Any, instances: Any) -> tuple[str, ...]:
    """The monitors that are asked for; none by default.

    Raises
    ------
    ValueError, TypeError
    """
    if monitors is None:
        return ()
    what = read_what(monitors)
    if metering is not None:
        raise ValueError("metering= is an axis of times, and monitors= counts: make it two sweeps")
    if instances != "fresh":
        raise ValueError(f"a monitored cell has an instance of its own: instances={instances!r} is for times")
    return what


def _frame(grid: Grid, journal: Journal) -> pd.DataFrame:
    from judicia_notebook.experiments.sweep.table import frame

    columns = journal.columns if grid.identity["monitors"] else None
    return frame(grid.params.__getitem__, grid.repeats, grid.size, journal.head, journal.entries, columns)


def _measure(grid: Grid, plan: Plan, journal: Journal, place: Place, *, progress: bool) -> None:
    units = [unit for unit in grid.units() if any(cell.number not in journal.entries for cell in unit)]
    if not units:
        return
    contents.keep(grid.contents)
    done = sum(cell.number in journal.entries for unit in grid.units() for cell in unit)
    try:
        laboratory.prepare(plan, grid.contents)
        with (
            place.delivered(plan.key, grid.contents),
            bar(grid.function, "cell", grid.size, done, shown=progress) as tell,
        ):

            def take(worker: str, rows: Iterable[Row], columns: Mapping[str, bytes]) -> None:
                new = [row for row in rows if row.cell not in journal.entries]
                journal.add(worker, new, columns)
                tell(len(new))

            Dispatch(place.executor, plan, units, grid.contents, place.workers, take).run()
    finally:
        laboratory.close(plan.key)


def _keep(error: BaseException, grid: Grid, journal: Journal) -> None:
    """Put the finished cells into the exception."""
    error.frame = _frame(grid, journal)  # type: ignore[attr-defined]


def _progress(grid: Grid, journal: Journal, path: Any) -> str:
    """The finished cells in words, and how to go on."""
    where = "are in its frame" if path is None else f"are in {os.fspath(path)}; the same sweep goes on from there"
    return f"{len(journal.entries)} of {grid.size} cells are done and {where}."


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
