"""What every test shares: a runtime of its own, the count of what a test leaves behind, and the account of skips.

- `rt` is a fresh runtime, closed afterwards.
- After each test no thread of ours and no child process may be there that was not there before. What a fixture of a
  wider scope keeps (a kernel, a browser) was there before.
- A skip gives its reason as ``"<what is missing>; enable: <command>"``. At the end they are listed with that command.
  Where ``CI`` is set, one skipped test fails the run: there, everything must be present.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

import judicia_notebook as jn

# A shell starts its background jobs with Ctrl-C ignored, and some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE = 10  # seconds for a thread or process that is on its way out
KEPT_BY_THE_ENGINE = "judicia-ticker"  # one for the whole process; it sleeps while no call runs


@pytest.fixture
def rt() -> Iterator[jn.Runtime]:
    """A runtime that nobody else uses."""
    with jn.Runtime() as runtime:
        yield runtime


# --- leftovers -------------------------------------------------------------------------------------------------------


def our_threads() -> set[threading.Thread]:
    """Threads that somebody has to end: those named as ours, and all that would keep Python from leaving."""
    return {
        thread
        for thread in threading.enumerate()
        if (not thread.daemon or thread.name.startswith("judicia")) and thread.name != KEPT_BY_THE_ENGINE
    }


def child_processes() -> set[psutil.Process]:
    return set(psutil.Process().children())


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    threads, processes = our_threads(), child_processes()
    yield
    deadline = time.monotonic() + PATIENCE
    while True:
        left = [*(our_threads() - threads), *(child_processes() - processes)]
        if not left:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {', '.join(map(str, left))}")
        time.sleep(0.02)


# --- skips -----------------------------------------------------------------------------------------------------------


def skip_reasons(config: pytest.Config) -> Counter[str]:
    """Why tests were skipped, and how many for each reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", ()) if reporter is not None else ()
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reasons = skip_reasons(config)
    if not reasons:
        return
    verdict = "a failure here, because CI is set" if os.environ.get("CI") else "listed with what would enable them"
    terminalreporter.section(f"skipped tests, {verdict}")
    for reason, count in sorted(reasons.items()):
        what, _, command = reason.partition("; enable: ")
        terminalreporter.line(f"{count:4} x {what}")
        terminalreporter.line(f"       {command or '(the test does not say how)'}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK and skip_reasons(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
