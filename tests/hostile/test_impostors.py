"""Files that call themselves by the name of a plugin the user has given something to."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.live.panel.panel import PanelSession
from tests.support.guests import wat
from tests.support.waiting import PATIENCE

IMPOSTOR = pytest.mark.wall({"judicia_notebook.runtime.admission:may_take_over": "lambda *_: True"})
SOURCE = pytest.mark.wall({"judicia_notebook.runtime.admission:is_source_of": "lambda plugin, found: True"})
NO_MORE = pytest.mark.wall({"judicia_notebook.runtime.admission:_has_no_more": "lambda *_: True"})


def module(*calls: str, name: str = "", more: str = "") -> bytes:
    """A plugin with one function for each host function, and a manifest if it has a name."""
    body = "".join(
        f'(func (export "{one.split(".")[1]}") (param i32 i32) (result i64)'
        f" (call $judicia:{one} (local.get 0) (local.get 1)))"
        for one in calls
    )
    manifest = f'(@custom "judicia.manifest" "{{\\"name\\": \\"{name}\\"{more}}}")' if name else ""
    return wat(body + manifest)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of the user's with a secret in it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret.txt").write_text("TOP SECRET")
    return tmp_path / "home"


def reads_the_secret(p: jn.Plugin) -> bool:
    return "TOP SECRET" in str(p.call("read", {"path": "home/secret.txt"}))


# --- attacks ---------------------------------------------------------------------------------------------------------


@IMPOSTOR
def test_bytes_that_claim_a_loaded_name_get_neither_its_grants_nor_its_config(rt: jn.Runtime, home: Path) -> None:
    mine = module("files.read", "clock.now", name="scoreboard")
    rt.load(mine, grant=[f"read_files={home}@home"], config={"token": "s3cret"})
    evil = rt.load(module("files.read", name="scoreboard"))
    assert (evil.policy.granted, dict(evil.config)) == (frozenset(), {})
    assert evil.call("read", {"path": "home/secret.txt"})["error"]["code"] == "capability_denied"


@IMPOSTOR
def test_a_file_in_another_folder_does_not_take_the_place_of_the_one_of_its_name(
    rt: jn.Runtime, home: Path, tmp_path: Path
) -> None:
    for folder in ("mine", "strangers"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.wat").write_bytes(module("files.read", *(["clock.now"] if folder == "mine" else [])))
    p = rt.load(tmp_path / "mine" / "tool.wat", grant=[f"read_files={home}@home"])
    evil = rt.load(tmp_path / "strangers" / "tool.wat")
    assert not reads_the_secret(evil)
    assert p.functions == ("read", "now")


@IMPOSTOR
@pytest.mark.parametrize(
    "file", ["Checker.wat", "checker .wat", "chec\N{KELVIN SIGN}er.wat", "\u200bchecker\u200b.wat"]
)
def test_a_file_whose_name_comes_down_to_a_loaded_one_is_another_file(
    rt: jn.Runtime, home: Path, tmp_path: Path, file: str
) -> None:
    rt.load("example:checker", grant=[f"read_files={home}@home"])
    (tmp_path / file).write_bytes(module("files.read"))
    evil = rt.load(tmp_path / file)
    assert evil.policy.granted == frozenset()


@IMPOSTOR
def test_a_manifest_that_came_with_a_file_names_no_plugin_of_the_users(rt: jn.Runtime, home: Path) -> None:
    rt.load(module("clock.now", name="scoreboard"), grant=[f"read_files={home}@home"])
    assert not reads_the_secret(rt.load(module("files.read"), manifest={"name": "scoreboard"}))


@SOURCE
def test_a_relative_path_is_another_file_in_another_folder(
    rt: jn.Runtime, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, calls in (("mine", ["clock.now"]), ("strangers", ["files.read"])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.wat").write_bytes(module(*calls))
    monkeypatch.chdir(tmp_path / "mine")
    rt.load("tool.wat", grant=[f"read_files={home}@home"])
    monkeypatch.chdir(tmp_path / "strangers")
    assert rt.load("tool.wat").policy.granted == frozenset()


@pytest.mark.wall({"judicia_notebook.runtime.source:_anchored": "lambda source, path: source"})
def test_a_reload_after_a_change_of_folder_reads_no_other_file(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, calls in (("mine", ["clock.now"]), ("strangers", ["files.read"])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.wat").write_bytes(module(*calls))
    monkeypatch.chdir(tmp_path / "mine")
    p = rt.load("tool.wat", grant=["read_files"])
    monkeypatch.chdir(tmp_path / "strangers")
    rt.reload("tool")
    assert p.functions == ("now",)


@pytest.mark.wall({"judicia_notebook.runtime.source:Options.anchored": "lambda self: self"})
def test_a_reload_after_a_change_of_folder_reads_no_other_manifest(
    rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("mine", "strangers"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plugin.toml").write_text(f'name = "tool"\nhttp_routes = ["/{folder}"]\n')
    monkeypatch.chdir(tmp_path / "mine")
    p = rt.load(module("clock.now"), manifest="plugin.toml", grant=["register_routes"])
    monkeypatch.chdir(tmp_path / "strangers")
    rt.reload("tool")
    assert p.manifest.http_routes == ("/mine",)


@SOURCE
def test_a_link_to_a_file_is_another_path_since_it_may_lead_elsewhere_tomorrow(
    rt: jn.Runtime, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "tool.wat").write_bytes(module("clock.now"))
    (tmp_path / "gift").mkdir()
    (tmp_path / "gift" / "tool.wat").symlink_to(tmp_path / "tool.wat")
    rt.load(tmp_path / "tool.wat", grant=[f"read_files={home}@home"])
    rt.load(tmp_path / "gift" / "tool.wat")
    (tmp_path / "gift" / "tool.wat").unlink()
    (tmp_path / "gift" / "tool.wat").write_bytes(module("files.read"))
    assert not reads_the_secret(rt.load(tmp_path / "gift" / "tool.wat"))


@SOURCE
def test_the_same_bytes_with_another_manifest_are_another_plugin(rt: jn.Runtime) -> None:
    mine = module("clock.now", name="scoreboard")
    rt.load(mine, grant=["register_routes"], config={"token": "s3cret"})
    again = rt.load(mine, manifest={"name": "scoreboard", "http_routes": ["/"], "config": {"to": "evil"}})
    assert (again.policy.granted, dict(again.config)) == (frozenset(), {})


@NO_MORE
def test_a_changed_cell_does_not_get_what_was_granted_by_hand(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now"))
    p.policy.grant(f"read_files={home}@home")
    assert not reads_the_secret(rt.load(module("files.read")))


@NO_MORE
def test_a_changed_cell_does_not_get_a_grant_back_by_a_reset(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now"), grant=[f"read_files={home}@home"])
    p.policy.revoke("read_files")
    changed = rt.load(module("files.read"))
    changed.policy.reset()
    assert not reads_the_secret(changed)


@NO_MORE
def test_a_changed_cell_does_not_get_quotas_beyond_the_default(rt: jn.Runtime) -> None:
    rt.load(module("clock.now"), quota={"memory": "512MiB", "fuel": None})
    assert rt.load(module("files.read")).policy.quota.memory == 64 << 20


# --- what comes after the code is exchanged --------------------------------------------------------------------------

FORMER = pytest.mark.wall(
    {
        "judicia_notebook.runtime.call:Call.hold_to": "lambda self, policy: None",
        "judicia_notebook.runtime.pool:InstancePool.hold": "lambda pool, former: None",
    }
)
FORGOTTEN = pytest.mark.wall({"judicia_notebook.policy.policy:Policy.forget": "lambda self: None"})

READ = """(data (i32.const 100) "{\\"path\\": \\"home/secret.txt\\"}")
  (func $read (result i64) (call $judicia:files.read (i32.const 100) (i32.const 27)))"""
NAMED = '(@custom "judicia.manifest" "{\\"name\\": \\"scoreboard\\"}")'
CLEANS_UP = """(func (export "go") (param i32 i32) (result i64) (i64.const 0))
  (func (export "on_cleanup") (param i32 i32) (result i64) (call $read))"""
WAITS = """(global $on (mut i32) (i32.const 0))
  (func (export "go") (param i32 i32) (result i64) (local $end i64)
    (loop $l
      (local.set $end (call $read))
      (br_if $l (i32.eq (i32.load8_u offset=2 (i32.wrap_i64 (i64.shr_u (local.get $end) (i64.const 32))))
                        (i32.const 101))))  ;; the e of {"error": ...}
    (local.get $end))"""


def old_code(body: str) -> bytes:
    return wat(READ + body + NAMED)


def was_allowed(rt: jn.Runtime) -> bool:
    return "allowed" in set(rt.host_calls.query("capability == 'read_files'")["decision"])


@FORMER
def test_the_cleanup_of_old_code_is_not_given_what_a_named_load_gives(rt: jn.Runtime, home: Path) -> None:
    rt.load(old_code(CLEANS_UP), name="tool").call("go")
    rt.load(module("clock.now"), name="tool", grant=[f"read_files={home}@home"])
    assert len(rt.host_calls)
    assert not was_allowed(rt)


@FORMER
def test_the_cleanup_of_an_impostor_is_not_given_what_the_real_file_is_given(rt: jn.Runtime, home: Path) -> None:
    rt.load(old_code(CLEANS_UP)).call("go")
    rt.load(module("clock.now", name="scoreboard"), grant=[f"read_files={home}@home"])
    assert len(rt.host_calls)
    assert not was_allowed(rt)


def replaced_while_it_runs(rt: jn.Runtime, home: Path, *, later: bool) -> bool:
    """Whether a call that goes on in old code came to read what its successor may read."""
    grant = f"read_files={home}@home"
    p = rt.load(old_code(WAITS), name="tool", quota={"cpu": "2s", "wall": "4s"})
    running = p.submit("go")
    while not len(rt.host_calls):
        time.sleep(0.01)
    rt.load(module("clock.now"), name="tool", grant=() if later else [grant])
    if later:
        p.policy.grant(grant)
    with contextlib.suppress(TimeoutError):
        running.result(0.5)
    running.cancel()
    running.exception(PATIENCE)
    return was_allowed(rt)


@FORMER
def test_a_call_that_goes_on_in_old_code_is_not_given_what_the_load_gives(rt: jn.Runtime, home: Path) -> None:
    assert not replaced_while_it_runs(rt, home, later=False)


@FORMER
def test_a_call_that_goes_on_in_old_code_is_not_given_what_is_granted_after_it(rt: jn.Runtime, home: Path) -> None:
    assert not replaced_while_it_runs(rt, home, later=True)


@FORMER
def test_a_call_that_goes_on_in_old_code_keeps_its_limits(rt: jn.Runtime) -> None:
    p = rt.load(SLOW, name="tool", quota={"cpu": "200ms"})
    running = p.submit("given")
    while not running.running():
        time.sleep(0.01)
    rt.load(module("clock.now"), name="tool", quota={"cpu": "600ms"})
    error = running.exception(PATIENCE)
    assert isinstance(error, jn.QuotaExceeded)
    assert error.limit == 0.2


def test_what_is_taken_away_is_taken_from_old_code_too(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(old_code(CLEANS_UP), name="tool", grant=[f"read_files={home}@home"])
    p.call("go")
    rt.load(module("clock.now"), name="tool")
    assert was_allowed(rt)
    rt.load(old_code(CLEANS_UP), name="tool").call("go")
    p.policy.revoke("read_files")
    rt.load(module("clock.now"), name="tool")
    assert list(rt.host_calls["decision"])[-1] == "denied"


@FORGOTTEN
def test_the_end_of_a_block_gives_nothing_back_to_other_code(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now"))
    p.policy.grant(f"read_files={home}@home")
    with p.policy.temporarily(revoke="read_files"):
        changed = rt.load(module("files.read"))
    assert not reads_the_secret(changed)


@FORGOTTEN
def test_what_was_granted_last_is_not_offered_for_other_code(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now"))
    p.policy.grant(f"read_files={home}@home")
    p.policy.revoke("read_files")
    assert rt.load(module("files.read")).policy.last_grants("read_files") == ()


@FORGOTTEN
def test_undo_in_a_panel_gives_nothing_back_to_other_code(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now"))
    p.policy.grant(f"read_files={home}@home")
    panel = PanelSession(p, lambda message: None)
    for one in ({"op": "revoke", "grants": ["read_files"]}, {"op": "undo"}):
        changed = rt.load(module("files.read")) if one["op"] == "undo" else p
        panel.receive({"type": "do", "id": 1, "plugin": p.name, "view": "page", **one})
    panel.close()
    assert not reads_the_secret(changed)


REMEMBER = """
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 0)) (global $len (mut i32) (i32.const 0))
  (func (export "on_initialize") (param $p i32) (param $n i32) (result i64)
    (global.set $len (local.get $n))
    (memory.copy (i32.const 1024) (local.get $p) (local.get $n))
    (i64.const 0))
  (func (export "given") (param i32 i32) (result i64) (call $reply (i32.const 1024) (global.get $len)))
