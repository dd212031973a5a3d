"""What every test shares: a runtime of its own, the count of what a test leaves behind, and the account of skips.

- `rt` is a fresh runtime, closed afterwards.
- `site` is the folder of the site, built once for all workers.
- `postgresql_server` is a real PostgreSQL for the whole run, and `postgresql` an empty database in it.
- After each test no thread of ours and no child process may be there that was not there before. What a fixture of a
  wider scope keeps (a kernel, a browser) was there before.
- A skip gives its reason as ``"<what is missing>; enable: <command>"``. At the end they are listed with that command.
  Where ``CI`` is set, one skipped test fails the run: there, everything must be present.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import judicia_notebook as jn
from tests.support.parallel import CLICK, GALLERY, Scheduler, Turns, rank_of, unit_of
from tests.support.site import build_once

# A shell starts its background jobs with Ctrl-C ignored, and some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Containers often have Python keep no compiled modules. Then each of many child processes would compile this package,
# and each worker rewrite all assertions. Workers and children get their environment from here.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PATIENCE = 10  # seconds for a thread or process that is on its way out


@pytest.fixture
def rt() -> Iterator[jn.Runtime]:
    """A runtime that nobody else uses."""
    with jn.Runtime() as runtime:
        yield runtime


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    """A specimen that nobody else uses: a test may change its policy."""
    return rt.load("example:specimen")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it."""
    return build_once(tmp_path_factory.getbasetemp())


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

PASSWORD = "only for these tests"
STARTS_WITHIN = 120  # seconds, on a machine that does much else
_numbers = itertools.count(1)
_servers: set[int] = set()  # begun by the first test that asks, kept for those that follow


