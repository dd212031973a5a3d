"""Plugins that try to get a capability which nobody granted to them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import forwarder, wat

MAY_ALWAYS = pytest.mark.wall(
    {
        "judicia_notebook.host.dispatcher:_ServiceCall.__init__": "lambda call, *rest: "
        "(original(call, *rest), setattr(call, 'capability', ''))[0]",  # for both looks
    }
)

CLOCK = forwarder(now="clock.now")
WISH = r'(@custom "judicia.manifest" "{\"name\": \"wishful\", \"capabilities\": [\"wall_clock\"]}")'


@MAY_ALWAYS
def test_a_manifest_that_asks_for_a_capability_is_not_granted_it(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK + WISH))
    assert p.call("now").get("error", {}).get("code") == "capability_denied"


# --- what is typed gives no more, and leaves no more, than it says ----------------------------------------------------

DICTS = pytest.mark.wall({"judicia_notebook.policy.grants:_check_texts": "lambda texts: None"})
TAKES_AWAY = pytest.mark.wall({"judicia_notebook.policy.changes:_check_takes_away": "lambda now, unwanted: None"})
ONE_HOST = "network_access=https://a.example"


@DICTS
def test_a_dict_of_grants_is_not_its_capabilities_without_their_scopes(rt: jn.Runtime) -> None:
    scopes: Any = {"network_access": ["https://a.example"]}
    with contextlib.suppress(jn.PolicyError):
        rt.load(wat(CLOCK), name="tool", grant=scopes)
    assert "tool" not in rt.plugins


@DICTS
def test_the_grants_of_a_plugin_are_not_handed_on_without_their_scopes(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool", grant=[ONE_HOST])
    with contextlib.suppress(jn.PolicyError):
        rt.load(wat(CLOCK), name="other", grant=p.policy.grants)
    assert "other" not in rt.plugins


@DICTS
def test_a_block_is_given_no_dict(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool")
    scopes: Any = {"network_access": ["https://a.example"]}
    held: frozenset[str] = frozenset()
    with contextlib.suppress(jn.PolicyError), p.policy.temporarily(grant=scopes):
        held = p.policy.granted
    assert held == frozenset()


def refuses_to_revoke(p: jn.Plugin, grant: str) -> bool:
    before = p.policy.state
    try:
        p.policy.revoke(grant)
    except jn.PolicyError:
        return p.policy.state is before
    return False


@TAKES_AWAY
def test_a_mistyped_scope_is_not_taken_for_revoked(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool", grant=[ONE_HOST])
    assert refuses_to_revoke(p, "network_access=https://a.exmple")


@TAKES_AWAY
def test_a_part_of_a_granted_scope_is_not_taken_for_revoked(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool", grant=[ONE_HOST, "emit_event=contest.**"])
    assert refuses_to_revoke(p, f"{ONE_HOST}/admin")
    assert refuses_to_revoke(p, "emit_event=contest.solved")


@TAKES_AWAY
def test_a_block_does_not_seem_to_forbid_what_goes_on(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool", grant=[ONE_HOST])
    entered = False
    with contextlib.suppress(jn.PolicyError), p.policy.temporarily(revoke=f"{ONE_HOST}/admin"):
        entered = True
    assert not entered


def test_what_is_not_granted_at_all_may_be_revoked_again(rt: jn.Runtime) -> None:
    p = rt.load(wat(CLOCK), name="tool", grant=[ONE_HOST])
    p.policy.revoke(ONE_HOST)
    p.policy.revoke(ONE_HOST)
    assert p.policy.granted == frozenset()
