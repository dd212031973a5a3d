"""JSON that costs its reader more than its writer: long locks, deep stacks, much memory, in each place it is read.

The texts are small, since a plugin writes a megabyte of them in a millisecond. A test of time goes on calling another
plugin meanwhile, whose wall limit is 100 ms; without the wall it is named for, that takes seconds.
"""

from __future__ import annotations

import json
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.waiting import in_some_try

Survives = Callable[[str], list[str]]

FLOATS = b"[" + b",".join([b"1e308"] * 250_000) + b"]"
ON_TIME = 0.6
"""How much of the time that reading FLOATS at once takes here the slowest call of another plugin may take."""
ARRAYS = b"[" + b",".join([b"[[[[]]]]"] * 200_000) + b"]"

WRITER = """
(memory (export "memory") 192)
(global $kept (mut i32) (i32.const 0))
(func (export "keep") (param $at i32) (param $length i32) (result i64)
  (memory.copy (i32.const 0x400000) (local.get $at) (local.get $length))
  (global.set $kept (local.get $length))
  (i64.const 0))
(func (export "answer") (param i32 i32) (result i64) (call $reply (i32.const 0x400000) (global.get $kept)))
(func (export "on_http_request") (param i32 i32) (result i64) (call $reply (i32.const 0x400000) (global.get $kept)))
(func (export "log") (param i32 i32) (result i64) (call $judicia:log.write (i32.const 0x400000) (global.get $kept)))
(func (export "emit") (param i32 i32) (result i64) (call $judicia:events.emit (i32.const 0x400000) (global.get $kept)))
"""
LINE = b'{"level":"info","message":"","fields":{"a":%s}}'
EVENT = b'{"type":"a.b","payload":%s}'
PAGE = b'{"status":200,"body":"","x":%s}'

FLOATS_AT_ONCE = pytest.mark.wall(
    {"judicia_notebook.engine.wire:_decoder_of": "lambda report, look=None: _decoder"},
)
FILE_AT_ONCE = pytest.mark.wall(
    {"judicia_notebook.wasm.strict_parsing:parse_json": "lambda data, values=0: msgspec.json.decode(data)"},
)
NO_GATE = {"judicia_notebook.engine.core.gate:measure": "lambda data, *_: Report(values=len(data))"}
UNMEASURED = pytest.mark.wall({**NO_GATE, "judicia_notebook.wasm.json_shape:check_shape": "lambda *_: None"})
NOBODY_LOOKS = pytest.mark.wall({"judicia_notebook.engine.invocation:Invocation._look": "lambda scope: None"})


def writer(rt: jn.Runtime, text: bytes, **options: Any) -> jn.Plugin:
    """A plugin that says this text wherever it is let."""
    manifest = {"name": "writer", "http_routes": ["/writer"]}
    grant = ["emit_event=**", "register_routes"]
    p = rt.load(wat(WRITER), name="writer", manifest=manifest, grant=grant, **options)
    p.call_bytes("keep", text)
    return p


@pytest.fixture(scope="module")
def reading() -> float:
    """Seconds of CPU that reading FLOATS at once takes here, and in which nothing else of Python runs."""

    def once() -> float:
        began = time.thread_time()
        msgspec.json.decode(FLOATS)
        return time.thread_time() - began

    return min(once(), once())


@pytest.fixture
def delay(rt: jn.Runtime, reading: float) -> Callable[[Callable[[], object]], float]:
    """``delay(work)``: how long the slowest call of another plugin took, of 100 ms, meanwhile; a reading is 1."""
    specimen = rt.load("example:specimen", name="other")
    specimen.call("echo", 1)

    def delay(work: Callable[[], object]) -> float:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        slowest = 0.0
        began = time.perf_counter()
        thread.start()  # which may come back late
        while thread.is_alive():
            error = specimen.attempt("spin", {"ms": 20_000}, quota={"wall": "100ms"}).error
            assert isinstance(error, jn.QuotaExceeded)
            slowest = max(slowest, time.perf_counter() - began)
            began = time.perf_counter()
        thread.join()
        assert not failed
        return slowest / reading

    return delay


# --- time: floats that are hard to round ------------------------------------------------------------------------------


@FLOATS_AT_ONCE
def test_floats_in_an_answer_keep_nobody_from_the_lock(rt: jn.Runtime, delay: Callable[..., float]) -> None:
    p = writer(rt, FLOATS)
    assert delay(lambda: p.attempt("answer")) < ON_TIME