def _programs() -> Path:
    """Where the server's programs are; Debian keeps them off the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not folders:
        pytest.skip("there is no PostgreSQL server; enable: apt-get install postgresql")
    return folders[-1].parent


def _unprivileged() -> str | None:
    """The server refuses to run as root; whom it runs as then."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Options to connect as its superuser. It listens on a socket in its own folder only, and asks for passwords."""
    programs, user = _programs(), _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="judicia-pg-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user:
        shutil.chown(folder, user)
        shutil.chown(secret, user)
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # a sanitizer is for us
    made = subprocess.run(
        [
            *(programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256"),
            *(f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C"),
        ],
        user=user,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", "", "-F"],
            user=user,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    _servers.add(server.pid)
    options = f"host={folder} user=postgres password='{PASSWORD}' dbname=postgres"
    try:
        _wait_until_it_answers(options, server, folder / "log")
        yield options
    finally:
        server.send_signal(signal.SIGINT)  # ends sessions, then itself
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(options: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(options, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database, entered as a role that may make roles and is no superuser."""
    name = f"judge{next(_numbers)}"
    host = postgresql_server.partition(" ")[0].removeprefix("host=")
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret'".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        yield f"postgresql://{name}:secret@/{name}?host={host}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# --- leftovers -------------------------------------------------------------------------------------------------------


def our_threads() -> set[threading.Thread]:
    """Threads that somebody has to end: those named as ours, and all that would keep Python from leaving."""
    return {thread for thread in threading.enumerate() if (not thread.daemon or thread.name.startswith("judicia"))}


def child_processes() -> set[psutil.Process]:
    """The children of this process. This is asked twice a test, so the system's own list goes before all processes'."""
    found: set[psutil.Process] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):  # a thread or a child that ended meanwhile
            found.update(psutil.Process(int(pid)) for pid in task.read_text("ascii").split())
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        found.update(psutil.Process().children())
    return {child for child in found if child.pid not in _servers}


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


# --- kinds of tests, and workers -------------------------------------------------------------------------------------

KERNELS = {"shared_kernel", "fresh_kernel", "kernel_environment", "page_kernel"}  # fixtures
TURNS = pytest.StashKey[Turns]()
SLOW = (  # they start programs, wait for time to pass, or do much
    "tests/analysis/runs/test_archive.py",
    "tests/analysis/runs/test_comparison.py",
    "tests/analysis/runs/test_page.py",
    "tests/analysis/test_latency.py",
    "tests/analysis/test_paper.py",
    "tests/analysis/test_plots",
    "tests/analysis/test_survey.py::test_a_long_body",
    "tests/engine/core/test_callbacks.py",
    "tests/engine/core/test_ends_of_processes.py",
    "tests/engine/core/test_gate_sanitized.py",
    "tests/engine/core/test_handlers_of_signals.py",
    "tests/engine/core/test_host_functions.py",
    "tests/engine/core/test_limits_under_load.py",
    "tests/engine/core/test_revoking.py",
    "tests/engine/core/test_scripted_guest.py",
    "tests/engine/test_cache.py",
    "tests/engine/test_compile_apart.py",
    "tests/engine/test_compile_bombs.py",
    "tests/engine/test_data_segments.py",
    "tests/engine/test_ticks.py",
    "tests/engine/test_workers.py",
    "tests/experiments/sweep/",
    "tests/experiments/test_clocks_of_calls.py",
    "tests/experiments/unmetered/",
    "tests/foreign/",
    "tests/host/files/test_files_limits.py",
    "tests/host/test_database",
    "tests/host/test_http_behind_proxy.py",
    "tests/host/wasi/test_programs.py",
    "tests/hostile/",
    "tests/languages/test_build.py",
    "tests/languages/test_compiler_process.py",
    "tests/languages/test_mistakes.py",
    "tests/languages/test_projects.py",
    "tests/languages/test_source_lines.py",
    "tests/limits/",
    "tests/notebook/live/test_call_card.py",
    "tests/notebook/test_saved_notebook.py",
    "tests/plugins/test_clics.py",
    "tests/plugins/test_scoreboard",
    "tests/records/test_columns_page.py",
    "tests/reporting/test_notices.py",
    "tests/runtime/test_fresh_instances.py",
    "tests/runtime/test_way.py",
    "tests/site/",
    "tests/stateful/",
    "tests/test_authors_page.py::test_every_block",
    "tests/test_documents.py::test_every_thread",
    "tests/test_errors_travel.py",
    "tests/test_grading_page.py::test_the_blocks",
    "tests/test_house.py",
    "tests/test_main.py",
    "tests/test_pytest_plugin.py",
    "tests/test_testing_plugins.py::test_colours",
    "tests/wasm/test_dwarf_of_strangers.py::test_megabytes",
    "tests/wasm/test_packed_info.py",
    "tests/wasm/test_sections_against_wasmtime.py",
)


def kinds_of(item: pytest.Item) -> Iterator[str]:
    """The markers of a test, by where it stands and by what it uses."""
    place, fixtures = item.nodeid.partition("::")[0], set(getattr(item, "fixturenames", ()))
    if place.startswith("tests/browser/"):
        yield "browser"
    if place.startswith("tests/notebooks/") or fixtures & KERNELS:
        yield "kernel"
    if place.endswith("/test_soak.py"):
        yield "soak"


def is_fast(item: pytest.Item) -> bool:
    """Whether it is one of those that `make check` runs."""
    given = getattr(item, "callspec", None)
    server = "postgresql_server" in getattr(item, "fixturenames", ()) or (
        given is not None
        and any(isinstance(value, str) and value == "postgresql" for value in given.params.values())  # so fixtures ask
    )
    marked = any(item.get_closest_marker(name) for name in ("browser", "kernel", "soak", "alone"))
    return not (server or marked or item.nodeid.startswith(SLOW))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = set()
    for item in items:
        for kind in kinds_of(item):
            item.add_marker(kind)
        if is_fast(item):
            item.add_marker("fast")
        else:
            slow.add(unit_of(item.nodeid))
    items.sort(key=lambda item: (rank_of(item.nodeid), unit_of(item.nodeid) not in slow))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no collection of garbage in a test has to look through all of it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Send each of the two messages about a test to pytest-rerunfailures at once: the second would wait 40 ms."""
    asking = getattr(getattr(config, "failures_db", None), "sock", None)
    if asking is not None and hasattr(config, "workerinput"):
        asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    return Scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not hasattr(item.config, "workerinput"):  # alone in any case; a child of a worker must not wait for its parent
        return (yield)
    if TURNS not in item.config.stash:
        folder: Path = item.config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]  # all workers'
        item.config.stash[TURNS] = Turns(folder)
    with item.config.stash[TURNS].turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


# --- skips -----------------------------------------------------------------------------------------------------------


def skip_reasons(config: pytest.Config) -> Counter[str]:
    """Why tests were skipped, and how many for each reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", ()) if reporter is not None else ()
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)


def tell_skips(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
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


# --- times that are told and not judged ------------------------------------------------------------------------------


def values_from_tests(terminalreporter: pytest.TerminalReporter, name: str) -> list[Any]:
    """What tests handed over under this name, also from other workers."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    return [value for report in reports if getattr(report, "when", "") == "call"
            for key, value in report.user_properties if key == name]  # fmt: skip


def tell_gallery(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was fetched for tests/foreign/test_gallery.py, and how long it all took."""
    told = values_from_tests(terminalreporter, GALLERY)
    if told:
        terminalreporter.section(GALLERY)
    for line in told:
        terminalreporter.line(line)


def tell_times(terminalreporter: pytest.TerminalReporter) -> None:
    """How long it was from a click to what it does, as the tests in a browser measured it."""
    told = [tuple(value) for value in values_from_tests(terminalreporter, CLICK)]
    if told:
        terminalreporter.section(CLICK)
    for what, kernel, seconds in sorted(told):
        terminalreporter.line(f"{what:32} ipykernel {kernel:8} {1000 * seconds:6.0f} ms")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tell_times(terminalreporter)
    tell_gallery(terminalreporter)
    tell_skips(terminalreporter, config)
