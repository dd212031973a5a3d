"""A runtime in somebody's hands: loading over a name, reloading, labels, closing, and that runtimes share nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import ECHO, forwarder, wat
from tests.support.waiting import PATIENCE

COUNT = """(global $n (mut i32) (i32.const 0)) (func (export "count") (result i32)
  (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))"""
DRAW = forwarder(draw="random.bytes")


# --- loading over a loaded name --------------------------------------------------------------------------------------


def test_a_loaded_name_is_replaced_in_place(rt: jn.Runtime) -> None:
    kept: dict[str, Any] = {"grant": ["random", "read_database=a"], "quota": {"cpu": "50ms"}, "on_denied": "trap"}
    old = rt.load(wat(ECHO + COUNT), name="tool", **kept)
    assert old.raw("count")() == 1
    assert old.changes == ()
    new = rt.load(wat(DRAW + ECHO), name="tool")
    assert new is old is rt.plugins["tool"]
    assert old.call("echo", "still me") == "still me"
    assert old.functions == ("draw", "echo")
    assert old.policy.granted == {"random", "read_database=a"}
    assert (old.policy.quota.cpu, old.policy.on_denied) == (0.05, "trap")
    with pytest.raises(jn.NoSuchFunction):
        old.raw("count")


def test_what_a_replace_changed_is_shown_and_audited(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), manifest={"name": "tool", "version": "1.0.0"})
    before = p.digest
    rt.load(wat(DRAW), manifest={"name": "tool", "version": "1.1.0", "capabilities": ["random"]})
    assert set(p.changes) == {
        f"code {before[:12]} -> {p.digest[:12]}",
        "version 1.0.0 -> 1.1.0",
        "now imports judicia:random bytes",
        "now asks for random",
    }
    row = rt.audit.iloc[-1]
    assert (row["what"], row["plugin"], row["via"]) == ("reload", "tool", "Python")
    assert "now imports judicia:random bytes" in row["detail"]
    rt.load(wat(ECHO), manifest={"name": "tool", "version": "1.1.0"})
    assert "no longer imports judicia:random bytes" in p.changes


def test_what_the_new_file_asks_for_is_never_granted_by_itself(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), name="tool")
    asks = {"name": "tool", "capabilities": ["random"], "quota": {"memory": "128MiB"}}
    rt.load(wat(DRAW), manifest=asks)
    assert p.policy.granted == frozenset()
    assert (p.requested, p.requested_quota) == (("random",), {"memory": 128 << 20})
    assert p.call("draw", {"length": 1})["error"]["code"] == "capability_denied"


def test_a_new_manifest_does_not_change_the_quotas_in_force(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), name="tool", quota={"cpu": "50ms"})
    rt.load(wat(ECHO), name="tool", manifest={"name": "tool", "quota": {"cpu": "1ms", "memory": "1MiB"}})
    assert (p.policy.quota.cpu, p.policy.quota.memory) == (0.05, 64 << 20)


def test_the_same_file_again_changes_nothing_but_starts_anew(rt: jn.Runtime) -> None:
    p = rt.load(wat(COUNT), name="tool", config={"a": 1})
    assert [p.raw("count")() for _ in range(2)] == [1, 2]
    rt.load(wat(COUNT), name="tool")
    assert p.changes == ()
    assert p.raw("count")() == 1
    assert list(rt.audit["what"]) == ["load", "reload"]


def test_what_the_line_says_is_taken_over_the_kept(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), name="tool", grant=["random"], quota={"cpu": "50ms", "wall": "1s"}, instances=2)
    rt.load(wat(ECHO), name="tool", grant=["wall_clock"], quota={"cpu": "70ms"}, on_denied="trap", instances="fresh")
    assert p.policy.granted == {"random", "wall_clock"}
    assert (p.policy.quota.cpu, p.policy.quota.wall) == (0.07, 1.0)
    assert (p.policy.on_denied, p.instances) == ("trap", "fresh")
    rt.load(wat(ECHO), name="tool")
    assert (p.policy.on_denied, p.instances) == ("trap", "fresh")


@pytest.mark.parametrize(
    "options",
    [
        {"grant": ["random", "nonsense"]},
        {"grant": ["read_database=no table"]},
        {"quota": {"cpu": "5 parsecs"}},
        {"quota": {"wall": "1h"}},
        {"on_denied": "raise"},
        {"unknown_imports": "ignore"},
        {"instances": 0},
        {"abi": "v9"},
        {"manifest": {"name": "tool", "versoin": "1"}},
        {"manifest": 5},
    ],
    ids=str,
)
def test_a_load_that_fails_changes_nothing_at_all(rt: jn.Runtime, options: dict[str, Any]) -> None:
    p = rt.load(wat(COUNT), name="tool", grant=["wall_clock"])
    assert p.raw("count")() == 1
    before, rows = p.policy.state, len(rt.audit)
    for name in ("tool", "other"):
        with pytest.raises((jn.PolicyError, jn.LoadError)):
            rt.load(wat(ECHO), **{"name": name, **options})
    assert list(rt.plugins) == ["tool"]
    assert p.policy.state is before
    assert len(rt.audit) == rows
    assert p.raw("count")() == 2


# --- reload ----------------------------------------------------------------------------------------------------------


def test_reload_reads_the_file_again(rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "tool.wat"
    path.write_bytes(wat(COUNT))
    p = rt.load(path, grant=["random"])
    assert [p.raw("count")() for _ in range(2)] == [1, 2]
    before = p.digest
    path.write_bytes(wat(COUNT.replace("(i32.const 1)", "(i32.const 5)")))
    assert p.raw("count")() == 3
    assert rt.reload("tool") is p
    assert p.raw("count")() == 5
    assert p.digest != before
    assert p.changes == (f"code {before[:12]} -> {p.digest[:12]}",)
    assert p.policy.granted == {"random"}


def test_reload_of_a_broken_file_keeps_what_is_loaded(rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "tool.wat"
    path.write_bytes(wat(COUNT))
    p = rt.load(path)
    assert p.raw("count")() == 1
    for content in (b"", b"(module", None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(jn.LoadError, match=r"tool\.wat"):
            rt.reload("tool")
    assert [p.raw("count")() for _ in range(2)] == [2, 3]


def test_reload_keeps_how_it_was_loaded(rt: jn.Runtime) -> None:
    unknown = b'(module (import "env" "now" (func)) (func (export "f") (result i32) (i32.const 1)))'
    rt.load(unknown, name="unknown", unknown_imports="trap")
    assert rt.reload("unknown").raw("f")() == 1
    p = rt.load(wat(ECHO), manifest={"name": "told", "version": "2.0.0"})
    rt.reload("told")
    assert (p.manifest.version, p.manifest_origin) == ("2.0.0", "given")
    p = rt.load(wat(ECHO), name="bare", abi="raw")
    assert rt.reload("bare").abi == "raw"
    p = rt.load(wat(ECHO), name="set", config={"a": 1}, instances="fresh")
    rt.reload("set")
    assert p.instances == "fresh"


def test_what_is_not_loaded_cannot_be_reloaded_or_unloaded(rt: jn.Runtime) -> None:
    for act in (rt.reload, rt.unload, rt.plugin):
        with pytest.raises(jn.NoSuchPlugin, match="No plugin 'chekcer' is loaded") as refusal:
            act("chekcer")
        assert "%plugin load example:checker" in refusal.value.hint
    checker = rt.load("example:checker")
    with pytest.raises(jn.NoSuchPlugin, match="Did you mean 'checker'"):
        rt.reload("chekcer")
    assert rt.plugin("checker") is checker


# --- unload, clear, close --------------------------------------------------------------------------------------------


def test_an_unloaded_name_is_free_and_begins_from_nothing(rt: jn.Runtime) -> None:
    old = rt.load(wat(ECHO), name="tool", grant=["random"])
    rt.unload("tool")
    assert dict(rt.plugins) == {}
    new = rt.load(wat(ECHO), name="tool")
    assert new is not old
    assert (new.policy.granted, old.state, new.state) == (frozenset(), "unloaded", "loaded")


def test_however_it_was_unloaded_a_name_begins_from_nothing(rt: jn.Runtime) -> None:
    with rt.load(wat(ECHO), name="tool", grant=["random"], quota={"cpu": "50ms"}):
        pass
    assert rt.load(wat(DRAW), name="tool").policy.granted == frozenset()
    rt.plugins["tool"].policy.grant("random")
    rt.plugins["tool"].unload()
    fresh = rt.load(wat(ECHO), name="tool")
    assert (fresh.policy.granted, fresh.policy.quota.cpu) == (frozenset(), 1.0)


def test_clear_unloads_all_and_keeps_the_records(rt: jn.Runtime) -> None:
    for name in ("a", "b"):
        rt.load(wat(ECHO), name=name).call("echo", name)
    rt.clear()
    assert dict(rt.plugins) == {}
    assert len(rt.calls) == 2
    assert sorted(rt.audit[rt.audit["what"] == "unload"]["plugin"]) == ["a", "b"]


def test_a_closed_runtime_takes_no_more_but_can_be_read() -> None:
    rt = jn.Runtime()
    p = rt.load(wat(ECHO), name="tool")
    p.call("echo", 1)
    folder = rt.data_dir
    assert folder.is_dir()
    rt.close()
    rt.close()
    assert rt.closed
    assert not folder.exists()
    with pytest.raises(jn.ResourceExhausted, match="closed") as refusal:
        rt.load(wat(ECHO), name="tool")
    assert "jn.Runtime()" in refusal.value.hint
    with pytest.raises((jn.PluginNotReady, jn.ResourceExhausted)):
        p.call("echo", 1)
    assert len(rt.calls) == len(p.calls) == 1


def test_a_given_folder_is_made_and_outlives_the_runtime(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path / "new" / "data") as rt:
        assert rt.data_dir == tmp_path / "new" / "data"
        assert rt.data_dir.is_dir()
    assert rt.data_dir.is_dir()


def test_the_private_folder_is_nobody_elses_business(rt: jn.Runtime) -> None:
    assert rt.data_dir.stat().st_mode & 0o077 == 0


def test_the_shared_runtime_is_one_until_it_is_closed() -> None:
    shared = jn.get_runtime()
    assert jn.get_runtime() is shared
    shared.close()
    another = jn.get_runtime()
    assert another is not shared
    assert not another.closed
    another.close()


# --- labels, parents, runtimes beside each other ---------------------------------------------------------------------


def test_labels_are_put_on_the_calls_made_inside(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), name="tool")
    p.call("echo")
    with jn.label(variant="A"):
        p.call("echo")
        with jn.label(step=2, variant="B"):
            p.call("echo")
        p.call("echo")
    p.call("echo")
    assert rt.calls["label"].astype(object).where(rt.calls["label"].notna(), None).tolist() == [
        None, "variant=A", "variant=B, step=2", "variant=A", None,
    ]  # fmt: skip


def test_a_label_is_of_its_own_thread(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO), name="tool")
    with jn.label(variant="A"):
        thread = threading.Thread(target=p.call, args=("echo",), name="elsewhere")
        thread.start()
        thread.join(PATIENCE)
        p.call("echo")
    assert rt.calls["label"].notna().tolist() == [False, True]
    assert list(rt.calls["thread"]) == ["elsewhere", "MainThread"]


def test_two_runtimes_share_nothing() -> None:
    with jn.Runtime() as one, jn.Runtime(ceiling=jn.Quota(cpu="100ms")) as other:
        a, b = (rt.load(wat(COUNT), name="tool") for rt in (one, other))
        a.policy.grant("random")
        assert [a.raw("count")(), a.raw("count")(), b.raw("count")()] == [1, 2, 1]
        assert (b.policy.granted, b.policy.quota.cpu, a.policy.quota.cpu) == (frozenset(), 0.1, 1.0)
        assert [len(rt.calls) for rt in (one, other)] == [2, 1]
        assert [set(rt.audit["what"]) for rt in (one, other)] == [{"load", "grant"}, {"load"}]
        assert [list(rt.calls["call_id"]) for rt in (one, other)] == [[1, 2], [1]]
        assert set(one.calls["run_id"]).isdisjoint(other.calls["run_id"])
        one.unload("tool")
        assert b.raw("count")() == 2
        one.close()
        assert b.raw("count")() == 3
        assert one.data_dir != other.data_dir


def test_a_runtime_says_what_it_holds(rt: jn.Runtime) -> None:
    assert repr(rt) == "<Runtime with no plugins>"
    rt.load(wat(ECHO), name="b")
    rt.load(wat(ECHO), name="a")
    assert repr(rt) == "<Runtime with b, a>"
    with pytest.raises(TypeError):
        rt.plugins["c"] = rt.plugins["a"]  # type: ignore[index]


def test_a_runtime_records_only_what_was_done_in_it(rt: jn.Runtime) -> None:
    for frame in (rt.calls, rt.host_calls, rt.samples, rt.logs, rt.audit, rt.policies):
        assert frame.empty
    assert rt.last is None


# --- what an import costs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "",
        "jn.Quota(cpu='1ms')",
        "jn.Runtime().load('example:checker').call('check', {'output': '1', 'answer': '1'})",
    ],
)
def test_nothing_heavy_is_imported_before_a_frame_is_asked_for(line: str) -> None:
    code = (
        f"import sys, judicia_notebook as jn\n{line}\n"
        "print([name for name in ('IPython', 'pandas', 'matplotlib', 'ipywidgets') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_public_names_are_complete_and_all_there() -> None:
    assert list(jn.__all__) == sorted(jn.__all__)
    assert [name for name in jn.__all__ if getattr(jn, name, None) is None] == []
    assert set(jn.__all__) <= set(dir(jn))
    with pytest.raises(AttributeError, match="no attribute 'runtmie'"):
        jn.runtmie  # noqa: B018
