"""``test``: a plugin's cases, for its author's CI.

Exit codes: 0 all cases passed, 1 a case failed or the plugin cannot be built or loaded, 2 the folder or its file of
cases cannot be taken as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.command_line.endings import WrongUsage, complain
from judicia_notebook.command_line.subcommand import add_command
from judicia_notebook.experiments.cases.folder import find_plugin, prepare
from judicia_notebook.experiments.cases.junit import as_junit
from judicia_notebook.experiments.cases.reading import FILE, Cases, CasesError, read_cases
from judicia_notebook.experiments.cases.running import Verdict, run_case
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_time

_CODES = {"ok": "32", "FAIL": "1;31"}


def add(commands: Any) -> None:
    command = add_command(commands, "test", carry_out, "run the cases of a plugin, each in a sandbox of its own")
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="has the plugin, a source or a .wasm, and its cases"
    )
    command.add_argument("--cases", type=Path, metavar="FILE", help=f"the cases (default: {FILE} in FOLDER)")
    command.add_argument("-k", dest="only", metavar="TEXT", help="only the cases with this text in their name")
    command.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts there, too, as JUnit's XML")


def carry_out(options: argparse.Namespace) -> int:
    """Runs the cases of the plugin in a folder."""
    try:
        if not options.folder.is_dir():
            raise CasesError("there is no such folder", file=str(options.folder))
        cases = read_cases(options.cases or options.folder / FILE)
        plugin = find_plugin(options.folder, cases)
        chosen = [case for case in cases.cases if options.only is None or options.only in case.name]
        if not chosen:
            raise CasesError(f"no case has {printable(options.only, 80)!r} in its name", file=cases.file)
        with tempfile.TemporaryDirectory(prefix="judicia-test-") as place:
            began = time.perf_counter()
            module, built = prepare(plugin, cases, Path(place))
            for row in built.rows if built is not None else ():
                print("\n".join(row.lines()), file=sys.stderr)
            with jn.Runtime() as runtime:  # what no case can change is told once
                runtime.load(module, unknown_imports=_unknown_imports(cases), features=_features(cases))
            print(f"{printable(plugin.name)}: {built if built is not None else 'as it is'}", flush=True)
            verdicts = [_tell(run_case(case, module)) for case in chosen]
            took = time.perf_counter() - began
    except CasesError as error:
        raise WrongUsage(str(error)) from None
    except jn.JudiciaError as error:
        return complain(error)
    failed = sum(not verdict.passed for verdict in verdicts)
    parts = [f"{len(verdicts) - failed} passed", *([f"{failed} failed"] if failed else [])]
    left_out = len(cases.cases) - len(chosen)
    parts += [f"{left_out} left out"] if left_out else []
    print(f"{', '.join(parts)} in {format_time(took)}")
    if options.junit is not None:
        _write(options.junit, as_junit(plugin.name, verdicts))
    return 1 if failed else 0


def _unknown_imports(cases: Cases) -> str | None:
    """What the first load allows: as much as any case does."""
    return "trap" if any(case.setting.unknown_imports == "trap" for case in cases.cases) else None


def _features(cases: Cases) -> tuple[str, ...] | None:
    return tuple({name for case in cases.cases for name in case.setting.features or ()}) or None


def _tell(verdict: Verdict) -> Verdict:
    """Prints a case's line, and below it what was not as expected."""
    word = "ok" if verdict.passed else "FAIL"
    cost = [format_time(verdict.record.wall_ms / 1e3)] if verdict.record is not None else []
    if verdict.record is not None and verdict.record.fuel is not None:
        cost.append(f"{format_count(verdict.record.fuel)} fuel")
    shown = f"\x1b[{_CODES[word]}m{word:<4}\x1b[0m" if _has_colours() else f"{word:<4}"
    print(f"  {shown}  {printable(verdict.case.name, 80):<40}  {' · '.join(cost)}".rstrip(), flush=True)
    for problem in verdict.problems:
        print(f"        {problem}", flush=True)
    return verdict


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}") from None
