"""Ways out of a plugin's schema: to another plugin's tables, to the platform's, to files, to the host, and out of time.

Canaries lie in a platform table that nobody is granted, in another plugin's table, and in files that the database could
reach. Whatever is tried, no answer holds one, they are whole afterwards, and the call ends on time.
"""

from __future__ import annotations

import re
import sqlite3
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
from judicia_notebook.host.database import sqlite as sqlite_database
from tests.support.guests import service_forwarder, wat
from tests.support.waiting import PATIENCE, until

CANARY = "canary-7c1e"
SLACK = 10  # seconds a call may take beyond its wall quota on a machine that is busy with other things
SHORT = 0.3  # seconds of wall time for what would never end by itself
NUMBERS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
EVERYTHING = ["read_database", "write_database"]
NOT_FOR_THAT = r"^(execute changes something|query only reads); "
NOT_ALLOWED = "^the database does not allow this to plugins$"


def module(mark: str) -> bytes:
    return wat(service_forwarder("database", "query", "execute"), f'(data (i32.const 0) "{mark}")')


def each(text: str) -> list[str]:
    """One statement a line."""
    return [line.strip() for line in text.strip().splitlines()]


class Ground:
    """A guest, another plugin, and what neither may touch."""

    def __init__(self, rt: jn.Runtime, url: str, place: Path) -> None:
        self.rt, self.url, self.place = rt, url, place
        self.postgresql = url.startswith("postgresql")
        place.mkdir()
        (place / "file").write_text(CANARY)
        rt.host.database.add_table("secrets", pd.DataFrame({"word": [CANARY]}))
        rt.host.database.add_table("shared", pd.DataFrame({"n": [1, 2]}))
        room = {"cpu": "10s"}  # the first statement of a process loads the readers of SQL on the call's clock
        self.other = rt.load(module("other"), name="other", grant=EVERYTHING, quota=room)
        self.ok(self.other, "execute", "CREATE TABLE theirs (word text)")
        self.ok(self.other, "execute", "INSERT INTO theirs VALUES ($1)", CANARY)
        self.guest = rt.load(module("guest"), name="guest", grant=EVERYTHING, quota=room)
        self.ok(self.guest, "execute", "CREATE TABLE t (n bigint, s text)")
        self.ok(self.guest, "execute", "INSERT INTO t VALUES (1, 'mine')")

    def ok(self, p: jn.Plugin, operation: str, sql: str, *params: Any) -> Any:
        answer = p.call(operation, {"sql": sql, "params": list(params)})
        assert "ok" in answer, (sql, answer)
        return answer["ok"]

    def attack(self, operation: str, sql: str, *params: Any, wall: float = PATIENCE) -> str:
        """Its error code; ``ok`` where it was answered, ``wall`` where time ended it. It is always on time."""
        began = time.monotonic()
        outcome = self.guest.attempt(operation, {"sql": sql, "params": list(params)}, quota={"wall": wall})
        assert time.monotonic() - began < wall + SLACK, sql
        if outcome.error is not None:
            assert isinstance(outcome.error, jn.QuotaExceeded), (sql, outcome.error)
            self.recovers()
            return "wall"
        said = str(outcome.value)
        self.said = "" if "ok" in outcome.value else str(outcome.value["error"]["message"])
        assert CANARY not in said, sql
        for secret in (str(self.place), "secret", "/var/", "/usr/", "/etc/"):
            assert secret not in said.replace(sql, "").replace("secrets", ""), (sql, said)
        return "ok" if "ok" in outcome.value else str(outcome.value["error"]["code"])

    def refused(self, *statements: str, code: str = "bad_request", says: str) -> None:
        """Each is, for this reason by the operation that it is for, and by the other one because it is not for that."""
        for sql in statements:
            right, wrong = ("query", "execute") if sql.startswith(("SELECT", "WITH")) else ("execute", "query")
            assert self.attack(wrong, sql) == ("bad_request" if not sql.startswith("WITH") else code), (wrong, sql)
            assert sql.startswith("WITH") or re.search(NOT_FOR_THAT, self.said), (sql, self.said)
            assert self.attack(right, sql) == code, (right, sql, self.said)
            assert re.search(says, self.said), (sql, self.said)

    def refused_by_both(self, *statements: str, says: str) -> None:
        """Each is a bad request for this reason, whether it is queried or executed."""
        for sql in statements:
            for operation in ("query", "execute"):
                assert self.attack(operation, sql) == "bad_request", (operation, sql)
                assert re.search(says, self.said), (operation, sql, self.said)

    def recovers(self) -> None:
        """What was left behind ends, and the guest goes on."""
        until(lambda: "ok" in self.guest.call("query", {"sql": "SELECT 1"}))

    def check(self) -> None:
        database = self.rt.host.database
        assert database.tables == ["secrets", "shared"]
        assert database.table("secrets").to_numpy().tolist() == [[CANARY]]
        assert database.table("shared").to_numpy().tolist() == [[1], [2]]
        assert self.ok(self.other, "query", "SELECT * FROM theirs")["rows"] == [[CANARY]]
        assert [path.name for path in self.place.iterdir()] == ["file"]
        assert (self.place / "file").read_text() == CANARY
        self.recovers()


