"""WASI commands: what `Plugin.run` gives and takes, and what a reactor's ``_initialize`` is."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import COMMAND, wat
from tests.support.waiting import PATIENCE, in_some_try, until, until_it_computes

# Writes its arguments with the zeros after them to stderr, copies stdin to stdout seven bytes at a time, and says how
# often it was entered.
COPY = """
  (global $entered (mut i32) (i32.const 48))
  (func (export "_start")
    (global.set $entered (i32.add (global.get $entered) (i32.const 1)))
    (i32.store8 (i32.const 100) (global.get $entered))
    (call $print (i32.const 2) (i32.const 100) (i32.const 1))
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 2048) (i32.const 4096)))
    (call $print (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 20)))
    (loop $more
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 7))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then (call $print (i32.const 1) (i32.const 1024) (i32.load (i32.const 8))) (br $more)))))
"""


def command(body: str, more: str = "") -> bytes:
    return f'(module {COMMAND} (memory (export "memory") 1) {body} {more})'.encode()


def start(body: str, more: str = "") -> bytes:
    return command(f'(func (export "_start") {body})', more)


@pytest.fixture
def copy(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(command(COPY), name="copy")


# --- running ---------------------------------------------------------------------------------------------------------


def test_a_run_sees_its_arguments_and_input_and_gives_its_output(rt: jn.Runtime, copy: jn.Plugin) -> None:
    result = copy.run(["one", "", "zwei drei", "日本"], b"first line\n\x00\xff second")
    assert result.stdout == b"first line\n\x00\xff second"
    assert result.stderr == "1copy\0one\0\0zwei drei\0日本\0".encode()
    assert result.returncode == 0
    assert sorted(rt.logs["stream"]) == ["stderr", "stdout", "stdout"]
    assert (copy.abi, copy.functions, copy.instances) == ("wasi", (), "fresh")


def test_a_run_is_a_row_like_any_call(rt: jn.Runtime, copy: jn.Plugin) -> None:
    record = copy.run(["ab"], b"12345").record
    assert record is not None
    assert (record.function, record.abi, record.outcome, record.origin) == ("_start", "wasi", "ok", "user")
    assert (record.bytes_in, record.bytes_out) == (2 + 5, 5 + 1 + len("copy\0ab\0"))
    assert record.instance_call == 1
    assert record.host_calls == len(rt.host_calls) == 7
    assert list(rt.calls["call_id"]) == [record.call_id]


def test_input_may_be_text_and_there_need_be_none(copy: jn.Plugin) -> None:
    assert copy.run(stdin="grüße").stdout == "grüße".encode()
    assert copy.run().stdout == b""


@pytest.mark.parametrize(
    ("args", "stdin"),
    [("a b", b""), ([b"a"], b""), ([1], b""), (["a\0b"], b""), (["\ud800"], b""), ([], 5), ([], None), ([], "\ud800")],
)
def test_what_is_no_text_or_bytes_is_refused_before_anything_runs(
    rt: jn.Runtime, copy: jn.Plugin, args: Any, stdin: Any
) -> None:
    with pytest.raises(jn.InvalidPayload):
        copy.run(args, stdin)
    assert len(rt.calls) == 0


def test_each_run_has_an_instance_of_its_own(copy: jn.Plugin) -> None:
    copy.initialize()
    for _ in range(3):
        assert copy.run().stderr.startswith(b"1")


def test_a_kind_of_instances_that_was_asked_for_comes_back_with_other_code(rt: jn.Runtime) -> None:
    p = rt.load(command(COPY), name="p", instances=2)
    kinds = [p.instances]
    rt.load(wat('(func (export "f") (param i32 i32) (result i64) (i64.const 0))'), name="p")
    assert [*kinds, p.instances] == ["fresh", 2]


def test_runs_at_the_same_time_have_their_own_input_and_output(copy: jn.Plugin) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for step in range(20):
            text = f"{number} {step} ".encode() * 20
            result = copy.run([str(number)], text)
            if result.stdout != text or result.stderr != f"1copy\0{number}\0".encode():
                wrong.append(result)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_result_shows_the_beginning_of_long_output(copy: jn.Plugin) -> None:
    assert repr(copy.run(stdin=b"hello")) == "RunResult(returncode=0, stdout=b'hello', stderr=b'1copy\\x00')"
    assert len(repr(copy.run(stdin=b"x" * 10_000))) < 200


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"), [(0, "ok"), (1, "guest_error"), (255, "guest_error"), (2**32 - 1, "guest_error")]
)
def test_the_status_of_an_exit_is_the_returncode(rt: jn.Runtime, status: int, outcome: str) -> None:
    body = (
        f"(call $print (i32.const 1) (i32.const 64) (i32.const 3)) (call $proc_exit (i32.const {status})) unreachable"
    )
    p = rt.load(start(body, '(data (i32.const 64) "bye")'), name="p")
    for _ in range(2):
        result = p.run()
        assert (result.returncode, result.stdout) == (status, b"bye")
        assert result.record is not None
        assert (result.record.outcome, result.record.fuel is not None) == (outcome, True)
    assert list(rt.logs["message"]) == ["bye", "bye"]


def test_a_failure_that_was_reported_counts_more_than_the_status(rt: jn.Runtime) -> None:
    fails = '(import "judicia:host" "fail" (func $fail (param i32 i32) (result i64)))'
    body = "(drop (call $fail (i32.const 64) (i32.const 26))) (call $proc_exit (i32.const 0))"
    text = """(data (i32.const 64) "{\\"code\\":\\"c\\",\\"message\\":\\"m\\"}")"""
    p = rt.load(start(body, text).replace(b"(module", b"(module " + fails.encode(), 1), name="p")
    with pytest.raises(jn.GuestError) as failure:
        p.run()
    assert (failure.value.code, failure.value.message) == ("c", "m")


def test_a_trap_is_raised_and_what_was_written_before_is_in_the_log(rt: jn.Runtime) -> None:
    body = "(call $print (i32.const 2) (i32.const 64) (i32.const 4)) unreachable"
    p = rt.load(start(body, '(data (i32.const 64) "oops")'), name="p")
    with pytest.raises(jn.GuestTrap) as trap:
        p.run()
    assert trap.value.trap == "unreachable"
    assert list(rt.logs["message"]) == ["oops"]
    assert not trap.value.state_lost


def lines_until(stop: str) -> bytes:
    """A command that writes three lines and half a fourth, and then does something that ends it."""
    text = "one\\ntwo\\nthree\\nfo"
    body = f"(call $print (i32.const 1) (i32.const 64) (i32.const 16)) {stop}"
    return start(body, f'(data (i32.const 64) "{text}")')


ENDLESS = "(loop $again (br $again))"


@pytest.mark.parametrize(
    ("stop", "quota", "kind"),
    [
        ("unreachable", None, jn.GuestTrap),
        (ENDLESS, {"cpu": "50ms"}, jn.QuotaExceeded),
        (ENDLESS, {"fuel": 100_000}, jn.QuotaExceeded),
        (ENDLESS, {"wall": "100ms", "cpu": "10s"}, jn.QuotaExceeded),
    ],
)
def test_what_was_written_up_to_a_stop_is_in_the_error_and_shown(
    rt: jn.Runtime, stop: str, quota: dict[str, Any] | None, kind: type[jn.CallError]
) -> None:
    p = rt.load(lines_until(stop), name="p")

    def attempt() -> pytest.ExceptionInfo[jn.CallError]:
        with pytest.raises(kind) as ended:
            p.run(quota=quota)
        assert ended.value.stdout  # or the machine paused before the first line, for as long as the limit
        return ended

    ended = in_some_try(attempt)
    assert (ended.value.stdout, ended.value.stderr) == (b"one\ntwo\nthree\nfo", b"")
    said = str(ended.value).splitlines()
    assert said[-5:] == ["  It had written:", "    one", "    two", "    three", "    fo"]
    assert pickle.loads(pickle.dumps(ended.value)).stdout == ended.value.stdout


def test_what_was_written_up_to_a_cancel_is_in_the_error(rt: jn.Runtime) -> None:
    def cancel() -> None:
        until_it_computes(rt)
        p.cancel_calls()

    p = rt.load(lines_until(ENDLESS), name="p", quota={"cpu": PATIENCE, "wall": PATIENCE})
    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(jn.Cancelled) as ended:
        p.run()
    canceller.join()
    assert ended.value.stdout == b"one\ntwo\nthree\nfo"
    assert str(ended.value).splitlines()[0] == "p._start was cancelled."  # nobody said why


def test_of_much_that_was_written_the_end_is_shown(rt: jn.Runtime) -> None:
    p = rt.load(lines_until("(loop $m (call $print (i32.const 1) (i32.const 64) (i32.const 4)) (br $m))"), name="p")
    with pytest.raises(jn.QuotaExceeded) as ended:
        p.run(quota={"log": 500, "cpu": "20s"})
    said = str(ended.value).splitlines()
    assert "  It had written (all of it: error.stdout), in the end:" in said
    assert said[-1] == "    one"
    assert len(said) <= 14


# --- limits ----------------------------------------------------------------------------------------------------------

SPAM = start("(loop $again (call $print (i32.const 1) (i32.const 1024) (i32.const 1000)) (br $again))")


def test_output_beyond_the_log_quota_ends_the_run(rt: jn.Runtime) -> None:
    p = rt.load(SPAM, name="spam")
    with pytest.raises(jn.QuotaExceeded) as ended:
        p.run()
    assert (ended.value.quota, ended.value.limit) == ("log", 1 << 20)
    written = f"{len(ended.value.stdout):_}".replace("_", " ")
    assert str(ended.value).splitlines() == [
        "spam._start wrote 1 049 000 bytes of log, more than its limit of 1 MiB, and was stopped.",
        '  To allow more:  %plugin quota spam --log 2MiB     or  p.policy.set_quota(log="2MiB")',
        f"  It had written {written} bytes that are no text: error.stdout",
    ]


def test_output_beyond_the_answer_quota_ends_the_run(rt: jn.Runtime) -> None:
    p = rt.load(SPAM, name="spam", quota={"log": None})
    with pytest.raises(jn.QuotaExceeded) as ended:
        p.run(quota={"answer": "10KiB"})
    assert (ended.value.quota, ended.value.limit, ended.value.used) == ("answer", 10 << 10, 11_000)
    assert str(ended.value).splitlines() == [
        "spam._start answered 10.7 KiB, more than its limit of 10 KiB, and was stopped.",
        '  To allow more:  p.run(..., quota=jn.Quota(answer="16KiB"))',
        "  It had written 10 240 bytes that are no text: error.stdout",
    ]
    assert ended.value.record is not None
    assert ended.value.record.bytes_out == 10 << 10


def test_input_and_arguments_are_held_to_the_payload_quota(copy: jn.Plugin) -> None:
    assert copy.run(["1234"], b"123456", quota={"payload": 10}).returncode == 0
    with pytest.raises(jn.QuotaExceeded) as ended:
        copy.run(["1234"], b"1234567", quota={"payload": 10})
    assert ended.value.quota == "payload"


def test_a_run_that_sleeps_is_ended_by_an_unload(rt: jn.Runtime) -> None:
    text = '(data (i32.const 80) "\\01") (data (i32.const 88) "\\ff\\ff\\ff\\ff\\ff\\ff")'
    body = """(call $print (i32.const 1) (i32.const 64) (i32.const 1))
      (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 512)))"""
    p = rt.load(start(body, text), name="sleeper", quota={"wall": PATIENCE})

    def unload() -> None:
        until(lambda: p._deployment.running_calls)
        time.sleep(0.05)
        p.unload()

    unloader = threading.Thread(target=unload)
    unloader.start()
    with pytest.raises(jn.Cancelled):
        p.run()
    unloader.join()


# --- which modules are commands --------------------------------------------------------------------------------------


def test_calling_a_command_says_how_it_is_run(copy: jn.Plugin) -> None:
    for function in ("_start", "check"):
        with pytest.raises(
            jn.NoSuchFunction, match=r"copy is a WASI command.*\n.*%plugin run copy .*p\.run\(args=\[\.\.\.\]"
        ):
            copy.call(function)


def test_running_what_is_no_command_says_so(rt: jn.Runtime) -> None:
    with pytest.raises(jn.NoSuchFunction, match="specimen is no WASI command"):
        rt.load("example:specimen").run()


def test_a_command_may_have_a_manifest(rt: jn.Runtime) -> None:
    p = rt.load(command(COPY), manifest={"name": "named", "quota": {"cpu": "10ms"}})
    assert (p.name, p.abi) == ("named", "wasi")
    assert p.run().stderr == b"1named\0"


def test_a_module_with_the_judicia_abi_is_that_whatever_else_it_exports(rt: jn.Runtime) -> None:
    both = '(func (export "_start")) (func (export "f") (param i32 i32) (result i64) (i64.const 0))'
    assert rt.load(wat(both), name="both").abi == "judicia-v1"
    assert rt.load(wat(both), name="asked", abi="wasi").run().returncode == 0


@pytest.mark.parametrize(
    "wat",
    [
        '(module (func (export "_start")))',
        '(module (memory (export "memory") 1) (func (export "_start") (param i32)))',
        '(module (memory (export "memory") 1) (global (export "_start") i32 (i32.const 0)))',
    ],
)
def test_what_only_looks_like_a_command_is_raw(rt: jn.Runtime, wat: str) -> None:
    assert rt.load(wat.encode(), name="p").abi == "raw"
    with pytest.raises(jn.AbiMismatch, match="no WASI command"):
        rt.load(wat.encode(), name="q", abi="wasi")


def test_a_command_can_be_loaded_as_raw(rt: jn.Runtime) -> None:
    p = rt.load(command(COPY), name="p", abi="raw")
    assert p.raw("_start")() is None
    with pytest.raises(jn.NoSuchFunction):
        p.run()


# --- reactors --------------------------------------------------------------------------------------------------------


def reactor(body: str) -> bytes:
    """An ABI 1 plugin whose ``_initialize`` prints ``A`` and then does something, whose on_initialize prints ``B``."""
    return wat(f"""
      {COMMAND}
      (data (i32.const 64) "A\\nB\\n")
      (global $ready (mut i32) (i32.const 0))
      (func (export "_initialize")
        (global.set $ready (i32.add (global.get $ready) (i32.const 1)))
        (call $print (i32.const 1) (i32.const 64) (i32.const 2)) {body})
      (func (export "on_initialize") (param i32 i32) (result i64)
        (call $print (i32.const 1) (i32.const 66) (i32.const 2)) (i64.const 0))
      (func (export "ready") (result i32) (global.get $ready))
      (func (export "leave") (param i32 i32) (result i64) (call $proc_exit (i32.const 1)) (i64.const 0))
    """)


def test_a_reactor_is_initialized_once_in_each_instance_before_anything_else(rt: jn.Runtime) -> None:
    p = rt.load(reactor(""), name="p")
    p.initialize()
    assert list(rt.logs["message"]) == ["A", "B"]
    assert [p.raw("ready")() for _ in range(2)] == [1, 1]
    with pytest.raises(jn.GuestError, match="exited with status 1"):
        p.call("leave")
    assert p.raw("ready")() == 1
    assert len(rt.logs) == 4
    assert list(rt.host_calls["function"]).count("wasi_snapshot_preview1 fd_write") == 4


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("unreachable", jn.GuestTrap),
        ("(call $proc_exit (i32.const 2))", jn.GuestError),
        ("(loop $on (br $on))", jn.QuotaExceeded),
    ],
)
def test_what_goes_wrong_in_initialize_ends_the_call_that_needed_it(
    rt: jn.Runtime, body: str, error: type[jn.CallError]
) -> None:
    p = rt.load(reactor(body), name="p", quota={"cpu": "30ms"})
    for _ in range(2):
        with pytest.raises(error):
            p.raw("ready")()
    assert p.state == "failed"
    assert list(rt.logs["message"]) == ["A", "A"]


def test_an_initialize_of_another_type_is_a_function_like_any(rt: jn.Runtime) -> None:
    wat = """(module (func (export "_initialize") (param i32) (result i32)
      (if (i32.ne (local.get 0) (i32.const 5)) (then unreachable)) (local.get 0)))"""
    p = rt.load(wat.encode(), name="p")
    assert p.raw("_initialize")(5) == 5


def test_a_command_is_no_reactor_even_if_it_exports_initialize(rt: jn.Runtime) -> None:
    both = '(func (export "_start")) (func (export "_initialize") unreachable)'
    assert rt.load(command(both), name="p").run().returncode == 0
