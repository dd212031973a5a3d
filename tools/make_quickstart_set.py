"""Makes what notebooks/quickstart stores: the programs' outputs and the verdicts they deserve.

Run it after changing a problem, a program or an input::

    python tools/make_quickstart_set.py             # writes */outputs.jsonl and expected.csv
    python tools/make_quickstart_set.py --check     # writes nothing; fails if they are not what it would write

Every program is run as a contest runs it, a process of its own that reads stdin and writes stdout.

The verdicts come from `verdict` below, a second checker that shares nothing with the plugin the quickstart judges
with. It says:

- White space is space, tab, line feed, carriage return, form feed and vertical tab. Tokens are what it separates.
- tokens: accepted if both sides have the same tokens in the same order, compared as they are, capitals and all.
- float: the same, but where both tokens are decimal numbers (``-3``, ``.5``, ``1e-4``; not ``nan``, not ``inf``) they
  are compared as numbers: accepted if they differ by at most `absolute`, or by at most `relative` times the size of
  the answer's.
- exact: accepted if both sides are equal byte for byte; presentation_error if only their tokens are equal; else
  wrong_answer.

Numbers are compared as exact fractions. A number whose error is within a factor of two of what is allowed stops the
run: rounding, or another reading of "relative", could then decide the verdict, and such a test belongs in the
checker's own tests.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

from quickstart.problem import JUDGE  # noqa: E402
from quickstart.problems import PROBLEMS  # noqa: E402
from quickstart.submissions import EXPECTED  # noqa: E402

if TYPE_CHECKING:
    from quickstart.problem import Problem
    from quickstart.submissions import Verdict

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def tokens(text: str) -> list[str]:
    return re.findall(r"[^ \t\n\r\f\v]+", text)


def number_agrees(output: str, answer: str, absolute: float, relative: float) -> bool:
    """Whether a number is close enough to the answer's. ValueError if it is a near thing."""
    expected = Fraction(answer)
    error = abs(Fraction(output) - expected)
    allowed = max(Fraction(absolute), Fraction(relative) * abs(expected))
    if allowed / 2 < error < allowed * 2:
        raise ValueError(f"{output} against {answer}: too near the tolerance to be a clear case")
    return error <= allowed


def token_agrees(output: str, answer: str, problem: Problem) -> bool:
    if problem.mode == "float" and NUMBER.fullmatch(output) and NUMBER.fullmatch(answer):
        return number_agrees(output, answer, problem.absolute or 0, problem.relative or 0)
    return output == answer


def verdict(output: str, answer: str, problem: Problem) -> Verdict:
    """What an output deserves; the rules stand at the top of this file."""
    if problem.mode == "exact":
        if output == answer:
            return "accepted"
        return "presentation_error" if tokens(output) == tokens(answer) else "wrong_answer"
    given, wanted = tokens(output), tokens(answer)
    if len(given) != len(wanted):
        return "wrong_answer"
    agreed = [token_agrees(token, answer_token, problem) for token, answer_token in zip(given, wanted, strict=True)]
    return "accepted" if all(agreed) else "wrong_answer"


def run(problem: Problem, author: str, text: str) -> str:
    """What a program prints, run by itself and without this process's environment. CalledProcessError if it fails."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(problem.folder / f"{author}.py")]
    return subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()


def run_all(problem: Problem, text: str) -> dict[str, str]:
    return {author: run(problem, author, text) for author in (JUDGE, *problem.contestants)}


def make() -> tuple[dict[Path, str], Counter[str]]:
    """The text of every file to store, and how often each verdict occurs."""
    files: dict[Path, str] = {}
    rows: list[tuple[str, str, str, str]] = []
    for problem in PROBLEMS:
        small = {test: run_all(problem, text) for test, text in problem.small.items()}
        big = {test: run_all(problem, make_input()) for test, make_input in problem.big.items()}
        lines = (json.dumps({"test": test, "outputs": outputs}, ensure_ascii=False) for test, outputs in small.items())
        files[problem.folder / "outputs.jsonl"] = "".join(f"{line}\n" for line in lines)
        rows.extend(judged(problem, small | big))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("problem", "test", "contestant", "verdict"))
    writer.writerows(rows)
    files[EXPECTED] = table.getvalue()
    return files, Counter(row[3] for row in rows)


def judged(problem: Problem, outputs_of: dict[str, dict[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    for test, outputs in outputs_of.items():
        for contestant in problem.contestants:
            yield problem.name, test, contestant, verdict(outputs[contestant], outputs[JUDGE], problem)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the quickstart's stored outputs and expected verdicts.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stored file is out of date")
    check = parser.parse_args().check
    files, verdicts = make()
    stale = [path for path, text in files.items() if not path.exists() or path.read_bytes() != text.encode()]
    for path in stale:
        print("out of date:" if check else "written:", path.relative_to(NOTEBOOKS))
        if not check:
            path.write_bytes(files[path].encode())
    print(f"{verdicts.total()} submissions:", ", ".join(f"{count} {kind}" for kind, count in sorted(verdicts.items())))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