@contextmanager
def made(url: str, place: Path) -> Iterator[Ground]:
    with jn.Runtime(place / "data", database=url) as rt:
        ground = Ground(rt, url, place / "ground")
        yield ground
        ground.check()


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    url = f"sqlite:///{tmp_path / 'tables'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql"))
    with made(url, tmp_path) as found:
        yield found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ground]:
    with made(f"sqlite:///{tmp_path / 'tables'}", tmp_path) as found:
        yield found


@pytest.fixture
def postgres(postgresql: str, tmp_path: Path) -> Iterator[Ground]:
    with made(postgresql, tmp_path) as found:
        yield found


# --- on both: statements, comments, the platform's tables ------------------------------------------------------------


def test_only_the_statements_that_are_offered_are_run(ground: Ground) -> None:
    ground.refused_by_both(
        *each(
            f"""
            BEGIN
            COMMIT
            ROLLBACK
            END
            SAVEPOINT a
            RELEASE a
            ABORT
            START TRANSACTION
            VACUUM
            VACUUM INTO '{ground.place}/x'
            ANALYZE
            REINDEX
            EXPLAIN SELECT 1
            CLUSTER
            CHECKPOINT
            ATTACH '{ground.place}/x' AS x
            DETACH judicia_platform
            PRAGMA writable_schema = 1
            PRAGMA table_list
            CREATE TEMP TABLE x (n integer)
            CREATE TEMPORARY VIEW x AS SELECT 1
            CREATE VIRTUAL TABLE x USING fts5(a)
            CREATE TRIGGER x AFTER INSERT ON t
            SET ROLE postgres
            RESET ROLE
            SET SESSION AUTHORIZATION postgres
            SET statement_timeout = 0
            COPY t TO '{ground.place}/x'
            COPY t FROM PROGRAM 'id'
            COPY t TO STDOUT
            COPY t FROM STDIN
            CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
            DO $$ BEGIN END $$
            CALL f()
            CREATE SCHEMA x
            CREATE EXTENSION dblink
            CREATE ROLE x
            ALTER ROLE postgres LOGIN
            DROP OWNED BY x
            LISTEN x
            NOTIFY x
            UNLISTEN *
            LOCK TABLE t
            PREPARE a AS SELECT 1
            EXECUTE a
            DEALLOCATE ALL
            GRANT ALL ON t TO PUBLIC
            REVOKE ALL ON t FROM PUBLIC
            TRUNCATE t
            CREATE RULE r AS ON INSERT TO t DO NOTHING
            DECLARE c CURSOR FOR SELECT 1
            FETCH c
            LOAD 'x'
            SHOW ALL
            TABLE t
            (SELECT 1)
            CREATE OR REPLACE VIEW x AS SELECT 1
            CREATE RECURSIVE VIEW x (n) AS SELECT 1
            CREATE MATERIALIZED VIEW x
            CREATE UNLOGGED TABLE x (n integer)
            CREATE FOREIGN TABLE x (n integer) SERVER y
            IMPORT FOREIGN SCHEMA x
            """
        ),
        "",
        ";",
        "\ufeffSELECT",
        says="^a statement here begins with ",
    )
    ground.refused_by_both(
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", says="^one statement at a time: `END`"
    )
    temporary = "CREATE TABLE temp.x (n integer)"
    if ground.postgresql:
        ground.refused(temporary, code="not_found", says='^schema "temp" does not exist$')
    else:
        ground.refused(temporary, says="^there are only the plugin's own tables")


def test_a_second_statement_hides_in_no_comment_and_no_text(ground: Ground) -> None:
    hidden = "DROP TABLE t"
    ground.refused_by_both(
        f"SELECT 1; {hidden}",
        f"SELECT 1;;{hidden}",
        f"SELECT 1; -- \n{hidden}",
        f"SELECT '\\'; {hidden} --'; {hidden}",
        f"SELECT E'\\''; {hidden} --'; {hidden}",
        f"SELECT $a$ ' $a$; {hidden} -- '; {hidden}",
        f"SELECT `;`; {hidden}",
        f"SELECT 1; COMMIT; {hidden}",
        f"INSERT INTO t VALUES (2, 'x'); COMMIT; {hidden}",
        says="^one statement at a time: `(DROP|COMMIT|;|`)` follows after the `;`$",
    )
    ground.refused(f'SELECT "; {hidden}', says="^(unterminated quoted identifier|unrecognized token)")
    after_a_return = (  # what begins with -- ends there for PostgreSQL, and only at the end of the line for SQLite
        *("--\rTRUNCATE t /*\nSELECT 1 */", "--\rTRUNCATE t /*\nINSERT */", "--\rCOMMIT /*\nSELECT 1 */"),
        *("--\rCOPY t FROM STDIN /*\nINSERT */", "--\rLISTEN x /*\nSELECT 1 */"),
    )
    began = (
        "a statement here begins with "
        if ground.postgresql
        else 'near "[*/]": syntax error$|.* is for (query|execute)$'
    )
    ground.refused_by_both(*after_a_return, says=f"^({began})")
    nested = ground.attack("query", f"SELECT 1 /* /* */; {hidden} -- */")
    assert nested == ("ok" if ground.postgresql else "bad_request")  # in PostgreSQL all of that is a comment
    assert ground.ok(ground.guest, "query", "SELECT * FROM t")["rows"] == [[1, "mine"]]


