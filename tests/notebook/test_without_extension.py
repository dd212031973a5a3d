"""Who only wrote ``import judicia_notebook`` sees objects, figures, Tab and errors as with the extension."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

START = """import judicia_notebook as jn
rt = jn.get_runtime()
p = rt.load("example:specimen")
p.call("echo", 1)"""

OBJECTS = ("p", "p.policy", 'p.bench("echo", 1, repeats=3)', 'p.attempt("echo", 1)', "p.inspect()")
ALL_OBJECTS = (
    *("rt", "rt.host", "rt.host.database", "rt.host.events", "rt.host.files", "rt.host.http", "rt.host.notifications"),
    *("p", "p.policy", "p.policy.quota", "p.manifest", "p.last", "handle", "bench", "profile"),
    *("trace", "inspection", "outcome", "outcome.error", "jn", "jn.plots", "jn.widgets", "comparison", "run"),
)


@pytest.fixture(params=[False, True], ids=["imported", "extension loaded"])
def started(request: pytest.FixtureRequest, fresh: Kernel) -> Kernel:
    if request.param:
        assert fresh.run("%load_ext judicia_notebook").status == "ok"
    assert (reply := fresh.run(START)).status == "ok", reply.output
    return fresh


def test_objects_and_figures_look_the_same_with_and_without_the_extension(started: Kernel) -> None:
    for code in OBJECTS:
        assert "text/html" in started.run(code).value, code
    assert "image/png" in started.run("jn.plots.latency(rt.calls)").value
    assert "image/png" in started.run("display(jn.plots.latency(rt.calls))").shown[0]


def test_a_figure_in_axes_of_ones_own_is_shown_once(started: Kernel) -> None:
    reply = started.run("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\njn.plots.latency(rt.calls, ax=ax)")
    pictures = [bundle for bundle in (*reply.shown, reply.value) if "image/png" in bundle]
    assert len(pictures) == 1
    assert reply.text == "<Axes: >" or reply.text.startswith("<Axes: ")


def test_tab_offers_the_names_of_every_public_object(started: Kernel) -> None:
    more = """import pathlib, tempfile
handle, bench = p.submit("echo", 1), p.bench("echo", 1, repeats=3)
profile, trace = p.profile("spin", {"ms": 20}), p.trace("echo", 1)
inspection, outcome = p.inspect(), p.attempt("trap")
comparison = jn.compare(rt.calls, rt.calls)
run = jn.read_run(rt.save(pathlib.Path(tempfile.mkdtemp()) / "run.zip"))"""
    assert (reply := started.run(more)).status == "ok", reply.output
    for name in ALL_OBJECTS:
        public = started.value(f"[name for name in dir({name}) if name[0] != '_']")
        offered = {text.removeprefix(f"{name}.").removesuffix("(") for text in started.complete(f"{name}.")}
        assert set(public) <= offered, (name, sorted(set(public) - offered))
    assert "p.call" in started.complete("p.ca")
    assert "p.policy.grant" in started.complete("p.policy.gr")


def test_an_error_says_which_line_of_which_cell_it_was(started: Kernel) -> None:
    assert started.run("def judge(n):\n    return p.call('trap' if n == 3 else 'echo', n)").status == "ok"
    reply = started.run("for n in range(5):\n    judge(n)")
    said, *frames = reply.traceback.splitlines()
    assert said.startswith("GuestTrap: specimen.trap stopped at `unreachable`")
    assert [line.partition("In[")[0] for line in frames] == ["  at Cell "] * 2
    assert frames[0].endswith("], line 2: judge(n)")
    assert frames[1].endswith("], line 2, in judge: return p.call('trap' if n == 3 else 'echo', n)")


def test_tb_and_xmode_show_the_users_frames_and_none_of_ours(started: Kernel) -> None:
    assert started.run("def judge(n):\n    return p.call('trap', n)").status == "ok"
    assert len(started.run("judge(3)").traceback.splitlines()) == 3
    for mode, line in (("Context", "%tb"), ("Verbose", "judge(3)"), ("Plain", "judge(3)")):
        started.run(f"%xmode {mode}")
        full = started.run(line).traceback
        assert "p.call(" in full
        assert "GuestTrap" in full
        assert "sandbox.py" not in full
        assert "call.py" not in full
    started.run("%xmode Verbose")
    assert re.search(r"n ?= ?3", re.sub(r"\x1b\[[0-9;]*m", "", started.run("judge(3)").traceback))
    started.run("%xmode Minimal")
    assert len(started.run("judge(3)").traceback.splitlines()) == 1


def test_a_recursion_of_the_users_is_cut_in_the_middle(started: Kernel) -> None:
    started.run("def down(n):\n    return down(n - 1) if n else p.call('trap')")
    lines = started.run("down(200)").traceback.splitlines()
    assert len(lines) < 20
    assert any("... " in line and " more ..." in line for line in lines)


def test_errors_of_a_kernel_pickle_and_copy(started: Kernel) -> None:
    started.run("import copy, pickle\nerrors = [p.attempt('trap').error, p.attempt('fail').error]")
    same = "(str(one) == str(e), one.record == e.record, type(one) is type(e))"
    for way in ("pickle.loads(pickle.dumps(e))", "copy.copy(e)", "copy.deepcopy(e)"):
        assert started.value(f"[{same} for e in errors for one in [{way}]]") == [(True, True, True)] * 2
