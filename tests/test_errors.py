"""Errors as people meet them: one tree that is complete, and sentences that say what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook import errors
from judicia_notebook.errors import describe
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.records.guest_frames import Backtrace, GuestFrame
from judicia_notebook.text import did_you_mean, printable

WHERE: dict[str, Any] = {"plugin": "checker", "function": "check"}
CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, errors.JudiciaError) and cls.__module__ == errors.__name__
}


def drawn() -> Iterator[tuple[str, str]]:
    """Each class in the tree of the module's docstring, with the one it hangs from."""
    path: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([ |]*[|`]- )?((?:[A-Z]\w+(?:, )?)+)", line)
        if match is None:
            continue
        depth = len(match[1] or "")
        for name in match[2].split(", "):
            path = {column: above for column, above in path.items() if column < depth}
            yield name, path[max(path)] if path else "Exception"
        path[depth] = name


# --- the tree --------------------------------------------------------------------------------------------------------


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {(name, next(base.__name__ for base in cls.__mro__[1:])) for name, cls in CLASSES.items()}
    assert set(drawn()) == real


def test_every_error_is_a_public_name() -> None:
    assert set(CLASSES) <= set(jn.__all__)
    assert all(getattr(jn, name) is cls for name, cls in CLASSES.items())


def test_every_error_says_in_its_docstring_what_happened() -> None:
    assert [name for name, cls in CLASSES.items() if not cls.__dict__.get("__doc__")] == []


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_that_is_only_a_message_shows_it(name: str) -> None:
    cls = CLASSES[name]
    needed = [one.name for one in inspect.signature(cls).parameters.values() if one.default is one.empty]
    if needed in ([], ["message"]):
        assert "what happened" in "\n".join(describe(cls("what happened")))


# --- sentences of calls ----------------------------------------------------------------------------------------------


def test_a_used_up_quota_says_used_of_limit_and_the_two_lines_that_change_it() -> None:
    error = jn.QuotaExceeded(quota="cpu", used=0.0503, limit=0.05, unit="s", plugin="specimen", function="spin")
    assert describe(error) == [
        "specimen.spin used 50.3 ms of 50 ms CPU and was stopped.",
        '  To allow more:  %plugin quota specimen --cpu 200ms     or  p.policy.set_quota(cpu="200ms")',
    ]


def test_a_denial_says_what_it_needs_and_the_two_lines_that_grant_it() -> None:
    error = jn.CapabilityDenied(
        capability="write_database", host_function="judicia:database execute", plugin="scoreboard", function="on_event"
    )
    assert describe(error) == [
        "scoreboard.on_event needs write_database for judicia:database execute.",
        '  To allow it:    %plugin grant scoreboard write_database     or  p.policy.grant("write_database")',
    ]


def test_a_denial_of_one_scope_suggests_that_scope() -> None:
    error = jn.CapabilityDenied(
        capability="read_database", scope="users", host_function="judicia:database query", **WHERE
    )
    assert describe(error)[1].count("read_database=users") == 2


def test_a_trap_says_where_and_that_state_was_lost() -> None:
    error = jn.GuestTrap(trap="unreachable", backtrace=("parse_tokens", "check"), **WHERE)
    error.state_lost = True
    assert describe(error) == [
        "checker.check stopped at `unreachable` in parse_tokens <- check. Its instance was replaced; its state is lost."
    ]


def test_a_deep_recursion_is_told_in_one_frame() -> None:
    error = jn.GuestTrap(trap="stack_overflow", backtrace=("descend",) * 20 + tuple("abcdefgh"), **WHERE)
    assert describe(error) == [
        "checker.check stopped at `stack overflow` in descend (x20) <- a <- b <- c <- d <- e <- ...."
    ]


FRAMES = (
    *[GuestFrame("grow", "deep.c", 7, 3, is_inlined=False, function_index=2, offset=90)] * 3,
    GuestFrame("step", "/" + "long/" * 30 + "kernel.c", 12, 5, is_inlined=True, function_index=1, offset=70),
    GuestFrame("run", "", None, None, is_inlined=False, function_index=1, offset=70),
)


def test_a_trap_names_lines_where_they_are_known_and_a_repeated_frame_once() -> None:
    error = jn.GuestTrap(trap="unreachable", backtrace=("grow", "grow", "grow", "run"), **WHERE)
    error.set_backtrace(lambda: Backtrace(FRAMES))
    path = "…g/" + "long/" * 9 + "kernel.c"
    assert describe(error) == [
        f"checker.check stopped at `unreachable` in grow (deep.c:7) (x3) <- step ({path}:12, inlined) <- run."
    ]
    error.set_backtrace(Backtrace())  # what was said first stays
    assert error.frames == FRAMES


def test_a_quota_names_the_line_it_stopped_at() -> None:
    error = jn.QuotaExceeded(quota="cpu", limit=0.05, used=0.0501, unit="s", **WHERE)
    plain = describe(error)
    error.set_backtrace(Backtrace(FRAMES))
    first, *rest = describe(error)
    assert first.startswith(f"{plain[0][:-1]} in grow (deep.c:7) (x3) <- step (")
    assert rest == plain[1:]


# Deeper JSON breaks the ABI, and is no QuotaExceeded: how deep it may be is bounded below the numbers here.
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"json_depth"}))
def test_what_a_quota_error_suggests_can_be_set_and_is_enough(kind: str) -> None:
    unit = KINDS[kind].unit
    used, limit = (0.0713, 0.05) if unit == "s" else (100_001, 100_000)
    line = describe(jn.QuotaExceeded(quota=kind, used=used, limit=limit, unit=unit, **WHERE))[1]
    python = re.search(r"p\.policy\.set_quota\((.*)\)$", line)
    assert python is not None
    assert getattr(eval(f"jn.Quota({python[1]})", {"jn": jn}), kind) >= used
    assert f"%plugin quota checker --{kind.replace('_', '-')} " in line


def test_a_limit_of_the_call_itself_is_raised_in_the_call() -> None:
    error = jn.QuotaExceeded(quota="fuel", used=1000, limit=1000, unit="fuel", per_call=True, **WHERE)
    assert describe(error) == [
        "checker.check used 1 000 of 1 000 fuel and was stopped.",
        "  To allow more:  p.call(..., quota=jn.Quota(fuel=4000))",
    ]


def test_the_other_ends_of_a_call_take_one_line() -> None:
    assert describe(jn.GuestError("no such task", code="not_found", **WHERE)) == [
        "checker.check failed: not_found: no such task"
    ]
    assert describe(jn.HostFailure("ValueError: 5", **WHERE)) == [
        "checker.check was ended by an error of the host: ValueError: 5."
    ]
    assert describe(jn.AbiViolation("a wild pointer", **WHERE)) == ["checker.check broke the ABI: a wild pointer."]
    assert describe(jn.Killed("signal 9 ended it", **WHERE)) == [
        "checker.check was lost with its process: signal 9 ended it."
    ]
    assert describe(jn.Cancelled("unloaded", **WHERE)) == ["checker.check was cancelled: unloaded."]
    assert describe(jn.Cancelled(**WHERE)) == ["checker.check was cancelled."]


def test_a_load_error_begins_with_its_source() -> None:
    assert describe(jn.InvalidModule("the file is empty", source="a.wasm")) == ["a.wasm: the file is empty"]
    assert describe(jn.CompileError("no", source="a.wasm", hint="try this")) == ["a.wasm: no", "  try this"]


def test_an_unknown_import_says_what_could_be_imported_and_the_way_around() -> None:
    error = jn.UnknownImport("env", "now", known=["judicia:clock", "judicia:log"])
    error.source = "scan.wasm"
    assert str(error) == (
        "scan.wasm imports env.now, which this runtime does not offer. Known modules: judicia:clock, judicia:log"
    )


def test_a_notebook_shows_the_class_and_the_sentences_instead_of_a_traceback() -> None:
    error = jn.PolicyError("no", hint="yes")
    assert error._render_traceback_() == ["PolicyError: no", "  yes"]
    assert str(error) == "no\n  yes"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (jn.GuestError("", code=""), "guest_error"),
        (jn.GuestTrap(trap="unreachable"), "trap"),
        (jn.CapabilityDenied(capability="random"), "denied"),
        (jn.QuotaExceeded(quota="memory", limit=1, used=2, unit="bytes"), "quota_memory"),
        (jn.QuotaExceeded(quota="cpu", limit=1, used=2, unit="s"), "quota_cpu"),
        (jn.HostFailure(), "host_failure"),
        (jn.AbiViolation(), "abi_violation"),
        (jn.Killed(), "killed"),
        (jn.Cancelled(), "cancelled"),
    ],
)
def test_every_end_of_a_call_has_its_outcome(error: jn.CallError, outcome: str) -> None:
    assert error.outcome == outcome


# --- text from strangers ---------------------------------------------------------------------------------------------

NASTY = "a\x1b[31mred\x07 b\u202ec\u2066d\u200ee\ufefff\x9bg\x00h\x7f\rj"
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def test_control_and_direction_characters_of_a_guest_are_replaced() -> None:
    assert printable(NASTY) == "a\ufffd[31mred\ufffd b\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffdh\ufffd\ufffdj"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 600) == "x" * 500 + "…"
    assert printable("x" * 500) == "x" * 500


def told_of(error: jn.CallError) -> jn.CallError:
    error.set_backtrace(
        Backtrace((GuestFrame(NASTY, NASTY, 1, 1, is_inlined=True, function_index=0, offset=0),), NASTY)
    )
    return error


@pytest.mark.parametrize(
    "error",
    [
        jn.GuestError(NASTY, code=NASTY, **WHERE),
        jn.GuestTrap(trap="unreachable", backtrace=(NASTY, NASTY), **WHERE),
        told_of(jn.GuestTrap(trap="unreachable", **WHERE)),
        jn.HostFailure(NASTY, **WHERE),
        jn.AbiViolation(NASTY, **WHERE),
        jn.InvalidModule(NASTY, source=NASTY),
        jn.NoSuchFunction(NASTY),
        jn.PluginNotReady(NASTY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_passes_on_what_could_move_the_cursor(error: jn.JudiciaError) -> None:
    assert UNSAFE.search(str(error)) is None
    assert "red" in str(error)


def test_a_guest_cannot_forge_a_line_of_ours() -> None:
    forged = "oh\n  To allow it:    %plugin grant checker network_access\n\tand so on"
    assert len(describe(jn.GuestError(forged, code=forged, **WHERE))) == 1
    assert "\n" not in str(jn.GuestError(forged, code=forged, **WHERE))


def test_a_file_whose_name_is_no_text_can_be_printed() -> None:
    str(jn.InvalidModule("the file is empty", source="\udcff.wasm")).encode()


# --- nearest names ---------------------------------------------------------------------------------------------------


def test_a_near_miss_is_named_and_otherwise_what_is_there() -> None:
    assert did_you_mean("chekcer", ["checker", "specimen"]) == " Did you mean 'checker'?"
    assert did_you_mean("zzz", ["b", "a"]) == " There is: a, b."
    assert did_you_mean("zzz", [f"n{digit}" for digit in range(9)]).endswith("n7, ....")
    assert did_you_mean("zzz", []) == ""
