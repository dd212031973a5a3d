"""A row and a switch for each import that a Python function answers: granted, revoked and counted by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.live.import_rows import MOST_IMPORTS
from tests.support.guests import load
from tests.support.panel_page import Page

MARKUP = "<img src=x onerror=hacked()>"
GUEST = """
(import "env" "now" (func $now (result f64)))
(import "env" "seed" (func $seed (result i32)))
(import "env" "note" (func $note (param f64)))
(func (export "now") (param i32 i32) (result i64)
  (call $note (call $now)) (call $reply (local.get 0) (local.get 1)))
(func (export "seed") (param i32 i32) (result i64)
  (drop (call $seed)) (call $reply (local.get 0) (local.get 1)))
"""
NOW, SEED, NOTE = "imports=env.now", "imports=env.seed", "imports=env.note"


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    """A guest of three imports: a load supplies two of them, and so grants them; the third is registered."""

    @rt.host.function("env", "seed", capability="random")
    def seed() -> int:
        return 7

    return load(rt, GUEST, imports={"env.now": jn.Import(time.time, denied=-1.0), "env.note": lambda _: None})


@pytest.fixture
def page(guest: jn.Plugin) -> Iterator[Page]:
    page = Page(guest.panel())
    page.hello()
    yield page
    page.panel.close()


def ask(page: Page, op: str, **fields: Any) -> dict[str, Any]:
    return page.do(op, plugin="guest", **fields)


def on(page: Page) -> dict[str, bool]:
    return {row["grant"]: row["granted"] for row in page.state["imports"]}


def row_of(page: Page, grant: str) -> dict[str, Any]:
    return next(row for row in page.state["imports"] if row["grant"] == grant)


def capabilities(page: Page) -> list[str]:
    return [row["name"] for row in page.state["capabilities"]]


def test_each_import_has_a_row_whether_it_is_granted_or_not(page: Page) -> None:
    assert on(page) == {NOW: True, SEED: False, NOTE: True}
    assert capabilities(page) == []
    row = row_of(page, NOW)
    assert (row["name"], row["by"], row["answered"]) == ("env.now", [NOW], True)
    assert row["about"] == "Python function of the notebook; a denial answers -1.0"


def test_a_switch_grants_and_revokes_exactly_its_import(guest: jn.Plugin, page: Page) -> None:
    assert ask(page, "revoke", grants=[NOW])["type"] == "done"
    assert guest.policy.granted == {NOTE}
    assert on(page) == {NOW: False, SEED: False, NOTE: True}
    ask(page, "grant", grants=[SEED])
    assert guest.policy.granted == {NOTE, SEED}
    ask(page, "revoke", grants=[NOW])  # a click that comes late
    ask(page, "revoke", grants=[NOTE])
    ask(page, "revoke", grants=[NOTE])
    assert guest.policy.granted == {SEED}


def test_the_counts_of_an_import_are_its_own(guest: jn.Plugin, page: Page) -> None:
    guest.call("now")
    guest.policy.revoke(NOW)
    guest.call("now")
    guest.attempt("seed")
    guest.policy.grant("random")
    guest.call("seed")
    page.hello()
    counts = {row["grant"]: (row["allowed"], row["denied"]) for row in page.state["imports"]}
    assert counts == {NOW: (1, 1), SEED: (1, 1), NOTE: (2, 0)}
    assert list(guest.host_calls["function"]) == ["env now", "env note", "env now", "env note", "env seed", "env seed"]


def test_what_a_denied_call_gets_follows_the_switch_for_denials(guest: jn.Plugin, page: Page) -> None:
    ask(page, "on_denied", value="trap")
    assert row_of(page, NOW)["about"].endswith("a denial ends the call")
    assert row_of(page, SEED)["about"].endswith("a denial ends the call")


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), True, -(2**63)])
def test_any_value_that_a_denial_answers_is_said(rt: jn.Runtime, value: Any) -> None:
    kind = "f64" if isinstance(value, float) else "i64"
    cell = f'(import "env" "odd" (func (result {kind})))'
    plugin = load(rt, cell, imports={"env.odd": jn.Import(lambda: 0, denied=value)})
    page = Page(plugin.panel())
    try:
        page.hello()
        assert row_of(page, "imports=env.odd")["about"].endswith(f"a denial answers {value!r}")
    finally:
        page.panel.close()


# --- what is wider than one import -----------------------------------------------------------------------------------


def test_the_grant_of_all_imports_has_a_row_and_every_import_says_that_it_is_on_by_it(
    guest: jn.Plugin, page: Page
) -> None:
    ask(page, "preset", preset="everything")
    assert on(page) == {NOW: True, SEED: True, NOTE: True}
    assert row_of(page, SEED)["by"] == ["imports", "random"]
    assert page.capability("imports")["granted"]

    refused = ask(page, "revoke", grants=[NOW])["error"]
    assert refused["message"].startswith("env.now is allowed by imports, so taking its own grant away would")
    assert "revoke imports." in refused["hint"]
    assert NOW in guest.policy.granted

    done = ask(page, "scope", capability="imports", scopes=page.capability("imports")["scopes"])
    assert done["type"] == "done"
    assert guest.policy.state.scopes("imports") == ("env.now", "env.note")
    ask(page, "revoke", grants=[NOW])
    assert guest.policy.state.scopes("imports") == ("env.note",)


def test_the_switch_of_all_imports_takes_all_away_and_brings_all_back(guest: jn.Plugin, page: Page) -> None:
    ask(page, "widen", capability="imports")
    ask(page, "revoke", grants=["imports"])
    assert guest.policy.granted == frozenset()
    row = page.capability("imports")
    assert (row["granted"], row["offered"]) == (False, ["imports"])
    ask(page, "grant", grants=[NOTE])
    assert not page.capability("imports")["granted"], "a single import is not all of them"
    assert ask(page, "grant", grants=["imports"])["type"] == "done"
    assert guest.policy.granted == {NOTE, "imports"}


def test_all_imports_are_not_granted_where_they_are_not_offered(guest: jn.Plugin, page: Page) -> None:
    assert ask(page, "grant", grants=["imports"])["error"]["message"].startswith("imports takes a scope")
    assert guest.policy.granted == {NOW, NOTE}


def test_a_manifest_with_a_scope_that_is_none_offers_no_import(rt: jn.Runtime) -> None:
    manifest = {"name": "liar", "version": "1.0.0", "capabilities": ["imports=no dot", "imports=env.gone"]}
    plugin = rt.load("example:specimen", name="liar", manifest=manifest)
    page = Page(plugin.panel())
    try:
        page.hello()
        row = page.capability("imports")
        assert (row["granted"], row["offered"], len(row["refused"])) == (False, [], 1)
        assert page.do("grant", plugin="liar", grants=["imports"])["type"] == "refused"
        gone = row_of(page, "imports=env.gone")
        assert (gone["asked"], gone["answered"], gone["granted"]) == (True, False, False)
        assert gone["about"] == "no Python function of the notebook answers it here"
    finally:
        page.panel.close()


def test_an_import_that_a_capability_allows_says_by_which_and_names_it_when_it_is_switched_off(
    guest: jn.Plugin, page: Page
) -> None:
    ask(page, "grant", grants=["random"])
    assert row_of(page, SEED)["by"] == ["random"]
    refused = ask(page, "revoke", grants=[SEED])["error"]
    assert refused["message"].startswith("env.seed is allowed by random")
    assert refused["hint"] == "To take it away: revoke random."
    ask(page, "grant", grants=[SEED])
    assert row_of(page, SEED)["by"] == [SEED, "random"]
    assert ask(page, "revoke", grants=[SEED])["type"] == "refused", "it would stay on"
    ask(page, "revoke", grants=["random"])
    assert row_of(page, SEED)["by"] == [SEED]
    assert guest.policy.granted == {NOW, NOTE, SEED}


def test_a_revoke_in_a_block_leaves_nothing_of_the_blocks_grant_behind(guest: jn.Plugin, page: Page) -> None:
    ask(page, "preset", preset="nothing")
    with guest.policy.temporarily(grant=["imports"]):
        assert ask(page, "revoke", grants=[NOW])["type"] == "refused"
    assert guest.policy.granted == frozenset()


# --- undo, presets, what came last, and what is stale ----------------------------------------------------------------


def test_undo_and_presets_know_single_imports(guest: jn.Plugin, page: Page) -> None:
    ask(page, "revoke", grants=[NOW])
    assert page.state["undo"] == "revoke imports=env.now"
    ask(page, "undo")
    assert guest.policy.granted == {NOW, NOTE}
    ask(page, "preset", preset="asked")
    assert guest.policy.granted == frozenset(), "its manifest asks for nothing"
    ask(page, "undo")
    ask(page, "preset", preset="nothing")
    assert on(page) == {NOW: False, SEED: False, NOTE: False}


def test_an_import_that_is_switched_on_again_brings_no_other_back(guest: jn.Plugin, page: Page) -> None:
    ask(page, "preset", preset="everything")
    ask(page, "preset", preset="nothing")
    assert set(guest.policy.last_grants("imports")) == {NOW, NOTE, "imports"}
    ask(page, "grant", grants=[NOW])
    assert guest.policy.granted == {NOW}
    ask(page, "undo")
    assert guest.policy.granted == frozenset()


def test_a_stale_page_cannot_switch_on_what_was_switched_off_meanwhile(guest: jn.Plugin, page: Page) -> None:
    seen = page.state["policy_version"]
    guest.policy.revoke(NOW)  # by another, after the page had drawn the row
    refused = ask(page, "grant", grants=[NOW], seen=seen, view="view")["error"]
    assert refused["message"].startswith("imports was narrowed after this panel had shown it")
    assert guest.policy.granted == {NOTE}
    assert ask(page, "revoke", grants=[NOTE], seen=seen, view="view")["type"] == "done", "a stale page may narrow"
    now = page.state["policy_version"]
    assert ask(page, "grant", grants=[NOW], seen=now, view="view")["type"] == "done"
    assert guest.policy.granted == {NOW}


# --- names are a module's text ---------------------------------------------------------------------------------------


def importing(count: int, name: str = "f{}") -> str:
    return "\n".join(f'(import "env" "{name.format(number)}" (func))' for number in range(count))


def test_of_hundreds_of_imports_the_first_are_shown_and_the_rest_is_told(rt: jn.Runtime) -> None:
    imports = {("env", f"f{number}"): lambda: None for number in range(300)}
    plugin = load(rt, importing(300), imports=imports)
    plugin.policy.revoke("imports=env.f299", "imports=env.f0")
    page = Page(plugin.panel())
    try:
        page.hello()
        assert [row["name"] for row in page.state["imports"]] == [f"env.f{n}" for n in range(MOST_IMPORTS)]
        left = page.state["imports_left"]
        assert left.startswith("250 more imports are not shown, 249 of them on, 0 of their calls denied")
        assert left in page.panel.session.card().text().replace("\n", " ")
        assert ask(page, "grant", grants=["imports=env.f299"])["type"] == "done"
        assert "250 of them on" in page.state["imports_left"]
    finally:
        page.panel.close()


def test_a_name_is_inert_and_one_of_190_characters_is_whole(rt: jn.Runtime) -> None:
    long = "n" * 190
    cell = f'(import "env" "{MARKUP}\\u{{202e}}" (func)) (import "env" "{long}" (func))'
    plugin = load(rt, cell, imports={("env", f"{MARKUP}\u202e"): lambda: None, ("env", long): lambda: None})
    page = Page(plugin.panel())
    try:
        page.hello()
        nasty, whole = page.state["imports"]
        assert nasty["name"] == "env.%3Cimg%20src%3Dx%20onerror%3Dhacked%28%29%3E%E2%80%AE"
        assert whole["name"] == f"env.{long}"
        assert "<img" not in page.panel.session.card().html()
        plugin.policy.grant("imports")
        error = ask(page, "revoke", grants=[nasty["grant"]])["error"]
        assert error["type"] == "PolicyError"
        assert "<img" not in error["message"] + error["hint"]
    finally:
        page.panel.close()


def test_a_name_that_no_grant_can_hold_is_refused_at_the_load(rt: jn.Runtime) -> None:
    name = "\N{BABY}" * 190
    with pytest.raises(jn.LoadError, match="cannot be written as a grant"):
        load(rt, f'(import "env" "{name}" (func))', imports={("env", name): lambda: None})


def test_two_imports_that_read_alike_have_rows_of_their_own(rt: jn.Runtime) -> None:
    cell = """(import "a" "b.c" (func $one)) (import "a.b" "c" (func $other))
    (func (export "both") (param i32 i32) (result i64)
      (call $one) (call $other) (call $other) (call $reply (local.get 0) (local.get 1)))"""
    plugin = load(rt, cell, imports={("a", "b.c"): lambda: None, ("a.b", "c"): lambda: None})
    plugin.call("both")
    page = Page(plugin.panel())
    try:
        page.hello()
        assert [(row["grant"], row["allowed"]) for row in page.state["imports"]] == [
            ("imports=a.b.c", 1),
            ("imports=a%2Eb.c", 2),
        ]
    finally:
        page.panel.close()


def test_after_a_reload_the_rows_are_those_of_the_new_code(rt: jn.Runtime, page: Page) -> None:
    load(rt, '(import "env" "other" (func))', imports={"env.other": lambda: None})
    page.hello()
    assert "imports=env.other" in on(page)
    assert SEED not in on(page)


def test_the_card_says_which_imports_are_allowed_and_by_what(guest: jn.Plugin, page: Page) -> None:
    guest.policy.grant("random")
    text = page.panel.session.card().text()
    for words in ("env.now", "env.seed", "by random"):
        assert words in text
