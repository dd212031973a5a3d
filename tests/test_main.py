"""The command line, as somebody at a terminal meets it."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from judicia_notebook import __main__ as command_line
from judicia_notebook.__main__ import (
    QUICKSTART,
    VERDICTS,
    bundled_notebooks,
    copy_lessons,
    jupyter_flags,
    lesson_files,
    main,
)

Captured = pytest.CaptureFixture[str]
PACKAGE = Path(command_line.__file__).parent
PATIENCE = 60  # seconds for a server to start or to end


# --- run, inspect, doctor --------------------------------------------------------------------------------------------


def test_run_prints_the_answer_on_stdout_and_its_cost_on_stderr(capsys: Captured) -> None:
    assert main(["run", "example:specimen", "echo", '{"a": [1, "ü"]}']) == 0
    printed = capsys.readouterr()
    assert printed.out == '{"a": [1, "ü"]}\n'
    assert printed.err.startswith("specimen.echo: ok · ")
    assert len(printed.err.splitlines()) == 1


def test_run_reads_the_payload_from_standard_input(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("[1, 2]"))
    assert main(["run", "example:specimen", "echo", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == [1, 2]


def test_run_stops_a_plugin_at_the_quota_given(capsys: Captured) -> None:
    assert main(["run", "example:specimen", "spin", '{"ms": 60000}', "--cpu", "20ms"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "QuotaExceeded: specimen.spin used " in printed.err
    assert " of 20 ms CPU and was stopped." in printed.err


def test_run_grants_only_what_it_is_told_to(capsys: Captured) -> None:
    call = ["run", "example:specimen", "call_host", '{"service": "clock"}']
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out)["last_error"]["code"] == "capability_denied"
    assert main([*call, "--grant", "wall_clock"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] == 1
    assert main([*call, "--on-denied", "trap"]) == 1
    assert "CapabilityDenied: specimen.call_host needs wall_clock" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["run", "example:chekcer", "check"], "NoSuchExample: "),
        (["run", "example:specimen", "ecko"], "NoSuchFunction: "),
        (["run", "no/such/file.wasm", "f"], "LoadError: "),
        (["run", "example:specimen", "echo", "--grant", "fly"], "PolicyError: "),
        (["run", "example:specimen", "echo", "--cpu", "50"], "PolicyError: "),
        (["run", "example:specimen", "echo", "[NaN]"], "InvalidPayload: "),
        (["inspect", os.devnull], "InvalidModule: "),
        (["inspect", "example:specimen.wasm"], "NoSuchExample: "),
    ],
)
def test_what_cannot_be_carried_out_is_said_in_few_lines(capsys: Captured, arguments: list[str], error: str) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(error)
    assert len(printed.err.splitlines()) <= 3
    assert printed.out == ""


def test_wrong_usage_has_its_own_exit_code(capsys: Captured) -> None:
    assert main(["run", "example:specimen", "echo", "{not json"]) == 2
    assert capsys.readouterr().err.startswith("error: the payload is not JSON: ")
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "example:checker", "--colour"])
    assert ended.value.code == 2
    assert "--colour" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows; enable: run the tests on Linux or macOS")
def test_an_interrupt_ends_a_running_call() -> None:
    program = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); from {PACKAGE.name}.__main__ import main"
    call = ["run", "example:specimen", "spin", '{"ms": 600000}', "--cpu", "60s", "--wall", "10min"]
    said = "import signal, threading, os; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; {said}; sys.exit(main({call}))"], capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 130, done.stderr
    assert b"Traceback" not in done.stderr


def test_inspect_shows_imports_and_functions_without_running_anything(capsys: Captured) -> None:
    assert main(["inspect", "example:specimen"]) == 0
    printed = capsys.readouterr().out
    for text in ("judicia:clock", "wall_clock", "spin", "call_host"):
        assert text in printed


def test_doctor_names_the_versions(capsys: Captured) -> None:
    assert main(["doctor"]) == 0
    assert "wasmtime" in capsys.readouterr().out


def test_a_missing_extra_is_said_with_the_line_that_installs_it(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["lab", "--dir", str(tmp_path / "lessons")]) == 2
    assert "pip install 'judicia-notebook[lab]'" in capsys.readouterr().err
    assert not (tmp_path / "lessons").exists()


# --- lab -------------------------------------------------------------------------------------------------------------


def test_lessons_are_copied_whole_and_a_changed_one_is_kept(tmp_path: Path) -> None:
    lessons = bundled_notebooks()
    assert copy_lessons(lessons, tmp_path) == []
    assert (tmp_path / QUICKSTART).read_bytes() == (lessons / QUICKSTART).read_bytes()
    assert list(lesson_files(tmp_path)) == list(lesson_files(lessons))
    (tmp_path / QUICKSTART).write_text("mine")
    another = next(path for path in lesson_files(lessons) if path != Path(QUICKSTART))
    (tmp_path / another).unlink()
    assert copy_lessons(lessons, tmp_path) == [Path(QUICKSTART)]
    assert (tmp_path / QUICKSTART).read_text() == "mine"
    assert (tmp_path / another).exists()


@pytest.mark.parametrize(
    ("place", "browser"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "w"}, True),
        ({}, False),
        ({"DISPLAY": ":0", "CI": "true"}, False),
    ],
)
def test_a_browser_is_opened_only_where_somebody_can_see_it(
    monkeypatch: pytest.MonkeyPatch, place: dict[str, str], browser: bool
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("webbrowser.get", object)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    assert ("--no-browser" not in jupyter_flags()) == browser


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_only_root_is_told_that_root_may(monkeypatch: pytest.MonkeyPatch, user: int, allowed: bool) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user, raising=False)
    assert ("--allow-root" in jupyter_flags()) == allowed


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows; enable: run the tests on Linux or macOS")
def test_lab_serves_the_quickstart_where_there_is_no_screen(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"CI": "true", "IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_TOKEN": "letmein"}
    env = os.environ | own | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "judicia_notebook", "lab", "--dir", str(tmp_path / "lessons")]
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.port={port}"], env=env, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}/api/contents/{QUICKSTART}?content=0&token=letmein"
            found = wait_for(address, server)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
        printed = (tmp_path / "log").read_text()
    assert found["type"] == "notebook", printed
    assert f":{port}/lab/tree/{QUICKSTART}?token=" in printed
    assert (tmp_path / "lessons" / QUICKSTART).is_file()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> dict[str, str]:
    """Asks until the server answers; an empty answer when it ended or took too long."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as response:
                answer: dict[str, str] = json.load(response)
                return answer
        except OSError:
            time.sleep(0.1)
    return {"type": "none"}


