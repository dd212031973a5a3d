"""A tour of ``%plugin`` in a real kernel: what each command does, returns and shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from judicia_notebook.__main__ import main
from judicia_notebook.languages.toolchain import find_c
from judicia_notebook.notebook import commands
from tests.languages.compilers import C
from tests.support.waiting import LONG_PATIENCE

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

ACCEPTED = '{"output": "1 2", "answer": "1 2"}'
REJECTED = '{"output": "1 3", "answer": "1 2"}'
SUMS = """%%plugin define sums
(func (export "sub") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
(func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const -2)))
"""
WATCH = """%%plugin define watch --cpu 20ms --lang wat
(data (i32.const 0) "{}")
(func (export "now") (param i32 i32) (result i64) (call $judicia:clock.now (i32.const 0) (i32.const 2)))
"""
BARE = """(memory (export "memory") 1) (func (export "judicia_free") (param i32 i32))
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 8))"""
GREETER = r"""%%plugin define greeter
(data (i32.const 0) "\"hello\"")
(func (export "greet") (param i32 i32) (result i64) (call $reply (i32.const 0) (i32.const 7)))
"""


@pytest.fixture
def checker(kernel: Kernel) -> Kernel:
    kernel.run("%plugin load example:checker")
    return kernel


@pytest.fixture
def specimen(kernel: Kernel) -> Kernel:
    kernel.run("%plugin load example:specimen")
    return kernel


# --- overview and help -----------------------------------------------------------------------------------------------


def test_a_bare_plugin_shows_commands_what_is_loaded_and_lines_to_try(kernel: Kernel) -> None:
    empty = kernel.run("%plugin").output
    assert all(f"{one.magic} {one.name}" in empty for one in commands.COMMANDS)
    assert "%plugin load example:checker" in empty
    loaded = kernel.run("%plugin load example:checker\n%plugin")
    assert "checker" in loaded.shown[-1]["text/plain"]
    assert "%plugin call checker.check" in loaded.shown[-1]["text/html"]
    lines = [line.split("Try:")[1].strip() for line in loaded.shown[-1]["text/plain"].splitlines() if "Try:" in line]
    assert len(lines) > 2
    assert all(kernel.run(line).status == "ok" for line in lines)


@pytest.mark.parametrize("line", ["%plugin --help", "%plugin -h"])
def test_help_on_the_magic_lists_the_commands(kernel: Kernel, line: str) -> None:
    assert commands.overview() in kernel.run(line).stdout


@pytest.mark.parametrize("name", commands.line_commands())
def test_help_on_a_command_shows_its_arguments_and_does_nothing(kernel: Kernel, name: str) -> None:
    expected = commands.find(name, cell=False).help()
    for line in (f"%plugin {name} --help", f"%plugin {name} whatever --help"):
        shown, _, compilers = kernel.run(line).stdout.partition("\n\ncompilers here:")
        assert shown.strip() == expected
        assert bool(compilers) == (name == "new")
    assert kernel.value("list(rt.plugins)") == []


@pytest.mark.parametrize("name", commands.cell_commands())
def test_help_on_a_cell_command_shows_its_arguments(kernel: Kernel, name: str) -> None:
    assert kernel.run(f"%%plugin {name} --help\n{{}}").stdout.startswith(f"usage: %%plugin {name}")


def test_a_question_mark_shows_the_help(kernel: Kernel) -> None:
    assert "%plugin quota" in kernel.inspect("%plugin")


# --- load ------------------------------------------------------------------------------------------------------------


def test_load_shows_who_it_is_and_what_it_asks_for_beside_what_it_has(kernel: Kernel) -> None:
    reply = kernel.run("%plugin load example:specimen --cpu 50ms --grant random")
    text = reply.shown[0]["text/plain"]
    digest = kernel.value("rt.plugin('specimen').digest")
    for part in (
        "specimen 1.0.0",
        digest[:12],
        "asks for   wall_clock, random",
        "granted    random",
        "cpu 50 ms",
        "memory 16 MiB",
        "%plugin grant specimen wall_clock",
    ):
        assert part in text
        assert part.split("   ")[-1] in reply.shown[0]["text/html"]


def test_every_load_of_a_cell_is_shown_and_none_twice(kernel: Kernel) -> None:
    reply = kernel.run("%plugin load example:specimen\np = %plugin load example:checker\np")
    assert [shown["text/plain"].split()[0] for shown in reply.shown] == ["specimen", "checker"]
    assert reply.value == {}
    assert kernel.run("p").text.startswith("checker 1.0.0")


def test_load_returns_the_plugin_and_takes_its_options(kernel: Kernel) -> None:
    limits = "--memory 16MiB --wall 2s --fuel 1000000"
    kernel.run(
        f"p = %plugin load example:checker --name judge {limits} --grant=random --on-denied trap --instances fresh"
    )
    assert kernel.value("p.name, p.policy.on_denied, sorted(p.policy.granted)") == ("judge", "trap", ["random"])
    assert kernel.value("p.instances") == "fresh"
    assert kernel.value("p.policy.quota.given()['memory'], p.policy.quota.wall, p.policy.quota.fuel") == (
        16 << 20,
        2.0,
        1_000_000,
    )


def test_running_the_load_cell_again_keeps_the_handle_and_what_the_line_does_not_say(kernel: Kernel) -> None:
    cell = "p = %plugin load example:specimen --cpu 50ms"
    kernel.run(f"{cell}\nold = p")
    kernel.run("%plugin grant specimen wall_clock\n%plugin quota specimen --wall 3s")
    assert kernel.run(cell).status == "ok"
    assert kernel.value("p is old, sorted(p.policy.granted), p.policy.quota.wall") == (True, ["wall_clock"], 3.0)
    assert kernel.value("old.call('echo', 1)") == 1


def test_reload_of_a_changed_file_says_what_changed_and_grants_nothing(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "mine.wat"
    file.write_text(f"(module {BARE})")
    kernel.run(f"p = %plugin load {file}")
    file.write_text(f'(module (import "judicia:clock" "now" (func (param i32 i32) (result i64))) {BARE})')
    text = kernel.run("%plugin reload mine").shown[0]["text/plain"]
    assert "changed    code" in text
    assert "now imports judicia:clock now" in text
    assert "%plugin grant mine wall_clock" in text
    assert kernel.value("rt.plugin('mine') is p, sorted(p.policy.granted)") == (True, [])


def test_a_path_with_spaces_is_quoted_or_escaped(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "my plugin.wat"
    file.write_text(f"(module {BARE})")
    assert kernel.run(f"%plugin load '{file}' --name quoted").status == "ok"
    assert kernel.run(f"%plugin load {str(file).replace(' ', chr(92) + ' ')} --name escaped").status == "ok"
    assert kernel.value("sorted(rt.plugins)") == ["escaped", "quoted"]


def test_a_quota_the_manifest_asks_for_beyond_the_default_waits_for_the_user(kernel: Kernel) -> None:
    kernel.run(f"p = rt.load({BARE.encode()!r}, manifest={{'name': 'big', 'quota': {{'cpu': '3s', 'wall': '1s'}}}})")
    assert kernel.value("p.policy.quota.cpu, p.policy.quota.wall") == (1.0, 1.0)
    assert "%plugin quota big --cpu 3s" in kernel.run("p").text
    assert kernel.run("%plugin quota big --cpu 3s").status == "ok"
    assert "%plugin quota" not in kernel.run("p").text


# --- call ------------------------------------------------------------------------------------------------------------


def test_call_returns_the_value(checker: Kernel) -> None:
    assert "'verdict': 'accepted'" in checker.run(f"%plugin call checker.check {ACCEPTED}").text
    checker.run(f"r = %plugin call checker.check {REJECTED}")
    assert checker.value("r['verdict'], r['difference']['token']") == ("wrong_answer", 2)


def test_a_payload_may_be_a_variable_and_keeps_what_json_would_lose(specimen: Kernel) -> None:
    specimen.run("import numpy as np\ndata = {'a': np.arange(3), 'b': 1.5, 'c': 2**53 + 1}")
    assert specimen.run("%plugin call specimen.echo data").text == "{'a': [0, 1, 2], 'b': 1.5, 'c': 9007199254740993}"


def test_braces_dollars_and_quotes_on_a_line_are_text(specimen: Kernel) -> None:
    specimen.run("x = 'evaluated'\nsecret = []")
    payload = r"""{"a": "{x}", "b": "$x", "c": "{secret.append(1)}", "d": "it's \"q\" -v --text"}"""
    reply = specimen.run(f"%plugin call specimen.echo {payload} -v")
    assert reply.text == """{'a': '{x}', 'b': '$x', 'c': '{secret.append(1)}', 'd': 'it\\'s "q" -v --text'}"""
    whole = '["{x}", "$x", "{secret.append(1)}"]'  # what IPython would otherwise expand without an error
    assert specimen.run(f"%plugin call specimen.echo {whole}").text == "['{x}', '$x', '{secret.append(1)}']"
    assert specimen.value("secret") == []


def test_a_text_is_sent_as_a_json_string(specimen: Kernel) -> None:
    assert specimen.run("%plugin call specimen.echo --text 'it is {x} \"here\"'").text == "'it is {x} \"here\"'"


def test_numbers_are_passed_to_a_numeric_export(kernel: Kernel) -> None:
    kernel.run(SUMS)
    assert kernel.run("%plugin call sums.sub --raw 0x10 -5 -v").text == "21"
    assert kernel.run("%plugin call sums.half --raw -3").text == "1.5"
    assert kernel.run("%plugin call sums.sub --raw 1").error == "InvalidPayload"


def test_verbose_prints_what_the_call_cost(checker: Kernel) -> None:
    reply = checker.run(f"%plugin call -v checker.check {ACCEPTED}")
    assert re.fullmatch(
        r"checker\.check: ok · [\d.]+ [mµ]s \([\d.]+ [mµ]s cpu\) · [\d ]+ fuel · [\d.]+ MiB\n", reply.stdout
    )
    assert checker.run(f"%plugin call checker.check {ACCEPTED}").stdout == ""


def test_after_a_denial_the_cost_is_always_printed(specimen: Kernel) -> None:
    reply = specimen.run('%plugin call specimen.call_host {"service": "clock", "n": 3}')
    assert "3 host calls, 3 denied" in reply.stdout
    assert "'failed': 3" in reply.text
    specimen.run("%plugin grant specimen wall_clock")
    assert specimen.run('%plugin call specimen.call_host {"service": "clock"}').stdout == ""


def test_a_cell_is_the_payload_and_may_fill_a_variable(checker: Kernel) -> None:
    cell = '%%plugin call checker.check{}\n{{"output": "1",\n "answer": "2"}}\n'
    assert "wrong_answer" in checker.run(cell.format("")).text
    reply = checker.run(cell.format(" -o verdict"))
    assert (reply.text, reply.stdout) == ("", "")
    assert checker.value("verdict['verdict']") == "wrong_answer"


def test_an_empty_cell_sends_no_payload(specimen: Kernel) -> None:
    reply = specimen.run("%%plugin call specimen.echo -o nothing\n\n")
    assert reply.status == "ok"
    assert specimen.value("nothing") is None


# --- expected failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "call", "sentence"),
    [
        ("quota_cpu", 'spin {"ms": 60000}', "CPU and was stopped"),
        ("quota_wall", 'sleep {"ms": 60000}', "wall time and was stopped"),
        ("trap", "trap", "`unreachable`"),
        ("guest_error", 'fail {"code": "c", "message": "its own words"}', "c: its own words"),
        ("denied", 'call_host {"service": "clock"}', "denied wall_clock for judicia:clock now"),
        ("quota_payload", "echo big", "of payload, more than its limit of 1 KiB, and was stopped"),
    ],
)
def test_an_expected_failure_is_two_lines_and_the_notebook_goes_on(
    specimen: Kernel, outcome: str, call: str, sentence: str
) -> None:
    specimen.run("%plugin quota specimen --cpu 20ms --wall 200ms --payload 1KiB\nbig = 'x' * 5000")
    reply = specimen.run(f"%plugin call specimen.{call} --expect {outcome}\nafter = True")
    assert reply.status == "ok"
    first, second = reply.stdout.splitlines()
    assert first.startswith(f"As expected ({outcome}): specimen.")
    assert sentence in first
    assert second.startswith("  specimen.")
    assert reply.text == ""
    assert specimen.value("after")


