"""The command line, as somebody at a terminal meets it."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.command_line import demo
from judicia_notebook.command_line.demo import VERDICTS
from judicia_notebook.command_line.lab import jupyter_flags
from judicia_notebook.command_line.lessons import QUICKSTART, bundled_notebooks, copy_lessons, lesson_files
from tests.support.guests import COMMAND
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE

Captured = pytest.CaptureFixture[str]
PACKAGE = Path(jn.__file__).parent


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
    # After so many seconds the call need not have begun: it has, once ticks have found a guest for a while.
    press = f"""
import os, signal, threading, time
from {PACKAGE.name}.engine import ticks
def press():
    seen = 0
    while seen < 20:
        seen = seen + 1 if ticks.running() else 0
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press, daemon=True).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{press}\nsys.exit(main({call}))"], capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 130, done.stderr
    assert b"Traceback" not in done.stderr


# A WASI command that copies its arguments to stderr and its input to stdout, and exits with what its first byte says.
COPY = f"""(module {COMMAND}
  (memory (export "memory") 2)
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 2048) (i32.const 4096)))
    (call $print (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $print (i32.const 1) (i32.const 65536) (i32.load (i32.const 8)))
    (if (i32.eq (i32.load8_u (i32.const 65536)) (i32.const 63)) (then
      (drop (call $random (i32.const 0) (i32.const 4)))))
    (if (i32.eq (i32.load8_u (i32.const 65536)) (i32.const 33)) (then (loop $more (br $more))))
    (call $proc_exit (i32.load8_u (i32.const 65536)))))"""


@pytest.fixture
def copy(tmp_path: Path) -> str:
    path = tmp_path / "copy.wat"
    path.write_text(COPY)
    return str(path)


