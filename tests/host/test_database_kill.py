"""What was acknowledged survives a kernel that is killed in the midst of writing."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

import judicia_notebook as jn
from tests.support.guests import service_forwarder, wat
from tests.support.kernels import environment

TIMES = {"sqlite": 3, "postgresql": 2}
DEADLINE = 120  # seconds: whoever takes longer hangs

MODULE = wat(service_forwarder("database", "query", "execute"))

CELL = """
import itertools, os
import judicia_notebook as jn

rt = jn.Runtime({folder!r}, database={database!r})
p = rt.load(open({module!r}, "rb").read(), name="writer", grant=["read_database", "write_database"])
told = os.open({told!r}, os.O_WRONLY | os.O_APPEND)
for n in itertools.count():
    answer = p.call("execute", {{"sql": "INSERT INTO t VALUES ($1, $2)", "params": [{turn}, n]}})
    assert answer == {{"ok": {{"rowcount": 1}}}}, answer
    os.write(told, b".")  # acknowledged
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Of a database that outlives the process; without one it is the file in the data folder."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql"))


def size(file: Path) -> int:
    """Its bytes."""
    return file.stat().st_size


async def acknowledged(cell: str, told: Path, kill_after: int) -> int:
    """How many writes a kernel acknowledged until it was killed, which it was after this many."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    folder = told.with_suffix(".kernel")
    folder.mkdir()
    manager = AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True),
        connection_file=str(folder / "connection.json"),
    )
    await manager.start_kernel(env=environment(folder), cwd=str(folder))
    client = manager.client()
    try:
        client.start_channels()
        await client.wait_for_ready(timeout=DEADLINE)
        client.execute(cell)
        deadline = time.monotonic() + DEADLINE
        while size(told) < kill_after:
            assert time.monotonic() < deadline, "it hung"
            await asyncio.sleep(0.002)
        pid = getattr(manager.provisioner, "pid", None)
        assert pid, "the kernel's process is not known"
        os.kill(pid, signal.SIGKILL)
        while await manager.is_alive():
            assert time.monotonic() < deadline, "it outlived the signal"
            await asyncio.sleep(0.01)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
    return size(told)


def rows(folder: Path, url: str) -> list[list[int]]:
    with jn.Runtime(folder, database=url or None) as rt:
        p = rt.load(MODULE, name="writer", grant=["read_database", "write_database"])
        answer = p.call("query", {"sql": "SELECT turn, n FROM t ORDER BY turn, n"})
        assert "ok" in answer, answer
        done = p.call("execute", {"sql": "UPDATE t SET n = n WHERE turn = 0 AND n = 0"})
        assert done == {"ok": {"rowcount": 1 if answer["ok"]["rows"] else 0}}
    return [list(row) for row in answer["ok"]["rows"]]


def test_what_was_acknowledged_is_there_after_a_kill_again_and_again(url: str, tmp_path: Path) -> None:
    folder, module = tmp_path / "data", tmp_path / "writer.wasm"
    module.write_bytes(MODULE)
    with jn.Runtime(folder, database=url or None) as rt:
        p = rt.load(MODULE, name="writer", grant=["write_database"])
        p.call("execute", {"sql": "CREATE TABLE t (turn integer, n integer)"})
    expected: list[list[int]] = []
    for turn in range(TIMES["postgresql" if url else "sqlite"]):
        told = tmp_path / f"told-{turn}"
        told.touch()
        cell = CELL.format(folder=str(folder), database=url or None, module=str(module), told=str(told), turn=turn)
        count = asyncio.run(acknowledged(cell, told, kill_after=100 + turn * 100))
        found = rows(folder, url)
        expected += [[turn, n] for n in range(count)]
        assert found[: len(expected)] == expected
        # The one that was on its way may be there or not, as a whole.
        assert found[len(expected) :] in ([], [[turn, count]])
        expected = found
    for path in folder.rglob("*.sqlite3"):
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