def test_a_denial_that_ends_the_call_is_expected_as_well(specimen: Kernel) -> None:
    specimen.run("rt.plugin('specimen').policy.on_denied = 'trap'")
    reply = specimen.run('%plugin call specimen.call_host {"service": "clock"} --expect denied')
    assert "needs wall_clock" in reply.stdout
    assert len(reply.stdout.splitlines()) == 2


def test_an_expected_failure_of_a_cell_leaves_its_variable_alone(specimen: Kernel) -> None:
    assert specimen.run("%%plugin call specimen.trap -o kept --expect trap\n{}").status == "ok"
    assert specimen.value("'kept' in globals()") is False


def test_another_end_than_the_expected_raises_and_says_both(specimen: Kernel) -> None:
    success = specimen.run("%plugin call specimen.echo 1 --expect trap")
    assert (success.status, success.error) == ("error", "JudiciaError")
    assert "specimen.echo was expected to end with trap, but went well." in success.traceback
    other = specimen.run("%plugin call specimen.trap --expect quota_cpu")
    assert other.status == "error"
    assert "expected to end with quota_cpu, but ended with trap" in other.traceback
    assert "`unreachable`" in other.traceback


# --- define ----------------------------------------------------------------------------------------------------------


def test_define_compiles_the_cell_and_loads_it_under_its_name(kernel: Kernel) -> None:
    assert "greeter 0.0.0" in kernel.run(GREETER).shown[0]["text/plain"]
    assert kernel.run("%plugin call greeter.greet").text == "'hello'"


