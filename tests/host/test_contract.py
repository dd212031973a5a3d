"""What holds for every host function of every service: how it is denied, what it says is wrong, the row it leaves.

The functions come from the registry. A new one fails here until `USES` says how it is used: a request, and the grant
that the request takes. Its fields, its capability and what to write into them come from the function itself. A function
that can wait is cancelled inside its wait: `WAITS` says what it waits for. Each other one is seen to wait for nothing.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import msgspec
import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.host.files.beneath import Opening
from judicia_notebook.host.host_call import HostCall
from judicia_notebook.host.ownership import Owners
from judicia_notebook.host.registry import make_services
from judicia_notebook.host.scope import CallScope
from judicia_notebook.languages.wat import compile_wat
from tests.support.servers import Peer, Server, reply
from tests.support.waiting import PATIENCE, until

SERVICES = make_services(owners=Owners(Path)).values()
FUNCTIONS = {f"{service.module} {one.name}": one for service in SERVICES for one in service.operations()}
FREE = ("judicia:log write", "judicia:host fail")
"""What takes no capability; nothing else may be free by mistake."""

GATED = [function for function in FUNCTIONS if function not in FREE]
HOOKS = "".join(
    f'(func (export "{name}") (param i32 i32) (result i64) (i64.const 0))' for name in ("on_event", "on_http_request")
)
GUEST = compile_wat(
    HOOKS
    + "\n".join(
        f'(func (export "{function}") (param i32 i32) (result i64)'
        f" (call ${function.replace(' ', '.')} (local.get 0) (local.get 1)))"
        for function in FUNCTIONS
    )
).encode()


@dataclass(frozen=True)
class Ground:
    """What the requests are about, beside the guest.

    Attributes
    ----------
    held : threading.Event
        While it is set, the server does not answer, and files do not open.
    arrived : threading.Event
        Set as soon as a request has come to that server, or to those files.
    """

    rt: jn.Runtime
    folder: Path
    until_the_end: ExitStack
    held: threading.Event = dataclasses.field(default_factory=threading.Event)
    arrived: threading.Event = dataclasses.field(default_factory=threading.Event)


class Use(NamedTuple):
    """A request that goes well.

    Attributes
    ----------
    request : dict
    target : str
        What its row names.
    grant : str
        What it takes; by default its capability.
    other : list of str
        Grants of its capability that are not enough, where that goes by scopes.
    """

    request: dict[str, Any]
    target: str
    grant: str = ""
    other: tuple[str, ...] = ()


def platforms_table(use: Use) -> Callable[[Ground], Use]:
    def make(ground: Ground) -> Use:
        ground.rt.host.database.add_table("t", pd.DataFrame({"n": [1]}))
        return use

    return make


def region(use: Use) -> Callable[[Ground], Use]:
    def make(ground: Ground) -> Use:
        ground.rt.host.shared_memory.create("frame", 8)
        ground.rt.host.shared_memory.create("elsewhere", 8)
        return use

    return make


def in_a_folder(request: dict[str, Any], capability: str) -> Callable[[Ground], Use]:
    """Of a folder that is mapped for this capability; it is not enough that it is mapped for the other one."""
    opposite = "write_files" if capability == "read_files" else "read_files"

    def make(ground: Ground) -> Use:
        (ground.folder / "file").write_text("x")
        scope = f"{ground.folder}@shelf"
        return Use(request, request["path"], f"{capability}={scope}", (capability, f"{opposite}={scope}"))

    return make


def of_a_server(ground: Ground) -> Use:
    def answer(peer: Peer) -> None:
        if ground.held.is_set():
            ground.arrived.set()
            peer.leaves()
        else:
            peer.send(reply(b"x"))

    server = ground.until_the_end.enter_context(Server(answer))
    request = {"method": "GET", "url": f"{server.origin}/a"}
    return Use(request, f"GET {server.origin}/a", f"network_access={server.origin}", ("network_access",))


FRAME = {"name": "frame", "offset": 2, "ptr": 32768, "length": 4}
NOTE = {"recipient": "team-7", "title": "First solve", "message": "Problem C is yours."}

USES: dict[str, Use | Callable[[Ground], Use]] = {
    "judicia:log write": Use({"level": "info", "message": "x", "fields": {}}, "info"),
    "judicia:host fail": Use({"code": "no_task", "message": "there is none"}, "no_task"),
    "judicia:clock now": Use({}, ""),
    "judicia:random bytes": Use({"length": 3}, "3 bytes"),
    "judicia:events emit": Use(
        {"type": "contest.begun", "payload": 1}, "contest.begun", "emit_event=contest.begun", ("emit_event",)
    ),
    "judicia:events subscribe": Use(
        {"pattern": "contest.*"}, "contest.*", "subscribe_events=contest.*", ("subscribe_events",)
    ),
    "judicia:files read": in_a_folder({"path": "shelf/file"}, "read_files"),
    "judicia:files write": in_a_folder({"path": "shelf/new", "content": "x"}, "write_files"),
    "judicia:files list": in_a_folder({"path": "shelf"}, "read_files"),
    "judicia:files stat": in_a_folder({"path": "shelf/file"}, "read_files"),
    "judicia:files delete": in_a_folder({"path": "shelf/file"}, "write_files"),
    "judicia:database query": platforms_table(
        Use({"sql": "SELECT n\nFROM t"}, "SELECT n FROM t", "read_database=t", ("read_database",))
    ),
    "judicia:database execute": platforms_table(
        Use(
            {"sql": "INSERT INTO t VALUES ($1)", "params": [2]},
            "INSERT INTO t VALUES ($1)",
            "write_database=t",
            ("write_database", "read_database=t"),
        )
    ),
    "judicia:notifications send": Use(NOTE, "team-7"),
    "judicia:shared_memory read": region(
        Use(FRAME, "frame[2:6]", "read_shared_memory=frame", ("read_shared_memory=elsewhere",))
    ),
    "judicia:shared_memory write": region(
        Use(FRAME, "frame[2:6]", "write_shared_memory=frame", ("write_shared_memory=elsewhere",))
    ),
    "judicia:shared_memory info": region(
        Use({"name": "frame"}, "frame", "read_shared_memory=frame", ("read_shared_memory=elsewhere",))
    ),
    "judicia:http request": of_a_server,
    "judicia:http register_route": Use(
        {"method": "GET", "path": "/board"}, "GET /board", "register_routes=/board", ("register_routes",)
    ),
}


@pytest.fixture
def ground(rt: jn.Runtime, tmp_path: Path) -> Iterator[Ground]:
    with ExitStack() as until_the_end:
        yield Ground(rt, tmp_path, until_the_end)


def use_of(function: str, ground: Ground) -> Use:
    use = USES[function]
    return use if isinstance(use, Use) else use(ground)


def capability_of(function: str) -> str:
    return FUNCTIONS[function].capability or ""


def load(rt: jn.Runtime, *grants: str, **options: Any) -> jn.Plugin:
    return rt.load(GUEST, name="guest", grant=grants, **options)


def goes_well(function: str, outcome: jn.Outcome) -> bool:
    if FUNCTIONS[function].answers:
        return "ok" in outcome.value
    return isinstance(outcome.error, jn.GuestError)  # what it says is that the call failed


def row(rt: jn.Runtime, *columns: str) -> tuple[Any, ...]:
    """Of the only host call there was."""
    assert len(rt.host_calls) == 1
    return tuple(None if pd.isna(value) else value for value in rt.host_calls.iloc[0][list(columns)])


def test_every_host_function_is_here() -> None:
    assert list(FUNCTIONS) == list(USES)
    assert [function for function, operation in FUNCTIONS.items() if operation.capability is None] == list(FREE)


# --- what goes well --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_works_by_its_grant_alone_and_its_row_names_its_target(function: str, ground: Ground) -> None:
    use, capability = use_of(function, ground), capability_of(function)
    p = load(ground.rt, *filter(None, [use.grant or capability]))
    outcome = p.attempt(function, use.request)
    assert goes_well(function, outcome)
    assert row(ground.rt, "plugin", "function", "capability", "target", "decision", "bytes_in") == (
        *("guest", function, capability or None, use.target or None, "allowed"),
        len(msgspec.json.encode(use.request)),
    )


# --- denied ----------------------------------------------------------------------------------------------------------


def all_but(capability: str) -> list[str]:
    return [name for name in CAPABILITIES if name != capability]


@pytest.mark.parametrize("function", GATED)
def test_without_its_capability_the_denial_is_a_value_whatever_else_is_granted(function: str, ground: Ground) -> None:
    use, capability = use_of(function, ground), capability_of(function)
    p = load(ground.rt, *all_but(capability))
    kept = list(ground.rt.host.kept())
    assert p.call(function, use.request) == {
        "error": {"code": "capability_denied", "message": f"{function} needs the capability {capability}"}
    }
    assert row(ground.rt, "function", "capability", "decision") == (function, capability, "denied")
    assert list(ground.rt.audit["detail"])[-1] == f"{capability} for {function}"
    assert p.last is not None
    assert (p.last.outcome, p.last.denied) == ("ok", 1)
    assert list(ground.rt.host.kept()) == kept
    assert not ground.rt.host.files.folder("guest").exists()


@pytest.mark.parametrize("function", GATED)
def test_without_its_capability_the_denial_can_end_the_call(function: str, ground: Ground) -> None:
    use, capability = use_of(function, ground), capability_of(function)
    p = load(ground.rt, *all_but(capability), on_denied="trap")
    with pytest.raises(jn.CapabilityDenied) as denial:
        p.call(function, use.request)
    error = denial.value
    assert (error.capability, error.scope, error.host_function) == (capability, "", function)
    assert str(error).splitlines() == [
        f"guest.{function} needs {capability} for {function}.",
        f'  To allow it:    %plugin grant guest {capability}     or  p.policy.grant("{capability}")',
    ]
    assert error.record is not None
    assert (error.record.outcome, error.record.denied, error.record.host_calls) == ("denied", 1, 1)
    assert row(ground.rt, "decision", "detail") == ("denied", 'on_denied="trap"')


UNSCOPED = ("random", "send_notifications", "wall_clock")
SCOPED = [function for function in GATED if capability_of(function) not in UNSCOPED]


@pytest.mark.parametrize("function", SCOPED)
def test_a_grant_for_something_else_is_denied_with_the_grant_that_is_missing(function: str, ground: Ground) -> None:
    use = use_of(function, ground)
    p = load(ground.rt, *use.other)
    assert p.call(function, use.request)["error"]["code"] == "capability_denied"
    assert row(ground.rt, "function", "target", "decision") == (function, use.target, "denied")
    assert list(ground.rt.audit["detail"])[-1] == f"{use.grant} for {function}"
    p.policy.on_denied = "trap"
    with pytest.raises(jn.CapabilityDenied) as denial:
        p.call(function, use.request)
    assert f"{denial.value.capability}={denial.value.scope}" == use.grant
    assert f'p.policy.grant("{use.grant}")' in denial.value.hint
    p.policy.grant(use.grant)
    assert "ok" in p.call(function, use.request)
    p.policy.revoke(use.grant)
    with pytest.raises(jn.CapabilityDenied):
        p.call(function, use.request)


# --- bad requests ----------------------------------------------------------------------------------------------------


EXAMPLES: tuple[Any, ...] = ("info", 1, {}, [])


def example(operation: Operation) -> dict[str, Any]:
    """Something for each field that has to be there."""
    made: dict[str, Any] = {}
    for field in msgspec.structs.fields(operation.request):
        if field.required:
            made[field.encode_name] = next(one for one in EXAMPLES if fits(one, field.type))
    return made


def fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def bad_requests() -> Iterator[Any]:
    """Of each function: a field that nobody knows, each field left out that has to be there, each of a wrong kind."""
    for function, operation in FUNCTIONS.items():
        good = example(operation)
        yield pytest.param(function, good | {"nonsense": 1}, "nonsense", id=f"{function}-unknown")
        for field in msgspec.structs.fields(operation.request):
            name = field.encode_name
            if field.required:
                left = {key: value for key, value in good.items() if key != name}
                yield pytest.param(function, left, name, id=f"{function}-{name}-missing")
            for wrong in (1.5, "x", True):
                if not fits(wrong, field.type):
                    yield pytest.param(function, good | {name: wrong}, name, id=f"{function}-{name}-{wrong}")


@pytest.mark.parametrize(("function", "request_", "field"), list(bad_requests()))
def test_a_bad_request_names_its_field(rt: jn.Runtime, function: str, request_: dict[str, Any], field: str) -> None:
    outcome = load(rt, *CAPABILITIES).attempt(function, request_)
    if FUNCTIONS[function].answers:
        error = outcome.value["error"]
        assert error["code"] == "bad_request"
        message = error["message"]
    else:  # the guest cannot be told, so it may not pass for success
        assert isinstance(outcome.error, jn.AbiViolation)
        message = str(outcome.error)
    assert f"`{field}`" in message
    decision, detail, target = row(rt, "decision", "detail", "target")
    assert (decision, f"`{field}`" in detail, target) == ("failed", True, None)


# --- cancelled -------------------------------------------------------------------------------------------------------


class HeldOpening:
    """Opens files as before, once nothing holds them any more."""

    def __init__(self, opening: Opening, ground: Ground) -> None:
        self._opening = opening
        self._ground = ground
        self._let_go = threading.Event()
        self.name = opening.name

    def open(self, folder: int, path: str, flags: int, *, across: bool = False) -> int:
        self._ground.arrived.set()
        self._let_go.wait(2 * PATIENCE)
        return self._opening.open(folder, path, flags, across=across)

    def let_go(self) -> None:
        self._let_go.set()


@contextmanager
def files_that_do_not_open(ground: Ground) -> Iterator[None]:
    files = ground.rt.host.files
    opening = files.opening
    assert opening is not None
    held = HeldOpening(opening, ground)
    files.opening = held
    try:
        yield
    finally:
        held.let_go()
        files.opening = opening


@contextmanager
def statements_without_end(ground: Ground) -> Iterator[None]:
    ground.rt.host.database.set_limits(statement_time=10 * PATIENCE)
    ground.arrived.set()
    yield


@contextmanager
def a_writer(ground: Ground) -> Iterator[None]:
    """It is this thread, and the guest is in another."""
    ground.rt.host.shared_memory.set_limits(wait=10 * PATIENCE)
    ground.arrived.set()
    with ground.rt.host.shared_memory.regions["frame"].write():
        yield


@contextmanager
def a_server_without_answer(ground: Ground) -> Iterator[None]:
    ground.rt.host.http.set_limits(request_time=10 * PATIENCE)
    ground.held.set()
    try:
        yield
    finally:
        ground.held.clear()


class Wait(NamedTuple):
    """What a host function waits for, as long as the block lasts.

    Attributes
    ----------
    for_ : callable
        ``with for_(ground):``
    sql : str
        The statement of a request that waits, where the usual one would not.
    """

    for_: Callable[[Ground], AbstractContextManager[None]]
    sql: str = ""


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT n FROM t UNION ALL SELECT n FROM c)"
WAITS = {
    **{f"judicia:files {name}": Wait(files_that_do_not_open) for name in ("read", "write", "list", "stat", "delete")},
    "judicia:database query": Wait(statements_without_end, f"{ENDLESS} SELECT count(*) FROM c"),
    "judicia:database execute": Wait(statements_without_end, f"INSERT INTO t {ENDLESS} SELECT count(*) FROM c"),
    "judicia:shared_memory read": Wait(a_writer),
    "judicia:shared_memory write": Wait(a_writer),
    "judicia:http request": Wait(a_server_without_answer),
}
"""The host functions that can wait. Each other one is watched, and may call nothing that waits."""


@pytest.mark.parametrize("function", WAITS)
def test_a_cancel_ends_the_wait_of_a_host_function_and_leaves_a_row(
    function: str, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    check = CallScope.check

    def counted(scope: CallScope) -> Any:
        nonlocal looks
        looks += 1
        return check(scope)

    use, wait = use_of(function, ground), WAITS[function]
    request, target = ({"sql": wait.sql}, wait.sql) if wait.sql else (use.request, use.target)
    grants = [use.grant, *use.other] if wait.sql else [use.grant]
    p = load(ground.rt, *grants, quota={"wall": 10 * PATIENCE, "cpu": None})
    monkeypatch.setattr(CallScope, "check", counted)
    with wait.for_(ground):
        running = p.submit(function, request)
        assert ground.arrived.wait(PATIENCE)
        before = looks
        until(lambda: looks >= before + 3)  # only a service that waits looks at its call again and again
        assert not running.done()
        running.cancel()
        with pytest.raises(jn.Cancelled):
            running.result(PATIENCE)  # what it waits for has not come
        decision, detail, *rest = row(ground.rt, "decision", "detail", "function", "target")
    assert (decision, detail.partition(":")[0], *rest) == ("failed", "Cancelled", function, target)
    assert list(ground.rt.calls["outcome"]) == ["cancelled"]
    assert "ok" in p.call(function, use.request)  # the plugin goes on


WAITING = {"acquire", "sleep", "select", "poll", "recv", "recv_into", "accept", "connect", "send", "sendall"}
"""Functions in C that a thread waits in. ``with lock:`` is not among them: it calls ``__enter__``."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cancel_before_the_service_begins_ends_the_call_and_what_has_no_wait_waits_for_nothing(
    function: str, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    ask_policy, take = HostCall.ask_policy, HostCall.take

    def note(_: FrameType, event: str, what: Any) -> None:
        if event == "c_call":
            called.add(what.__name__)

    def cancelled_before_the_service_begins(call: HostCall) -> Any:
        p.cancel_calls()
        sys.setprofile(note)
        return ask_policy(call)

    def watched(call: HostCall, *arguments: Any) -> int:
        try:
            return take(call, *arguments)
        finally:
            sys.setprofile(None)

    use = use_of(function, ground)
    p = load(ground.rt, *filter(None, [use.grant or capability_of(function)]))
    with monkeypatch.context() as patch:
        patch.setattr(HostCall, "ask_policy", cancelled_before_the_service_begins)
        patch.setattr(HostCall, "take", watched)
        running = p.submit(function, use.request)
        with pytest.raises(jn.Cancelled):
            running.result(PATIENCE)
    assert called  # it was watched
    assert function in WAITS or called & WAITING == set()
    assert row(ground.rt, "function", "target") == (function, use.target or None)
    assert list(ground.rt.calls["outcome"]) == ["cancelled"]
    assert (p.attempt(function, use.request).error is None) is FUNCTIONS[function].answers  # the plugin goes on
