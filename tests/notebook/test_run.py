"""``%plugin run``: WASI commands from a notebook, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.guests import COMMAND

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

# Copies its arguments to stderr and its stdin to stdout, and exits with the number of arguments after its name.
COPY = f"""(module {COMMAND}
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 2048) (i32.const 4096)))
    (call $print (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 20)))
    (loop $more
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 512))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then (call $print (i32.const 1) (i32.const 1024) (i32.load (i32.const 8))) (br $more))))
    (call $proc_exit (i32.sub (i32.load (i32.const 16)) (i32.const 1)))))"""
ENDLESS = '(module (memory (export "memory") 1) (func (export "_start") (loop $more (br $more))))'
ASKS = """(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1) (func (export "_start") (drop (call $random (i32.const 0) (i32.const 8)))))"""


@pytest.fixture
def copy(kernel: Kernel, tmp_path: Path) -> Kernel:
    """A kernel with three commands, and a plugin that is none."""
    for name, text in (("copy", COPY), ("endless", ENDLESS), ("asks", ASKS)):
        (tmp_path / f"{name}.wat").write_text(text)
        kernel.run(f"%plugin load {tmp_path / name}.wat")
    kernel.run("%plugin load example:checker")
    return kernel


# --- what it is given, and gives -------------------------------------------------------------------------------------


def test_a_run_returns_what_it_wrote_and_its_status(copy: Kernel) -> None:
    copy.run("r = %plugin run copy one 'two words' --stdin 'in {put} $x' -- -v --stdin")
    assert copy.value("(r.stdout, r.stderr, r.returncode)") == (
        b"in {put} $x",
        b"copy\0one\0two words\0-v\0--stdin\0",
        4,
    )
    assert copy.value("(r.record.outcome, r.record.abi)") == ("guest_error", "wasi")


def test_a_run_without_anything_reads_nothing(copy: Kernel) -> None:
    copy.run("r = %plugin run copy")
    assert copy.value("(r.stdout, r.stderr, r.returncode)") == (b"", b"copy\0", 0)


def test_a_cell_is_the_input_and_may_fill_a_variable(copy: Kernel) -> None:
    shown = copy.run("%%plugin run copy a -- -o\nfirst line\n  {second} $line\n")
    assert "    first line\n      {second} $line\n" in shown.text
    kept = copy.run("%%plugin run copy -o kept -- -o\n1\n2")
    assert kept.value == {}
    assert copy.value("(kept.stdout.split(), kept.stderr)") == ([b"1", b"2"], b"copy\0-o\0")


def test_the_help_of_a_command_is_its_own(copy: Kernel) -> None:
    copy.run("r = %plugin run copy -- --help")
    assert copy.value("r.stderr") == b"copy\0--help\0"
    assert copy.run("%plugin run copy --help").stdout.startswith("usage: %plugin run")


# --- how it is shown -------------------------------------------------------------------------------------------------


def test_a_result_shows_its_status_its_output_and_its_cost(copy: Kernel) -> None:
    reply = copy.run("%plugin run copy x --stdin hello")
    first, *rest = reply.text.splitlines()
    assert first == "exit status 1"
    assert rest[:2] == ["  stdout", "    hello"]
    assert rest[-1].startswith("  cost  copy._start: guest_error · ")
    assert "<pre" in reply.value["text/html"]
    assert copy.run("%plugin run endless --cpu 20ms --expect quota_cpu").text == ""
    silent = copy.run("%plugin run asks").text.splitlines()[0]
    assert silent == "ok · wrote nothing"


def test_output_is_shown_as_text_whatever_is_in_it(copy: Kernel) -> None:
    reply = copy.run("rt.plugin('copy').run(stdin='<img src=x onerror=alert(1)>\\x1b[31m\\u202e\\nnext')")
    assert "<img" not in reply.value["text/html"]
    assert "&lt;img" in reply.value["text/html"]
    assert not any(mark in part for part in reply.value.values() for mark in "\x1b\u202e\0")
    assert "    next\n" in reply.text
    inside = copy.run("[rt.plugin('copy').run()]").text
    assert inside.startswith("[RunResult(returncode=0, ")


def test_a_loaded_command_says_how_it_is_run(copy: Kernel) -> None:
    assert "%plugin run copy" in copy.run("rt.plugin('copy')").text
    lines = [line.split("Try:")[1].strip() for line in copy.run("%plugin").output.splitlines() if "Try:" in line]
    assert "%plugin run copy" in lines


# --- limits and expectations -----------------------------------------------------------------------------------------


def test_limits_hold_for_one_run_and_the_error_names_the_way_to_more(copy: Kernel) -> None:
    reply = copy.run("%plugin run endless --cpu 20ms")
    assert reply.error == "QuotaExceeded"
    assert "p.run(..., quota=jn.Quota(cpu=" in reply.traceback
    assert copy.value("rt.plugin('endless').policy.quota.cpu") == 1.0
    log = copy.run("%%plugin run copy --log 1KiB\n" + "x" * 3000)
    assert "copy._start wrote 1 029 bytes of log, more than its limit of 1 KiB, and was stopped." in log.traceback


def test_a_status_a_limit_and_a_denial_can_be_expected(copy: Kernel) -> None:
    status = copy.run("r = %plugin run copy a b --expect guest_error")
    first, second = status.stdout.splitlines()
    assert first == "As expected (guest_error): copy exited with status 2."
    assert second.startswith("  copy._start: guest_error")
    assert copy.value("r.returncode") == 2
    limit = copy.run("%plugin run endless --cpu 20ms --expect quota_cpu").stdout
    assert limit.startswith("As expected (quota_cpu): endless._start used ")
    denied = copy.run("%plugin run asks --expect denied").stdout
    assert "was denied random" in denied
    assert copy.run("%plugin run copy --expect guest_error").error == "JudiciaError"


def test_the_cost_is_printed_where_it_is_asked_for_or_something_was_denied(copy: Kernel) -> None:
    assert copy.run("r = %plugin run copy").stdout == ""
    assert copy.run("r = %plugin run copy -v").stdout.startswith("copy._start: ok · ")
    assert "1 denied" in copy.run("r = %plugin run asks").stdout


@pytest.mark.parametrize(
    "cell",
    [
        "%plugin run copy -v",
        "%plugin run asks",
        "%plugin run asks -v",
        "%%plugin run copy -v\nsome input",
        "%plugin run copy --stdin x -v ;",
        "%plugin run copy --expect guest_error -- fail",
        "x = 1\n%plugin run copy -v",
        "%plugin run copy -v\nx = 1",
        "r = %plugin run copy -v",
        "%%plugin run copy -o r -v\nsome input",
        "%plugin run endless --cpu 20ms --expect quota_cpu",
    ],
)
def test_the_cost_is_said_once(copy: Kernel, cell: str) -> None:
    output = copy.run(cell).output
    assert output.count(" cpu)") == 1, output


def test_a_run_that_is_stopped_shows_what_it_wrote(copy: Kernel) -> None:
    copy.run("import judicia_notebook as jn")
    text = r"before the end\n"
    source = f"""(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{text}")
      (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 15))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (loop $again (br $again))))"""
    copy.run(f"_ = jn.get_runtime().load({source!r}, name='talks')")
    assert "    before the end" in copy.run("%plugin run talks --cpu 20ms").traceback
    assert "before the end" in copy.run("%plugin run talks --cpu 20ms --expect quota_cpu").stdout
    assert "    before the end" in copy.run("rt.plugin('talks').run(quota={'cpu': '20ms'})").traceback


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("%plugin run chekcer", "NoSuchPlugin", "Did you mean 'checker'?"),
        ("%plugin run checker", "NoSuchFunction", "checker is no WASI command"),
        ("%plugin call copy._start", "NoSuchFunction", "%plugin run copy"),
    ],
)
def test_what_cannot_be_run_says_why(copy: Kernel, line: str, error: str, said: str) -> None:
    reply = copy.run(line)
    assert (reply.error, said in reply.traceback) == (error, True), reply.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%plugin run copy -V", "stand behind --"),
        ("%plugin run copy 'open", "not closed"),
        ("%%plugin run copy --stdin x\nbody", "no option --stdin"),
        ("%%plugin run copy -o a.b\nbody", "the name of a variable"),
    ],
)
def test_a_wrong_line_is_a_usage_error(copy: Kernel, line: str, said: str) -> None:
    reply = copy.run(line)
    assert reply.stderr.startswith("UsageError: "), reply.output
    assert said in reply.stderr
    assert len(reply.stderr.splitlines()) <= 2


def test_completion_offers_commands_alone_and_nothing_behind_the_dashes(copy: Kernel) -> None:
    def words(line: str) -> list[str]:
        return [text.split(" ")[-1] for text in copy.complete(line)]

    assert words("%plugin run ") == ["copy", "endless", "asks"]
    assert words("%%plugin run en") == ["endless"]
    assert words("%plugin run copy --std") == ["--stdin"]
    assert "--stdin" not in words("%plugin run copy -- --std")