def run_copy(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """``run`` in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "judicia_notebook", "run", *words]
    return subprocess.run(command, input=data, env=env, capture_output=True, timeout=PATIENCE)


def test_run_hands_a_commands_arguments_input_output_and_status_on(copy: str) -> None:
    done = run_copy(copy, "one", "--cpu", "900ms", "two", "--", "-v", "--cpu", "--", "x", data=b"\x03\xff\0\n\r\n")
    assert done.stdout == b"\x03\xff\0\n\r\n"
    assert done.stderr == b"copy\0one\0two\0-v\0--cpu\0--\0x\0"
    assert done.returncode == 3


def test_run_of_a_command_says_its_cost_where_that_is_asked_for_and_what_would_allow_more(copy: str) -> None:
    assert b"copy._start: guest_error \xc2\xb7 " in run_copy(copy, "-v", data=b"1").stderr
    denied = run_copy(copy, data=b"?").stderr
    assert b"1 denied" in denied
    assert b"To allow it:  --grant random\n" in denied
    assert run_copy(copy, "--grant", "random", data=b"?").stderr == b"copy\0"


def test_a_limit_ends_a_command_and_what_it_wrote_before_is_there(copy: str) -> None:
    ended = run_copy(copy, "--cpu", "30ms", data=b"!already")
    assert (ended.returncode, ended.stdout) == (1, b"!already\n")
    assert b"QuotaExceeded: copy._start used " in ended.stderr
    large = run_copy(copy, "--payload", "10B", data=b"x" * 1000)
    assert (large.returncode, large.stdout) == (1, b"")
    assert b"was given 11 B of payload, more than its limit of 10 B" in large.stderr


@pytest.mark.parametrize(("said", "shown"), [(b"\0", 0), (b"\x01", 1), (b"\xff", 255)])
def test_a_commands_status_is_ours(copy: str, monkeypatch: pytest.MonkeyPatch, said: bytes, shown: int) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(said)))
    assert main(["run", copy]) == shown


def test_a_status_that_no_process_can_have_is_never_a_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.wat"
    path.write_text(
        COPY.replace("(call $proc_exit (i32.load8_u (i32.const 65536)))", "(call $proc_exit (i32.const 256))")
    )
    monkeypatch.setattr("sys.stdin", None)
    assert main(["run", str(path)]) == 255


def test_a_terminal_is_not_read(copy: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(b"typed"))
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["run", copy]) == 0
    assert capfd.readouterr().out == ""


def test_a_reader_that_leaves_is_no_error_of_ours(copy: str) -> None:
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "judicia_notebook", "run", copy],
            input=b"x" * 1000, env=env, stdout=write, stderr=subprocess.PIPE, timeout=PATIENCE,
        )  # fmt: skip
    finally:
        os.close(write)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["example:checker"], "Its functions: check, check_bytes"),
        (["example:checker", "check", "1", "2"], "at most one JSON value"),
        (["example:checker", "check", "--", "{"], "the payload is not JSON"),
    ],
)
def test_run_of_a_plugin_needs_a_function_and_says_which_there_are(
    capsys: Captured, words: list[str], said: str
) -> None:
    assert main(["run", *words]) == 2
    assert said in capsys.readouterr().err


def test_words_may_stand_around_options_and_what_begins_with_a_dash_behind_two(capsys: Captured) -> None:
    assert main(["run", "--cpu", "1s", "example:specimen", "--wall", "5s", "echo", "--fuel", "9999999", "7"]) == 0
    assert main(["run", "example:specimen", "echo", "--", "-7"]) == 0
    assert capsys.readouterr().out == "7\n-7\n"
    with pytest.raises(SystemExit):
        main(["run", "example:specimen", "echo", "--colour"])
    assert "stands after --" in capsys.readouterr().err


def test_inspect_shows_imports_and_functions_without_running_anything(capsys: Captured) -> None:
    assert main(["inspect", "example:specimen"]) == 0
    printed = capsys.readouterr().out
    for text in ("judicia:clock", "wall_clock", "spin", "call_host"):
        assert text in printed


def test_build_writes_the_module_of_a_source(tmp_path: Path, capsys: Captured) -> None:
    source = tmp_path / "plugin.wat"
    source.write_text('(func (export "f") (result i32) (i32.const 7))')
    assert main(["build", str(source)]) == 0
    assert (tmp_path / "plugin.wasm").read_bytes()[:4] == b"\0asm"
    assert "of WebAssembly" in capsys.readouterr().out
    source.write_text("(func")
    assert main(["build", str(source), "-o", str(tmp_path / "other.wasm")]) == 1
    assert "line 1, column 1" in capsys.readouterr().err
    assert not (tmp_path / "other.wasm").exists()
    assert main(["build", str(source), "-O2"]) == 2
    assert main(["build", str(tmp_path / "nowhere.c")]) == 1
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    assert "compilers here:" in capsys.readouterr().out


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
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"CI": "true", "IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_TOKEN": "letmein"}
    env = os.environ | own | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "judicia_notebook", "lab", "--dir", str(tmp_path / "lessons")]
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.port={free_port()}"], env=env, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            port, found = wait_for(f"api/contents/{QUICKSTART}?content=0&token=letmein", tmp_path / "RUNTIME", server)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
        printed = (tmp_path / "log").read_text()
    assert found["type"] == "notebook", printed
    assert f":{port}/lab/tree/{QUICKSTART}?token=" in printed
    assert (tmp_path / "lessons" / QUICKSTART).is_file()


def wait_for(path: str, announced: Path, server: subprocess.Popen[bytes]) -> tuple[int, dict[str, str]]:
    """Asks until the server answers: its port and the answer, which is empty when it ended or took too long.

    Where the port was taken in the meantime the server took another, and says so in its file.
    """
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            (file,) = announced.glob("jpserver-*.json")
            port = int(json.loads(file.read_text())["port"])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE) as response:
                return port, json.load(response)
        except (OSError, ValueError):
            time.sleep(0.1)
    return 0, {"type": "none"}


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
    monkeypatch.setattr(demo, "bundled_notebooks", lambda: lessons)
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
    monkeypatch.setattr(demo, "bundled_notebooks", lambda: lessons)
    report = tmp_path / "report.html"
    assert main(["demo", "--output", str(report)]) == 1
    printed = capsys.readouterr()
    assert "FAILED: AssertionError: 1 verdict differs" in printed.err
    assert printed.out == ""
    assert "1 verdict differs" in report.read_text("utf-8")
