"""Messages of a page, clicks and typed texts that would widen what nobody widened on purpose.

A page is input like any other: it may be old, come late or send what no control of it sends. What a browser sends when
its controls are used is the business of tests/browser/test_panel_escapes.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.live.panel.panel import PanelSession
from tests.support.guests import ECHO, forwarder, wat

CLOCK = forwarder(now="clock.now")
READ = forwarder(read="files.read")
NARROW = "network_access=https://example.org/api"

CHANGES = "judicia_notebook.policy.changes:"
LIVE = "judicia_notebook.notebook.live."
NO_EMPTY_SCOPE = pytest.mark.wall(
    {
        f"{CHANGES}scoping": """lambda now, capability, scopes: dataclasses.replace(now, granted=tuple(
            f"{capability}={one}" for one in scopes if one.strip()) or (capability,))"""
    }
)
NO_EMPTY_QUOTA = pytest.mark.wall(
    {f"{LIVE}quota_rows:typed": "lambda kind, value: original(kind, value) if str(value).strip() else None"}
)
NO_NULL = pytest.mark.wall(
    {
        f"{LIVE}messages:read": """lambda content: original(
            {**content, "value": "none"} if content.get("op") == "set_quota" and content.get("value") is None
            else content)"""
    }
)
NO_UNOFFERED = pytest.mark.wall({f"{CHANGES}check_offered": "lambda now, wanted, offers: None"})
LAST_COMES_BACK = pytest.mark.wall(
    {f"{CHANGES}offered": "lambda now, name, last, requests: now.of(name) or requests.of(name) or (name,)"}
)
NO_LATE_CLICK = pytest.mark.wall({f"{LIVE}panel.changes:check_current": "lambda *given: None"})
NOT_BY_THE_WAY = pytest.mark.wall({f"{LIVE}panel.changes:check_meant": "lambda *given: None"})
NO_OTHER_STEP = pytest.mark.wall({f"{LIVE}panel.changes:check_step": "lambda *given: None"})
STAYS_NARROW = pytest.mark.wall({f"{CHANGES}kept_narrow": "lambda now, wanted, subjects: wanted"})
NO_VAIN_REVOKE = pytest.mark.wall(
    {
        f"{CHANGES}revoking": """lambda now, unwanted: dataclasses.replace(now, granted=tuple(
            one for one in now.granted if not {one, capability_of(one)} & set(unwanted)))"""
    }
)
MANIFEST_ALONE = pytest.mark.wall(
    {
        f"{LIVE}panel.changes:_preset": """lambda plugin, preset: Change("preset", "", lambda now: changes.granting(
            now, (*plugin.requested, *plugin.inspect().capabilities)))"""
    }
)
BY_WHATEVER_ALLOWS_IT = pytest.mark.wall(
    {f"{LIVE}import_rows:allowing": "lambda grant, offers, held: (grant,) if grant in held.single else ()"}
)


class Page:
    """Says to a panel what a page would, and more."""

    def __init__(self, source: jn.Plugin | jn.Runtime, view: str = "view") -> None:
        self.heard: list[dict[str, Any]] = []
        self.view = view
        self.session = PanelSession(source, self.heard.append)
        self.session.receive({"type": "hello", "view": view})

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads([one for one in self.heard if one["type"] == "state"][-1]["state"])
        return found

    def row(self, capability: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.state["capabilities"] if row["name"] == capability)
        return found

    def click(self, op: str, **fields: Any) -> dict[str, Any]:
        """The message of a click that is made now, to be said now or later."""
        state = self.state
        shown = {"plugin": state["plugin"], "seen": state["policy_version"], "view": self.view}
        return {"type": "do", "id": 1, "op": op, **shown, **fields}

    def say(self, message: dict[str, Any]) -> str:
        self.session.receive(message)
        answer = next(one for one in reversed(self.heard) if one["type"] in ("done", "refused"))
        return str(answer["type"])

    def do(self, op: str, **fields: Any) -> str:
        return self.say(self.click(op, **fields))


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    manifest = {"name": "guest", "capabilities": ["network_access"]}
    wasm = wat(ECHO + CLOCK + READ)
    return rt.load(wasm, manifest=manifest, grant=[NARROW], quota={"cpu": "50ms", "wall": "60s"})


@pytest.fixture
def open_page(p: jn.Plugin) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def open_page(source: jn.Plugin | jn.Runtime = p, view: str = "view") -> Page:
        pages.append(Page(source, view))
        return pages[-1]

    yield open_page
    for page in pages:
        page.session.close()


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


# --- an empty field --------------------------------------------------------------------------------------------------


@NO_EMPTY_SCOPE
def test_an_empty_list_of_scopes_does_not_widen_to_everything(p: jn.Plugin, page: Page) -> None:
    page.do("scope", capability="network_access", scopes=[])
    assert p.policy.granted == {NARROW}


@NO_EMPTY_SCOPE
def test_a_blank_scope_does_not_widen_to_everything(p: jn.Plugin, page: Page) -> None:
    page.do("scope", capability="network_access", scopes=[" \t", ""])
    assert p.policy.granted == {NARROW}


@NO_EMPTY_QUOTA
def test_an_empty_quota_does_not_take_the_limit_away(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="cpu", value="")
    assert p.policy.quota.cpu == 0.05


@NO_EMPTY_QUOTA
def test_a_blank_quota_does_not_take_the_limit_away(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="wall", value=" \u00a0\t")
    assert p.policy.quota.wall == 60.0


@NO_NULL
def test_a_number_that_became_null_does_not_take_the_limit_away(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="cpu", value=None)
    assert p.policy.quota.cpu == 0.05


@NO_NULL
def test_a_message_without_a_value_does_not_take_the_limit_away(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="wall")
    assert p.policy.quota.wall == 60.0


@NOT_BY_THE_WAY
def test_a_field_that_is_left_does_not_raise_its_limit(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="cpu", value="50s", narrowing=True)
    assert p.policy.quota.cpu == 0.05
    page.do("set_quota", kind="cpu", value="5ms", narrowing=True)
    assert p.policy.quota.cpu == 0.005


@NOT_BY_THE_WAY
def test_a_field_that_is_left_does_not_shorten_its_scope(p: jn.Plugin, page: Page) -> None:
    page.do("scope", capability="network_access", scopes=["https://example.org/"], narrowing=True)
    assert p.policy.granted == {NARROW}


# --- imports that Python functions answer ----------------------------------------------------------------------------

IMPORTING = """(import "env" "now" (func $now (result i32))) (import "env" "roll" (func $roll (result i32)))
(func (export "both") (param i32 i32) (result i64)
  (drop (call $now)) (drop (call $roll)) (call $reply (local.get 0) (local.get 1)))"""
ENV_NOW = "imports=env.now"


@pytest.fixture
def importing(rt: jn.Runtime) -> jn.Plugin:
    rt.host.function("env", "roll", capability="random")(lambda: 4)
    return rt.load(wat(IMPORTING), name="importing", imports={"env.now": lambda: 3})


@NO_LATE_CLICK
def test_a_late_click_does_not_switch_on_an_import_that_was_switched_off_meanwhile(
    importing: jn.Plugin, open_page: Callable[..., Page]
) -> None:
    page = open_page(importing)
    late = page.click("grant", grants=[ENV_NOW])
    importing.policy.grant("imports=env.roll")
    importing.policy.revoke(ENV_NOW)
    assert page.say(late) == "refused"
    assert importing.policy.granted == {"imports=env.roll"}


@NO_UNOFFERED
def test_the_switch_of_one_import_does_not_grant_all_of_them(
    importing: jn.Plugin, open_page: Callable[..., Page]
) -> None:
    page = open_page(importing)
    page.do("grant", grants=["imports"])
    assert importing.policy.granted == {ENV_NOW}


@BY_WHATEVER_ALLOWS_IT
@pytest.mark.parametrize("wider", ["random", "imports"])
def test_an_import_is_shown_as_off_only_where_a_call_of_it_is_denied(
    importing: jn.Plugin, open_page: Callable[..., Page], wider: str
) -> None:
    page = open_page(importing)
    importing.policy.grant(wider)
    importing.call("both")
    shown = {row["grant"]: row["granted"] for row in page.state["imports"]}
    assert shown == {ENV_NOW: True, "imports=env.roll": True}


@BY_WHATEVER_ALLOWS_IT
def test_a_revoke_that_leaves_an_import_allowed_is_not_answered_as_done(
    importing: jn.Plugin, open_page: Callable[..., Page]
) -> None:
    page = open_page(importing)
    importing.policy.grant("random", "imports=env.roll")
    assert page.do("revoke", grants=["imports=env.roll"]) == "refused"


# --- a grant without a scope -----------------------------------------------------------------------------------------


@NO_UNOFFERED
def test_a_switch_beside_a_scope_does_not_grant_everything(p: jn.Plugin, page: Page) -> None:
    page.do("grant", grants=["network_access"])
    assert p.policy.granted == {NARROW}


@NO_UNOFFERED
def test_what_is_only_imported_is_not_granted_without_a_scope(p: jn.Plugin, page: Page) -> None:
    assert page.row("read_files")["offered"] == []
    page.do("grant", grants=["read_files"])
    assert p.policy.granted == {NARROW}


@NO_UNOFFERED
def test_a_dashboards_button_does_not_grant_everything_where_no_scope_is_known(p: jn.Plugin) -> None:
    piece = jn.widgets.capability_toggles(p)
    try:
        piece.rows["read_files"].grant.click()
        assert p.policy.granted == {NARROW}
    finally:
        piece.close()


@LAST_COMES_BACK
def test_a_switch_that_goes_off_and_on_brings_the_scope_back(p: jn.Plugin, page: Page) -> None:
    page.do("revoke", grants=["network_access"])
    page.do("grant", grants=page.row("network_access")["offered"])
    assert p.policy.granted == {NARROW}


@LAST_COMES_BACK
def test_a_dashboards_buttons_bring_the_scope_back(p: jn.Plugin) -> None:
    piece = jn.widgets.capability_toggles(p)
    try:
        piece.rows["network_access"].revoke.click()
        piece.rows["network_access"].grant.click()
        assert p.policy.granted == {NARROW}
    finally:
        piece.close()


@LAST_COMES_BACK
def test_what_was_taken_away_elsewhere_comes_back_with_its_scope(p: jn.Plugin, page: Page) -> None:
    p.policy.revoke("network_access")
    page.do("grant", grants=page.row("network_access")["offered"])
    assert p.policy.granted == {NARROW}


@MANIFEST_ALONE
def test_what_it_asks_for_is_not_what_it_imports(p: jn.Plugin, page: Page) -> None:
    assert page.row("wall_clock")["imported"]
    page.do("preset", preset="asked")
    assert p.policy.granted == {"network_access"}


@NO_VAIN_REVOKE
def test_a_scope_is_not_taken_in_vain_from_what_is_granted_without(p: jn.Plugin) -> None:
    p.policy.grant("network_access")
    refused = None
    try:
        p.policy.revoke("network_access=https://evil.example")
    except jn.PolicyError as error:
        refused = error
    assert refused is not None
    assert "revoke network_access" in refused.hint


# --- a click that comes late -----------------------------------------------------------------------------------------


@NO_LATE_CLICK
def test_a_late_click_does_not_grant_what_was_revoked_meanwhile(p: jn.Plugin, page: Page) -> None:
    p.policy.revoke("network_access")
    late = page.click("grant", grants=[NARROW])
    p.policy.grant("network_access")
    p.policy.revoke("network_access")
    assert page.say(late) == "refused"
    assert p.policy.granted == frozenset()


@NO_LATE_CLICK
def test_a_late_drag_does_not_raise_a_limit_that_was_lowered_meanwhile(p: jn.Plugin, page: Page) -> None:
    late = page.click("set_quota", kind="cpu", value=0.04, drag="drag")
    p.policy.set_quota(cpu="5ms")
    page.say(late)
    assert p.policy.quota.cpu == 0.005


@NO_LATE_CLICK
def test_a_click_before_a_reload_does_not_undo_what_is_done_after_it(
    p: jn.Plugin, page: Page, open_page: Callable[..., Page]
) -> None:
    late = page.click("preset", preset="everything")
    after = open_page(view="after the reload")
    after.do("preset", preset="nothing")
    page.say(late)
    assert p.policy.granted == frozenset()


@NO_LATE_CLICK
def test_a_click_on_a_plugin_does_not_reach_its_successor(
    rt: jn.Runtime, p: jn.Plugin, open_page: Callable[..., Page]
) -> None:
    page = open_page(rt)
    late = page.click("grant", grants=["wall_clock"])
    p.unload()
    successor = rt.load(wat(ECHO + CLOCK), name="guest")
    page.say(late)
    assert successor.policy.granted == frozenset()


def test_quick_clicks_of_one_page_are_all_carried_out(p: jn.Plugin, page: Page) -> None:
    clicks = [page.click(op, grants=[NARROW]) for op in ("revoke", "grant") * 10]
    assert {page.say(click) for click in clicks} == {"done"}
    assert p.policy.granted == {NARROW}


# --- taking back -----------------------------------------------------------------------------------------------------


@STAYS_NARROW
def test_undo_does_not_raise_a_limit_that_was_lowered_since(p: jn.Plugin, page: Page) -> None:
    page.do("set_quota", kind="cpu", value="40ms")
    p.policy.set_quota(cpu="5ms")
    page.do("undo")
    assert p.policy.quota.cpu == 0.005


@STAYS_NARROW
def test_undo_does_not_grant_what_was_revoked_since(p: jn.Plugin, page: Page) -> None:
    page.do("revoke", grants=["network_access"])
    p.policy.grant(NARROW)
    p.policy.revoke("network_access")
    page.do("undo")
    assert p.policy.granted == frozenset()


@STAYS_NARROW
def test_the_end_of_a_block_does_not_raise_a_limit_that_was_lowered_in_it(p: jn.Plugin) -> None:
    with p.policy.temporarily(cpu="20ms"):
        p.policy.set_quota(cpu="5ms")
    assert p.policy.quota.cpu == 0.005


@NO_OTHER_STEP
def test_a_second_click_on_undo_takes_back_nothing_more(p: jn.Plugin, page: Page) -> None:
    page.do("revoke", grants=["network_access"])
    page.do("set_quota", kind="cpu", value="40ms")
    undo = page.click("undo", step=page.state["undo_step"])
    page.say(undo)
    page.say(undo)
    assert (p.policy.granted, p.policy.quota.cpu) == (frozenset(), 0.05)


# --- every other place where a grant or a limit is typed -------------------------------------------------------------

EMPTY = ("", " ", "=", "network_access=", "network_access= ", "read_database=", "read_database= ,", "read_files=")


@pytest.mark.parametrize("text", EMPTY)
def test_no_empty_text_is_a_grant_anywhere(rt: jn.Runtime, p: jn.Plugin, text: str) -> None:
    before = p.policy.state
    wasm = wat(ECHO)
    for attempt in (
        lambda: p.policy.grant(text),
        lambda: p.policy.revoke(text),
        lambda: p.policy.temporarily(grant=text).__enter__(),
        lambda: p.policy.temporarily(revoke=text).__enter__(),
        lambda: p.policy.merge([text], jn.Quota()),
        lambda: rt.load(wasm, name="other", grant=text),
        lambda: rt.load(wasm, name="other", grant=[text]),
    ):
        with pytest.raises(jn.PolicyError):
            attempt()
    assert p.policy.state is before
    assert set(rt.plugins) == {"guest"}


@pytest.mark.parametrize("quota", ["", 0, [], (), False])
def test_nothing_but_none_stands_for_no_quota_of_its_own(rt: jn.Runtime, p: jn.Plugin, quota: Any) -> None:
    for attempt in (
        lambda: rt.load(wat(ECHO), name="other", quota=quota),
        lambda: p.call("echo", 1, quota=quota),
        lambda: p.policy.set_quota(quota),
        lambda: jn.Runtime(ceiling=quota),
    ):
        with pytest.raises(jn.PolicyError, match="A quota is a Quota, or a dict"):
            attempt()


@pytest.mark.parametrize("value", ["", " ", "null", "nan", float("nan"), float("inf"), -1, True, [], {}, "none"])
@pytest.mark.parametrize("kind", ["memory", "cpu", "fuel", "host_call_rate"])
def test_no_empty_value_is_a_quota_anywhere(rt: jn.Runtime, p: jn.Plugin, kind: str, value: Any) -> None:
    before = p.policy.state
    for attempt in (
        lambda: p.policy.set_quota(**{kind: value}),
        lambda: p.policy.temporarily(**{kind: value}).__enter__(),
        lambda: rt.load(wat(ECHO), name="other", quota={kind: value}),
        lambda: jn.Runtime(ceiling=jn.Quota(**{kind: value})),
        lambda: p.call("echo", 1, quota={kind: value}),
    ):
        with pytest.raises(jn.PolicyError):
            attempt()
    assert p.policy.state is before