REACHING = (
    "SELECT * FROM secrets",
    "SELECT * FROM judicia_platform.secrets",
    'SELECT * FROM "judicia_platform"."secrets"',
    "SELECT * FROM Secrets",
    "SELECT count(*) FROM secrets WHERE 1 = 0",
    "SELECT (SELECT max(word) FROM secrets)",
    "SELECT EXISTS (SELECT 1 FROM secrets)",
    "SELECT * FROM t LEFT JOIN secrets ON s = word",
    "WITH a AS (SELECT * FROM secrets) SELECT * FROM a",
    "SELECT n FROM t UNION ALL SELECT length(word) FROM secrets",
    "INSERT INTO t SELECT 1, word FROM secrets RETURNING s",
    "UPDATE t SET s = (SELECT word FROM secrets)",
    "DELETE FROM t WHERE s IN (SELECT word FROM secrets)",
    "CREATE TABLE copy AS SELECT * FROM judicia_platform.secrets",
    "INSERT INTO secrets VALUES ('mine')",
    "UPDATE judicia_platform.secrets SET word = 'mine'",
    "DELETE FROM secrets",
    "INSERT INTO judicia_platform.secrets SELECT s FROM t",
)
DEFINING = (
    "DROP TABLE judicia_platform.secrets",
    "DROP TABLE secrets",
    "ALTER TABLE judicia_platform.secrets RENAME TO mine",
    "ALTER TABLE secrets ADD COLUMN mine integer",
    "DROP TABLE judicia_platform.shared",
    "ALTER TABLE judicia_platform.shared ADD COLUMN mine integer",
)
PLATFORMS_OWN = ": only the platform makes, changes and drops its tables$"


@pytest.mark.parametrize("grants", [[], ["read_database=shared"], ["read_database=shared", "write_database=shared"]])
def test_no_statement_reaches_a_platform_table_that_is_not_granted(ground: Ground, grants: list[str]) -> None:
    ground.guest.policy.grant(*grants)
    ground.refused(*REACHING, code="capability_denied", says=" needs the capability .* for the table `secrets`$")
    both = "SELECT n FROM shared ORDER BY (SELECT word FROM secrets)"
    ground.refused(both, code="capability_denied", says=" for the table `(secrets|shared)`$")
    for sql in DEFINING:
        if not grants or (ground.postgresql and "secrets" in sql):
            ground.refused(sql, code="capability_denied", says=" for the table `(secrets|shared)`$")
        else:  # its owner alone may do that, whatever is granted
            ground.refused(sql, says=NOT_ALLOWED if ground.postgresql else PLATFORMS_OWN)
    new, index = "CREATE TABLE judicia_platform.mine (n integer)", "CREATE INDEX i ON judicia_platform.secrets (word)"
    if ground.postgresql:
        ground.refused(new, says=NOT_ALLOWED)
        ground.refused(index, code="capability_denied", says=" for the table `secrets`$")
    else:
        ground.refused(new, says=PLATFORMS_OWN if grants else "^unknown database judicia_platform$")
        ground.refused(index, says='^near ".": syntax error$')


def test_a_grant_that_is_gone_leaves_nothing_that_still_reads(ground: Ground) -> None:
    sql = "SELECT word FROM secrets"
    ground.guest.policy.grant("read_database=secrets")
    assert ground.ok(ground.guest, "query", sql)["rows"] == [[CANARY]]
    ground.guest.call("execute", {"sql": "CREATE VIEW mine AS SELECT * FROM secrets"})
    ground.guest.call("execute", {"sql": "CREATE VIEW ours AS SELECT * FROM judicia_platform.secrets"})
    ground.guest.policy.revoke("read_database=secrets")
    assert ground.attack("query", sql) == "capability_denied"
    for view in ("mine", "ours"):
        assert ground.attack("query", f"SELECT * FROM {view}") == ("bad_request" if ground.postgresql else "not_found")
        assert re.search(NOT_ALLOWED if ground.postgresql else "^no such table: ", ground.said), ground.said


NOTHING_THERE = '^no such table: |^(relation|schema|table) ".*" does not exist$'


