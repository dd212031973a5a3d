"""Every limit of every service is exceeded before it is set, which goes well, and after, which does not.

The kinds are those of each service's `LimitTable`; a new one needs a row here: a value, and a driver that says whether
it was held. Limits are set with `set_limits`, on a service that was used already; there is no other way.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.host.database import DatabaseService
from judicia_notebook.host.events import Events
from judicia_notebook.host.files import FilesService
from judicia_notebook.host.http import HttpService
from judicia_notebook.host.notifications import Notifications
from judicia_notebook.host.shared_memory import SharedMemory
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.policy.limits import LimitKind, LimitTable
from tests.limits.ground import GRANT, GUEST, Driver, Ground, Table
from tests.limits.outside import HTTP, NOTIFICATIONS, TRIES
from tests.support.waiting import PATIENCE


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with jn.Runtime(tmp_path) as rt:
        manifest = {"name": "guest", "subscriptions": ["loop"], "http_routes": ["/guest/*"]}
        wasm = compile_wat(GUEST).encode()
        p = rt.load(wasm, name="guest", grant=GRANT, manifest=manifest, instances=4, quota={"cpu": "10s"})
        yield Ground(rt, p)


# --- databases -------------------------------------------------------------------------------------------------------

NUMBERS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {})"


def query(sql: str, *params: Any) -> Driver:
    return lambda ground: ground.refused("database.query", sql=sql, params=list(params))


def grows(ground: Ground) -> bool:
    ground.p.call("database.execute", {"sql": "CREATE TABLE IF NOT EXISTS mine (s text)"})
    return ground.refused("database.execute", sql="INSERT INTO mine VALUES ($1)", params=["x" * 200_000])


def platform_grows(ground: Ground) -> bool:
    if not ground.rt.host.database.tables:
        ground.rt.host.database.add_table("t", pd.DataFrame({"s": ["x"]}))
    return ground.refused("database.execute", sql="INSERT INTO t VALUES ($1)", params=["x" * 200_000])


def makes_tables(ground: Ground) -> bool:
    return any(ground.refused("database.execute", sql=f"CREATE TABLE {ground.new()} (n int)") for _ in range(2))


DATABASE: Table = {
    "rows": (10, query(f"{NUMBERS.format(20)} SELECT x FROM c")),
    "result_bytes": (50, query(f"{NUMBERS.format(20)} SELECT x FROM c")),
    "value_bytes": ("2KiB", query("SELECT $1", "x" * 4000)),
    "sql_bytes": ("1KiB", query("SELECT '" + "x" * 2000 + "'")),
    "parameters": (1, query("SELECT $1, $2", 1, 2)),
    "statement_time": ("50ms", query(f"{NUMBERS.format(1_000_000)} SELECT count(*) FROM c")),
    "statement_bytes": (
        "1MiB",
        query(f"{NUMBERS.format(20_000)} SELECT x FROM c ORDER BY hex(zeroblob(200)) || x LIMIT 1 OFFSET 19999"),
    ),
    "database_bytes": ("256KiB", grows),
    "platform_bytes": ("256KiB", platform_grows),
    "tables": (1, makes_tables),
}

# --- events ----------------------------------------------------------------------------------------------------------


def emits(count: int = 1, **more: Any) -> Driver:
    def drive(ground: Ground) -> bool:
        wanted = {"type": "guest.a", "payload": 1, **more}
        return any(ground.refused("events.emit", **wanted) for _ in range(count))

    return drive


def loops(ground: Ground) -> bool:
    """The guest says again what it hears, and hears that."""
    ground.p.call("events.subscribe", {"pattern": "guest.again"})
    before = len(ground.rt.host.events.history)
    ground.rt.host.events.emit("loop")
    ground.rt.host.events.flush(PATIENCE)
    return int(ground.rt.host.events.history["hops"].iloc[before:].max()) <= 1


def subscribes(ground: Ground) -> bool:
    return any(ground.refused("events.subscribe", pattern=ground.new("guest.a")) for _ in range(2))


def calls_back(ground: Ground) -> bool:
    try:
        for _ in range(2):
            ground.rt.host.events.subscribe("b", lambda event: None)
    except jn.ResourceExhausted:
        return True
    return False


def waits(ground: Ground) -> bool:
    """Four events for somebody who is busy."""
    gate, entered = threading.Event(), threading.Event()
    event_type = ground.new("busy")

    def busy(_: Any) -> None:
        entered.set()
        assert gate.wait(PATIENCE)

    with ground.rt.host.events.subscribe(event_type, busy) as subscription:
        for _ in range(5):
            ground.rt.host.events.emit(event_type, "x" * 80)
            assert entered.wait(PATIENCE)
        gate.set()
        ground.rt.host.events.flush(PATIENCE)
        return subscription.counts["dropped"] > 0


def failing(ground: Ground, events_in_all: int = 1) -> list[float]:
    """When a callback was tried that always fails."""
    tried: list[float] = []
    event_type = ground.new("fails")

    def fail(_: Any) -> None:
        tried.append(time.monotonic())
        raise ValueError

    with ground.rt.host.events.subscribe(event_type, fail):
        for _ in range(events_in_all):
            ground.rt.host.events.emit(event_type)
        ground.rt.host.events.flush(PATIENCE)
    return tried


def tries(ground: Ground) -> bool:
    ground.rt.host.events.set_limits(retry_delay=0.001)
    return len(failing(ground)) <= 2


def pauses(ground: Ground) -> bool:
    ground.rt.host.events.set_limits(attempts=2)
    return all(second - first >= 0.4 for first, second in (failing(ground) for _ in range(TRIES)))


def parks(ground: Ground) -> bool:
    ground.rt.host.events.set_limits(attempts=1)
    failing(ground, 3)
    return len(ground.rt.host.events.parked) <= 1


def remembers(ground: Ground) -> bool:
    for _ in range(5):
        ground.rt.host.events.emit("c", "x" * 80)
    return len(ground.rt.host.events.history) <= 2


def remembers_bytes(ground: Ground) -> bool:
    """What is parked counts, too."""
    ground.rt.host.events.set_limits(attempts=1)
    failing(ground, 3)
    remembers(ground)
    found = ground.rt.host.events
    return int(found.history["bytes"].sum()) + sum(one.size for one in found.parked) <= 500


EVENTS: Table = {
    "emit_rate": (2, emits(8)),
    "hops": (1, loops),
    "payload": (10, emits(payload="x" * 20)),
    "metadata": (100, emits(metadata={"x": "x" * 200})),
    "patterns": (1, subscribes),
    "callbacks": (1, calls_back),
    "queue": (2, waits),
    "queue_bytes": (200, waits),
    "attempts": (2, tries),
    "retry_delay": ("500ms", pauses),
    "parked": (1, parks),
    "history": (2, remembers),
    "history_bytes": (500, remembers_bytes),
}

# --- files -----------------------------------------------------------------------------------------------------------


def writes(ground: Ground) -> bool:
    return any(ground.refused("files.write", path=ground.new(), content="x" * 200) for _ in range(2))


def lists(ground: Ground) -> bool:
    for _ in range(2):
        ground.p.call("files.write", {"path": ground.new(), "content": ""})
    return ground.refused("files.list", path="")


FILES: Table = {
    "file_bytes": (100, writes),
    "folder_bytes": (300, writes),
    "folder_files": (1, writes),
    "entries": (1, lists),
}

# --- shared memory ---------------------------------------------------------------------------------------------------

FRAME = {"name": "frame", "offset": 0, "ptr": 65536 // 2, "length": 4}


def makes_regions(ground: Ground) -> bool:
    try:
        for _ in range(2):
            ground.rt.host.shared_memory.create(ground.new("r"), 1000)
    except jn.ResourceExhausted:
        return True
    return False


def waits_for_a_writer(ground: Ground) -> bool:
    region, written = ground.rt.host.shared_memory.create("frame", 4), threading.Event()
    entered = threading.Event()

    def write() -> None:
        with region.write():
            entered.set()
            assert written.wait(PATIENCE)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert entered.wait(PATIENCE)
        return min(seconds_of_a_conflict(ground) for _ in range(TRIES)) < 0.9
    finally:
        written.set()
        writer.join(PATIENCE)


def seconds_of_a_conflict(ground: Ground) -> float:
    began = time.monotonic()
    assert ground.p.call("shared_memory.read", FRAME)["error"]["code"] == "conflict"
    return time.monotonic() - began


def copies_again(ground: Ground) -> bool:
    """Somebody writes into each copy."""
    region = ground.rt.host.shared_memory.create("frame", 4)
    copied: list[int] = []
    region.copy_to = lambda *_: copied.append(1)  # type: ignore[method-assign]
    assert ground.p.call("shared_memory.read", FRAME)["error"]["code"] == "conflict"
    return len(copied) <= 2


SHARED_MEMORY: Table = {
    "total_bytes": (1500, makes_regions),
    "regions": (1, makes_regions),
    "wait": ("50ms", waits_for_a_writer),
    "attempts": (2, copies_again),
}

# --- all of them -----------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[LimitTable[Any], Table]] = {
    "database": (DatabaseService.limit_kinds, DATABASE),
    "events": (Events.limit_kinds, EVENTS),
    "files": (FilesService.limit_kinds, FILES),
    "http": (HttpService.limit_kinds, HTTP),
    "notifications": (Notifications.limit_kinds, NOTIFICATIONS),
    "shared_memory": (SharedMemory.limit_kinds, SHARED_MEMORY),
}
EVERY = [(service, kind) for service, (table, _) in CASES.items() for kind in table]


def test_every_service_that_has_limits_is_here_with_every_kind(rt: jn.Runtime) -> None:
    services = {name for name in dir(rt.host) if hasattr(getattr(rt.host, name), "set_limits")}
    assert services == set(CASES)
    for service, (table, drivers) in CASES.items():
        assert getattr(rt.host, service).limit_kinds is table
        assert table.service == service
        assert list(drivers) == list(table), service


@pytest.mark.parametrize(("service", "kind"), EVERY, ids=[f"{service}-{kind}" for service, kind in EVERY])
def test_it_holds_from_the_moment_it_is_set(ground: Ground, service: str, kind: str) -> None:
    _, drivers = CASES[service]
    value, drive = drivers[kind]
    assert not drive(ground), "it is held without the limit, too"
    getattr(ground.rt.host, service).set_limits(**{kind: value})
    assert drive(ground)


# --- the only way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", CASES)
def test_limits_are_not_assigned_since_nothing_would_check_them(rt: jn.Runtime, service: str) -> None:
    found = getattr(rt.host, service)
    before = found.limits
    kind = next(iter(found.limit_kinds))
    with pytest.raises(AttributeError, match=rf"rt\.host\.{service}\.set_limits\({kind}=\.\.\.\)"):
        found.limits = dataclasses.replace(before, **{kind: -1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(before, kind, -1)
    assert found.limits is before


def wrong(kind: LimitKind) -> dict[str, Any]:
    """What no limit of this kind can be, by why."""
    values: dict[str, Any] = {"no limit": None, "a negative": -1, "a truth value": True, "a word": "many"}
    if kind.unit == "s":
        values |= {"no number": float("nan"), "for ever": float("inf"), "no unit": "1"}
    else:
        values |= {"a fraction": 1.5, "no unit": "1", "too much for anything": 1 << 64}
    if kind.least:
        values["too little"] = kind.least - 1
    if kind.unit != "s":
        values["too much"] = kind.most + 1
    return values


@pytest.mark.parametrize(("service", "kind"), EVERY, ids=[f"{service}-{kind}" for service, kind in EVERY])
def test_what_cannot_be_a_limit_is_refused_by_its_name_and_changes_nothing(
    rt: jn.Runtime, service: str, kind: str
) -> None:
    found = getattr(rt.host, service)
    before, info = found.limits, found.limit_kinds[kind]
    assert getattr(before, kind) == info.default
    other = next(name for name in found.limit_kinds if name != kind)
    for why, value in wrong(info).items():
        with pytest.raises(jn.PolicyError) as refusal:
            found.set_limits(**{other: found.limit_kinds[other].least + 1, kind: value})
        assert str(refusal.value).startswith(f"limit {kind}: "), why
        assert found.limits is before, why
    with pytest.raises(jn.PolicyError, match=rf"no limit on {found.limit_kinds.on} '{kind}s'\. Did you mean '"):
        found.set_limits(**{other: found.limit_kinds[other].least + 1, f"{kind}s": info.default})
    assert found.limits is before


@pytest.mark.parametrize("service", CASES)
def test_a_limit_that_was_typed_as_it_is_written_is_that_number(rt: jn.Runtime, service: str) -> None:
    found = getattr(rt.host, service)
    for kind, info in found.limit_kinds.items():
        value = info.least + 2
        typed = info.write(value) if info.unit in ("bytes", "s") else value
        found.set_limits(**{kind: typed})
        assert getattr(found.limits, kind) == value
