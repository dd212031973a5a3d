"""What a contest problem is: its inputs, its programs, and how an output is compared with the answer.

Knows nothing of verdicts. Programs are found by looking: each file in the problem's folder is one, named after who
wrote it.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["exact", "tokens", "float"]

JUDGE = "judge"


@dataclass(frozen=True)
class Problem:
    """One problem of the set.

    Parameters
    ----------
    package
        The Python package with the problem's programs, as its ``__name__``.
    mode
        "exact" compares byte for byte, "tokens" compares the words, "float" compares words that are numbers as numbers.
    small
        Inputs by test name; what the programs print for them is stored.
    big
        Makers of inputs by test name; what the programs print for them is not stored.
    absolute, relative
        With "float": how far a number may be from the answer, and how far in proportion to the answer. Either suffices.
    """

    package: str
    mode: Mode
    small: Mapping[str, str]
    big: Mapping[str, Callable[[], str]]
    absolute: float | None = None
    relative: float | None = None

    @property
    def name(self) -> str:
        return self.package.rpartition(".")[2]

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / "problems" / self.name

    @property
    def contestants(self) -> list[str]:
        """Who sent a program, in alphabetical order."""
        return sorted(path.stem for path in self.folder.glob("*.py") if path.stem not in ("__init__", JUDGE))

    def run(self, author: str, text: str) -> str:
        """What the program of a contestant, or of the judge, prints when it reads `text`."""
        program = importlib.import_module(f"{self.package}.{author}")
        printed = io.StringIO()
        program.main(io.StringIO(text), printed)
        return printed.getvalue()

    def stored(self) -> dict[str, dict[str, str]]:
        """What the programs printed for the small inputs, by test and author."""
        lines = (self.folder / "outputs.jsonl").read_text(encoding="utf-8").splitlines()
        return {row["test"]: row["outputs"] for row in map(json.loads, lines)}

    def outputs(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Each test with its outputs by author, the judge's among them: first the stored ones, then the big ones."""
        yield from self.stored().items()
        for test, make_input in self.big.items():
            text = make_input()
            yield test, {author: self.run(author, text) for author in (JUDGE, *self.contestants)}