def test_another_plugins_tables_cannot_be_named(ground: Ground) -> None:
    names = ["theirs", "main.theirs", "other.theirs", "public.theirs", '"../other".theirs']
    if ground.postgresql:
        found = ground.ok(
            ground.guest, "query", "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'judicia_')"
        )
        names += [f"{row[0]}.theirs" for row in found["rows"]]
        assert len(names) == 9  # two plugins', and the platform's two: their names are no secret, what is in them is
    mine = ground.ok(ground.guest, "query", "SELECT current_schema()")["rows"][0][0] if ground.postgresql else ""
    closed = [name for name in names if name.startswith("judicia_") and not name.startswith((mine, "judicia_platform"))]
    for name in names:
        reason = {"says": NOT_ALLOWED} if name in closed else {"code": "not_found", "says": NOTHING_THERE}
        ground.refused(
            *each(
                f"""
                SELECT * FROM {name}
                INSERT INTO {name} VALUES ('x')
                DELETE FROM {name}
                DROP TABLE {name}
                ALTER TABLE {name} RENAME TO x
                CREATE TABLE x AS SELECT * FROM {name}
                """
            ),
            **reason,
        )
        index = f"CREATE INDEX i ON {name} (word)"
        if ground.postgresql or "." not in name:
            ground.refused(index, **reason)
        else:
            ground.refused(index, says='^near ".": syntax error$')


def test_an_own_table_by_the_name_of_the_platforms_is_an_own_table(ground: Ground) -> None:
    ground.ok(ground.guest, "execute", "CREATE TABLE secrets (word text)")
    ground.ok(ground.guest, "execute", "INSERT INTO secrets VALUES ('mine')")
    assert ground.ok(ground.guest, "query", "SELECT * FROM secrets")["rows"] == [["mine"]]
    assert ground.attack("query", "SELECT * FROM judicia_platform.secrets") == "capability_denied"
    ground.ok(ground.guest, "execute", "DROP TABLE secrets")


# --- on both: time, memory, locks ------------------------------------------------------------------------------------


ENDLESS = (
    f"{NUMBERS} SELECT count(*) FROM c",
    f"{NUMBERS} SELECT max(x) FROM (SELECT x FROM c ORDER BY -x) AS d",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x + 1 FROM c) SELECT count(*) FROM c",
    f"{NUMBERS}, d AS (SELECT x FROM c LIMIT 3000) SELECT count(*) FROM d AS e, d AS f, d AS g WHERE e.x * f.x = -g.x",
    f"{NUMBERS}, d AS (SELECT x FROM c LIMIT 100000000) SELECT count(DISTINCT x) FROM d",
)


def test_what_has_no_end_is_ended_by_the_wall_quota(ground: Ground) -> None:
    for sql in ENDLESS:
        assert ground.attack("query", sql, wall=SHORT) == "wall", sql
    for sql in (f"INSERT INTO t {NUMBERS} SELECT x, 'x' FROM c", f"CREATE TABLE x AS {NUMBERS} SELECT x FROM c"):
        assert ground.attack("execute", sql, wall=SHORT) == "wall", sql
    assert ground.ok(ground.guest, "query", "SELECT n FROM t")["rows"] == [[1]]
    assert ground.attack("query", "SELECT * FROM x") == "not_found"


def test_what_is_too_deep_too_long_or_too_wide_is_refused(ground: Ground) -> None:
    many = ", ".join("1" for _ in range(9000))
    for sql in (
        "SELECT " + "(" * 9000 + "1" + ")" * 9000,
        "SELECT " + "1+" * 15_000 + "1",
        "SELECT " + "NOT " * 8000 + "1",
        "SELECT 1 WHERE 1 = 1" + " AND 1 = 1" * 3000,
        " UNION ALL ".join(["SELECT 1"] * 1500),
        f"SELECT 1 WHERE 1 IN ({many})",
        f"SELECT {many}",
        f"SELECT coalesce({many})",
        "SELECT 1 FROM " + ", ".join(f"t AS t{n}" for n in range(2000)),
        "SELECT " + "a" * 32_000,
        "SELECT CASE " + "WHEN 1 = 2 THEN 3 " * 1500 + "END",
        "SELECT 1" + " " * 32_761,
        "SELECT " + "[" * 30_000,
    ):
        ground.attack("query", sql)  # whatever it is answered
    assert ground.attack("query", "SELECT 1" + " " * 32_761) == "quota_exceeded"
    assert ground.attack("query", "SELECT 1 " + ";" * 15_000_000) == "quota_exceeded"
    assert ground.attack("query", "SELECT 1", *range(201)) == "quota_exceeded"
    assert ground.attack("query", "SELECT $1", {"base64": "A" * 400_000}) == "quota_exceeded"


