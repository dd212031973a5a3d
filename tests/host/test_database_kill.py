"""What was acknowledged survives a process that is killed in the midst of writing."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.authoring.wat import compile_wat

TIMES = {"sqlite": 10, "postgresql": 3}
DEADLINE = 120  # seconds: whoever takes longer hangs

MODULE = compile_wat(
    "\n".join(
        f'(func (export "{name}") (param i32 i32) (result i64)'
        f" (call $judicia:database.{name} (local.get 0) (local.get 1)))"
        for name in ("query", "execute")
    )
).encode()

WRITER = """
import itertools, os, sys
import judicia_notebook as jn

folder, database, module, turn = sys.argv[1:]
rt = jn.Runtime(folder, database=database or None)
p = rt.load(open(module, "rb").read(), name="writer", grant=["read_database", "write_database"])
for n in itertools.count():
    answer = p.call("execute", {"sql": "INSERT INTO t VALUES ($1, $2)", "params": [int(turn), n]})
    assert answer == {"ok": {"rowcount": 1}}, answer
    os.write(1, b".")  # acknowledged
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Of a database that outlives the process; without one it is the file in the data folder."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql"))


def acknowledged(command: list[str], kill_after: int) -> int:
    """How many writes were acknowledged until it was killed, which it was after this many."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        count = 0
        try:
            while count < kill_after and select.select([child.stdout], [], [], DEADLINE)[0]:
                some = os.read(child.stdout.fileno(), kill_after - count)
                if not some:
                    break
                count += len(some)
        finally:
            child.kill()
        count += len(child.stdout.read())  # what it said while the signal was on its way
        said = child.stderr.read().decode()
    assert child.returncode == -signal.SIGKILL, said
    assert count >= kill_after, "it hung"
    return count


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
        command = [sys.executable, "-c", WRITER, str(folder), url, str(module), str(turn)]
        count = acknowledged(command, kill_after=100 + turn * 100)
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