@FLOATS_AT_ONCE
def test_floats_in_a_request_to_a_service_keep_nobody_from_the_lock(
    rt: jn.Runtime, delay: Callable[..., float]
) -> None:
    p = writer(rt, LINE % FLOATS)
    assert delay(lambda: p.attempt("log")) < ON_TIME


@FLOATS_AT_ONCE
def test_floats_in_an_event_keep_nobody_from_the_lock(rt: jn.Runtime, delay: Callable[..., float]) -> None:
    p = writer(rt, EVENT % FLOATS)
    assert delay(lambda: p.attempt("emit")) < ON_TIME


def test_floats_in_an_event_that_a_callback_gets_keep_nobody_from_the_lock(
    rt: jn.Runtime, delay: Callable[..., float]
) -> None:
    got = []
    rt.host.events.set_limits(payload="4MiB")
    rt.host.events.subscribe("a.b", lambda event: got.append(len(event.payload)))

    def work() -> None:
        rt.host.events.emit("a.b", [5e-324] * 250_000)
        rt.host.events.flush(timeout=60)

    assert delay(work) < ON_TIME
    assert set(got) == {250_000}


@FLOATS_AT_ONCE
def test_floats_in_a_body_that_is_served_keep_nobody_from_the_lock(rt: jn.Runtime, delay: Callable[..., float]) -> None:
    writer(rt, PAGE % FLOATS)
    answers: list[jn.Response] = []
    assert delay(lambda: answers.append(rt.host.http.handle("GET", "/writer", {}, b""))) < ON_TIME
    assert {answer.status for answer in answers} == {502}


@FILE_AT_ONCE
def test_floats_in_the_file_of_a_run_keep_nobody_from_the_lock(
    rt: jn.Runtime, tmp_path: Path, delay: Callable[..., float]
) -> None:
    bad = changed(rt.save(tmp_path / "run.zip"), lambda meta: meta["about"].update(x="@"), FLOATS)
    assert delay(lambda: jn.read_run(bad)) < ON_TIME


def changed(run: Path, change: Callable[[dict[str, Any]], None], inserted: bytes) -> Path:
    """The file of a run with other words in its meta.json; `inserted` stands where the change wrote ``@``."""
    with zipfile.ZipFile(run) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    meta = json.loads(parts["meta.json"])
    change(meta)
    parts["meta.json"] = json.dumps(meta).encode().replace(b'"@"', inserted)
    bad = run.with_name("bad.zip")
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return bad


@FILE_AT_ONCE
def test_floats_in_the_head_of_a_sweeps_file_keep_nobody_from_the_lock(
    tmp_path: Path, delay: Callable[..., float]
) -> None:
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(b'{"format":"judicia-sweep-1","grid":{"order":%s}}\n' % FLOATS)

    def work() -> None:
        with pytest.raises(jn.JudiciaError, match="another sweep"):
            jn.sweep("example:specimen", "echo", [1], repeats=1, progress=False, path=path)

    assert delay(work) < ON_TIME


@FILE_AT_ONCE
def test_floats_in_a_line_of_a_sweeps_file_keep_nobody_from_the_lock(
    tmp_path: Path, delay: Callable[..., float]
) -> None:
    path = tmp_path / "sweep.jsonl"
    jn.sweep("example:specimen", "echo", [1], repeats=1, progress=False, path=path)
    head, line = path.read_bytes().splitlines()
    path.write_bytes(head + b"\n" + line.replace(b'"call":{', b'"call":{"x":%s,' % FLOATS) + b"\n")

    def work() -> None:
        with pytest.raises(jn.JudiciaError, match="line 2"):
            jn.sweep("example:specimen", "echo", [1], repeats=1, progress=False, path=path)

    assert delay(work) < ON_TIME


@FLOATS_AT_ONCE
def test_ctrl_c_comes_while_an_answer_is_read(rt: jn.Runtime, reading: float) -> None:
    p = writer(rt, FLOATS)

    def press(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    def attempt() -> None:
        began = time.thread_time()
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_PROF, reading / 4)  # the system's, which needs no lock of Python's
            while True:
                p.attempt("answer")
        # It comes in the first reading, of which three quarters are left.
        assert time.thread_time() - began < ON_TIME * reading

    before = signal.signal(signal.SIGPROF, press)
    try:
        in_some_try(attempt)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# --- time: the limits of the call -------------------------------------------------------------------------------------


