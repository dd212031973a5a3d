"""Monitors name the file and the line of what they count, in modules that real compilers made."""

from __future__ import annotations

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.listings.painted_source import PaintedSource
from tests.languages.compilers import use

SOURCES = {
    "c": """static __attribute__((noinline)) int fib(int n) {
  if (n < 2)
    return n;
  return fib(n - 1) + fib(n - 2);
}
__attribute__((export_name("run"))) int run(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++)
    sum += fib(i);
  return sum;
}
""",
    "zig": """noinline fn fib(n: i32) i32 {
    if (n < 2)
        return n;
    return fib(n - 1) +% fib(n - 2);
}
export fn run(n: i32) i32 {
    var sum: i32 = 0;
    var i: i32 = 0;
    while (i < n) : (i += 1)
        sum +%= fib(i);
    return sum;
}
""",
    "rust": """#[inline(never)] fn fib(n: i32) -> i32 {
    if n < 2 {
        return n;
    }
    fib(n - 1).wrapping_add(fib(n - 2))
}
#[no_mangle] pub extern "C" fn run(n: i32) -> i32 {
    let mut sum: i32 = 0;
    for i in 0..n {
        sum = sum.wrapping_add(fib(i));
    }
    sum
}
""",
}
LINES = {"c": 4, "zig": 4, "rust": 5}  # that of the two calls of fib


@pytest.mark.parametrize(("language", "compiler"), [("c", "clang"), ("zig", "zig"), ("rust", "rustc")])
def test_calls_and_blocks_have_the_line_that_they_came_from(
    rt: jn.Runtime, language: str, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(compiler, monkeypatch)
    built = jn.build(SOURCES[language], lang=language, level="-O0", flags=("-g",))
    p = rt.load(built.wasm, name="lines", abi="raw")
    r = p.monitor("run", numbers=(10,), what=("functions", "edges", "coverage", "watch=run"), quota={"cpu": 20})
    assert r.value == sum([0, 1, 1, 2, 3, 5, 8, 13, 21, 34])
    functions = r.functions[r.functions["calls"] > 0]
    [fib] = functions[functions["function"].str.contains("fib")].to_dict("records")
    calls = [1, 1, 3, 5, 9, 15, 25, 41, 67, 109]  # of fib(0) to fib(9), with those inside
    edges = r.edges[r.edges["callee_index"] == fib["index"]]
    within = edges[edges["index"] == fib["index"]]
    if fib["calls"] == sum(calls):  # a compiler may make a loop of the second call
        assert within["count"].tolist() == [sum(calls) - 10]
    assert edges["count"].sum() == fib["calls"]
    assert within["line"].tolist() == [LINES[language]]
    assert within["file"].notna().all()
    covered = r.coverage[(r.coverage["index"] == fib["index"]) & r.coverage["covered"]]
    assert LINES[language] in covered["line"].dropna().tolist()
    own = covered[covered["file"] == within["file"].iloc[0]]  # others are of a library's inlined functions
    assert own["line"].dropna().between(1, 6).all()
    assert covered["count"].max() >= fib["calls"]


PAINTED = {
    "zig": """fn square(x: i32) i32 {
    return x *% x;
}
fn idle(x: i32) i32 {
    return x +% 1;
}
export fn run(n: i32) i32 {
    var sum: i32 = 0;
    var i: i32 = 0;
    while (i < n) : (i += 1) {
        if (@rem(i, 3) == 0) {
            sum +%= square(i);
        } else if (i > 100) {
            sum -%= idle(i);
        } else {
            sum +%= 2;
        }
    }
    return if (n > 3) sum else -%sum;
}
""",
    "rust": """fn square(x: i32) -> i32 {
    x.wrapping_mul(x)
}
fn idle(x: i32) -> i32 {
    x.wrapping_add(1)
}
#[no_mangle] pub extern "C" fn run(n: i32) -> i32 {
    let mut sum = 0i32;
    let mut i = 0;
    while i < n {
        if i % 3 == 0 {
            sum = sum.wrapping_add(square(i));
        } else if i > 100 {
            sum = sum.wrapping_sub(idle(i));
        } else {
            sum = sum.wrapping_add(2);
        }
        i += 1;
    }
    if n > 3 { sum } else { sum.wrapping_neg() }
}
""",
}
BY_HAND = {1: 4, 2: 4, 4: 0, 5: 0, 7: 1, 8: 1, 9: 1, 10: 11, 11: 10, 12: 4, 13: 6, 14: 0, 16: 6}  # run(10), in both
MORE = {"zig": {19: 1}, "rust": {3: 4, 6: 0, 18: 10, 20: 1, 21: 1}}  # Rust has code at the brace that ends a function


@pytest.mark.parametrize(("language", "compiler"), [("zig", "zig"), ("rust", "rustc")])
def test_each_painted_line_has_the_count_that_a_human_counts(
    rt: jn.Runtime, language: str, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(compiler, monkeypatch)
    built = jn.build(PAINTED[language], lang=language, level="-O0", flags=("-g",))
    r = rt.load(built.wasm, name="painted", abi="raw").monitor("run", numbers=(10,), what=("functions", "coverage"))
    assert r.value == 0 + 9 + 36 + 81 + 6 * 2
    painted = r.source()
    assert isinstance(painted, PaintedSource)
    lines = painted.by_line
    assert lines["file"].nunique() == 1
    assert dict(zip(lines["line"].tolist(), lines["count"].tolist(), strict=True)) == BY_HAND | MORE[language]
    said = str(painted).splitlines()
    [idle] = [line for line in said if "sum" in line and "idle(i)" in line]
    assert idle.split()[:3] == ["not", "run", "14"]
