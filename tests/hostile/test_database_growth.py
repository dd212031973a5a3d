"""Plugins that try to have a database keep more on the disk than its limit, with all its files together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

import judicia_notebook as jn
from tests.support.guests import service_forwarder, wat
from tests.support.waiting import PATIENCE, in_some_try

MIB = 1 << 20
LIMIT = 4 * MIB
SLOW = "WITH RECURSIVE c(n) AS (SELECT count(*) FROM {} UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
NUMBERS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {})"
MODULE = wat(service_forwarder("database", "query", "execute"))

WHOLE_LIMIT_FOR_TABLES = pytest.mark.wall(
    {"judicia_notebook.host.database.space:pages_within": "lambda limit, log: limit // PAGE_BYTES"}
)
NO_GATE = pytest.mark.wall({"judicia_notebook.host.database.space:Gate.is_open": "lambda gate, schemas: True"})
RARE_LOOKS = pytest.mark.wall({"judicia_notebook.host.database.progress:steps_between_looks": "lambda limits: _STEPS"})
NO_LOOK_BEFORE = pytest.mark.wall({"judicia_notebook.host.database.postgresql:_check_room": "lambda *_: None"})


class Ground:
    """A guest with tables in a folder, and how large that ever was."""

    def __init__(self, rt: jn.Runtime, folder: Path) -> None:
        self.rt, self.folder = rt, folder / "database"
        self.largest = 0
        self.p = self.load("guest")
        self.statement_time = "500ms"  # of those that read all the while, and so of those beside them
        rt.host.database.set_limits(database_bytes=LIMIT)

    def load(self, name: str, *grants: str) -> jn.Plugin:
        return self.rt.load(MODULE, name=name, grant=["read_database", "write_database", *grants], instances=4)

    def execute(self, sql: str, *params: Any, p: jn.Plugin | None = None) -> str:
        """``ok``, or the error's code; then the files are measured."""
        answer = (p or self.p).call("execute", {"sql": sql, "params": list(params)})
        self.measure()
        return "ok" if "ok" in answer else str(answer["error"]["code"])

    def measure(self) -> None:
        self.largest = max(self.largest, size_of(self.folder))

    @contextmanager
    def read_from(self, table: str, p: jn.Plugin | None = None, after: tuple[float, ...] = (0, 0.15)) -> Iterator[None]:
        """Statements that read overlap all the while, and the files are measured."""
        self.rt.host.database.set_limits(statement_time=self.statement_time)
        stop = threading.Event()

        def read(delay: float) -> None:
            time.sleep(delay)
            while not stop.is_set():
                (p or self.p).attempt("query", {"sql": SLOW.format(table)})

        def watch() -> None:
            while not stop.is_set():
                self.measure()
                time.sleep(0.002)

        threads = [threading.Thread(target=read, args=(one,)) for one in after] + [threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        time.sleep(max(after) + 0.1)
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)


def size_of(folder: Path) -> int:
    """Bytes of all files in it; one may go meanwhile."""
    found = 0
    for file in folder.iterdir():
        try:
            found += file.stat().st_size
        except FileNotFoundError:
            continue
    return found


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with jn.Runtime(tmp_path) as rt:
        yield Ground(rt, tmp_path)