def test_what_grows_with_each_level_is_stopped(ground: Ground) -> None:
    """A view of two views of two views, and queries within queries likewise: a short text, a plan without end."""
    levels = 25
    ground.ok(ground.guest, "execute", "CREATE VIEW v0 AS SELECT n FROM t")
    for n in range(levels):
        made = ground.attack("execute", f"CREATE VIEW v{n + 1} AS SELECT a.n FROM v{n} AS a, v{n} AS b")
        assert made == (("bad_request" if n == 0 else "not_found") if ground.postgresql else "ok")
    ended = ground.attack("query", f"SELECT count(*) FROM v{levels}", wall=SHORT)
    assert ended == ("not_found" if ground.postgresql else "wall")
    for how in ("", "NOT MATERIALIZED "):
        queries = [f"a{n + 1} AS {how}(SELECT x.n FROM a{n} AS x, a{n} AS y)" for n in range(levels)]
        sql = f"WITH a0 AS {how}(SELECT n FROM t), {', '.join(queries)} SELECT count(*) FROM a{levels}"
        ended = ground.attack("query", sql, wall=SHORT)
        assert ended == ("wall" if not ground.postgresql else "bad_request" if how else "ok")
    wide = ", ".join(f"t AS t{n}" for n in range(600))
    ground.attack("execute", f"CREATE VIEW wide AS SELECT t0.n FROM {wide}")
    ground.attack("query", f"SELECT count(*) FROM {wide.replace('t AS', 'wide AS')}", wall=SHORT)


@contextmanager
def locked(ground: Ground) -> Iterator[None]:
    """Somebody else is at the platform's tables."""
    if ground.postgresql:
        with psycopg.connect(ground.url) as other:
            other.execute("LOCK TABLE judicia_platform.shared")
            yield
            other.rollback()
        return
    holder = sqlite3.connect(ground.rt.host.database.url.removeprefix("sqlite:///") + "/platform.sqlite3")
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.close()


def test_who_waits_for_a_lock_is_ended_by_the_wall_quota_and_by_cancel(ground: Ground) -> None:
    p, request = ground.guest, {"sql": "DELETE FROM shared WHERE n = 3"}
    p.policy.grant("read_database=shared", "write_database=shared")
    assert p.call("execute", request) == {"ok": {"rowcount": 0}}
    with locked(ground):
        assert ground.attack("execute", request["sql"], wall=SHORT) == "wall"
        running = p.submit("execute", request, quota={"wall": "300s"})
        until(lambda: any(thread.name == "judicia-database" for thread in threading.enumerate()))
        time.sleep(0.1)
        assert not running.done()
        running.cancel()
        with pytest.raises(jn.Cancelled):
            running.result(timeout=PATIENCE)
    assert p.call("execute", request) == {"ok": {"rowcount": 0}}


def test_the_platform_waits_for_a_plugins_statement_only_until_its_call_ends(ground: Ground) -> None:
    p = ground.guest
    p.policy.grant("read_database=shared", "write_database=shared")
    sql = f"INSERT INTO shared {NUMBERS} SELECT x FROM c"
    running = p.submit("execute", {"sql": sql}, quota={"wall": "500ms"})
    time.sleep(0.1)
    began = time.monotonic()
    ground.rt.host.database.add_table("shared", pd.DataFrame({"n": [1, 2]}))
    assert time.monotonic() - began < SLACK
    with pytest.raises(jn.QuotaExceeded):
        running.result(timeout=PATIENCE)
    ground.recovers()


def test_a_platform_table_that_stays_locked_is_said(sqlite: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_database, "_HOST_PATIENCE", 0.05)
    with locked(sqlite), pytest.raises(jn.ResourceExhausted, match="A statement is at the platform's tables"):
        sqlite.rt.host.database.add_table("shared", pd.DataFrame({"n": [3]}))


# --- SQLite ----------------------------------------------------------------------------------------------------------


def has(table: str) -> bool:
    """Whether this build of SQLite has a table, or a function that is one."""
    try:
        sqlite3.connect(":memory:").execute(f"SELECT * FROM {table}").close()
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    return True


