"""Manifests that ask for what cannot be granted: they are shown, inert, and break no view of anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.notebook import object_cards
from judicia_notebook.notebook.cards import Row
from judicia_notebook.notebook.live.panel.panel import PanelSession
from tests.support.guests import ECHO, forwarder, wat

CLOCK = forwarder(now="clock.now")

STRICT = "lambda texts: Requests(parse_grants(texts), ())"
READS_WHATEVER = pytest.mark.wall({"judicia_notebook.policy.grants:read_requests": STRICT})
INERT = pytest.mark.wall(
    {"judicia_notebook.policy.grants:read_requests": "lambda texts: Requests(tuple(texts), ())"}
)  # what is no grant counts as one
BOUNDED = pytest.mark.wall({"judicia_notebook.wasm.manifest:_MOST_SCOPES": "10**9"})


def section(**manifest: Any) -> str:
    text = json.dumps(manifest).replace("\\", "\\\\").replace('"', '\\"')
    return f'(@custom "judicia.manifest" "{text}")'


def evil(*capabilities: str, code: str = ECHO) -> bytes:
    return wat(code + section(name="evil", capabilities=capabilities))


def state_of(source: jn.Plugin | jn.Runtime) -> dict[str, Any]:
    heard: list[dict[str, Any]] = []
    session = PanelSession(source, heard.append)
    try:
        session.receive({"type": "hello", "view": "view"})
    finally:
        session.close()
    found: dict[str, Any] = json.loads(heard[0]["state"])
    return found


def raised(*looks: Callable[[], object]) -> list[str]:
    """What went wrong with looking."""
    found = []
    for look in looks:
        try:
            look()
        except Exception as error:
            found.append(repr(error))
    return found


@READS_WHATEVER
def test_a_scope_that_is_none_does_not_hide_the_plugin(rt: jn.Runtime) -> None:
    p = rt.load(evil("read_database=a b"))
    assert raised(lambda: p.requested, lambda: object_cards.plugin_card(p).html(), p.inspect, lambda: repr(p)) == []


@READS_WHATEVER
def test_a_scope_that_is_none_does_not_hide_the_other_plugins(rt: jn.Runtime) -> None:
    rt.load(evil("read_database=a b"))
    rt.load(wat(ECHO), name="good")
    widget = rt.panel()
    try:
        assert (
            raised(widget._repr_mimebundle_, lambda: object_cards.runtime_card(rt).html(), lambda: state_of(rt)) == []
        )
    finally:
        widget.close()


@READS_WHATEVER
def test_a_scope_that_is_none_does_not_keep_a_dashboard_from_revoking(rt: jn.Runtime) -> None:
    p = rt.load(evil("network_access=no url", "random"), grant=["random"])

    def revoke() -> None:
        piece = jn.widgets.capability_toggles(p)
        try:
            piece.rows["random"].revoke.click()
        finally:
            piece.close()

    assert raised(revoke) == []
    assert p.policy.granted == frozenset()


@READS_WHATEVER
def test_a_scope_that_is_none_does_not_hide_a_file_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.wat").write_bytes(evil("emit_event=<img src=x>", "wall_clock=now"))
    assert raised(lambda: main(["inspect", str(tmp_path / "evil.wat")])) == []
    shown = capsys.readouterr().out
    assert "asks for    emit_event=<img src=x> (not a scope that can be granted: it must be a pattern" in shown
    assert "wall_clock=now (not a scope that can be granted: there is none)" in shown


@INERT
def test_what_cannot_be_granted_is_not_granted_with_what_it_asks_for(rt: jn.Runtime) -> None:
    p = rt.load(evil("network_access=no url", "random", "read_files=/a"))
    session = PanelSession(p, lambda _: None)
    session.receive({"type": "do", "id": 1, "op": "preset", "plugin": "evil", "preset": "asked"})
    session.close()
    assert p.policy.granted == {"random"}


@INERT
def test_what_cannot_be_granted_is_no_line_to_type(rt: jn.Runtime) -> None:
    p = rt.load(evil("network_access=no url"))
    card = object_cards.plugin_card(p)
    assert "%plugin grant" not in card.text()
    assert "network_access=no url (not a scope that can be granted" in card.text()


@READS_WHATEVER
def test_every_capability_may_be_asked_for_with_any_text(rt: jn.Runtime) -> None:
    texts = ("a b", "\u202e\u2066x", "<script>", "$\\rm{x}$", "http://[", "http://a:b/", "x" * 900, "=", ",")
    p = rt.load(evil(*(f"{name}={text}" for name in CAPABILITIES for text in texts[:7])))
    assert raised(lambda: object_cards.plugin_card(p).html(), lambda: state_of(p), lambda: str(p.inspect())) == []
    shown = str(p.inspect()) + object_cards.plugin_card(p).html() + json.dumps(state_of(p), ensure_ascii=False)
    assert "\u202e" not in shown
    assert "<script>" not in object_cards.plugin_card(p).html()
    rt.unload("evil")
    q = rt.load(evil(*(f"{name}={text}" for name in CAPABILITIES for text in texts[7:])))
    assert raised(lambda: object_cards.plugin_card(q), lambda: state_of(q)) == []


@BOUNDED
def test_a_manifest_does_not_ask_for_thousands_of_tables(rt: jn.Runtime) -> None:
    tables = [",".join(f"t{number}" for number in range(150))] * 20
    errors = raised(lambda: rt.load(evil(*(f"read_database={one}" for one in tables))))
    assert "at most 200 scopes, given 3000" in "".join(errors)


def test_a_manifest_of_many_entries_or_a_quota_that_cannot_be_read_is_refused_and_nothing_is_lost(
    rt: jn.Runtime,
) -> None:
    p = rt.load(evil("random"), grant=["random"])
    for wrong in ({"capabilities": ["random"] * 100_000}, {"capabilities": ["fly"]}, {"quota": {"cpu": ""}}):
        with pytest.raises(jn.ManifestError):
            rt.load(wat(ECHO + section(name="evil", **wrong)), name="evil")
    assert rt.plugins["evil"] is p
    assert p.policy.granted == {"random"}
    assert raised(lambda: object_cards.plugin_card(p), lambda: state_of(rt)) == []


def test_card_inspect_panel_and_command_line_agree(
    rt: jn.Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it asks for, what it imports and what is granted, where the three differ."""
    source = tmp_path / "evil.wat"
    source.write_bytes(evil("random", "read_database=a,b", "network_access=no url", code=ECHO + CLOCK))
    p = rt.load(source, grant=["emit_event=contest.*"])
    asks = ["random", "read_database=a", "read_database=b"]
    refused = "network_access=no url (not a scope that can be granted: it must be scheme://host[:port][/path])"

    inspection = p.inspect()
    assert inspection.rights == (
        ("asks for", (*asks, refused)),
        ("imports", ("wall_clock",)),
        ("granted", ("emit_event=contest.*",)),
    )
    assert list(p.requested) == asks
    written = {what: ", ".join(names) for what, names in inspection.rights}
    for card in (object_cards.plugin_card(p), object_cards.inspection_card(inspection)):
        assert {row.label: row.text for row in card.parts if isinstance(row, Row) and row.label in written} == (written)
    for what, text in written.items():
        assert f"\n  {what:<11} {text}\n" in str(inspection)
    rows = {row["name"]: row for row in state_of(p)["capabilities"]}
    assert [grant for row in rows.values() for grant in row["asked"]] == [
        "read_database=a",
        "read_database=b",
        "random",
    ]
    assert [name for name, row in rows.items() if row["refused"]] == ["network_access"]
    assert [name for name, row in rows.items() if row["imported"]] == ["wall_clock"]
    assert [name for name, row in rows.items() if row["granted"]] == ["emit_event"]

    main(["inspect", str(source)])
    shown = capsys.readouterr().out
    for what in ("asks for", "imports"):
        assert f"\n  {what:<11} {written[what]}\n" in shown
    assert f"\n  {'granted':<11} nothing\n" in shown