@NOBODY_LOOKS
def test_the_reading_of_an_answer_is_cpu_time_of_its_call(rt: jn.Runtime) -> None:
    p = writer(rt, FLOATS)
    outcome = p.attempt("answer", quota={"cpu": "10ms"})
    assert outcome.record is not None
    assert (outcome.record.outcome, outcome.value) == ("quota_cpu", None)
    assert outcome.record.cpu_ms >= 10


@NOBODY_LOOKS
def test_the_reading_of_an_answer_is_wall_time_of_its_call(rt: jn.Runtime) -> None:
    p = writer(rt, b"[" + b",".join([b"{}"] * 200_000) + b"]")
    outcome = p.attempt("answer", quota={"wall": "5ms"})
    assert outcome.record is not None
    assert (outcome.record.outcome, outcome.value) == ("quota_wall", None)


@NOBODY_LOOKS
def test_the_answer_to_a_request_is_read_within_the_calls_time(rt: jn.Runtime) -> None:
    p = writer(rt, PAGE % FLOATS)
    p.policy.set_quota(wall="10ms")
    error = rt.host.http.handle("GET", "/writer", {}, b"").error
    assert isinstance(error, jn.QuotaExceeded), error
    assert error.quota == "wall"


# --- stack: arrays in arrays ------------------------------------------------------------------------------------------

DEEP = '''
import json
sys.setrecursionlimit(1_000_000)
DEPTH = 1_000_000
WRITER = """
(memory (export "memory") 192)
(global $kept (mut i32) (i32.const 0))
(func (export "keep") (param $at i32) (param $length i32) (result i64)
  (memory.copy (i32.const 0x400000) (local.get $at) (local.get $length))
  (global.set $kept (local.get $length))
  (i64.const 0))
(func $down (param $levels i32) (param $space i64) (result i64)
  (if (result i64) (local.get $levels)
    (then (i64.add (call $down (i32.sub (local.get $levels) (i32.const 1)) (local.get $space)) (i64.const 0)))
    (else (call $judicia:log.write (i32.const 0x400000) (global.get $kept)))))
(func (export "deep") (param i32 i32) (result i64) (call $down (i32.const 3000) (i64.const 1)))
(func (export "answer") (param i32 i32) (result i64) (call $reply (i32.const 0x400000) (global.get $kept)))
(func (export "log") (param i32 i32) (result i64) (call $judicia:log.write (i32.const 0x400000) (global.get $kept)))
"""
def writer(text):
    p = load(WRITER, name="writer")
    p.call_bytes("keep", text)
    return p
'''


@UNMEASURED
def test_a_deep_answer_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
p = rt.load(compile_wat('''(memory (export "memory") 20) (func (export "go") (param i32 i32) (result i64)
    (memory.fill (i32.const 65536) (i32.const 91) (i32.const 1000000))
    (call $reply (i32.const 65536) (i32.const 1000000)))''').encode(), name="guest")
print(type(p.attempt("go").error).__name__)  # the handed case
alive()
"""
    )
    assert said == ["AbiViolation", "alive"]


@UNMEASURED
def test_a_deep_request_does_not_overrun_a_small_stack_of_which_the_guest_used_much(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
sys.setrecursionlimit(5000)
p = writer(b'{"level":"info","message":"","fields":{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}}")
p.policy.set_quota(json_depth=400)
def work():
    value = p.attempt("deep").value
    print(value["error"]["code"] if value else "none")
threading.stack_size(1 << 20)
thread = threading.Thread(target=work)
thread.start()
thread.join()
alive()
"""
    )
    assert said == ["bad_request", "alive"]


@UNMEASURED
def test_objects_in_objects_behind_text_with_quotes_do_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + r"""
for quotes in (b'\\"' * 32767, b'\\\\' * 32767 + b'\\\\', b'"' , b'\\"[', b'\\\\'):  # around the end of a slice
    for space in range(3):
        text = b" " * space + (b'["' + quotes + b'",' if quotes != b'"' else b'["",')
        p = writer(text + b'{"":' * DEPTH + b"0" + b"}" * DEPTH + b"]")
        assert isinstance(p.attempt("answer").error, jn.AbiViolation)
alive()
"""
    )
    assert said == ["alive"]