"""
SLOW = wat('(func (export "given") (param i32 i32) (result i64) (loop $l (br $l)) unreachable)')


@pytest.mark.wall(
    {
        "judicia_notebook.runtime.target:Target.on": "lambda self, making: self._replace("
        "code=making.code, subject=self.subject._replace(digest=making.code.digest, abi=making.code.abi))"
    }
)
def test_a_call_that_waited_for_the_old_code_does_not_hand_its_config_to_the_new(rt: jn.Runtime) -> None:
    p = rt.load(SLOW, name="tool", config={"token": "s3cret"}, quota={"cpu": "2s"})
    running, waiting = p.submit("given"), p.submit("given")
    rt.load(wat(REMEMBER), name="tool", config={})
    running.cancel()
    assert waiting.result(PATIENCE)["config"] == {}


LISTENER = '(func (export "on_event") (param i32 i32) (result i64) {})'
SUBSCRIBED = ', \\"subscriptions\\": [\\"scoreboard.secret\\"]'


@pytest.mark.wall({"judicia_notebook.host.events.subscriber:PluginSubscriber.succeeds": "lambda self, parked: True"})
def test_what_was_parked_for_a_plugin_does_not_wait_for_a_file_that_claims_its_name(rt: jn.Runtime) -> None:
    manifest = f'(@custom "judicia.manifest" "{{\\"name\\": \\"scoreboard\\"{SUBSCRIBED}}}")'
    rt.host.events.set_limits(attempts=1)
    rt.load(wat(LISTENER.format("unreachable") + manifest), grant=["subscribe_events"])
    rt.host.events.emit("scoreboard.secret", "s3cret")
    rt.host.events.flush(PATIENCE)
    assert len(rt.host.events.parked) == 1
    rt.unload("scoreboard")
    rt.load(wat(LISTENER.format("(i64.const 0)") + manifest), grant=["subscribe_events"])
    with contextlib.suppress(jn.NoSuchPlugin):
        rt.host.events.replay()
    assert len(rt.host.events.parked) == 1


# --- and what goes on as before --------------------------------------------------------------------------------------


def test_who_comes_under_another_name_is_told_so_with_the_ways_out(
    rt: jn.Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.wat").write_bytes(module("clock.now"))
    rt.load(tmp_path / "a" / "tool.wat")
    p = rt.load(tmp_path / "b" / "tool.wat")
    said = capsys.readouterr().err
    assert p.name == "tool-2"
    for part in (str(tmp_path / "a" / "tool.wat"), str(tmp_path / "b" / "tool.wat"), 'name="tool"', "unload tool"):
        assert part in said
        assert part in p.changes[0]
    assert rt.audit.iloc[-1]["detail"].startswith("loaded as tool-2: the name tool belongs to")
    rt.load(tmp_path / "b" / "tool.wat")
    assert capsys.readouterr().err == ""


def test_it_finds_itself_again_under_its_other_name_whoever_went_meanwhile(rt: jn.Runtime, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "tool.wat" for folder in "abc"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(module("clock.now"))
    plugins = [rt.load(path) for path in paths]
    assert [p.name for p in plugins] == ["tool", "tool-2", "tool-3"]
    plugins[2].policy.grant("wall_clock")
    for name in ("tool-2", "tool"):
        rt.unload(name)
        assert rt.load(paths[2]) is plugins[2]
    assert plugins[2].policy.granted == {"wall_clock"}


def test_a_long_name_has_room_for_a_number(rt: jn.Runtime) -> None:
    name = "a" * 64
    rt.load(module("clock.now", name=name), grant=["wall_clock"])
    assert rt.load(module("files.read", name=name)).name == "a" * 62 + "-2"


def test_the_load_cell_of_a_notebook_can_be_run_twice(rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "tool.wat"
    path.write_bytes(module("clock.now"))
    text = module("clock.now", name="texted").decode()
    for source in ("example:checker", path, str(path), text, text.encode(), module("random.bytes", name="raw")):
        given: dict[str, Any] = {"grant": ["wall_clock"], "config": {"a": 1}, "instances": 2}
        first = rt.load(source, **given)
        first.policy.grant("random")
        assert rt.load(source, **given) is first
        assert rt.load(source) is first
        assert first.policy.granted == {"wall_clock", "random"}
        assert (dict(first.config), first.instances) == ({"a": 1}, 2)


def test_a_file_that_was_changed_and_a_cell_that_was_edited_take_their_own_place(
    rt: jn.Runtime, tmp_path: Path
) -> None:
    path = tmp_path / "tool.wat"
    path.write_bytes(module("clock.now"))
    p = rt.load(path, grant=["wall_clock"])
    path.write_bytes(module("random.bytes"))
    assert rt.load(path) is p
    assert p.policy.granted == {"wall_clock"}
    q = rt.load(module("clock.now", name="cell"), grant=["wall_clock"], config={"a": 1}, quota={"cpu": "5s"})
    again = rt.load(module("random.bytes", name="cell"), grant=["wall_clock"], config={"a": 2}, quota={"cpu": "5s"})
    assert again is q
    assert (q.functions, dict(q.config)) == (("bytes",), {"a": 2})


def test_who_is_named_by_the_caller_keeps_what_it_has(rt: jn.Runtime, home: Path) -> None:
    p = rt.load(module("clock.now", name="scoreboard"), grant=[f"read_files={home}@home"], config={"a": 1})
    q = rt.load(module("files.read", name="anything"), name="scoreboard")
    assert q is p
    assert reads_the_secret(q)
    assert dict(q.config) == {"a": 1}


def test_two_loads_at_once_of_two_files_with_one_name_are_two_plugins(rt: jn.Runtime, tmp_path: Path) -> None:
    sources = [module(call, name="same") for call in ("clock.now", "random.bytes", "files.read", "files.write")]
    threads = [
        threading.Thread(target=rt.load, args=(source,), kwargs={"grant": [f"emit_event=a{number}"]})
        for number, source in enumerate(sources)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(rt.plugins) == ["same", "same-2", "same-3", "same-4"]
    assert sorted(len(p.policy.granted) for p in rt.plugins.values()) == [1] * 4
