"""What is waited for is said after a second, once a second, and not before."""

from __future__ import annotations

import sys

import pytest

from judicia_notebook.reporting.progress import show_with, waiting


class Page:
    """A line of a notebook."""

    encoding = "utf-8"

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def write(self, text: str) -> None:
        self._texts.append(text)

    def flush(self) -> None:
        pass


def test_a_page_has_one_line_that_counts_seconds() -> None:
    texts: list[str] = []
    lines: list[Page] = []

    def make() -> Page:
        lines.append(Page(texts))
        return lines[-1]

    remove = show_with(make)
    try:
        with waiting("clang compiles", "the first use builds a library") as tick:
            for seconds in (0.0, 0.99, 1.0, 1.5, 2.1, 2.2):
                tick(seconds)
    finally:
        remove()
    text = "clang compiles (the first use builds a library)"
    assert texts == [f"{text}: 1 s", f"{text}: 2 s"]
    assert len(lines) == 1


def test_a_file_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("clang compiles") as tick:
        for seconds in (0.5, 1.0, 2.0, 3.0):
            tick(seconds)
    assert capsys.readouterr().err == "clang compiles ...\n"


def test_no_stderr_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with waiting("clang compiles") as tick:
        tick(2.0)