@UNMEASURED
def test_a_deep_body_that_was_served_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
from judicia_notebook.host.http import Response
try: Response(200, {}, b"[" * DEPTH + b"]" * DEPTH).json()
except ValueError as error: print("deeper" in str(error))
alive()
"""
    )
    assert said == ["True", "alive"]


@UNMEASURED
def test_a_deep_manifest_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + r"""
from judicia_notebook.wasm.manifest import from_section
try: from_section(b'{"name": "deep", "config": {"a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}}")
except jn.ManifestError as error: print("nested" in str(error))
alive()
"""
    )
    assert said == ["True", "alive"]


@UNMEASURED
def test_a_deep_cell_of_a_run_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
from judicia_notebook.wasm.strict_parsing import parse_any_json
from judicia_notebook.analysis.runs import cells
import io, pandas as pd
pattern = pd.DataFrame({"fields": pd.Series([], dtype="object")})
text = "fields\\n" + "[" * DEPTH + "]" * DEPTH + "\\n"
try: cells.read(io.StringIO(text), pattern, 1, cells.Allowance(10_000_000))
except ValueError as error: print("deeper" in str(error))
alive()
"""
    )
    assert said == ["True", "alive"]


@UNMEASURED
def test_a_deep_meta_of_a_run_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
import pathlib, tempfile, zipfile
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive: archive.writestr("meta.json", b"[" * DEPTH + b"]" * DEPTH)
    try: jn.read_run(path)
    except jn.JudiciaError as error: print("deeper" in str(error))
alive()
"""
    )
    assert said == ["True", "alive"]


@pytest.mark.wall({"judicia_notebook.engine.wire:_check_nesting": "lambda value: None"})
def test_a_deep_payload_does_not_overrun_the_stack(survives: Survives) -> None:
    said = survives(
        DEEP
        + """
p = load()
value = []
for _ in range(DEPTH): value = [value]
try: p.call("echo", {"a": value})
except jn.InvalidPayload as error: print("deep" in str(error))
while value: value = value[0]
alive(p)
"""
    )
    assert said == ["True", "alive"]


# --- memory: values ---------------------------------------------------------------------------------------------------

GROWTH = """
import resource
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
def kind(error): return getattr(error, "outcome", error)
"""


@UNMEASURED
def test_the_arrays_of_two_answers_take_no_more_memory_than_documented(survives: Survives) -> None:
    said = survives(  # the handed case
        GROWTH
        + """
COUNT = (4 << 20) // 9
p = rt.load(compile_wat(f'''(memory (export "memory") 80) (data $i "[[[[]]]],")
  (func (export "go") (param i32 i32) (result i64) (local $n i32) (local $at i32)
    (local.set $at (i32.const 65537)) (i32.store8 (i32.const 65536) (i32.const 91))
    (loop $l (memory.init $i (local.get $at) (i32.const 0) (i32.const 9))
      (local.set $at (i32.add (local.get $at) (i32.const 9)))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {COUNT}))))
    (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 93))
    (call $reply (i32.const 65536) (i32.const {1 + 9 * COUNT})))''').encode(),
  name="guest", instances=2, quota={"memory": "8MiB"})
before = peak()
handles = [p.submit("go") for _ in range(2)]
print([kind(one.exception()) for one in handles], peak() - before < 100)
alive()
"""
    )
    assert said == ["['quota_json_values', 'quota_json_values'] True", "alive"]


@UNMEASURED
def test_the_objects_of_a_request_take_no_more_memory_than_documented(survives: Survives) -> None:
    said = survives(
        DEEP
        + GROWTH
        + """
p = writer(b'{"level":"info","message":"","fields":{"a":[' + b'{"a":{}},' * 500_000 + b"0]}}")
before = peak()
print(p.attempt("log").value, peak() - before < 60)
alive()
"""
    )
    message = "JSON with more than 500000 values (quota json_values)"
    assert said == [f"{{'error': {{'code': 'quota_exceeded', 'message': '{message}'}}}} True", "alive"]


@UNMEASURED
def test_short_texts_of_wide_characters_take_no_more_memory_than_documented(survives: Survives) -> None:
    said = survives(
        DEEP
        + GROWTH
        + """
p = writer(("[" + '"\\U0001f600",' * 1_000_000 + "0]").encode())
before = peak()
print(kind(p.attempt("answer").error), peak() - before < 80)
alive()
"""
    )
    assert said == ["quota_json_values True", "alive"]


@UNMEASURED
def test_a_call_may_be_held_to_fewer_values(rt: jn.Runtime) -> None:
    p = writer(rt, b'{"a":[1,2,3]}')
    assert p.call("answer", quota={"json_values": 7}) == {"a": [1, 2, 3]}
    error = p.attempt("answer", quota={"json_values": 5}).error
    assert isinstance(error, jn.QuotaExceeded), error
    assert (error.quota, error.limit, error.per_call) == ("json_values", 5, True)
    assert p.call("answer") == {"a": [1, 2, 3]}


@UNMEASURED
def test_values_in_the_file_of_a_run_are_bounded(rt: jn.Runtime, tmp_path: Path) -> None:
    bad = changed(rt.save(tmp_path / "run.zip"), lambda meta: meta["about"].update(x="@"), ARRAYS)
    refused = None
    try:
        jn.read_run(bad)
    except jn.JudiciaError as error:
        refused = str(error)
    assert refused is not None
    assert "values" in refused


@pytest.mark.address_space
def test_values_for_which_there_is_no_memory_end_the_call_and_not_the_process(survives: Survives) -> None:
    said = survives(
        DEEP
        + GROWTH
        + """
