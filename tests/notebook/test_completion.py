"""Tab completion, asked for over Jupyter's protocol as an editor does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.notebook import commands

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


@pytest.fixture
def loaded(kernel: Kernel) -> Kernel:
    kernel.run("%plugin load example:checker\n%plugin load example:specimen\nsubmission = {'output': ''}\nimport os")
    return kernel


def words(kernel: Kernel, line: str) -> list[str]:
    """The last words that a line could become, in the order offered."""
    return [text.split(" ")[-1] for text in kernel.complete(line)]


@pytest.mark.parametrize("start", ["%plugin ", "plugin ", "r = %plugin ", "x = 1\n  %plugin "])
def test_commands_are_offered_and_nothing_of_pythons(loaded: Kernel, start: str) -> None:
    assert words(loaded, start) == list(commands.line_commands())
    assert words(loaded, f"{start}lo") == ["load", "log"]


def test_a_cell_offers_the_commands_of_cells_on_its_first_line_only(loaded: Kernel) -> None:
    assert words(loaded, "%%plugin ") == list(commands.cell_commands())
    assert "define" not in words(loaded, "x = 1\n%%plugin ")


def test_a_variable_called_plugin_is_left_alone(loaded: Kernel) -> None:
    loaded.run("plugin = {'a': 1}")
    assert "load" not in words(loaded, "plugin lo")
    loaded.run("del plugin")


@pytest.mark.parametrize("name", [*commands.line_commands()])
def test_every_option_is_offered_after_a_dash(loaded: Kernel, name: str) -> None:
    command = commands.find(name, cell=False)
    longest = [max(option.names, key=len) for option in command.options]
    assert words(loaded, f"%plugin {name} --") == [*longest, "--help"]


def test_an_option_that_is_given_is_not_offered_again_unless_it_may_be_repeated(loaded: Kernel) -> None:
    offered = words(loaded, "%plugin load x --cpu 5ms --grant random --")
    assert "--cpu" not in offered
    assert "--grant" in offered


def test_plugins_and_their_functions_are_offered(loaded: Kernel) -> None:
    assert words(loaded, "%plugin unload ") == ["checker", "specimen"]
    assert words(loaded, "%plugin call checker.") == ["checker.check", "checker.check_bytes", "checker.on_event"]
    assert words(loaded, "%plugin call -v specimen.sp") == ["specimen.spin"]
    assert words(loaded, "%%plugin call specimen.sl") == ["specimen.sleep"]
    assert words(loaded, "%plugin quota spec") == ["specimen"]


def test_a_function_whose_name_cannot_be_typed_is_not_offered(loaded: Kernel) -> None:
    body = "(param i32 i32) (result i64) (i64.const 0))"
    loaded.run(
        f'%%plugin define odd\n(func (export "a\\0ab") {body} (func (export "c d") {body} (func (export "e") {body}'
    )
    assert words(loaded, "%plugin call odd.") == ["odd.e"]


def test_sources_are_examples_files_and_folders(loaded: Kernel, tmp_path: Path) -> None:
    (tmp_path / "one.wasm").touch()
    (tmp_path / "other file.wat").touch()
    (tmp_path / "odd.txt").touch()
    (tmp_path / "ordner").mkdir()
    assert words(loaded, "%plugin load example:c") == ["example:checker"]
    assert loaded.complete(f"%plugin load {tmp_path}/o") == [
        f"%plugin load {tmp_path}/{name}" for name in ("one.wasm", "ordner/", r"other\ file.wat")
    ]
    assert {"checker", "example:checker"} <= set(words(loaded, "%plugin inspect "))


def test_grant_offers_first_what_is_asked_for_and_last_what_is_granted(loaded: Kernel) -> None:
    loaded.run("%plugin grant specimen random emit_event")
    offered = words(loaded, "%plugin grant specimen ")
    assert offered[0] == "wall_clock"
    assert set(offered[-2:]) == {"random", "emit_event"}
    assert sorted(offered) == sorted(CAPABILITIES)
    assert words(loaded, "%plugin load example:specimen --grant wa") == ["wall_clock"]


def test_revoke_offers_what_is_granted(loaded: Kernel) -> None:
    loaded.run("%plugin grant specimen read_database=submissions,users wall_clock")
    offered = words(loaded, "%plugin revoke specimen ")
    assert offered == ["read_database", "read_database=submissions", "read_database=users", "wall_clock"]
    assert words(loaded, "%plugin revoke specimen wall_clock read_database=s") == ["read_database=submissions"]


def test_grant_and_revoke_offer_imports_by_their_names(loaded: Kernel) -> None:
    loaded.run(
        'importing = rt.load(\'(module (import "env" "now" (func)) (import "env" "seed" (func)))\', '
        "name='importing', imports={'env.now': print, 'env.seed': print})\n"
        "importing.policy.revoke('imports=env.now')"
    )
    assert words(loaded, "%plugin grant importing ")[0] == "imports=env.now"
    assert words(loaded, "%plugin grant importing imports=env.") == ["imports=env.now"]
    assert words(loaded, "%plugin revoke importing imports=") == ["imports=env.seed"]
    loaded.run("importing.unload()")


def test_expected_outcomes_are_offered_also_behind_a_payload(loaded: Kernel) -> None:
    assert words(loaded, '%plugin call specimen.spin {"ms": 3} --expect quota_c') == ["quota_cpu"]
    assert "guest_error" in words(loaded, "%plugin call specimen.spin --expect ")


def test_values_of_other_options_and_kinds_are_offered(loaded: Kernel) -> None:
    assert words(loaded, "%plugin load x --on-denied ") == ["error", "trap"]
    assert words(loaded, "%plugin load x --abi ") == ["judicia-v1", "wasi", "raw"]
    assert words(loaded, "%plugin load x --unknown-imports ") == ["error", "trap"]
    assert words(loaded, "%plugin load x --features tail") == ["tail_calls"]
    assert "exceptions,tail_calls" in words(loaded, "%plugin load x --features exceptions,")
    assert "exceptions,exceptions" not in words(loaded, "%plugin load x --features exceptions,")
    assert words(loaded, "%plugin monitor checker.check 1 --what cov") == ["coverage"]
    assert "coverage,edges" in words(loaded, "%plugin monitor checker.check 1 --what coverage,")
    assert "--config" in words(loaded, "%plugin load x --")
    assert "--abi" in words(loaded, "%%plugin define x --")
    assert words(loaded, "%plugin plot ") == list(commands.PLOTS)
    assert words(loaded, "%plugin plot c") == ["cold_warm", "capabilities"]
    assert words(loaded, "%plugin plot latency ch") == ["checker"]
    assert words(loaded, "%%plugin define x --lang ") == ["c", "cpp", "rust", "wat", "zig"]


def test_a_payload_may_be_one_of_the_users_own_variables(loaded: Kernel) -> None:
    offered = words(loaded, "%plugin call checker.check ")
    assert "submission" in offered
    assert not {"os", "jn", "rt", "In", "exit"} & set(offered)


def test_imports_are_presets_and_the_users_dicts(loaded: Kernel) -> None:
    loaded.run("mine = {'env.now': len}")
    offered = words(loaded, "%plugin load x.wasm --imports ")
    assert {"assemblyscript", "mine"} <= set(offered)
    assert not {"os", "jn", "In"} & set(offered)


def test_inside_of_json_nothing_of_ours_is_offered(loaded: Kernel) -> None:
    assert not set(words(loaded, '%plugin call checker.check {"out')) & set(commands.line_commands())


def test_completion_goes_with_the_extension(loaded: Kernel) -> None:
    loaded.run("%unload_ext judicia_notebook")
    assert "load" not in words(loaded, "%plugin lo")
    loaded.run("%load_ext judicia_notebook")
    assert "load" in words(loaded, "%plugin lo")
