"""The burglar does what it is told, and each wall answers as itself. The walls are tested in tests/hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.host.ownership import Owners
from judicia_notebook.host.registry import make_services


@pytest.fixture
def burglar(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:burglar")


def test_it_asks_for_everything_and_gets_nothing(burglar: jn.Plugin) -> None:
    assert set(burglar.manifest.capabilities) == set(CAPABILITIES)
    assert burglar.policy.granted == frozenset()


def test_it_reaches_every_service_of_the_platform(burglar: jn.Plugin) -> None:
    services = make_services(owners=Owners(Path)).values()
    offered = {(service.module, one.name): one.capability for service in services for one in service.operations()}
    assert {(one.module, one.name) for one in burglar.imports} == {*offered, ("wasi_snapshot_preview1", "path_open")}
    for (module, name), capability in offered.items():
        if capability is not None:
            assert burglar.call("relay", {"to": f"{module} {name}"})["refused"] == {"capability_denied": 1}
    with pytest.raises(jn.GuestError, match="there is no door `judicia:host fail`"):
        burglar.call("relay", {"to": "judicia:host fail"})


def test_it_relays_any_bytes_as_often_as_it_is_told(burglar: jn.Plugin) -> None:
    burglar.policy.grant("random")
    door = {"to": "judicia:random bytes", "n": 3}
    assert burglar.call("relay", {**door, "request": {"length": 0}}) == {
        "ok": 3,
        "refused": {},
        "last": {"ok": {"base64": ""}},
    }
    for text in ("{", "[]", "{}", '{"length": 1, "more": 1}', "[" * 5000):
        assert burglar.call("relay", {**door, "text": text})["refused"] == {"bad_request": 3}
    assert burglar.call("relay", {**door, "n": 0}) == {"ok": 0, "refused": {}, "last": None}


def test_it_tries_every_operation_on_a_path(burglar: jn.Plugin) -> None:
    burglar.policy.grant("file_storage")
    made = dict.fromkeys(("delete", "read", "stat", "write"), "ok") | {"read": "not_found", "list": "conflict"}
    assert burglar.call("break_in", {"path": "note"}) == made
    assert set(burglar.call("break_in", {"path": "../note"}).values()) == {"bad_request"}


@pytest.mark.parametrize(
    ("function", "payload", "error"),
    [
        ("point", {"to": "judicia:log write", "pointer": 0xF000_0000, "length": 16}, jn.AbiViolation),
        ("peek", {"pointer": 0xF000_0000}, jn.GuestTrap),
        ("lie", {"pointer": 0xF000_0000, "length": 16}, jn.AbiViolation),
        ("nest", 1000, jn.AbiViolation),
        ("spin", None, jn.QuotaExceeded),
    ],
)
def test_what_no_plugin_may_do_ends_the_call(burglar: jn.Plugin, function: str, payload: Any, error: type) -> None:
    with pytest.raises(error):
        burglar.call(function, payload, quota={"cpu": "50ms"})
    assert burglar.call("nest", 3) == [[[]]]


def test_it_takes_memory_up_to_its_quota(burglar: jn.Plugin) -> None:
    assert burglar.call("hoard", quota={"memory": "8MiB"}) == 6
    assert burglar.last is not None
    assert burglar.last.grows_refused == 1


def test_an_event_that_it_hears_it_emits_again(rt: jn.Runtime, burglar: jn.Plugin) -> None:
    rt.host.events.set_limits(attempts=1)
    burglar.policy.grant("emit_event", "subscribe_events")
    burglar.call("relay", {"to": "judicia:events subscribe", "request": {"pattern": "burglar.*"}})
    rt.host.events.emit("burglar.round")
    rt.host.events.flush(timeout=60)
    assert len(rt.host.events.history) == rt.host.events.limits.hops + 1
    assert [parked.error for parked in rt.host.events.parked]


def test_its_page_would_take_cookies_and_is_sandboxed(rt: jn.Runtime, burglar: jn.Plugin) -> None:
    burglar.policy.grant("register_routes")
    burglar.call("relay", {"to": "judicia:http register_route", "request": {"method": "GET", "path": "/burglar/"}})
    answer = rt.host.http.handle("GET", "/burglar/")
    assert b"document.cookie" in answer.body