def test_define_again_replaces_it_in_place_and_says_so(kernel: Kernel) -> None:
    kernel.run(GREETER)
    kernel.run("p = rt.plugin('greeter')")
    changed = kernel.run(GREETER.replace("hello", "salve"))
    assert "changed    code" in changed.shown[0]["text/plain"]
    assert kernel.value("p.call('greet')") == "salve"


def test_define_says_what_the_cell_imports_where_that_takes_no_capability(kernel: Kernel) -> None:
    write = '(import "judicia:log" "write" (func (param i32 i32) (result i64)))'
    rest = '(memory (export "memory") 1) (func (export "f")))'
    cell = f"%%plugin define logger --lang wat\n(module {write} {rest}"
    assert "imports    judicia:log (no capability needed)" in kernel.run(cell).shown[0]["text/plain"]
    cell = f"%%plugin define alone --lang wat\n(module {rest}"
    assert "imports    nothing" in kernel.run(cell).shown[0]["text/plain"]
    # A module's name is the guest's, and may be that of a capability.
    odd = '(import "random" "bytes" (func)) (import "random" "more" (func))'
    cell = f"%%plugin define odd --lang wat --unknown-imports trap\n(module {write} {odd} {rest}"
    shown = kernel.run(cell).shown[0]["text/plain"]
    assert "imports    judicia:log (no capability needed), random (not offered)\n" in shown
    assert "imports     judicia:log (no capability needed), random (not offered)" in kernel.value(
        "str(rt.plugin('odd').inspect())"
    )


