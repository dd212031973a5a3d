"""SQL for plugins: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
import datetime as dt
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

import judicia_notebook as jn
from judicia_notebook.host.database import statements
from judicia_notebook.host.dispatcher import ServiceError
from tests.support.guests import service_forwarder, wat
from tests.support.waiting import until

OPERATIONS = ("query", "execute")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
SOON = 20  # seconds: what should end at once has ended by then on any machine


def caller(mark: str = "") -> bytes:
    """A module with one export for each operation; what the host answers is the answer. The mark makes it another."""
    return wat(service_forwarder("database", *OPERATIONS), f'(data (i32.const 0) "{mark}")')


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tables'}"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def both(url: str, tmp_path: Path) -> Iterator[jn.Runtime]:
    """A runtime on each kind of database."""
    with jn.Runtime(tmp_path / "data", database=url) as runtime:
        yield runtime


@pytest.fixture
def guest(both: jn.Runtime) -> jn.Plugin:
    """May use its private tables."""
    return both.load(caller(), name="guest", grant=["read_database", "write_database"])


@pytest.fixture
def submissions(both: jn.Runtime) -> pd.DataFrame:
    """A platform table, and the frame it was made from."""
    frame = pd.DataFrame({"id": [1, 2, 3], "verdict": ["AC", None, "WA"], "time": [0.5, math.nan, 2.0]})
    both.host.database.add_table("submissions", frame)
    return frame


def ok(p: jn.Plugin, operation: str, sql: str, *params: Any) -> Any:
    answer = p.call(operation, {"sql": sql, "params": list(params)})
    assert "ok" in answer, answer
    return answer["ok"]


def rows(p: jn.Plugin, sql: str, *params: Any) -> Any:
    return ok(p, "query", sql, *params)["rows"]


def execute(p: jn.Plugin, sql: str, *params: Any) -> int:
    return int(ok(p, "execute", sql, *params)["rowcount"])


def refused(p: jn.Plugin, operation: str, sql: str, *params: Any) -> tuple[str, str]:
    answer = p.call(operation, {"sql": sql, "params": list(params)})
    assert "error" in answer, answer
    return answer["error"]["code"], answer["error"]["message"]


def bytes_type(url: str) -> str:
    return "blob" if url.startswith("sqlite") else "bytea"


# --- values ----------------------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_as_it_was(guest: jn.Plugin, url: str) -> None:
    execute(guest, f"CREATE TABLE t (i bigint, f double precision, s text, b {bytes_type(url)})")
    data = {"base64": base64.b64encode(bytes(range(256))).decode()}
    written: list[list[Any]] = [
        [-(2**63), 0.1, "grüße\n'\"$1;--", data],
        [2**63 - 1, -1.5e300, "", {"base64": ""}],
        [0, 5e-324, "𝔘" * 1000, None],
        [None, None, None, None],
    ]
    for row in written:
        assert execute(guest, "INSERT INTO t VALUES ($1, $2, $3, $4)", *row) == 1
    answer = ok(guest, "query", "SELECT i, f, s, b FROM t ORDER BY i IS NULL, i")
    assert answer == {"columns": ["i", "f", "s", "b"], "rows": [written[0], written[2], written[1], written[3]]}


def test_parameters_are_bound_by_their_numbers(guest: jn.Plugin) -> None:
    execute(guest, "CREATE TABLE t (a integer, b integer, c integer)")
    execute(guest, "INSERT INTO t VALUES ($2, $1, $2)", 10, 20)
    assert rows(guest, "SELECT a, b, c FROM t WHERE b = $2 AND a = $1 AND c = $1", 20, 10) == [[20, 10, 20]]


def test_a_number_in_text_is_no_parameter(guest: jn.Plugin) -> None:
    execute(guest, """CREATE TABLE t ("a$1" text)""")
    execute(guest, """INSERT INTO t ("a$1") VALUES ('$2 it''s $3' /* $4 */) -- $5""")
    assert rows(guest, """SELECT "a$1" FROM t""") == [["$2 it's $3"]]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ([], "names $1"),
        ([1], "names $2"),
        ([1, 2, 3], "$3 is not in the statement"),
        ([1, [2]], "$2"),
        ([1, {"hex": "00"}], "$2"),
        ([{"base64": "!"}, 2], "$1: this is not base64"),
        ([1, 2**63], "$2"),
        ([1, "a\0b"], "$2"),
    ],
)
def test_parameters_that_do_not_fit_are_named(guest: jn.Plugin, params: list[Any], says: str) -> None:
    code, message = refused(guest, "query", "SELECT $1, $2", *params)
    assert code == "bad_request"
    assert says in message


def test_numbers_that_json_has_not_come_as_text(guest: jn.Plugin, url: str) -> None:
    endless = "9e999" if url.startswith("sqlite") else "'infinity'::float8"
    assert rows(guest, f"SELECT {endless}, -{endless}") == [["Infinity", "-Infinity"]]


def test_sums_of_integers_stay_exact(guest: jn.Plugin) -> None:
    execute(guest, "CREATE TABLE t (n bigint)")
    execute(guest, "INSERT INTO t VALUES ($1), ($2)", 2**53, 1)
    assert rows(guest, "SELECT sum(n), avg(n) FROM t") == [[2**53 + 1, (2**53 + 1) / 2]]


# --- statements ------------------------------------------------------------------------------------------------------


def test_a_plugin_makes_changes_and_drops_its_own_tables(guest: jn.Plugin) -> None:
    assert execute(guest, "CREATE TABLE t (id integer PRIMARY KEY, name text UNIQUE)") == 0
    assert execute(guest, "create unique index i on t (name)") == 0
    assert execute(guest, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')") == 3
    assert execute(guest, "UPDATE t SET name = name || '!' WHERE id > $1", 1) == 2
    assert execute(guest, "UPDATE t SET name = name WHERE id = 9") == 0
    assert execute(guest, "DELETE FROM t WHERE id = 1") == 1
    assert execute(guest, "CREATE VIEW v AS SELECT name FROM t") == 0
    assert rows(guest, "SELECT * FROM v ORDER BY 1") == [["b!"], ["c!"]]
    assert execute(guest, "WITH n AS (SELECT 9 AS id) INSERT INTO t SELECT id, 'x' FROM n") == 1
    assert execute(guest, "INSERT INTO t VALUES (2, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name") == 1
    assert execute(guest, "ALTER TABLE t ADD COLUMN more integer") == 0
    assert execute(guest, "ALTER TABLE t RENAME COLUMN more TO less") == 0
    assert execute(guest, "ALTER TABLE t DROP COLUMN less") == 0
    assert execute(guest, "INSERT INTO t VALUES (10, 'y') RETURNING id") == 1
    assert execute(guest, "DROP VIEW v") == execute(guest, "DROP INDEX i") == execute(guest, "DROP TABLE t") == 0
    assert refused(guest, "query", "SELECT * FROM t")[0] == "not_found"


@pytest.mark.parametrize(
    ("operation", "sql", "code"),
    [
        ("query", "SELEC 1", "bad_request"),
        ("query", "SELECT FROM WHERE", "bad_request"),
        ("query", "", "bad_request"),
        ("query", "  -- nothing", "bad_request"),
        ("query", "SELECT 1; SELECT 2", "bad_request"),
        ("query", "SELECT 1;; ", "bad_request"),
        ("query", "SELECT nothing FROM t", "bad_request"),
        ("query", "SELECT * FROM nowhere", "not_found"),
        ("query", "INSERT INTO t VALUES (1)", "bad_request"),
        ("query", "WITH a AS (SELECT 5) INSERT INTO t SELECT * FROM a", "bad_request"),
        ("query", "SELECT 1\0", "bad_request"),
        ("execute", "SELECT 1", "bad_request"),
        ("execute", "INSERT INTO t VALUES (1)", "conflict"),
        ("execute", "INSERT INTO t VALUES (NULL)", "conflict"),
        ("execute", "INSERT INTO t VALUES (7); DELETE FROM t", "bad_request"),
        ("execute", "INSERT INTO nowhere VALUES (1)", "not_found"),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_reason(guest: jn.Plugin, operation: str, sql: str, code: str) -> None:
    execute(guest, "CREATE TABLE t (id bigint NOT NULL UNIQUE)")
    execute(guest, "INSERT INTO t VALUES (1)")
    assert refused(guest, operation, sql)[0] == code
    assert rows(guest, "SELECT * FROM t") == [[1]]


def test_one_semicolon_at_the_end_is_fine(guest: jn.Plugin) -> None:
    assert rows(guest, "SELECT 1; -- that is all") == [[1]]
    assert rows(guest, "VALUES (1, 'a')") == [[1, "a"]]
    assert rows(guest, "/* first */ SELECT ';'") == [[";"]]


def test_a_statement_that_fails_in_the_middle_leaves_nothing(guest: jn.Plugin) -> None:
    execute(guest, "CREATE TABLE t (id integer PRIMARY KEY)")
    execute(guest, "CREATE TABLE s (id integer)")
    execute(guest, "INSERT INTO s VALUES (1), (2), (3), (1)")
    assert refused(guest, "execute", "INSERT INTO t SELECT id FROM s")[0] == "conflict"
    assert rows(guest, "SELECT count(*) FROM t") == [[0]]


@pytest.mark.parametrize("postgresql", [False, True])
def test_the_first_words_say_what_a_statement_is(postgresql: bool) -> None:
    def kind(sql: str, *, writing: bool = True) -> str:
        return statements.read(sql, 0, writing=writing, postgresql=postgresql).kind

    assert kind("/* DROP */ -- x\n insert into t values (1)") == "INSERT"
    assert kind("create table if not exists t (a)") == "CREATE TABLE"
    assert kind("CREATE UNIQUE INDEX i ON t (a)") == "CREATE UNIQUE INDEX"
    assert kind("with a as (select 1) select * from a", writing=False) == "WITH"
    for sql in ("SET x = 1", "PRAGMA x", "CREATE TRIGGER t", "CREATE TABLES", "DO $$ $$", "'SELECT'", "(SELECT 1)"):
        with pytest.raises(ServiceError):
            kind(sql)


def test_comments_end_where_the_database_says() -> None:
    nested = "/* /* */ SELECT 1 -- */ DELETE FROM t"
    assert statements.read(nested, 0, writing=False, postgresql=False).kind == "SELECT"
    with pytest.raises(ServiceError):
        statements.read(nested, 0, writing=False, postgresql=True)
    quoted = "SELECT $tag$ ; $1 $tag$, E'\\' ; $2'"
    assert statements.read(quoted, 0, writing=False, postgresql=True).kind == "SELECT"


# --- who may what ----------------------------------------------------------------------------------------------------


def test_each_capability_is_asked_for_by_itself(guest: jn.Plugin) -> None:
    execute(guest, "CREATE TABLE t (n integer)")
    with guest.policy.temporarily(revoke=["write_database"]):
        assert refused(guest, "execute", "INSERT INTO t VALUES (1)")[0] == "capability_denied"
        assert rows(guest, "SELECT * FROM t") == []
    with guest.policy.temporarily(revoke=["read_database"]):
        assert refused(guest, "query", "SELECT * FROM t")[0] == "capability_denied"
        assert execute(guest, "INSERT INTO t VALUES (1)") == 1
        assert execute(guest, "UPDATE t SET n = n + 1 WHERE n = 1") == 1
    assert rows(guest, "SELECT * FROM t") == [[2]]


def test_plugins_do_not_see_each_others_tables(both: jn.Runtime, guest: jn.Plugin) -> None:
    other = both.load(caller("other"), name="other", grant=["read_database", "write_database"])
    for p in (guest, other):
        execute(p, "CREATE TABLE t (owner text)")
        execute(p, "INSERT INTO t VALUES ($1)", p.name)
    execute(guest, "CREATE TABLE mine (n integer)")
    assert rows(guest, "SELECT * FROM t") == [["guest"]]
    assert rows(other, "SELECT * FROM t") == [["other"]]
    assert refused(other, "query", "SELECT * FROM mine")[0] == "not_found"


def test_a_platform_table_is_seen_by_grants_that_name_it(
    both: jn.Runtime, guest: jn.Plugin, submissions: pd.DataFrame
) -> None:
    for sql in (
        "SELECT * FROM submissions",
        "SELECT count(*) FROM judicia_platform.submissions",
        "SELECT 1 FROM submissions",
    ):
        code, message = refused(guest, "query", sql)
        assert code == "capability_denied"
        assert "read_database for the table `submissions`" in message
    assert both.host_calls["decision"].iloc[-1] == "denied"
    assert both.audit["detail"].iloc[-1] == "read_database=submissions for judicia:database query"
    guest.policy.grant("read_database=submissions")
    assert rows(guest, "SELECT * FROM submissions ORDER BY id") == [[1, "AC", 0.5], [2, None, None], [3, "WA", 2.0]]
    assert rows(guest, "SELECT count(*) FROM judicia_platform.submissions") == [[3]]
    guest.policy.revoke("read_database=submissions")
    guest.policy.grant("read_database")
    assert refused(guest, "query", "SELECT * FROM submissions")[0] == "capability_denied"


def test_a_platform_table_is_changed_by_grants_that_name_it(
    both: jn.Runtime, guest: jn.Plugin, submissions: pd.DataFrame
) -> None:
    guest.policy.grant("read_database=submissions")
    changes = (
        "INSERT INTO submissions VALUES (4, 'TLE', 10)",
        "UPDATE submissions SET verdict = 'AC' WHERE id = 2",
        "DELETE FROM judicia_platform.submissions WHERE id = 3",
    )
    for sql in changes:
        code, message = refused(guest, "execute", sql)
        assert (code, "write_database for the table `submissions`" in message) == ("capability_denied", True)
    guest.policy.grant("write_database=submissions")
    assert [execute(guest, sql) for sql in changes] == [1, 1, 1]
    after = both.host.database.table("submissions").sort_values("id")
    assert after["id"].tolist() == [1, 2, 4]
    assert after["verdict"].tolist() == ["AC", "AC", "TLE"]


def test_to_write_a_platform_table_is_not_to_read_it(
    both: jn.Runtime, guest: jn.Plugin, submissions: pd.DataFrame
) -> None:
    guest.policy.grant("write_database=submissions")
    assert execute(guest, "INSERT INTO submissions VALUES (4, 'WA', 1)") == 1
    execute(guest, "CREATE TABLE copy (id integer)")
    for sql in ("INSERT INTO copy SELECT id FROM submissions", "UPDATE submissions SET verdict = 'AC' WHERE id = 1"):
        code, message = refused(guest, "execute", sql)
        assert (code, "read_database for the table `submissions`" in message) == ("capability_denied", True)
    assert both.audit["detail"].iloc[-1] == "read_database=submissions for judicia:database execute"
    assert rows(guest, "SELECT * FROM copy") == []
    assert "WA" in both.host.database.table("submissions")["verdict"].tolist()


def test_what_is_granted_for_one_table_is_not_granted_for_another(
    both: jn.Runtime, guest: jn.Plugin, submissions: pd.DataFrame
) -> None:
    both.host.database.add_table("users", pd.DataFrame({"id": [1], "name": ["ada"]}))
    guest.policy.grant("read_database=submissions")
    assert rows(guest, "SELECT count(*) FROM submissions") == [[3]]
    for sql in (
        "SELECT * FROM users",
        "SELECT count(*) FROM users",
        "SELECT s.id FROM submissions s JOIN users u ON true",
    ):
        assert refused(guest, "query", sql)[0] == "capability_denied"


def test_the_trace_names_the_statement(both: jn.Runtime, guest: jn.Plugin) -> None:
    rows(guest, "SELECT\n  1")
    row = both.host_calls.iloc[-1]
    assert (row["capability"], row["function"]) == ("read_database", "judicia:database query")
    assert row["target"] == "SELECT 1"


# --- whose the tables are --------------------------------------------------------------------------------------------


def test_tables_are_there_for_the_next_runtime(url: str, tmp_path: Path) -> None:
    for turn in range(2):
        with jn.Runtime(tmp_path / "data", database=url) as rt:
            p = rt.load(caller(), name="guest", grant=["read_database", "write_database"])
            if turn == 0:
                execute(p, "CREATE TABLE t (n integer)")
                rt.host.database.add_table("shared", pd.DataFrame({"n": [1]}))
            execute(p, "INSERT INTO t (n) VALUES ($1)", turn)
            execute(p, "ALTER TABLE t ADD COLUMN " + "ab"[turn] + " integer")
            assert rt.host.database.tables == ["shared"]
            assert [row[0] for row in rows(p, "SELECT n FROM t ORDER BY n")] == list(range(turn + 1))


def test_another_file_under_the_name_gets_the_tables_only_when_the_user_says_so(
    both: jn.Runtime, guest: jn.Plugin
) -> None:
    execute(guest, "CREATE TABLE t (n integer)")
    both.load(caller("impostor"), name="guest")
    code, message = refused(guest, "query", "SELECT * FROM t")
    assert (code, 'rt.host.adopt("guest")' in message) == ("conflict", True)
    assert refused(guest, "execute", "DROP TABLE t")[0] == "conflict"
    both.host.adopt("guest")
    assert rows(guest, "SELECT * FROM t") == []


def test_two_runtimes_share_the_tables_but_no_grants(url: str, tmp_path: Path) -> None:
    with jn.Runtime(tmp_path / "data", database=url) as one, jn.Runtime(tmp_path / "data", database=url) as two:
        one.host.database.add_table("submissions", pd.DataFrame({"id": [1]}))
        plugins = [rt.load(caller(), name="guest", grant=["read_database", "write_database"]) for rt in (one, two)]
        plugins[0].policy.grant("read_database=submissions")
        execute(plugins[0], "CREATE TABLE t (n integer)")
        assert execute(plugins[1], "INSERT INTO t VALUES (1)") == 1
        execute(plugins[1], "CREATE TABLE u (n integer)")
        for _ in range(3):
            assert rows(plugins[0], "SELECT id FROM submissions") == [[1]]
            assert refused(plugins[1], "query", "SELECT id FROM submissions")[0] == "capability_denied"
        assert execute(plugins[0], "INSERT INTO u VALUES (1)") == 1
        one.host.database.add_table("submissions", pd.DataFrame({"id": [2]}))
        two.host.database.add_table("submissions", pd.DataFrame({"id": [3]}))
        assert rows(plugins[0], "SELECT id FROM submissions") == [[3]]


# --- the platform's tables -------------------------------------------------------------------------------------------


def test_a_frame_of_every_kind_becomes_a_table(both: jn.Runtime, guest: jn.Plugin, url: str) -> None:
    moments = pd.to_datetime(["2026-01-02T03:04:05.600000", None], format="ISO8601")
    frame = pd.DataFrame(
        {
            "small": np.array([1, -1], dtype="i1"),
            "maybe": pd.array([2**62 + 1, None], dtype="Int64"),
            "real": [1, 2.5],
            "flag": [True, False],
            "text": ["a'b", None],
            "kind": pd.Categorical(["x", "y"]),
            "data": [b"\x00\xff", None],
            "at": moments,
            "at_utc": moments.tz_localize("Europe/Berlin"),
            "day": [dt.date(2026, 1, 2), None],
            "empty": [None, None],
        }
    )
    both.host.database.add_table("everything", frame)
    guest.policy.grant("read_database=everything")
    answer = ok(guest, "query", "SELECT * FROM everything ORDER BY small DESC")
    assert answer["columns"] == list(frame.columns)
    yes, no = (1, 0) if url.startswith("sqlite") else (True, False)
    assert answer["rows"] == [
        [
            *(1, 2**62 + 1, 1.0, yes, "a'b", "x", {"base64": "AP8="}),
            *("2026-01-02T03:04:05.6", "2026-01-02T02:04:05.6+00:00", "2026-01-02", None),
        ],
        [-1, None, 2.5, no, None, "y", None, None, None, None, None],
    ]


def test_a_table_is_replaced_as_a_whole(both: jn.Runtime, guest: jn.Plugin, submissions: pd.DataFrame) -> None:
    guest.policy.grant("read_database=submissions")
    assert rows(guest, "SELECT count(*) FROM submissions") == [[3]]
    both.host.database.add_table("submissions", pd.DataFrame({"other": range(2500)}))
    assert rows(guest, "SELECT count(*), sum(other) FROM submissions") == [[2500, 2499 * 1250]]
    both.host.database.drop_table("submissions")
    assert both.host.database.tables == []
    assert refused(guest, "query", "SELECT * FROM submissions")[0] == "not_found"


@pytest.mark.parametrize("name", ["", "Users", "a b", "x" * 64, "sqlite_x", "pg_x", "judicia_x", 'a"b', "1st"])
def test_a_table_that_could_not_be_granted_is_refused(rt: jn.Runtime, name: str) -> None:
    with pytest.raises(jn.PolicyError):
        rt.host.database.add_table(name, pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": [1], "A": [2]}),
        pd.DataFrame({'a"b': [1]}),
        pd.DataFrame({"a": [[1]]}),
        pd.DataFrame({"a": [1, "x"]}),
        pd.DataFrame({"a": [2**64]}),
    ],
    ids=["no columns", "capitals", "quote", "list", "mixed", "too large"],
)
def test_a_frame_that_is_no_table_is_refused(rt: jn.Runtime, frame: pd.DataFrame) -> None:
    with pytest.raises(jn.PolicyError):
        rt.host.database.add_table("t", frame)
    assert rt.host.database.tables == []


def test_a_table_that_is_not_there_is_said(rt: jn.Runtime) -> None:
    for ask in (rt.host.database.table, rt.host.database.drop_table):
        with pytest.raises(jn.PolicyError, match="no platform table 'nothing'"):
            ask("nothing")


# --- limits ----------------------------------------------------------------------------------------------------------


def test_rows_and_bytes_of_an_answer_are_limited(both: jn.Runtime, guest: jn.Plugin) -> None:
    numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) SELECT x FROM c"
    both.host.database.set_limits(rows=1000, result_bytes="8000B", value_bytes="4KiB")
    assert len(rows(guest, numbers)) == 1000
    both.host.database.set_limits(rows=999)
    assert refused(guest, "query", numbers)[0] == "quota_exceeded"
    both.host.database.set_limits(rows=1000, result_bytes="7999B")
    assert refused(guest, "query", numbers)[0] == "quota_exceeded"
    assert both.host_calls["decision"].iloc[-1] == "limited"
    assert refused(guest, "query", "SELECT $1", "x" * 4097)[0] == "quota_exceeded"
    long = f"SELECT 1, '{'x' * 4000}' || '{'x' * 4000}'"
    where = "row 1, column 2: a value of 8000 bytes; " if both.host.database.url.startswith("postgresql") else ""
    assert f"{where}at most 4096" in refused(guest, "query", long)[1]
    assert rows(guest, "SELECT 1") == [[1]]


def test_the_size_of_the_private_tables_is_limited(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.database.set_limits(database_bytes="1MiB")
    execute(guest, "CREATE TABLE t (n integer, s text)")
    answers = []
    for n in range(40):
        answers.append(guest.call("execute", {"sql": "INSERT INTO t VALUES ($1, $2)", "params": [n, noise(100_000)]}))
        if "error" in answers[-1]:
            break
    assert answers[-1]["error"]["code"] == "quota_exceeded"
    assert "at most 1048576" in answers[-1]["error"]["message"]
    assert 3 < len(answers) < 20
    assert rows(guest, "SELECT count(*) FROM t") == [[len(answers) - 1]]
    execute(guest, "DELETE FROM t WHERE n = 0")
    execute(guest, "DROP TABLE t")
    execute(guest, "CREATE TABLE t (n integer)")


def noise(length: int) -> str:
    """Text that no database makes smaller."""
    return base64.b85encode(np.random.default_rng(0).bytes(length))[:length].decode()


def test_the_number_of_private_tables_is_limited(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.database.set_limits(tables=3)
    for n in range(3):
        execute(guest, f"CREATE TABLE t{n} (n integer)")
    assert refused(guest, "execute", "CREATE TABLE t3 (n integer)")[0] == "quota_exceeded"
    execute(guest, "DROP TABLE t0")
    execute(guest, "CREATE TABLE t3 (n integer)")


def test_a_statement_has_its_own_time(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.database.set_limits(statement_time="100ms")
    assert refused(guest, "query", ENDLESS)[0] == "timeout"
    both.host.database.set_limits(statement_time="60s")
    assert rows(guest, "SELECT 1") == [[1]]


def test_the_wall_time_of_the_call_ends_a_statement(both: jn.Runtime, guest: jn.Plugin) -> None:
    rows(guest, "SELECT 1")
    began = time.monotonic()
    outcome = guest.attempt("query", {"sql": ENDLESS}, quota={"wall": "200ms"})
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert time.monotonic() - began < SOON
    assert rows(guest, "SELECT 1") == [[1]]


def test_cancel_works_while_a_plugin_waits_in_a_query(both: jn.Runtime, guest: jn.Plugin) -> None:
    guest.policy.set_quota(wall="60s")
    rows(guest, "SELECT 1")
    began = time.monotonic()
    running = guest.submit("query", {"sql": ENDLESS})
    until(lambda: any(thread.name == "judicia-database" for thread in threading.enumerate()))
    time.sleep(0.1)
    running.cancel()
    with pytest.raises(jn.Cancelled):
        running.result(timeout=SOON)
    assert time.monotonic() - began < SOON
    assert rows(guest, "SELECT 1") == [[1]]


def test_what_is_given_up_is_rolled_back(both: jn.Runtime, guest: jn.Plugin) -> None:
    execute(guest, "CREATE TABLE t (n bigint)")
    endless = ENDLESS.replace("SELECT count(*) FROM c", "INSERT INTO t SELECT x FROM c")
    outcome = guest.attempt("execute", {"sql": endless}, quota={"wall": "300ms"})
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert rows(guest, "SELECT count(*) FROM t") == [[0]]
    assert execute(guest, "INSERT INTO t VALUES (1)") == 1


# --- many at once ----------------------------------------------------------------------------------------------------


def test_many_instances_write_at_once_and_nothing_is_lost(both: jn.Runtime) -> None:
    p = both.load(
        caller(), name="guest", grant=["read_database", "write_database"], instances=4, quota={"wall": "120s"}
    )
    execute(p, "CREATE TABLE t (n integer)")
    execute(p, "INSERT INTO t VALUES (0)")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: execute(p, "UPDATE t SET n = n + 1"), range(100))) == {1}
    assert rows(p, "SELECT n FROM t") == [[100]]


# --- which databases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:secret@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a?mode=ro",
        "oracle://x",
        "nonsense",
        "postgres://x/y",
    ],
)
def test_other_databases_are_refused_with_the_reason(url: str) -> None:
    with pytest.raises(jn.PolicyError) as caught:
        jn.Runtime(database=url)
    assert len(str(caught.value)) > 40
    assert "secret" not in str(caught.value)


def test_a_file_is_no_folder_for_tables(tmp_path: Path) -> None:
    (tmp_path / "file.db").touch()
    with pytest.raises(jn.PolicyError, match="names a folder"):
        jn.Runtime(database=f"sqlite:///{tmp_path / 'file.db'}")


def test_the_password_is_not_shown(postgresql: str) -> None:
    with jn.Runtime(database=postgresql) as rt:
        assert "secret" not in rt.host.database.url
        assert rt.host.database.url.startswith("postgresql://")


def test_a_server_that_is_not_there_is_said_without_its_address(tmp_path: Path) -> None:
    with jn.Runtime(database=f"postgresql://u:secret@/db?host={tmp_path}") as rt:
        p = rt.load(caller(), name="guest", grant=["read_database"])
        assert refused(p, "query", "SELECT 1") == ("failed", "the database cannot be reached")
        with pytest.raises(jn.ResourceExhausted, match="cannot be reached"):
            rt.host.database.tables  # noqa: B018


def test_a_role_without_createrole_is_told_what_it_lacks(postgresql: str, postgresql_server: str) -> None:
    name = postgresql.removeprefix("postgresql://").partition(":")[0]
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {name} NOCREATEROLE".encode())
    with jn.Runtime(database=postgresql) as rt:
        p = rt.load(caller(), name="guest", grant=["read_database"])
        code, message = refused(p, "query", "SELECT 1")
    assert (code, "CREATEROLE" in message) == ("failed", True)


def test_a_database_where_anybody_may_create_tables_is_refused(postgresql: str) -> None:
    with psycopg.connect(postgresql, autocommit=True) as admin:
        admin.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with jn.Runtime(database=postgresql) as rt:
        p = rt.load(caller(), name="guest", grant=["read_database"])
        code, message = refused(p, "query", "SELECT 1")
    assert (code, "REVOKE CREATE ON SCHEMA public" in message) == ("failed", True)


def test_login_roles_go_with_the_runtime(postgresql: str) -> None:
    def logins() -> list[Any]:
        with psycopg.connect(postgresql) as admin:
            return admin.execute(
                "SELECT rolname FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, 'judicia_') "
                "AND pg_has_role(current_user, oid, 'MEMBER')"
            ).fetchall()

    with jn.Runtime(database=postgresql) as rt:
        p = rt.load(caller(), name="guest", grant=["read_database", "write_database"])
        execute(p, "CREATE TABLE t (n integer)")
        assert len(logins()) == 1
    assert logins() == []


def test_a_login_role_that_was_removed_is_made_again(postgresql: str) -> None:
    with jn.Runtime(database=postgresql) as rt:
        p = rt.load(caller(), name="guest", grant=["read_database", "write_database"])
        execute(p, "CREATE TABLE t (n integer)")
        with psycopg.connect(postgresql, autocommit=True) as admin:
            login, schema = admin.execute(
                "SELECT rolname, (SELECT nspname FROM pg_namespace WHERE starts_with(rolname, left(nspname, 24)) "
                "AND starts_with(nspname, 'judicia_') AND nspname NOT IN ('judicia_admin', 'judicia_platform')) "
                "FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, 'judicia_') "
                "AND pg_has_role(current_user, oid, 'MEMBER')"
            ).fetchone() or ("", "")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (login,))
            for step in (f"REASSIGN OWNED BY {login} TO {schema}", f"DROP OWNED BY {login}", f"DROP ROLE {login}"):
                admin.execute(step.encode())
        answers = [p.call("query", {"sql": "SELECT * FROM t"}) for _ in range(4)]
        assert answers[-1] == {"ok": {"columns": ["n"], "rows": []}}
