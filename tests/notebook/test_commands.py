"""The commands as data: what their parsers accept, and what they say to a slip."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from judicia_notebook.notebook import commands
from judicia_notebook.notebook.command import Command
from judicia_notebook.policy.quotas import KINDS

ALL = [*commands.COMMANDS, commands.CALL_CELL, commands.RUN_CELL]


def usage(line: str, *, cell: bool = False) -> str:
    """What is said to a wrong line."""
    name, *words = line.split()
    with pytest.raises(UsageError) as caught:
        commands.find(name, cell=cell).parse(words)
    assert type(caught.value) is UsageError  # IPython shows the traceback of a subclass
    return str(caught.value)


@pytest.mark.parametrize("command", ALL, ids=lambda command: f"{command.magic} {command.name}")
def test_help_names_every_argument_and_fits_a_cell(command: Command) -> None:
    text = command.help()
    for argument in command.arguments:
        assert all(name in text for name in argument.names if argument.is_option)
        assert argument.metavar in text
        assert " ".join(argument.help.split()[:3]) in text
    assert max(map(len, text.splitlines())) <= 120
    assert text.startswith(f"usage: {command.magic} {command.name}")


def test_the_overview_names_every_command() -> None:
    for command in commands.COMMANDS:
        assert f"{command.magic} {command.name} " in commands.overview()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lod x", "%plugin has no command 'lod'. Did you mean 'load'?"),
        ("load x --memry 16MiB", "%plugin load has no option --memry. Did you mean '--memory'?"),
        ("load x --cpu 50", "has no unit; write for example 50ms"),
        ("load x --memory 16", "has no unit; write for example 16MiB"),
        ("load x --memory 16ms", "unknown unit 'ms'"),
        ("load x --fuel many", "'many' is not a whole number"),
        ("load x --on-denied tarp", "Did you mean 'trap'?"),
        ("load x --cpu", "--cpu: expected one argument"),
        ("load", "required: PATH|example:NAME"),
        ("load a b", "unexpected: b"),
        ("list -z", "unexpected: -z"),
        ("quota x --payload none", "--payload: there must be a limit, none is not one"),
        ("call a.b --expect quota_cp", "Did you mean 'quota_cpu'?"),
        ("plot latencies", "Did you mean 'latency'?"),
        ("grant x", "required: CAP[=SCOPE]"),
        ("run", "required: NAME"),
        ("run x --quiet", "The command's own options stand behind --"),
        ("run x -q", "unexpected: -q. The command's own options stand behind --"),
        ("run x --cpu 5", "has no unit; write for example 50ms"),
        ("define x", "%plugin define needs a cell"),
    ],
)
def test_a_slip_is_named_with_what_was_probably_meant(line: str, said: str) -> None:
    text = usage(line)
    assert said in text
    assert len(text.splitlines()) <= 2


def test_a_line_command_with_a_cell_says_how_to_write_it() -> None:
    assert "Write it on a line: %plugin load" in usage("load x", cell=True)
    assert "Did you mean 'define'?" in usage("defin x", cell=True)


def test_options_may_stand_before_and_after_and_are_never_abbreviated() -> None:
    given = commands.find("load", cell=False).parse(
        ["--cpu", "50ms", "a.wasm", "--grant=random", "--grant", "wall_clock"]
    )
    assert (given.source, given.cpu, given.grant) == ("a.wasm", 0.05, ["random", "wall_clock"])
    assert "no option --mem." in usage("load x --mem 1MiB")


def test_every_kind_of_quota_can_be_set_in_its_own_unit() -> None:
    forms = {"s": ("50ms", 0.05), "bytes": ("16KiB", 16384)}
    command = commands.find("quota", cell=False)
    for kind, info in KINDS.items():
        text, value = forms.get(info.unit, ("7", 7))
        flag = f"--{kind.replace('_', '-')}"
        assert commands.given_quota(command.parse(["x", flag, text])) == {kind: value}
        if info.may_be_none:
            assert commands.given_quota(command.parse(["x", flag, "none"])) == {kind: None}
    assert commands.given_quota(command.parse(["x"])) == {}