def test_define_takes_load_options_and_says_what_the_cell_imports(kernel: Kernel) -> None:
    shown = kernel.run(WATCH).shown[0]["text/plain"]
    assert "asks for   nothing" in shown
    assert "imports    wall_clock" in shown
    assert "cpu 20 ms" in shown
    assert "%plugin grant watch wall_clock" in shown
    kernel.run("%plugin grant watch wall_clock")
    assert "unix_ms" in kernel.run("%plugin call watch.now").text


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("\n(func (i32.cons 1))", 3),
        ("(func $f (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))))\n(func (call $nope))", 3),
    ],
)
def test_a_mistake_in_a_cell_is_reported_at_the_line_the_editor_shows(kernel: Kernel, body: str, line: int) -> None:
    reply = kernel.run(f"%%plugin define wrong\n{body}")
    assert reply.error == "InvalidModule"
    assert reply.traceback.startswith("InvalidModule: the cell of wrong: ")
    assert f"\n  line {line}, column " in reply.shown[0]["text/plain"]
    assert "File" not in reply.traceback


# --- define in C -----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_c(kernel: Kernel, tmp_path: Path) -> Kernel:
    """A kernel whose cells compile C, with a cache of their own."""
    if find_c() is None:
        pytest.skip("there is no compiler for C; enable: apt-get install clang lld")
    kernel.run(f"import os\nos.environ['JUDICIA_NOTEBOOK_CACHE'] = {str(tmp_path / 'cache')!r}")
    return kernel


def test_define_compiles_c(with_c: Kernel) -> None:
    shown = with_c.run(f"%%plugin define seven --lang c -O 2 --cpu 1s --flags '-DN=1 -Wextra'\n{C}")
    assert "seven 0.0.0" in shown.shown[0]["text/plain"]
    assert with_c.run("%plugin call seven.seven").text == "7"


def test_define_annotated_shows_what_each_line_became(with_c: Kernel) -> None:
    reply = with_c.run(f"%%plugin define seven --lang c -O 2 --annotate\n{C}")
    assert reply.status == "ok", reply.output
    card, annotated = reply.shown
    assert "seven 0.0.0" in card["text/plain"]
    text, html = annotated["text/plain"], annotated["text/html"]
    line = 2 + C.split("\n").index("    *answer = '7';")  # the magic's own line is the first
    assert f" {line}      *answer = '7';" in text
    assert "i32.store8" in text.split("*answer = '7';")[1].split("return")[0]
    assert "<summary><code>    *answer = &#x27;7&#x27;;</code></summary>" in html
    assert with_c.run("%plugin call seven.seven").text == "7"


def test_a_mistake_in_c_is_shown_at_its_line_and_leaves_the_plugin(with_c: Kernel) -> None:
    with_c.run(f"%%plugin define seven --lang c\n{C}")
    reply = with_c.run("%%plugin define seven --lang c\n\nint f(void) {\n    return 1\n}\n")
    assert reply.error == "BuildError"
    assert re.fullmatch(r"BuildError: the cell of seven: .* found 1 error", reply.traceback)
    card = reply.shown[0]["text/plain"].splitlines()
    assert card[0].startswith("the cell of seven · ")
    assert card[1:] == [
        "  line 4, column 13: error: expected ';' after return statement",
        "       4 |     return 1",
        "         |             ^",
        "  seven stays as it was loaded before.",
    ]
    again = re.sub(r"\x1b\[[0-9;]*m", "", with_c.run("%tb").output)
    assert all(line in again for line in card[1:])
    assert with_c.run("%plugin call seven.seven").text == "7"


