"""``%plugin call``, ``time``, ``profile`` and ``trace`` with bytes, numbers and WASI commands, and with limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from judicia_notebook.notebook.live.answers import value_text
from judicia_notebook.runtime.wasi_command import RunResult
from tests.support.kinds import BYTES, COMMAND_SPIN, NUMERIC

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


@pytest.fixture
def kinds(kernel: Kernel) -> Kernel:
    """A kernel with a plugin of each kind: specimen, hasher, numeric and copy."""
    kernel.run("%plugin load example:specimen")
    kernel.run("import judicia_notebook as jn\nrt = jn.get_runtime()\nblock = b'abc' * 5\ntext = 'abc'")
    for name, source in (("hasher", BYTES), ("numeric", NUMERIC), ("copy", COMMAND_SPIN)):
        assert kernel.run(f"rt.load({source!r}, name={name!r});").status == "ok"
    return kernel


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("time hasher.xor --data block --repeats 6", "hasher.xor · 6 cold and 6 warm calls after 3 to warm up"),
        ("time --repeats 6 numeric.spin --raw 1000 --warmup 1", "numeric.spin · 6 cold and 6 warm calls after 1"),
        ("time copy --repeats 4 --stdin abc -- -l --cpu", "copy._start · 4 cold calls after 3 to warm up"),
        ("profile hasher.xor --data block --samples 1", "hasher.xor · "),
        ("profile numeric.spin --samples 3 --raw 5_000_000", "numeric.spin · "),
        ("profile copy one two --samples 3", "copy._start · "),
        ("monitor hasher.xor --data block", "Monitored hasher: coverage, functions of 1 call"),
        ("monitor numeric.scale --raw 1.5 -4 --what edges,loops", "Monitored numeric: edges, loops of 1 call"),
        ("monitor copy --what watch=_start -- -l", "Monitored copy: watch of 1 call"),
        ("trace hasher.xor --data block", "hasher.xor(abcabcabcabcabc),"),
        ("trace numeric.scale --raw 1.5 -4", "numeric.scale = ok -6.0 "),
        ("trace copy --stdin hello -- -l", "copy._start(-l),"),
        ("trace copy --", "copy._start(),"),
        ("call hasher.xor --data block", "b'`'"),
    ],
)
def test_each_kind_of_call_has_a_line(kinds: Kernel, line: str, says: str) -> None:
    reply = kinds.run(f"%plugin {line}")
    assert reply.status == "ok", reply.output
    assert says in reply.text


def test_a_command_without_arguments_tells_its_last_run(kinds: Kernel) -> None:
    kinds.run("%plugin run copy --stdin first -- -x")
    calls = kinds.value("len(rt.calls)")
    assert "copy._start(7 B)" in kinds.run("%plugin trace copy").text
    assert kinds.value("len(rt.calls)") == calls


def test_each_kind_goes_on_in_the_background(kinds: Kernel) -> None:
    kinds.run("a = %plugin call hasher.xor --background --data block")
    kinds.run("b = %plugin call numeric.scale --raw 2 3 --background")
    kinds.run("c = %plugin run copy --stdin in --background")
    kinds.run("%%plugin run copy --background -o d\nthe cell")
    assert kinds.value("[h.result(20) for h in (a, b)] + [h.result(20).stdout for h in (c, d)]") == [
        b"`",
        6.0,
        b"in",
        b"the cell\n",
    ]
    assert "run: --expect waits" in kinds.run("%plugin run copy --background --expect trap").output


@pytest.mark.parametrize(
    "line",
    [
        'call specimen.spin {"ms": 5000}',
        'time specimen.spin {"ms": 5000}',
        'profile specimen.spin {"ms": 5000}',
        "call numeric.spin --raw 2_000_000_000",
        "time copy a b c d e f",
    ],
)
def test_limits_hold_for_the_calls_of_one_line(kinds: Kernel, line: str) -> None:
    reply = kinds.run(f"%plugin {line} --fuel 50_000")
    assert reply.error == "QuotaExceeded", reply.output
    assert kinds.value("int(rt.calls['limit_fuel'].iloc[-1])") == 50_000
    assert kinds.run("%plugin call specimen.echo 1").text == "1"  # the plugin's own limits are as they were


def test_a_trace_and_a_cell_take_limits_too(kinds: Kernel) -> None:
    told = kinds.run('%plugin trace specimen.spin {"ms": 5000} --fuel 50_000')
    assert "quota_fuel" in told.text
    assert kinds.run('%%plugin call specimen.spin --fuel 50_000\n{"ms": 5000}').error == "QuotaExceeded"
    handle = kinds.run('h = %plugin call specimen.spin {"ms": 5000} --fuel 50_000 --background\nh.exception(20)')
    assert "QuotaExceeded" in handle.text
    assert kinds.run('%plugin call specimen.spin {"ms": 5000} --fuel 50_000 --expect quota_fuel').status == "ok"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("time specimen.echo 1 --raw 2", "one of PAYLOAD, --text, --data and --raw, not PAYLOAD and --raw"),
        ("call hasher.xor --data block --raw 2", "not --data and --raw"),
        ("call hasher.xor --data text", "--data takes the name of a variable with bytes, and text is str"),
        ("time hasher.xor --data nothing", "no variable of that name"),
        ("time specimen", "%plugin time takes NAME.FUNCTION, or the NAME of a WASI command, not 'specimen'"),
        ("time specimen.echo --stdin x", "--stdin is for a WASI command, and specimen.echo is a function"),
        ("profile copy --text x", "--text is for a function, and copy is a WASI command"),
        ("monitor specimen.echo 1 --what covrage", "Did you mean 'coverage'?"),
        ("time copy --lines 5", "has no option --lines"),
        ("call specimen.echo --log 1MiB", "Other limits are the plugin's"),
    ],
)
def test_a_line_that_cannot_be_meant_says_why(kinds: Kernel, line: str, says: str) -> None:
    reply = kinds.run(f"%plugin {line}")
    assert reply.status == "error"
    assert reply.stderr.startswith("UsageError: ")
    assert says in reply.output


def test_commands_and_functions_are_offered_where_both_can_be_measured(kinds: Kernel) -> None:
    assert "%plugin time copy" in kinds.complete("%plugin time co")
    assert "%plugin time specimen.spin" in kinds.complete("%plugin time specimen.sp")
    assert "%plugin call hasher.xor --data block" in kinds.complete("%plugin call hasher.xor --data bl")
    assert "%plugin call copy" not in kinds.complete("%plugin call co")


def test_a_card_shows_values_that_json_cannot_say() -> None:
    assert value_text(float("nan")) == "nan"
    assert value_text((1, 2.5)).split() == ["[", "1,", "2.5", "]"]
    assert value_text(b"\x1b[0m") == "b'\\x1b[0m'"
    assert len(value_text(b"x" * 100_000)) < 500
    ended = RunResult(3, b"out\n", b"", None)
    assert value_text(ended) == "RunResult(returncode=3, stdout=b'out\\n', stderr=b'')"