def test_sqlites_own_tables_functions_and_files_are_closed(sqlite: Ground) -> None:
    file = sqlite.place / "file"
    for table in (
        *("json_each('[1]')", "json_tree('[1]')", "generate_series(1, 2)", "bytecode('SELECT 1')", "sqlite_stmt"),
        *("pragma_database_list", "pragma_table_info('t')", "pragma_table_list", "dbstat", "sqlite_dbpage"),
    ):
        if has(table):
            sqlite.refused(
                f"SELECT * FROM {table}", says="^query only reads, and does not reach the database's own tables$"
            )
        else:
            sqlite.refused(f"SELECT * FROM {table}", code="not_found", says="^no such table: ")
    temporary = ("temp.sqlite_master", "sqlite_temp_master", "sqlite_temp_schema")
    sqlite.refused(*(f"SELECT * FROM {name}" for name in temporary), says="^there are only the plugin's own tables")
    sqlite.refused("SELECT sql FROM judicia_platform.sqlite_master", code="not_found", says="^no such table: ")
    sqlite.refused(
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'x')", says="`sqlite_master` can only be read$"
    )
    sqlite.refused(
        "UPDATE sqlite_master SET sql = 'x'",
        "DELETE FROM sqlite_schema",
        "DROP TABLE sqlite_master",
        "ALTER TABLE sqlite_master ADD COLUMN x",
        says="^table sqlite_master may not be (modified|dropped|altered)$",
    )
    reserved = ("CREATE TABLE sqlite_stat1 (tbl, idx, stat)", "ALTER TABLE t RENAME TO sqlite_x")
    sqlite.refused(*reserved, says="^object name reserved for internal use: ")
    sqlite.refused(
        *each(
            f"""
            SELECT load_extension('x')
            SELECT readfile('{file}')
            SELECT writefile('{file}', 'x')
            SELECT edit('{file}')
            SELECT fts3_tokenizer('simple')
            SELECT sqlite_version()
            SELECT sqlite_compileoption_get(0)
            SELECT sqlite_log(1, 'x')
            SELECT changes()
            SELECT printf('x')
            """
        ),
        says=r"^the function \w+\(\) is not offered$|^no such function: (readfile|writefile|edit)$",
    )
    sqlite.refused("SELECT ?", "SELECT ?1", "SELECT :a", "SELECT @a", "SELECT $a", says="[Bb]inding")
    sqlite.refused_by_both("SELECT [$1]", says=r"^the statement names \$1, and field `params` has 0 values$")
    sqlite.guest.policy.grant("read_database=shared", "write_database=shared")
    sqlite.refused(
        *("SELECT * FROM judicia_platform.sqlite_master", "SELECT * FROM judicia_platform.sqlite_schema"),
        says="^plugins may not read the list of the platform's tables$",
    )
    sqlite.refused(
        "UPDATE judicia_platform.sqlite_master SET sql = 'x'", says="^table sqlite_master may not be modified$"
    )
    sqlite.refused("DROP TABLE judicia_platform.sqlite_master", says=PLATFORMS_OWN)
    assert len(sqlite.ok(sqlite.guest, "query", "SELECT sql FROM sqlite_master")["rows"]) == 1


def test_sqlite_keeps_no_function_for_later(sqlite: Ground) -> None:
    """What a definition holds is looked at when it is made or when it is used, by the grants of that moment."""
    for column in (
        "d text DEFAULT CURRENT_TIMESTAMP",
        "d text DEFAULT (datetime('now'))",
        "d integer DEFAULT (random())",
        'd integer DEFAULT ("random"())',
        "d text DEFAULT (sqlite_version())",
        "d text CHECK (load_extension('x') IS NULL)",
        "d text GENERATED ALWAYS AS (load_extension('x'))",
        "d text CHECK (format('%.*c', 2000000000, 'x') IS NULL)",
    ):
        assert sqlite.attack("execute", f"CREATE TABLE x (n integer, {column})") == "bad_request", column
        assert sqlite.attack("execute", f"ALTER TABLE t ADD COLUMN {column}") == "bad_request", column
    sqlite.ok(sqlite.guest, "execute", "CREATE TABLE plain (n integer DEFAULT (1 + 2), s text DEFAULT 'call date()')")
    for function, code in (("datetime('now')", "capability_denied"), ("load_extension('x')", "bad_request")):
        sqlite.ok(sqlite.guest, "execute", f"CREATE VIEW v AS SELECT {function}")
        assert sqlite.attack("query", "SELECT * FROM v") == code
        sqlite.ok(sqlite.guest, "execute", "DROP VIEW v")
    sqlite.ok(sqlite.guest, "execute", "CREATE VIEW v AS SELECT trim(s) FROM t")
    assert sqlite.attack("query", "SELECT * FROM v") == "bad_request"


@pytest.mark.parametrize(("function", "capability"), [("CURRENT_TIME", "wall_clock"), ("random()", "random")])
def test_sqlites_clock_and_chance_take_their_capabilities(sqlite: Ground, function: str, capability: str) -> None:
    sql = f"SELECT {function} IS NULL"
    assert sqlite.attack("query", sql) == "capability_denied"
    assert sqlite.rt.audit["detail"].iloc[-1] == f"{capability} for judicia:database query"
    sqlite.guest.policy.grant(capability)
    assert sqlite.ok(sqlite.guest, "query", sql)["rows"] == [[0]]
    sqlite.guest.policy.revoke(capability)
    assert sqlite.attack("query", sql) == "capability_denied"