def test_empty_lines_above_the_magic_count_as_the_editor_counts_them(with_c: Kernel) -> None:
    reply = with_c.run("\n\n%%plugin define f --lang c\nint f(void) {\n    return 1\n}\n")
    assert "\n  line 5, column 13: error: " in reply.shown[0]["text/plain"]
    wrong = with_c.run('\n\n%%plugin define f\n(func (export "f") (result i32)\n  (i64.const 1))')
    assert "\n  line 5, column " in wrong.shown[0]["text/plain"]


def test_a_terminal_has_all_of_a_mistake_in_the_error(with_c: Kernel, tmp_path: Path) -> None:
    cell = "%%plugin define f --lang c\nint f(void) {\n    return 1\n}\n"
    script = tmp_path / "cell.ipy"
    script.write_text(
        f"get_ipython().run_line_magic('load_ext', 'judicia_notebook')\nget_ipython().run_cell({cell!r})\n"
    )
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(script)]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    said = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE, env=environment).stdout
    assert "BuildError: the cell of f: " in said
    assert "  line 3, column 13: error: expected ';'" in said
    assert "       3 |     return 1\n         |             ^" in said


def test_a_warning_of_a_compiler_is_shown_below_the_cell(with_c: Kernel) -> None:
    reply = with_c.run(f"%%plugin define seven --lang c\n{C}static int f(void) {{ int n; return 1; }}\n")
    assert reply.status == "ok"
    assert reply.stderr == ""
    warned, loaded = (shown["text/plain"] for shown in reply.shown)
    assert warned.startswith("the cell of seven · 1 warning\n  line 15, column 26: warning: unused variable 'n'")
    assert loaded.startswith("seven 0.0.0")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--lang c -O 9", "there is no level '9'"),
        ("-O 2", "neither -O nor --flags"),
        ("--flags -x", "neither -O nor"),
        ("--annotate", "nor --annotate"),
    ],
)
def test_a_wrong_option_for_a_compiler_is_a_wrong_line(kernel: Kernel, line: str, told: str) -> None:
    assert told in kernel.run(f"%%plugin define x {line}\n(module)").stderr


def test_the_help_of_define_says_which_compilers_are_here(kernel: Kernel) -> None:
    assert "WAT   part of the package" in kernel.run("%%plugin define --help\nx").stdout


# --- looking, policy -------------------------------------------------------------------------------------------------


def test_list_inspect_and_examples_show_what_there_is(checker: Kernel) -> None:
    assert "No plugin is loaded" in checker.run("rt.clear()\n%plugin list").output
    checker.run("%plugin load example:specimen")
    assert "specimen" in checker.run("%plugin list").output
    inspection = checker.run("%plugin inspect specimen")
    assert "judicia:clock" in inspection.text
    assert "wall_clock" in inspection.value["text/html"]
    examples = checker.run("%plugin examples").output
    assert "%plugin load example:checker" in examples
    assert "ok" in checker.run("%plugin doctor").stdout


