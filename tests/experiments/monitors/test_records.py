"""Monitors that keep a record: allocations, watched calls, paths; and comparing two results."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest

import judicia_notebook as jn

HEAP = """(module (memory (export "memory") 1) (global $at (mut i32) (i32.const 1024))
  (func $malloc (param $n i32) (result i32)
    (global.get $at) (global.set $at (i32.add (global.get $at) (local.get $n))))
  (func $free (param i32))
  (func $realloc (param i32 i32) (result i32) (call $free (local.get 0)) (call $malloc (local.get 1)))
  (func $calloc (param i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (call $malloc (i32.mul (local.get 0) (local.get 1))))
  (func $keep (param i32)
    (loop $l (drop (call $malloc (i32.const 24))) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "run") (param i32)
    (call $free (call $malloc (i32.const 100)))
    (drop (call $realloc (call $calloc (i32.const 5) (i32.const 8)) (i32.const 60)))
    (drop (call $calloc (i32.const 0) (i32.const 8)))
    (call $keep (local.get 0)))
  (func (export "trap") (param i32) (drop (call $malloc (local.get 0))) unreachable)
  (func (export "judicia_alloc") (param i32) (result i32) (call $malloc (local.get 0)))
  (func (export "judicia_free") (param i32 i32) (call $free (local.get 0))))"""
NUMBERS = ["count", "bytes", "live_bytes"]

STRIPPED = """(module (memory (export "memory") 1) (global (mut i32) (i32.const 1024))
  (func (export "judicia_alloc") (param i32) (result i32)
    (global.get 0) (global.set 0 (i32.add (global.get 0) (local.get 0)))))"""

FIB = """(module (func $fib (export "fib") (param i64) (result i64)
    (if (result i64) (i64.lt_s (local.get 0) (i64.const 2)) (then (local.get 0))
      (else (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                     (call $fib (i64.sub (local.get 0) (i64.const 2)))))))
  (func (export "kinds") (param i32 f32 f64 externref) (result f64 i32 f32)
    (local.get 2) (local.get 0) (local.get 1))
  (func (export "trap") (param i32) (drop (call $fib (i64.const 1))) unreachable))"""


def allocations(frame: pd.DataFrame) -> list[list[object]]:
    rows = frame[["function", "allocator", *NUMBERS]].astype(object).where(frame.notna(), None)
    return [list(row) for row in rows[["function", "allocator", *NUMBERS]].itertuples(index=False)]


def test_allocations_are_counted_where_they_are_asked_for_and_leaks_stay(rt: jn.Runtime) -> None:
    p = rt.load(HEAP, name="heap", abi="raw")
    found = p.monitor("run", numbers=(3,), what="allocations").allocations
    assert allocations(found) == [
        ["keep", "malloc", 3, 72, 72],
        ["run", "realloc", 1, 60, 60],
        ["run", "malloc", 1, 100, 0],
        ["run", "calloc", 1, 40, 0],
    ]
    assert found.attrs["failed"] == 1
    assert [live for _, live in found.attrs["timeline"]] == [100, 0, 40, 60, 84, 108, 132]
    assert set(found.attrs["allocators"]) == {"malloc", "free", "calloc", "realloc", "judicia_alloc", "judicia_free"}


def test_what_is_live_is_followed_over_calls_and_dies_with_its_instance(rt: jn.Runtime) -> None:
    p = rt.load(HEAP, name="heap", abi="raw")
    with p.monitoring(what="allocations") as r:
        pointer = p.raw("judicia_alloc")(11)
        p.raw("judicia_alloc")(7)
        assert allocations(r.allocations) == [[None, None, 2, 18, 18]]
        p.raw("judicia_free")(pointer, 11)
        assert allocations(r.allocations) == [[None, None, 2, 18, 7]]
        with pytest.raises(jn.GuestTrap):
            p.raw("trap")(5)
        p.raw("judicia_free")(p.raw("judicia_alloc")(9), 9)
        # The same pointer, of another instance: what the first one held is still told.
        assert allocations(r.allocations) == [[None, None, 3, 27, 7], ["trap", "malloc", 1, 5, 5]]


def test_the_timeline_of_live_bytes_is_bounded(rt: jn.Runtime) -> None:
    p = rt.load(HEAP, name="heap", abi="raw")
    found = p.monitor("run", numbers=(5000,), what="allocations", quota={"cpu": 20, "wall": 60}).allocations
    timeline = found.attrs["timeline"]
    assert 500 <= len(timeline) <= 1000
    assert timeline[-1][1] > 4900 * 24 + 60
    events = [event for event, _ in timeline]
    assert {b - a for a, b in pairwise(events)} == {8}


def test_a_module_that_names_no_allocator_says_so(rt: jn.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    p = rt.load('(module (func $f (export "f")))', name="none")
    assert p.monitor("f", numbers=(), what="allocations").allocations.empty
    assert "No allocator is known" in capsys.readouterr().err


def test_what_a_stripped_module_allocates_inside_is_na(rt: jn.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    p = rt.load(STRIPPED, name="stripped", abi="raw")
    assert not p._code.module.names
    with p.monitoring(what="allocations") as r:
        p.raw("judicia_alloc")(5)
        found = r.allocations
    assert found["site"].tolist() == ["host", "not known"]
    assert found.dtypes[NUMBERS].astype(str).tolist() == ["Int64"] * 3
    assert found[NUMBERS].isna().to_numpy().tolist() == [[False] * 3, [True] * 3]
    assert "names no functions" in capsys.readouterr().err


def test_watched_calls_have_arguments_results_and_depth(rt: jn.Runtime) -> None:
    p = rt.load(FIB, name="fib")
    watch = p.monitor("fib", numbers=(3,), what="watch=fib").watch
    assert [list(row) for row in watch[["depth", "arguments", "ended", "result"]].itertuples(index=False)] == [
        [0, (3,), "return", 2],
        [1, (2,), "return", 1],
        [2, (1,), "return", 1],
        [2, (0,), "return", 0],
        [1, (1,), "return", 1],
    ]
    assert p.monitor("fib", numbers=(-5,), what="watch=fib").watch["arguments"].tolist() == [(-5,)]
    r = p.monitor("trap", numbers=(-1,), what="watch=fib|trap")
    assert r.watch["function"].tolist() == ["trap", "fib"]
    assert r.watch["arguments"].tolist() == [(-1,), (1,)]
    assert r.watch["ended"].isna().tolist() == [True, False]
    assert r.watch["result"].tolist() == [None, 1]


def test_every_type_of_number_is_watched(rt: jn.Runtime) -> None:
    text = FIB.replace('(func (export "trap")', '(func (export "go") (result f64 i32 f32) (call $kinds (i32.const -3)'
                       ' (f32.const 1.5) (f64.const -2.25) (ref.null extern))) (func (export "trap")')  # fmt: skip
    p = rt.load(text.replace('(func (export "kinds")', '(func $kinds (export "kinds")'), name="kinds")
    watch = p.monitor("go", numbers=(), what="watch=kinds").watch
    assert watch["arguments"].tolist() == [(-3, 1.5, -2.25, None)]
    assert watch["result"].tolist() == [(-2.25, -3, 1.5)]


def test_a_path_has_the_blocks_in_their_order_and_two_of_them_part_where_they_do(rt: jn.Runtime) -> None:
    p = rt.load(FIB, name="fib")
    what = ("path", "coverage", "functions")
    two, three, again = (p.monitor("fib", numbers=(n,), what=what) for n in (2, 3, 3))
    coverage = two.coverage.set_index("block")["count"]
    assert two.path["block"].value_counts().sort_index().to_dict() == coverage[coverage > 0].to_dict()
    assert two.path["step"].tolist() == list(range(len(two.path)))
    assert three.divergence(again) is None
    assert three.diff(again).empty
    found = two.divergence(three)
    assert found is not None
    # fib(2) and fib(3) both call themselves; fib(1) returns at once where fib(2) does not.
    assert two.path["block"].tolist()[: found.step] == three.path["block"].tolist()[: found.step]
    assert (found.block, found.other) == (two.path["block"][found.step], three.path["block"][found.step])
    assert found.function == "fib"
    with pytest.raises(jn.JudiciaError, match="not recorded in both"):
        two.divergence(p.monitor("fib", numbers=(2,), what="coverage"))


def test_a_difference_has_each_number_that_differs(rt: jn.Runtime) -> None:
    p = rt.load(FIB, name="fib")
    what = ("functions", "edges", "opcodes", "cost", "coverage")
    two, three = (p.monitor("fib", numbers=(n,), what=what) for n in (2, 3))
    diff = two.diff(three)
    rows = diff[(diff["monitor"] == "functions") & (diff["number"] == "calls")]
    assert rows[["function", "count", "other", "difference"]].to_numpy().tolist() == [["fib", 3, 5, 2]]
    assert diff["difference"].abs().is_monotonic_decreasing
    other = rt.load(FIB.replace("i64.const 2)) (then", "i64.const 3)) (then"), name="other")
    across = two.diff(other.monitor("fib", numbers=(2,), what=what))
    assert set(across["monitor"]) == {"functions", "edges", "opcodes", "cost"}
    with pytest.raises(jn.JudiciaError, match="in common"):
        p.monitor("fib", numbers=(2,), what="coverage").diff(other.monitor("fib", numbers=(2,), what="coverage"))
    with pytest.raises(jn.JudiciaError, match="different modules"):
        two_path, other_path = (each.monitor("fib", numbers=(2,), what="path") for each in (p, other))
        two_path.divergence(other_path)


def test_functions_of_one_name_are_kept_apart_by_their_plugins(rt: jn.Runtime) -> None:
    p, q = rt.load(FIB, name="p"), rt.load(FIB.replace("i64.const 2)) (then", "i64.const 3)) (then"), name="q")
    what = ("functions", "coverage")
    with rt.monitoring(p, q, what=what) as both:
        p.raw("fib")(4), q.raw("fib")(4)
    two, four = (p.monitor("fib", numbers=(n,), what=what) for n in (2, 4))
    calls = {name: both.functions[both.functions["plugin"] == name]["calls"].sum() for name in ("p", "q")}
    assert calls["p"] != calls["q"]

    def differing(found: pd.DataFrame) -> list[list[object]]:
        rows = found[found["number"] == "calls"][["plugin", "function", "count", "other"]]
        return [list(row) for row in rows.itertuples(index=False)]

    # What it alone counted is p's: q was not monitored there.
    assert both.diff(four).empty
    assert differing(both.diff(two)) == [["p", "fib", 9, 3]]
    assert differing(two.diff(both)) == [["p", "fib", 3, 9]]
    assert "coverage" in set(both.diff(two)["monitor"])  # p's module is the same in both
    with rt.monitoring(q, p, what=what) as turned:
        p.raw("fib")(4), q.raw("fib")(4)
    assert both.diff(turned).empty
    with rt.monitoring(q, p, what=what) as other:
        p.raw("fib")(2), q.raw("fib")(2)
    assert sorted(differing(both.diff(other))) == [["p", "fib", 9, 3], ["q", "fib", calls["q"], 1]]
    assert set(both.diff(other)["monitor"]) == {"functions", "coverage"}


def test_one_of_several_is_compared_with_a_plugin_of_another_name_if_one_says_so(rt: jn.Runtime) -> None:
    p, q, newer = (rt.load(FIB, name=name) for name in ("p", "q", "newer"))
    with rt.monitoring(p, q, what="functions") as both:
        p.raw("fib")(4), q.raw("fib")(3)
    two = newer.monitor("fib", numbers=(2,), what="functions")
    for one, other in ((both, two), (two, both)):
        with pytest.raises(jn.JudiciaError, match="no plugin in common") as caught:
            one.diff(other)
        assert "r.diff(other, plugin='p')" in str(caught.value.hint)
    for name, calls in (("p", 9), ("q", 5)):
        rows = both.diff(two, plugin=name)
        assert "plugin" not in rows
        assert rows[rows["number"] == "calls"][["count", "other"]].to_numpy().tolist() == [[calls, 3]]
        assert (two.diff(both, plugin=name)["difference"] == -rows["difference"]).all()
    with pytest.raises(jn.JudiciaError, match="one of them alone"):
        both.diff(two, plugin="newer")
    with pytest.raises(jn.JudiciaError, match="in neither"):
        both.diff(two, plugin="nobody")
    with rt.monitoring(newer, rt.load(FIB, name="newest"), what="functions") as others:
        newer.raw("fib")(1)
    with pytest.raises(jn.JudiciaError, match="no plugin in common") as caught:
        both.diff(others)
    assert "alone" in str(caught.value.hint)


def test_a_count_that_is_not_known_differs_by_what_is_not_known(rt: jn.Runtime) -> None:
    p = rt.load(HEAP, name="heap", abi="raw")
    quota = {"cpu": 20, "wall": 60}
    few, many = (p.monitor("run", numbers=(n,), what="allocations", quota=quota) for n in (1, 140_000))
    rows = few.diff(many)
    assert set(rows["number"]) == set(NUMBERS)
    assert rows["other"].isna().all()
    assert rows["difference"].isna().all()
    assert rows["count"].notna().all()
    # A row that one side has not is known: nothing was asked for there.
    assert few.diff(p.monitor("judicia_alloc", numbers=(1,), what="allocations"))["difference"].notna().all()


def test_paths_that_were_cut_do_not_end_alike(rt: jn.Runtime) -> None:
    p = rt.load(FIB, name="fib")
    short, longer, whole = (p.monitor("fib", numbers=(9,), what=what) for what in ("path=3", "path=5", "path"))
    for one, other, kept in ((short, short, 3), (short, longer, 3), (whole, longer, 5)):
        with pytest.raises(jn.JudiciaError, match=f"same for the {kept} blocks") as caught:
            one.divergence(other)
        assert f'"path={8 * kept}"' in str(caught.value.hint)
    assert p.monitor("fib", numbers=(1,), what="path=3").divergence(short) is not None


def test_frames_of_several_plugins_say_what_was_lost_in_all(rt: jn.Runtime) -> None:
    p, q = rt.load(FIB, name="p"), rt.load(FIB, name="q")
    with rt.monitoring(p, q, what=("path=2", "allocations")) as r:
        p.raw("fib")(1), q.raw("fib")(2)
    alone = [plugin.monitor("fib", numbers=(n,), what="path=2").path.attrs["dropped"] for plugin, n in ((p, 1), (q, 2))]
    assert r.path.attrs["dropped"] == sum(alone) > max(alone) > 0
    assert r.allocations.attrs["allocators"] == {"p": [], "q": []}
    with pytest.raises(jn.JudiciaError, match="several plugins"):
        r.divergence(r)


def test_a_frame_is_made_of_one_look_whatever_is_called_meanwhile(rt: jn.Runtime) -> None:
    p = rt.load(FIB, name="fib")
    with p.monitoring(what=("watch=fib", "path")) as r:
        p.raw("fib")(1)
        tally = r._tallies["fib"]
        counts, states = tally.look(("watch", "path"))
        p.raw("fib")(5)
        assert len(tally.plan.monitors["watch"].frame(counts, states["watch"])) == 1
        assert len(tally.plan.monitors["path"].frame(counts, states["path"])) < len(r.path)
        assert len(r.watch) == 1 + 15


def test_a_guest_that_lies_about_what_it_was_given_is_counted_as_far_as_numbers_reach(rt: jn.Runtime) -> None:
    p = rt.load(
        """(module (func $malloc (param i64) (result i64) (i64.const 8))
             (func $calloc (param i32 i32) (result i32) (i32.const 16))
             (func (export "run") (drop (call $malloc (i64.const 0x7fffffffffffffff)))
               (drop (call $malloc (i64.const -1))) (drop (call $calloc (i32.const -1) (i32.const -1)))))""",
        name="lies",
    )
    r = p.monitor("run", numbers=(), what="allocations")
    assert r.allocations["count"].tolist() == [1, 1, 1]
    assert r.allocations["bytes"].dropna().tolist() == [(1 << 63) - 1]
    assert len(r.diff(r)) == r.allocations[NUMBERS].isna().sum().sum()


def test_a_cost_is_the_sum_of_declared_weights(rt: jn.Runtime) -> None:
    from judicia_notebook.experiments.monitors.cost import default_weights

    p = rt.load('(func (export "f") (param i32) (result i32) (i32.div_u (i32.mul (local.get 0) (local.get 0)) '
                '(i32.const 3)))', name="cost")  # fmt: skip
    r = p.monitor("f", numbers=(7,), what="cost")
    # local.get twice, i32.const: 1 each; i32.mul 3, i32.div_u 20, end 0
    assert r.cost[["cost", "instructions"]].to_numpy().tolist() == [[26, 6]]
    weights = dict.fromkeys(default_weights(), 0.0) | {"i32.mul": 0.5}
    assert r.cost_by(weights)["cost"].tolist() == [0.5]
    with pytest.raises(ValueError, match="no weight"):
        r.cost_by({"end": 1})
    for wrong in (float("nan"), 10**30, "2"):
        with pytest.raises(ValueError, match=r"weight of i32\.mul is a number"):
            r.cost_by(weights | {"i32.mul": wrong})  # type: ignore[arg-type]  # on purpose
    with pytest.raises(jn.JudiciaError, match="counts no blocks"):
        p.monitor("f", numbers=(7,), what="memory").cost_by(weights)