def test_one_step_of_sqlite_takes_no_minutes(sqlite: Ground) -> None:
    sqlite.guest.policy.grant("random")
    a, b = "hex(zeroblob(120000))", "hex(zeroblob(60000))"
    for sql in (
        "SELECT zeroblob(1000000000)",
        "SELECT hex(zeroblob(200000))",
        "SELECT randomblob(1000000000)",
        f"SELECT {a} || {a}",
        f"SELECT replace({a}, '0', {b})",
        f"SELECT group_concat({a}) FROM ({NUMBERS} SELECT x FROM c LIMIT 100)",
        "SELECT " + ", ".join(f"instr({a}, {b} || 'b')" for _ in range(101)),
    ):
        assert sqlite.attack("query", sql) == "quota_exceeded", sql
    for sql, value in (
        (f"SELECT length(replace({a}, {b} || 'b', ''))", 240_000),
        (f"SELECT instr({a}, {b} || 'b')", 0),
        (f"SELECT length(trim({a}, {b}))", 0),
        (f"SELECT {a} LIKE '%{'0' * 48}1'", 0),
        (f"SELECT {a} LIKE '{'%0' * 24}1'", 0),
        (f"SELECT {a} GLOB '*{'[0-9]' * 9}x'", 0),
        ("SELECT json_valid(replace(hex(zeroblob(100000)), '0', '['))", 0),
    ):
        assert sqlite.ok(sqlite.guest, "query", sql)["rows"] == [[value]]
    text = f"(x || hex(zeroblob(10000))) LIKE '%{'0' * 48}1'"
    assert sqlite.attack("query", f"{NUMBERS} SELECT count(*) FROM c WHERE {text}", wall=SHORT) == "wall"
    assert sqlite.attack("query", f"SELECT {a} LIKE '{'0' * 51}'") == "bad_request"


def test_temporary_files_of_sqlite_are_limited(sqlite: Ground) -> None:
    sqlite.rt.host.database.set_limits(statement_bytes="2MiB")
    sql = f"{NUMBERS} SELECT x FROM c ORDER BY hex(zeroblob(1000)) || x"
    assert sqlite.attack("query", sql) == "quota_exceeded"


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_postgresqls_files_programs_and_roles_are_closed(postgres: Ground) -> None:
    folder = postgres.url.rpartition("host=")[2]
    file, role = f"{folder}/password", postgres.url.removeprefix("postgresql://").partition(":")[0]
    for name in ("role", "session_authorization"):
        for value in ("postgres", role, "pg_read_server_files"):
            assert postgres.attack("query", f"SELECT set_config('{name}', '{value}', false)") == "bad_request"
    with psycopg.connect(postgres.url) as admin:  # so that it is no lack of these that refuses
        admin.execute("ALTER TABLE judicia_platform.secrets ADD UNIQUE (word)")
        admin.execute("SELECT lo_from_bytea(1, 'x')")
    postgres.refused(
        *each(
            f"""
            SELECT pg_read_file('{file}')
            SELECT pg_read_binary_file('{file}')
            SELECT pg_stat_file('{file}')
            SELECT pg_ls_dir('{folder}')
            SELECT pg_ls_tmpdir()
            SELECT pg_ls_waldir()
            SELECT pg_current_logfile()
            SELECT lo_import('{file}')
            SELECT lo_export(1, '{file}')
            SELECT lo_put(1, 0, 'x')
            SELECT pg_reload_conf()
            SELECT pg_rotate_logfile()
            SELECT rolpassword FROM pg_authid
            SELECT * FROM pg_hba_file_rules
            SELECT * FROM pg_file_settings
            SELECT current_setting('data_directory')
            SELECT current_setting('unix_socket_directories')
            SELECT * FROM judicia_admin.owners
            SELECT pg_create_restore_point('x')
            SELECT pg_switch_wal()
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            SELECT pg_cancel_backend(pid) FROM pg_stat_activity
            SELECT query_to_xml('TABLE judicia_platform.secrets', true, true, '')
            SELECT * FROM ts_stat('SELECT word::tsvector FROM judicia_platform.secrets')
            WITH a AS MATERIALIZED (SELECT set_config('role', 'postgres', true)) SELECT * FROM a
            CREATE TABLE public.x (n integer)
            CREATE TABLE judicia_admin.x (n integer)
            CREATE TABLE pg_catalog.x (n integer)
            ALTER TABLE t OWNER TO postgres
            ALTER TABLE t SET SCHEMA judicia_platform
            ALTER TABLE t SET TABLESPACE pg_global
            INSERT INTO pg_class SELECT * FROM pg_class
            """
        ),
        says=NOT_ALLOWED,
    )
    postgres.refused(
        "CREATE TABLE x () INHERITS (judicia_platform.secrets)",
        "CREATE TABLE x (LIKE judicia_platform.secrets)",
        "CREATE TABLE x (w text REFERENCES judicia_platform.secrets (word))",
        code="capability_denied",
        says="needs the capability read_database for the table `secrets`$",
    )
    missing = ("dblink('dbname=postgres', 'SELECT 1')", f"pg_file_write('{file}', 'x', true)")
    postgres.refused(
        *(f"SELECT {one}" for one in missing), says=r"^function (dblink|pg_file_write)\(.* does not exist$"
    )
    temporary = ("CREATE TABLE pg_temp.pg_class (n integer)", "CREATE VIEW pg_temp.pg_roles AS SELECT 1")
    postgres.refused(*temporary, says="^temporary tables are not offered$")
    postgres.refused(
        "SELECT * INTO x FROM t", says="^query only reads; a statement that changes something goes to execute$"
    )
    postgres.refused("INSERT INTO t SELECT lo_from_bytea(0, 'x')::bigint, 'x'", says="^large objects are not offered$")
    postgres.refused("SELECT query_to_xml('DROP TABLE t', true, true, '')", says="^DROP TABLE is not allowed in a ")
    postgres.refused("SELECT query_to_xml('COMMIT', true, true, '')", says="^invalid query$")
    assert postgres.attack("query", "SELECT database_to_xml(true, true, '')") == "ok"  # of what it sees