# --- demo ------------------------------------------------------------------------------------------------------------


def lesson_with(folder: Path, *cells: str) -> Path:
    """A folder that holds a small quickstart; the last cell is the one that shows the verdicts."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[-1].metadata["tags"] = [VERDICTS]
    folder.mkdir()
    nbformat.write(notebook, folder / QUICKSTART)
    return folder


def test_demo_runs_a_copy_prints_the_verdicts_and_reports(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lessons = lesson_with(tmp_path / "lessons", "open('made', 'w').close()", "print('12 of 12 as expected')\n6 * 7")
    monkeypatch.setattr(command_line, "bundled_notebooks", lambda: lessons)
    report = tmp_path / "report.html"
    assert main(["demo", "--output", str(report)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "12 of 12 as expected\n42\n"
    assert f"{QUICKSTART}: 2 of 2 cells ran" in printed.err
    assert str(report) in printed.err
    html = report.read_text("utf-8")
    assert "12 of 12 as expected" in html
    assert 'src="http' not in html
    assert 'href="http' not in html
    assert [path.name for path in lessons.iterdir()] == [QUICKSTART]


def test_demo_fails_when_the_lesson_does(capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lessons = lesson_with(tmp_path / "lessons", "assert 1 == 2, '1 verdict differs'", "print('never')")
    monkeypatch.setattr(command_line, "bundled_notebooks", lambda: lessons)
    report = tmp_path / "report.html"
    assert main(["demo", "--output", str(report)]) == 1
    printed = capsys.readouterr()
    assert "FAILED: AssertionError: 1 verdict differs" in printed.err
    assert printed.out == ""
    assert "1 verdict differs" in report.read_text("utf-8")