def test_inspect_of_a_file_loads_and_runs_nothing(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "starts.wat"
    file.write_text('(module (import "env" "now" (func)) (func $main unreachable) (start $main))')
    before = kernel.value("len(rt.audit)")
    text = kernel.run(f"%plugin inspect {file}").text
    assert "start function  main" in text
    assert "Imports that are not offered here" in text
    assert "env.now" in text
    assert kernel.value("list(rt.plugins), len(rt.audit)") == ([], before)
    assert "specimen 1.0.0" in kernel.run("%plugin inspect example:specimen").text
    assert kernel.run("%plugin inspect nothing").error == "NoSuchPlugin"


def test_load_takes_an_abi_a_configuration_and_what_becomes_of_unknown_imports(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "some.wat"
    path.write_text("""(module (import "env" "now" (func)) (memory (export "memory") 1)
      (func (export "_start")) (func (export "one") (result i32) (i32.const 1)))""")
    refused = kernel.run(f"%plugin load {path}")
    assert refused.error == "UnknownImport"
    assert "--unknown-imports trap" in refused.output
    line = f'p = %plugin load {path} --unknown-imports trap --abi raw --config {{"deep": [1, "a  b"]}} --name some'
    assert kernel.run(line).status == "ok"
    assert kernel.value("p.abi, p.raw('one')()") == ("raw", 1)
    assert kernel.run("settings = {'k': 1}\nq = %plugin load example:checker --config settings").status == "ok"
    assert kernel.value("q._deployment.instances.making.config['k']") == 1
    for wrong, why in (
        ("--config [1]", "a JSON object"),
        ('--config {"a":', "not JSON"),
        ('--config {"a": 1}x', "more follows"),
        ('--config={"a": 1, "a": 2}', "twice"),
        ("--config settins", "settings"),
        ("--abi wsai", "Did you mean 'wasi'?"),
    ):
        assert why in kernel.run(f"%plugin load example:checker {wrong}").output


def test_load_takes_imports_from_a_variable_or_a_preset(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "some.wat"
    path.write_text("""(module (import "env" "abort" (func $a (param i32 i32 i32 i32)))
      (import "env" "seed" (func $s (result f64)))
      (memory (export "memory") 1) (func (export "seed") (result f64) (call $s)))""")
    assert kernel.run(f"p = %plugin load {path} --imports assemblyscript").status == "ok"
    assert kernel.value("sorted(p.policy.granted)") == ["imports=env.abort", "imports=env.seed"]
    assert kernel.run("mine = {**jn.presets.assemblyscript, 'env.seed': lambda: 0.5}").status == "ok"
    assert kernel.run(f"q = %plugin load {path} --imports mine --name other").status == "ok"
    assert kernel.value("q.raw('seed')()") == 0.5
    assert "Did you mean 'assemblyscript'?" in kernel.run(f"%plugin load {path} --imports asemblyscript").output
    assert "imports is a dict" in kernel.run(f"n = 7\n%plugin load {path} --imports n").output


TAIL_CALL = '(func $f (export "one") (result i32) (i32.const 1)) (func (result i32) (return_call $f))'


def test_features_are_switched_on_by_a_line_of_a_notebook_and_of_a_shell(
    kernel: Kernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tail.wat"
    path.write_text(f"(module {TAIL_CALL})")
    refused = kernel.run(f"%plugin load {path}")
    assert refused.error == "CompileError"
    assert "--features tail_calls" in refused.output
    assert kernel.run(f"p = %plugin load {path} --features exceptions,tail_calls").status == "ok"
    assert kernel.value("p.features, p.raw('one')()") == (("exceptions", "tail_calls"), 1)
    assert kernel.run(f"%%plugin define tail --features tail_calls\n{TAIL_CALL}").status == "ok"
    assert kernel.run(f"%plugin load {path} --features none").error == "CompileError"
    assert "Did you mean 'tail_calls'" in kernel.run(f"%plugin load {path} --features tail_cals").output
    assert main(["run", str(path), "one", "--features", "tail_calls"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert main(["run", str(path), "one"]) == 1


def test_define_takes_them_too(kernel: Kernel) -> None:
    cell = """%%plugin define odd --unknown-imports trap --abi raw --config {"a": 1}
(import "env" "now" (func))
(func (export "one") (result i32) (i32.const 1))"""
    assert kernel.run(cell).status == "ok"
    assert kernel.value("rt.plugin('odd').raw('one')()") == 1


def test_grant_revoke_and_quota_change_the_policy_and_the_audit_says_a_magic_did_it(specimen: Kernel) -> None:
    assert "wall_clock" in specimen.run("%plugin grant specimen wall_clock read_database=submissions").stdout
    assert specimen.value("sorted(rt.plugin('specimen').policy.granted)") == ["read_database=submissions", "wall_clock"]
    assert "wall_clock" not in specimen.run("%plugin revoke specimen wall_clock").stdout
    shown = specimen.run("%plugin quota specimen --cpu 30ms --fuel none --host-calls 5").output
    assert "30 ms" in shown
    assert specimen.value("rt.plugin('specimen').policy.quota.cpu") == 0.03
    rows = specimen.value(
        "[tuple(row) for row in rt.plugin('specimen').audit[['what', 'via']].astype(str).to_numpy().tolist()][-4:]"
    )
    assert rows == [("load", "magic"), ("grant", "magic"), ("revoke", "magic"), ("quota", "magic")]


def test_a_wrong_grant_or_quota_changes_nothing(specimen: Kernel) -> None:
    for line in ("grant specimen wall_clok", "grant specimen random wall_clock=x", "quota specimen --cpu 2h"):
        reply = specimen.run(f"%plugin {line}")
        assert reply.error == "PolicyError"
        assert len(reply.traceback.splitlines()) <= 3
    assert specimen.value("sorted(rt.plugin('specimen').policy.granted)") == []


def test_stats_has_a_row_for_each_function_and_keeps_out_others(checker: Kernel) -> None:
    checker.run("%plugin load example:specimen")
    checker.run(f"for n in range(4): rt.plugin('checker').call('check', {ACCEPTED})")
    checker.run("rt.plugin('specimen').attempt('trap')")
    checker.run("s = %plugin stats\nc = %plugin stats checker")
    assert checker.value("int(s.loc[('specimen', 'trap'), 'failed'])") == 1
    assert checker.value("c.index.tolist()") == [("checker", "check")]
    assert checker.value("int(c['calls'].iloc[0]) >= 4 and bool((c['wall_ms_median'] > 0).all())")
    assert "text/html" in checker.run("%plugin stats").value


def test_stats_of_no_calls_is_an_empty_table(fresh: Kernel) -> None:
    fresh.run("%load_ext judicia_notebook\ns = %plugin stats")
    assert fresh.value("len(s), 'wall_ms_p95' in s") == (0, True)


def test_log_shows_what_a_plugin_wrote(specimen: Kernel) -> None:
    assert "written nothing" in specimen.run("%plugin load example:checker --name quiet\n%plugin log quiet").stdout
    specimen.run('%plugin call specimen.log {"n": 2, "level": "warning", "message": "a line"}')
    specimen.run("lines = %plugin log specimen")
    assert (
        specimen.value("lines[['level', 'message']].astype(str).to_numpy().tolist()[-2:]")
        == [["warning", "a line"]] * 2
    )


def test_log_shows_whole_messages(specimen: Kernel) -> None:
    message = "a line of very many words, " * 12 + "and its end"
    specimen.run(f'%plugin call specimen.log {{"n": 1, "message": "{message}"}}')
    shown = specimen.run("%plugin log specimen").value
    assert message in shown["text/html"]
    assert message in shown["text/plain"]
    specimen.run("lines = %plugin log specimen\nimport pickle\nsame = pickle.loads(pickle.dumps(lines)).equals(lines)")
    assert specimen.value("same")
    assert specimen.value("lines.head(1)['message'].iloc[0]") in {"a line", message}


def test_plot_draws_a_picture_of_every_kind_of_one_plugin_and_of_all(checker: Kernel) -> None:
    checker.run(f"%plugin call checker.check {ACCEPTED}")
    for kind in commands.PLOTS:
        assert "image/png" in checker.run(f"%plugin plot {kind} checker").value, kind
        assert "image/png" in checker.run(f"%plugin plot {kind}").value, kind
    assert checker.run("figure = %plugin plot usage checker").status == "ok"
    assert "checker.check" in checker.value("figure.axes[0].get_title(loc='left')")


def test_unload_and_clear_take_plugins_away_and_keep_their_records(checker: Kernel) -> None:
    checker.run(
        f"%plugin load example:specimen\n%plugin load example:checker --name other\n"
        f"%plugin call checker.check {ACCEPTED}"
    )
    assert checker.run("%plugin unload checker").status == "ok"
    assert checker.value("sorted(rt.plugins)") == ["other", "specimen"]
    checker.run("s = %plugin stats checker")
    assert checker.value("s.index.tolist()") == [("checker", "check")]
    assert checker.run("%plugin stats nobody").error == "NoSuchPlugin"
    cleared = checker.run("%plugin clear")
    assert "What plugins left stays" in cleared.output
    assert checker.value("list(rt.plugins)") == []
    assert checker.value("'check' in rt.calls['function'].astype(str).tolist()")


def test_reset_says_what_would_go_and_does_it_only_with_yes(checker: Kernel) -> None:
    told = checker.run("%plugin reset")
    assert "Nothing is removed yet" in told.output
    assert "1 plugin: checker" in told.output
    assert "%plugin reset --yes" in told.output
    assert checker.value("list(rt.plugins)") == ["checker"]
    assert "Removed:" in checker.run("%plugin reset --yes").output
    assert checker.value("[list(rt.plugins), rt.audit['via'].tolist()]") == [[], ["magic"]]
    assert "--yes" in checker.run("%plugin reset --help").output
    assert "unexpected: now" in checker.run("%plugin reset now").output


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%plugin lod x", "Did you mean 'load'?"),
        ("%plugin call checker", "There is: checker.check"),
        ("%plugin call checker.check {'a': 1}", "not JSON"),
        ("%plugin call checker.check nothing", "no variable of that name"),
        ("%plugin call checker.check 1 --text x", "not PAYLOAD and --text"),
        ("%plugin load 'unclosed", "not closed"),
        ("%plugin call checker.check --cost", "no option --cost"),
        ("%%plugin\n{}", "%%plugin define"),
        ("%%plugin list\n{}", "Write it on a line: %plugin list"),
        ("%%plugin define x --lang cobol\n()", "no compiler for 'cobol'"),
        ("%%plugin call checker.check\n{\n\n", "line 4"),
        ("%%plugin call checker.check -o a.b\n{}", "the name of a variable"),
    ],
)
def test_a_wrong_line_is_a_usage_error_of_at_most_two_lines(checker: Kernel, line: str, said: str) -> None:
    reply = checker.run(f"{line}")
    assert reply.status == "error"
    assert reply.stderr.startswith("UsageError: ")
    assert said in reply.stderr
    assert len(reply.stderr.splitlines()) <= 2
    assert reply.traceback == ""


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("%plugin call chekcer.check", "NoSuchPlugin", "Did you mean 'checker'?"),
        ("%plugin call checker.chek", "NoSuchFunction", "Did you mean 'check'?"),
        ("%plugin load example:cheker", "NoSuchExample", "Did you mean 'checker'?"),
        ("%plugin load nothing.wasm", "LoadError", "nothing.wasm"),
        ("%plugin load .", "InvalidModule", "directory"),
        ("%plugin call checker.check {}", "GuestError", "missing field `output`"),
        ("%plugin load example:checker --memory 100GiB", "PolicyError", "ceiling"),
        ("%plugin unload nobody", "NoSuchPlugin", "There is: checker."),
    ],
)
def test_an_error_of_ours_shows_as_two_or_three_lines(checker: Kernel, line: str, error: str, said: str) -> None:
    reply = checker.run(line)
    assert reply.error == error
    assert reply.traceback.startswith(f"{error}: ")
    assert said in reply.traceback
    assert len(reply.traceback.splitlines()) <= 3


def test_text_of_a_guest_is_shown_as_text(specimen: Kernel) -> None:
    nasty = r"<img src=x onerror=alert(1)>\u001b[31m\u202e"
    failed = specimen.run(f'%plugin call specimen.fail {{"code": "{nasty}", "message": "{nasty}"}}')
    assert "\x1b[31m" not in failed.traceback
    assert "\u202e" not in failed.traceback
    specimen.run(f'%plugin call specimen.log {{"n": 1, "message": "{nasty}"}}')
    log = specimen.run("%plugin log specimen").value
    assert "<img" not in log["text/html"]
    assert "\x1b" not in log["text/plain"]
    outcome = specimen.run(f'rt.plugin("specimen").attempt("fail", {{"code": "c", "message": "{nasty}"}})').value
    assert "<img" not in outcome["text/html"]
    assert "&lt;img" in outcome["text/html"]
    assert "\x1b" not in outcome["text/plain"]
    manifest = {"name": "named", "version": "1.0.0", "description": "<b>bold</b>"}
    kernel_reply = specimen.run(f"rt.load('example:checker', manifest={manifest})")
    assert "<b>" not in kernel_reply.value["text/html"]


def test_a_function_named_to_look_like_html_or_a_colour_is_shown_as_text(kernel: Kernel) -> None:
    cell = '%%plugin define strange\n(func (export "<i>\\1b[31m") (param i32 i32) (result i64) (i64.const 0))'
    shown = kernel.run(cell).shown[0]
    assert "<i>" not in shown["text/html"]
    assert "\x1b" not in shown["text/plain"]
    overview = kernel.run("%plugin").shown[0]
    assert "<i>" not in overview["text/html"]
    assert "\x1b" not in kernel.run("%plugin call strange").stderr
    assert "\x1b" not in kernel.run("%plugin call strange.other").traceback


def test_a_magic_sees_the_variables_of_the_function_it_stands_in(kernel: Kernel) -> None:
    kernel.run("%plugin load example:specimen\nv = 'global'")
    assert kernel.run("def f(v):\n    answer = %plugin call specimen.echo v\n    return answer\nf(43)").text == "43"
    assert kernel.run("answer = %plugin call specimen.echo v\nanswer").text == "'global'"


@pytest.mark.parametrize("line", ["stats;", "plot latency ;", 'call specimen.echo {"a": 1};', "call specimen.echo v;"])
def test_a_trailing_semicolon_is_python_and_not_part_of_the_line(kernel: Kernel, line: str) -> None:
    kernel.run("%plugin load example:specimen\n%plugin call specimen.echo 1\nv = 1")
    reply = kernel.run(f"%plugin {line}")
    assert reply.status == "ok", reply.output
    assert reply.value == {}
    assert kernel.run(f"kept = %plugin {line}\nkept is not None").text == "True"


def test_an_option_that_a_call_does_not_have_is_what_the_error_names(kernel: Kernel) -> None:
    kernel.run("%plugin load example:specimen")
    reply = kernel.run("%plugin call specimen.echo 1 --log 1MiB")
    assert "has no option --log" in reply.stderr
    assert "%plugin quota NAME --log 1MiB" in reply.stderr
    assert "jn.Quota(log=" in reply.stderr


def test_a_value_that_begins_with_a_dash_is_judged_as_the_value_it_is(kernel: Kernel) -> None:
    kernel.run("%plugin load example:specimen")
    reply = kernel.run("%plugin quota specimen --cpu -1s")
    assert "-1s" in reply.stderr
    assert "expected one argument" not in reply.stderr


@pytest.mark.parametrize("line", ["%plugin define --help", "%%plugin define --help\nx", "%%plugin load --help\nx"])
def test_help_is_there_for_lines_and_cells_alike(kernel: Kernel, line: str) -> None:
    reply = kernel.run(line)
    assert "usage: " in reply.stdout, reply.output


def test_every_command_has_help(kernel: Kernel) -> None:
    from judicia_notebook.notebook import commands

    for name in {*commands.line_commands(), *commands.cell_commands()}:
        assert "usage: " in kernel.run(f"%plugin {name} --help").stdout