p = writer(b"[" + b'"a text",' * 200_000 + b"0]")
p.attempt("answer")
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
ballast, kinds = [], set()
resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20), resource.RLIM_INFINITY))
for _ in range(32):
    try: ballast.append(bytearray(1 << 20))
    except MemoryError: pass
    try: p.attempt("answer")
    except BaseException as error: kinds.add(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(kinds))
alive()
"""
    )
    assert said == ["['ResourceExhausted']", "alive"]


NOTHING_TO_WRITE = pytest.mark.wall({"judicia_notebook.engine.wire:_written": "lambda value: 0"})
SCARCE = """
import resource, sys
def attempt(work):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20), resource.RLIM_INFINITY))
    try: print(work())
    except BaseException as error: print(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.address_space
@NOTHING_TO_WRITE
def test_a_text_that_there_is_no_memory_to_write_is_refused(survives: Survives) -> None:
    code = 'p, text = writer(b"1"), "x" * (40 << 20)\nattempt(lambda: p.call("answer", {"a": [text]}))\nalive()'
    assert survives(DEEP + SCARCE + code) == ["MemoryError", "alive"]


@pytest.mark.address_space
@NOTHING_TO_WRITE
def test_bytes_that_there_is_no_memory_to_write_are_refused(survives: Survives) -> None:
    code = 'p, data = writer(b"1"), b"x" * (40 << 20)\nattempt(lambda: p.call("answer", data))\nalive()'
    assert survives(DEEP + SCARCE + code) == ["MemoryError", "alive"]


@pytest.mark.address_space
@NOTHING_TO_WRITE
def test_numbers_that_there_is_no_memory_to_write_are_refused(survives: Survives) -> None:
    code = 'p, many = writer(b"1"), [1 / 3] * 3_000_000\nattempt(lambda: p.call("answer", many))\nalive()'
    assert survives(DEEP + SCARCE + code) == ["MemoryError", "alive"]


# --- texts that only look small ---------------------------------------------------------------------------------------


@pytest.mark.wall({"judicia_notebook.engine.core.gate:MAX_DIGITS": "UNBOUNDED"})
def test_a_number_of_thousands_of_digits_is_not_read(rt: jn.Runtime) -> None:
    p = writer(rt, b"[" + b",".join([b"0." + b"1" * 4000] * 100) + b"]")
    assert isinstance(p.attempt("answer").error, jn.AbiViolation)
    p.call_bytes("keep", b'["' + b"1" * 4000 + b'"]')  # a text of digits is a text
    assert p.call("answer") == ["1" * 4000]


@pytest.mark.wall(NO_GATE)
def test_a_key_that_is_there_twice_does_not_hide_behind_escapes(rt: jn.Runtime) -> None:
    p = writer(rt, rb'[{"\":":1,"\u0061":2, "a":3}, "' + b"\\\\" * 40_000 + rb'"]')
    assert isinstance(p.attempt("answer").error, jn.AbiViolation)


@pytest.mark.wall(
    {"judicia_notebook.experiments.sweep.journal:_read_entry": "lambda line, _: msgspec.json.decode(line, type=Entry)"}
)
def test_a_line_of_a_sweeps_file_with_another_type_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    jn.sweep("example:specimen", "echo", [1], repeats=1, progress=False, path=path)
    head, line = path.read_bytes().splitlines()
    raised: list[type[BaseException]] = []
    for field, value in (
        ("cpu_ms", b'"much"'),
        ("call_id", b"1.5"),
        ("started", b"7"),
        ("bytes_in", b"18446744073709551615"),
    ):
        record = json.loads(line)
        record["call"][field] = "@"
        path.write_bytes(head + b"\n" + json.dumps(record).encode().replace(b'"@"', value) + b"\n")
        try:
            jn.sweep("example:specimen", "echo", [1], repeats=1, progress=False, path=path)
        except Exception as error:
            raised.append(type(error))
    assert raised == [jn.JudiciaError] * 4