def test_what_a_statement_sets_in_postgresql_is_gone_afterwards(postgres: Ground) -> None:
    settings = ("statement_timeout", "search_path", "transaction_read_only", "role", "work_mem", "lock_timeout")
    names = ", ".join(f"current_setting('{name}')" for name in settings)
    p = postgres.guest
    before = postgres.ok(p, "query", f"SELECT {names}")
    for operation, sql in (
        ("query", "SELECT set_config('statement_timeout', '0', false), set_config('search_path', 'x', false)"),
        ("execute", "UPDATE pg_settings SET setting = '0' WHERE name IN ('statement_timeout', 'lock_timeout')"),
        ("execute", "WITH a AS (SELECT set_config('work_mem', '1GB', false)) INSERT INTO t SELECT 2, 'x' FROM a"),
        ("query", "SELECT set_config('role', rolname, false) FROM pg_roles WHERE pg_has_role(oid, 'member')"),
        ("query", "SELECT pg_advisory_lock(1), pg_notify('x', 'y'), lo_from_bytea(0, 'x')"),
    ):
        postgres.ok(p, operation, sql)
        assert postgres.ok(p, "query", f"SELECT {names}") == before
    with psycopg.connect(postgres.url) as admin:
        assert admin.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)
        assert admin.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone() == (0,)
    for sql in (
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('temp_file_limit', '-1', false)",
        "SELECT set_config('session_replication_role', 'replica', false)",
    ):
        assert postgres.attack("query", sql) == "bad_request"


def test_what_hangs_in_postgresql_ends_with_the_call_and_on_the_server(postgres: Ground) -> None:
    for sql in (
        "SELECT pg_sleep(1000)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(1000)",
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        "SELECT string_agg(md5(g::text), '') FROM generate_series(1, 1000000000) AS g",
        "SELECT array_fill(1, ARRAY[100000000])",
    ):
        assert postgres.attack("query", sql, wall=SHORT) == "wall", sql
    # The server gives an expression up that takes it too much memory; whether that comes first depends on the machine.
    expression = "SELECT repeat('a', 50) ~ '((((a{1,200}){1,200}){1,200}))b'"
    assert postgres.attack("query", expression, wall=SHORT) in {"wall", "bad_request"}
    assert postgres.attack("query", "SELECT repeat('x', 100000000)") == "quota_exceeded"
    assert postgres.attack("query", "SELECT generate_series(1, 1000000000000)") == "quota_exceeded"
    with psycopg.connect(postgres.url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        assert postgres.attack("query", "SELECT pg_advisory_lock(1)", wall=SHORT) == "wall"
        running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND starts_with(usename, 'judicia_')"
        until(lambda: holder.execute(running).fetchone() == (0,))


def test_a_plugin_that_ends_its_own_connections_goes_on(postgres: Ground) -> None:
    sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
    assert postgres.attack("query", sql) == "failed"
    postgres.recovers()


def test_a_delete_that_writes_does_not_fill_postgresql(postgres: Ground) -> None:
    """Keys that are set to null make new versions of rows: deleting is writing, too."""
    postgres.rt.host.database.set_limits(database_bytes="1MiB", statement_bytes="1MiB")
    p = postgres.guest
    postgres.ok(p, "execute", "CREATE TABLE parent (id integer PRIMARY KEY)")
    postgres.ok(p, "execute", "INSERT INTO parent SELECT generate_series(0, 39)")
    keys = ", ".join(f"k{n} integer DEFAULT {n} REFERENCES parent ON DELETE SET NULL" for n in range(40))
    postgres.ok(p, "execute", f"CREATE TABLE child (n integer, {keys})")
    postgres.ok(p, "execute", "INSERT INTO child SELECT generate_series(1, 1500)")
    answers = [postgres.attack("execute", f"DELETE FROM parent WHERE id = {n}") for n in range(40)]
    assert answers[0] == "ok"
    assert "quota_exceeded" in answers