@WHOLE_LIMIT_FOR_TABLES
def test_updates_while_statements_that_read_overlap_do_not_lengthen_the_log_for_ever(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    ground.execute(f"INSERT INTO t {NUMBERS.format(9)} SELECT zeroblob(100000) FROM c")
    with ground.read_from("t"):
        done = [ground.execute("UPDATE t SET a = zeroblob(100000 + $1)", n) for n in range(6)]
    assert "ok" in done
    assert ground.largest <= LIMIT


@WHOLE_LIMIT_FOR_TABLES
def test_the_handed_case_stays_within_the_default_limit(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path) as rt:
        ground = Ground(rt, tmp_path)
        rt.host.database.set_limits(database_bytes="64MiB")
        ground.statement_time = "800ms"
        ground.execute("CREATE TABLE t (a)")
        ground.execute(f"INSERT INTO t {NUMBERS.format(90)} SELECT zeroblob(190000) FROM c")
        with ground.read_from("t"):
            for n in range(4):
                ground.execute("UPDATE t SET a = zeroblob(190000 + $1)", n)
        assert ground.largest <= 64 * MIB


@WHOLE_LIMIT_FOR_TABLES
def test_one_statement_that_writes_everything_anew_stays_within_the_limit(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    while ground.execute("INSERT INTO t VALUES (zeroblob(100000))") == "ok":
        pass
    assert ground.execute("DELETE FROM t WHERE rowid = 1") == "ok"
    assert ground.execute("UPDATE t SET a = zeroblob(99999)") == "ok"
    assert ground.execute("DELETE FROM t WHERE a IS NOT NULL") == "ok"
    assert ground.largest <= LIMIT


@WHOLE_LIMIT_FOR_TABLES
def test_many_small_changes_stay_within_the_limit_while_one_statement_reads(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    ground.execute("INSERT INTO t VALUES (1)")
    with ground.read_from("t"):
        done = [ground.execute("INSERT INTO t VALUES (zeroblob(50000))") for _ in range(100)]
    assert done.count("ok") > 10
    assert ground.largest <= LIMIT


@WHOLE_LIMIT_FOR_TABLES
def test_an_index_that_is_made_dropped_and_made_again_stays_within_the_limit(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    ground.execute(f"INSERT INTO t {NUMBERS.format(1000)} SELECT hex(zeroblob(450)) || n FROM c")
    with ground.read_from("t"):
        for _ in range(4):
            ground.execute("CREATE INDEX i ON t (a)")
            ground.execute("DROP INDEX i")
    assert ground.largest <= LIMIT


@WHOLE_LIMIT_FOR_TABLES
def test_the_platforms_tables_stay_within_their_limit_while_another_plugin_reads(ground: Ground) -> None:
    database = ground.rt.host.database
    database.add_table("shared", pd.DataFrame({"s": ["x" * 100_000] * 10}))
    database.set_limits(platform_bytes=LIMIT)
    other = ground.load("other", "read_database=shared")
    writer = ground.load("writer", "write_database=shared", "read_database=shared")
    with ground.read_from("shared", other):
        done = [ground.execute("UPDATE shared SET s = $1", f"{n}" * 100_000, p=writer) for n in range(6)]
    assert "ok" in done
    assert sum(file.stat().st_size for file in ground.folder.glob("platform*")) <= LIMIT
    assert ground.largest <= LIMIT + MIB // 4  # the plugins have files of their own beside it


@WHOLE_LIMIT_FOR_TABLES
def test_a_limit_that_is_lowered_below_what_is_there_lets_nothing_be_added(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    for _ in range(9):
        ground.execute("INSERT INTO t VALUES (zeroblob(100000))")
    ground.rt.host.database.set_limits(database_bytes="1MiB")
    before = size_of(ground.folder)
    assert ground.execute("UPDATE t SET a = zeroblob(99999)") == "quota_exceeded"
    assert size_of(ground.folder) <= before
    ground.rt.host.database.set_limits(database_bytes=LIMIT)
    assert ground.execute("UPDATE t SET a = zeroblob(99999)") == "ok"


def written() -> int:
    """Bytes that this process has handed to the system for writing."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])


@RARE_LOOKS
def test_long_values_are_not_sorted_through_files_far_beyond_the_limit_of_a_statement(ground: Ground) -> None:
    ground.rt.host.database.set_limits(statement_bytes="2MiB", statement_time="20s")
    for sort in ("zeroblob(250000) || n", "hex(zeroblob(120000)) || n"):
        before = written()
        answer = ground.p.call("query", {"sql": f"{NUMBERS.format(1000)} SELECT n FROM c ORDER BY {sort}"})
        assert answer.get("error", {}).get("code") == "quota_exceeded"
        assert written() - before < 6 * MIB


@NO_GATE
def test_readers_that_overlap_for_ever_do_not_keep_a_writer_out(ground: Ground) -> None:
    ground.execute("CREATE TABLE t (a)")
    ground.execute(f"INSERT INTO t {NUMBERS.format(9)} SELECT zeroblob(100000) FROM c")
    ground.statement_time = "1500ms"

    def attempt() -> None:
        with ground.read_from("t", after=(0, 0.5, 1.0)):
            done = [ground.execute("UPDATE t SET a = zeroblob(100000 + $1)", n) for n in range(4)]
        assert done == ["ok"] * 4

    in_some_try(attempt)


def test_what_the_user_adds_leaves_no_long_log_behind(ground: Ground) -> None:
    ground.rt.host.database.add_table("large", pd.DataFrame({"s": ["x" * 1000] * 5000}))
    files = {file.name: file.stat().st_size for file in ground.folder.glob("platform*")}
    assert files["platform.sqlite3"] > 4 * MIB
    assert files.get("platform.sqlite3-wal", 0) == 0


@NO_LOOK_BEFORE
def test_refused_statements_do_not_fill_postgresql_one_after_the_other(postgresql: str, tmp_path: Path) -> None:
    """What is rolled back stays in a table's file until the server cleans up."""
    with jn.Runtime(tmp_path, database=postgresql) as rt:
        p = rt.load(MODULE, name="guest", grant=["read_database", "write_database"])
        rt.host.database.set_limits(database_bytes="1MiB")

        def execute(sql: str) -> str:
            answer = p.call("execute", {"sql": sql})
            return "ok" if "ok" in answer else str(answer["error"]["code"])

        assert execute("CREATE TABLE t (s text)") == "ok"
        insert = "INSERT INTO t SELECT repeat(md5(n::text), 10) FROM generate_series(1, 6000) AS n"
        assert [execute(insert) for _ in range(5)] == ["quota_exceeded"] * 5
        with psycopg.connect(postgresql) as admin:
            size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname = 't'"
            (found,) = admin.execute(size).fetchone() or (0,)
        assert found < 4 * MIB
        assert execute("DROP TABLE t") == "ok"
