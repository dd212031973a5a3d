"""A real Dask cluster on loopback: a scheduler, and two workers that a nanny brings back when they are killed.

They are programs of their own, as on a cluster, so nothing of them is in the process of the tests but the client.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import LONG_PATIENCE, until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of two workers with one thread each, which find this package as the tests do."""
    from distributed import Client

    connect: Callable[..., Any] = Client
    folder = tmp_path_factory.mktemp("dask")
    address = folder / "scheduler.json"
    loopback = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(address))
    workers = ("--nworkers", "2", "--nthreads", "1", "--nanny", "--local-directory", str(folder), "--memory-limit", "0")
    programs = []
    try:
        with (folder / "log.txt").open("wb") as log:
            for arguments in (("scheduler", "--port", "0", *loopback), ("worker", *loopback, *workers)):
                programs.append(start(arguments[0], *arguments[1:], log=log))
                until(lambda: address.exists() and address.stat().st_size)
            with connect(scheduler_file=str(address), timeout=LONG_PATIENCE) as made:
                made.wait_for_workers(2, timeout=LONG_PATIENCE)
                yield made
    finally:
        for program in reversed(programs):
            program.terminate()
        for program in programs:
            program.wait(LONG_PATIENCE)


def start(program: str, *arguments: str, log: Any) -> subprocess.Popen[bytes]:
    """Starts ``dask scheduler`` or ``dask worker``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log)
