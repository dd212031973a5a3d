"""docs/columns.md has every column of every frame, in their order, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.statistics import summarize
from judicia_notebook.experiments.monitors import monitor_class, monitor_names
from judicia_notebook.records.rows import SCHEMAS

PACKAGE = Path(jn.__file__).parent
PAGE = PACKAGE.parent / "docs" / "columns.md"
RECORDED = tuple(SCHEMAS)
UNITS = {"_ms": "ms", "_bytes": "bytes", "_percent": "%"}

MONITORS = monitor_names()
ESTIMATES = ("growth", "percentiles", "cold_warm", "success")

# Whatever users can ask for a frame, and the section it is in.
SECTIONS = {
    **{f"Runtime.{name}": name for name in RECORDED},
    **{f"Run.{name}": name for name in RECORDED},
    **{f"Plugin.{name}": name for name in ("calls", "host_calls", "logs", "audit")},
    **{f"{kind}.{name}": name for name in ("calls", "host_calls", "samples") for kind in ("Measurement", "Frames")},
    "Called.calls": "calls",
    "Side.calls": "calls",
    "Bench.calls": "calls",
    "sweep": "sweep",
    "read_sweep": "sweep",
    "SweepCounts.of": "sweep",
    "Runtime.modules": "modules",
    "survey": "survey",
    "Bench.summary": "bench",
    "Comparison.summary": "compare",
    "Stacks.functions": "profile",
    **{f"{monitor_class(name).__name__}.frame": name for name in MONITORS},
    "Monitored.cost_by": "cost",
    "Monitored.diff": "diff",
    "Stacks.lines": "profile lines",
    "Plugin.source_lines": "source_lines",
    "Wat.functions": "wat",
    "PaintedSource.by_line": "painted source",
    "PaintedWat.functions": "painted wat",
    "Built.diagnostics": "diagnostics",
    "BuildError.diagnostics": "diagnostics",
    "summarize": "stats",
    **{name: name for name in ESTIMATES},
    "Events.history": "events",
    "Events.subscribers": "subscribers",
    "Notifications.history": "notifications",
    "Notifications.targets": "targets",
    "HttpService.routes": "routes",
    "Routes.frame": "routes",
}
SHOWN = {"read_sweep", "summarize", "survey", "sweep", *ESTIMATES}  # functions whose frames users see
THE_USERS_OWN = {"DatabaseService.table"}
ANY_MONITORS = {"Counted.frame", "Counts.frame", "Monitor.frame", "Monitored.frame"}


def tables() -> dict[str, list[list[str]]]:
    """The rows of each section's table, by the section's name."""
    found: dict[str, list[list[str]]] = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        lines = re.split(r"^# ", section, flags=re.MULTILINE)[0].splitlines()
        found[lines[0]] = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return found


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """One of each, made the way users make it."""
    with jn.Runtime() as rt:
        specimen = rt.load("example:specimen")
        bench = specimen.bench("echo", [1], repeats=1, warmup=0)
        assert list(bench.calls.columns) == [*rt.calls.columns, "side"]
        made = {name: getattr(rt, name) for name in RECORDED}
        swept = jn.sweep(specimen, "echo", ["x"], repeats=1, warmup=0, progress=False)
        varied = [name for name in swept.columns if name not in made["calls"].columns]
        assert list(swept.columns) == [*varied, *made["calls"].columns]
        what = [f"{name}=echo" if name == "watch" else name for name in MONITORS]
        monitored = specimen.monitor("echo", [1], what=what)
        source = '__attribute__((export_name("f"))) int f(int x) { return x + 1; }\n'
        lined = rt.load(jn.build(source, "c", flags="-g").wasm, abi="raw").monitor("f", numbers=[1])
        return made | {
            "sweep": swept[varied],
            "modules": rt.modules.drop(columns=list(jn.survey(PACKAGE / "plugins", progress=False).columns[1:])),
            "survey": jn.survey(PACKAGE / "plugins", progress=False),
            "bench": bench.summary,
            "compare": jn.compare(made["calls"], made["calls"], resamples=10).summary,
            "profile": (profile := specimen.profile("spin", {"ms": 5}, samples=1)).functions,
            "profile lines": profile.lines,
            "source_lines": specimen.source_lines(profile),
            "wat": specimen.wat().functions,
            "diagnostics": jn.build("(func)", lang="wat").diagnostics,
            **{name: getattr(monitored, name) for name in MONITORS},
            "painted source": lined.source().by_line,  # type: ignore[union-attr]
            "painted wat": monitored.wat().functions,
            "diff": monitored.diff(specimen.monitor("echo", "other", what=what)),
            "stats": summarize(made["calls"]),
            **{name: getattr(jn, name)(made["calls"]) for name in ESTIMATES},
            "events": rt.host.events.history,
            "subscribers": rt.host.events.subscribers,
            "notifications": rt.host.notifications.history,
            "targets": rt.host.notifications.targets,
            "routes": rt.host.http.routes,
        }


@pytest.mark.parametrize("name", sorted(set(SECTIONS.values())))
def test_the_page_has_the_columns_that_the_frame_has(frames: dict[str, pd.DataFrame], name: str) -> None:
    named = [row[0].strip("`") for row in tables()[name]]
    assert [column for column in named if not column.endswith("...")] == list(frames[name].columns)


@pytest.mark.parametrize("name", RECORDED)
def test_the_page_says_of_a_recorded_column_what_its_declaration_says(name: str) -> None:
    assert tables()[name] == [list(column.page_row()) for column in SCHEMAS[name].columns.values()]


@pytest.mark.parametrize("name", sorted(set(SECTIONS.values())))
def test_each_column_has_a_source_a_unit_an_error_and_when_it_is_na(name: str) -> None:
    assert [row for row in tables()[name] if len(row) != 5 or not all(row)] == []


@pytest.mark.parametrize("name", sorted(set(SECTIONS.values())))
def test_the_unit_on_the_page_is_that_in_the_columns_name(name: str) -> None:
    for column, _, unit, *_ in tables()[name]:
        for ending, meant in UNITS.items():
            assert not column.endswith(f"{ending}`") or unit == meant


@pytest.mark.parametrize("name", RECORDED)
def test_a_column_that_knows_no_na_is_never_na_on_the_page(frames: dict[str, pd.DataFrame], name: str) -> None:
    never = {row[0].strip("`") for row in tables()[name] if row[4].startswith("never")}
    for column, dtype in frames[name].dtypes.items():
        if isinstance(dtype, pd.DatetimeTZDtype) or str(dtype) in {"int64", "float64"}:
            assert column in never
        elif isinstance(dtype, pd.Int64Dtype | pd.Float64Dtype):
            assert column not in never


def test_no_frame_is_missing_on_the_page() -> None:
    asked = {name for path in PACKAGE.rglob("*.py") for name in _frames_of(ast.parse(path.read_text(encoding="utf-8")))}
    assert asked - THE_USERS_OWN - ANY_MONITORS == set(SECTIONS)
    assert set(SECTIONS.values()) == set(tables())


def _frames_of(module: ast.Module) -> set[str]:
    """What gives a frame in a module: functions, methods, properties, fields."""
    functions = {item.name for item in module.body if isinstance(item, ast.FunctionDef) and _is_frame(item.returns)}
    found = functions & SHOWN
    for house in [item for item in module.body if isinstance(item, ast.ClassDef)]:
        for item in house.body:
            if isinstance(item, ast.FunctionDef) and _is_frame(item.returns):
                found.add(f"{house.name}.{item.name}")
            elif isinstance(item, ast.AnnAssign) and _is_frame(item.annotation):
                found.add(f"{house.name}.{ast.unparse(item.target)}")
    return {name for name in found if not re.search(r"(^|\.)_", name)}


def _is_frame(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) == "pd.DataFrame"


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(
        r"`(tests/[\w/.]+|benchmarks/[\w/.]+)`|python (benchmarks/[\w.]+)", PAGE.read_text(encoding="utf-8")
    )
    paths = [path for pair in named for path in pair if path]
    assert paths
    assert [path for path in paths if not (PACKAGE.parent / path).is_file()] == []
