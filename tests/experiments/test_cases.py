"""Cases of a plugin: what the file may say, what a wrong one is told, and what of a call is compared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from judicia_notebook.experiments.cases.folder import find_plugin
from judicia_notebook.experiments.cases.junit import as_junit
from judicia_notebook.experiments.cases.reading import (
    MOST_BYTES,
    MOST_CASES,
    Case,
    Cases,
    CasesError,
    Setting,
    read_cases,
)
from judicia_notebook.experiments.cases.running import Verdict, run_case
from judicia_notebook.experiments.checks.criteria import NOTHING
from judicia_notebook.experiments.checks.judging import differing
from judicia_notebook.runtime.source import example_folder

SPECIMEN = example_folder() / "specimen" / "specimen.wasm"
ECHO = '[[case]]\nname = "a"\nfunction = "echo"\n'


def read(folder: Path, text: str) -> Cases:
    path = folder / "cases.toml"
    path.write_text(text, "utf-8")
    return read_cases(path)


def verdict_of(folder: Path, text: str) -> Verdict:
    """Of the only case in a file, about the specimen."""
    (case,) = read(folder, text).cases
    return run_case(case, SPECIMEN)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_case_takes_what_the_file_says_for_all_and_its_own_wins(tmp_path: Path) -> None:
    cases = read(
        tmp_path,
        """
        plugin = "p.wasm"
        grant = ["wall_clock"]
        quota = { cpu = "2s", memory = "1MiB" }
        [[case]]
        name = "all's"
        function = "f"
        [[case]]
        name = "its own"
        function = "f"
        grant = []
        quota = { cpu = "5s" }
        """,
    )
    ours, own = (case.setting for case in cases.cases)
    assert cases.plugin == "p.wasm"
    assert ours.grant == ("wall_clock",)
    assert own.grant == ()
    assert dict(ours.quota) == {"memory": 1 << 20, "cpu": 2.0}
    assert dict(own.quota) == {"memory": 1 << 20, "cpu": 5.0}


def test_a_case_of_steps_and_a_case_of_one_call_read_alike(tmp_path: Path) -> None:
    step = 'function = "f"\npayload_json = "null"\nanswer_json = "null"\n'
    one = read(tmp_path, f'[[case]]\nname = "a"\n{step}').cases[0]
    several = read(tmp_path, f'[[case]]\nname = "a"\n[[case.step]]\n{step}').cases[0]
    assert one == several
    assert one.steps[0].call == {"payload": None}
    assert one.steps[0].expected.answer is None
    assert read(tmp_path, ECHO).cases[0].steps[0].expected.answer is NOTHING


WRONG = {
    "": "cases.toml: has no case",
    "case = 1": "cases.toml: case: expected tables, each begun by [[case]], given 1",
    "case = [1]": "cases.toml: case 1: expected a table of keys and values, given 1",
    "plugins = 'a'": "cases.toml: plugins: there is no such key. Did you mean 'plugin'?",
    "plugin = 1": "cases.toml: plugin: expected text, given 1",
    "level = '-O9'": "cases.toml: level: ",
    "flags = '-g'": "cases.toml: flags: expected a list of texts, given '-g'",
    "grant = ['wall_clok']": "cases.toml: grant: There is no capability 'wall_clok'. Did you mean 'wall_clock'?",
    "quota = { cpu = true }": "cases.toml: quota, cpu: expected a number, or text with a unit",
    "[quota]\ncpus = 1": "cases.toml: quota: ",
    "clock = 'stopped'": "cases.toml: clock: is 'stopped', which is none of them. Did you mean 'stepped'?",
    "[[case]]\nfunction = 'f'": "cases.toml: case 1: has no name",
    "[[case]]\nname = 'a'": 'cases.toml: case 1 ("a"): has no function',
    f"{ECHO}funktion = 'f'": "cases.toml: case 1 (\"a\"), funktion: there is no such key. Did you mean 'function'?",
    f"{ECHO}step = 1": 'cases.toml: case 1 ("a"), function: stands in a [[case.step]]',
    "[[case]]\nname = 'a'\nstep = []": 'cases.toml: case 1 ("a"): has no step',
    "[[case]]\nname = 'a'\n[[case.step]]\nfunction = 1": 'cases.toml: case 1 ("a"), step 1, function: expected text',
    f"{ECHO}denied = -1": 'cases.toml: case 1 ("a"), denied: expected a whole number from 0 on, given -1',
    f"{ECHO}fuel_at_most = 1.5": 'cases.toml: case 1 ("a"), fuel_at_most: expected a whole number from 0 on, given 1.5',
    f"{ECHO}denied = true": 'cases.toml: case 1 ("a"), denied: expected a whole number from 0 on, given true',
    f"{ECHO}outcome = 'quota_cpus'": "Did you mean 'quota_cpu'?",
    f"{ECHO}code = 'x'\noutcome = 'trap'": "code: is of a plugin's own failure, and the outcome is trap",
    f"{ECHO}code = 'x'\nanswer = 1": "answer: cannot be there where the outcome is guest_error",
    f"{ECHO}answer = 1\nanswer_json = '1'": 'cases.toml: case 1 ("a"): has answer and answer_json',
    f"{ECHO}payload = 1\nnumbers = [1]": 'cases.toml: case 1 ("a"): has payload and numbers',
    f"{ECHO}payload = {{ day = 2026-01-01 }}": "payload, day: expected what JSON can hold, given a date",
    f"{ECHO}payload = 99999999999999999999999": "payload: expected what JSON can hold",
    f"{ECHO}payload_json = '{{'": "payload_json: is not JSON",
    f"{ECHO}numbers = ['1']": "numbers: expected a list of numbers, given a list",
    f"{ECHO}config = []": "config: expected a table of keys and values, given a list",
    f"{ECHO}seed = 'x'": "seed: expected a whole number",
    f"{ECHO}features = ['threds']": "features: ",
    f"{ECHO}on_denied = 1": "on_denied: is 1, which is none of them",
    ECHO + ECHO: "cases.toml: two cases are called 'a'",
    "[[case]\n": "cases.toml: is not TOML",
    ECHO * (MOST_CASES + 1): f"there are {MOST_CASES + 1}, and at most {MOST_CASES} are taken",
    "#" * (MOST_BYTES + 1): "is larger than",
}


@pytest.mark.parametrize("text", list(WRONG), ids=lambda text: WRONG[text][:60])
def test_what_is_wrong_in_a_file_is_said_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(CasesError) as caught:
        read(tmp_path, text)
    assert WRONG[text] in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "cases.toml"))
    assert caught.value.file == str(tmp_path / "cases.toml")


def test_no_text_of_a_file_moves_a_cursor_in_its_error(tmp_path: Path) -> None:
    with pytest.raises(CasesError) as caught:
        read(tmp_path, '[[case]]\nname = "\\u001b[2J"\nfunction = "f"\n"\\u202eyek" = 1')
    assert str(caught.value).isprintable()


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="cannot be read: No such file"):
        read_cases(tmp_path / "cases.toml")
    with pytest.raises(CasesError, match="is a directory"):
        read_cases(tmp_path)
    (tmp_path / "cases.toml").write_bytes(b"\xff")
    with pytest.raises(CasesError, match="is not UTF-8"):
        read_cases(tmp_path / "cases.toml")


# --- the plugin of a folder ------------------------------------------------------------------------------------------


def found(folder: Path, plugin: str | None = None) -> Path:
    return find_plugin(folder, Cases("cases.toml", plugin, "-Oz", (), ()))


def test_a_source_is_chosen_before_the_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "cases.toml").touch()
    (tmp_path / "p.wasm").touch()
    assert found(tmp_path) == tmp_path / "p.wasm"
    (tmp_path / "p.c").touch()
    assert found(tmp_path) == tmp_path / "p.c"
    (tmp_path / "q.zig").touch()
    with pytest.raises(CasesError, match=r"any of p\.c, q\.zig"):
        found(tmp_path)
    assert found(tmp_path, "q.zig") == tmp_path / "q.zig"


def test_a_plugin_outside_of_the_folder_or_of_no_kind_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "p.wasm").touch()
    (inside / "link.wasm").symlink_to(tmp_path / "p.wasm")
    for plugin, told in {
        "../p.wasm": "not inside", str(tmp_path / "p.wasm"): "not inside", "link.wasm": "not inside",
        "cases.toml": "suffix", "p.wasm": "no file 'p.wasm'",
    }.items():  # fmt: skip
        with pytest.raises(CasesError, match=told):
            found(inside, plugin)
    (inside / "link.wasm").unlink()
    with pytest.raises(CasesError, match="has no plugin"):
        found(inside)


# --- running ---------------------------------------------------------------------------------------------------------

PASSES = {
    "an answer": 'function = "echo"\npayload = { a = [1, true] }\nanswer = { a = [1, true] }',
    "null": "function = \"echo\"\npayload_json = 'null'\nanswer_json = 'null'",
    "bytes": 'function = "echo_bytes"\ndata = "hi"\nanswer_data = "hi"',
    "a trap": 'function = "trap"\noutcome = "trap"',
    "endless": 'function = "spin"\npayload = { ms = 1000000 }\noutcome = "quota_cpu"\nquota = { cpu = "50ms" }',
    "denied": 'function = "call_host"\npayload = { service = "clock", n = 3 }\ndenied = 3\nhost_calls_at_most = 3',
    "granted": 'function = "call_host"\npayload = { service = "clock" }\ndenied = 0\ngrant = ["wall_clock"]',
    "ended by a denial": (
        'function = "call_host"\npayload = { service = "clock" }\non_denied = "trap"\noutcome = "denied"'
    ),
}


@pytest.mark.parametrize("what", PASSES)
def test_a_call_that_is_as_expected_passes(tmp_path: Path, what: str) -> None:
    verdict = verdict_of(tmp_path, f'[[case]]\nname = "a"\n{PASSES[what]}')
    assert verdict.problems == ()
    assert verdict.record is not None


FAILS = {
    'function = "echo"\npayload = [1, { a = 2 }]\nanswer = [1, { a = 3 }]': "answer[1].a is 2, expected 3",
    'function = "echo"\npayload = {}\nanswer = { a = 1 }': "answer.a is not there, expected 1",
    'function = "echo"\npayload = { a = 1 }\nanswer = {}': "answer.a is 1, and is not expected",
    'function = "echo"\npayload = true\nanswer = 1': "answer is true, expected 1",
    'function = "trap"': "the outcome is trap, expected ok: specimen.trap stopped at `unreachable`",
    'function = "echo"\noutcome = "trap"': "the outcome is ok, expected trap",
    'function = "echo"\npayload = 1\nfuel_at_most = 3': "fuel, expected at most 3",
    'function = "spin"\npayload = { ms = 1000000 }\nquota = { cpu = "50ms" }': "the outcome is quota_cpu, expected ok",
    'function = "call_host"\npayload = { service = "clock" }\ndenied = 0': "1 host call was denied, expected 0",
    'function = "call_host"\npayload = { service = "clock", n = 5 }\nhost_calls_at_most = 4': "it made 5 host calls",
    'function = "nothing"': "NoSuchFunction: ",
    'function = "echo"\nquota = { cpu = "1000s" }': "PolicyError: quota cpu: 16.7 min is above",
}


@pytest.mark.parametrize("case", list(FAILS), ids=lambda case: FAILS[case][:50])
def test_a_call_that_is_not_as_expected_fails_with_the_reason(tmp_path: Path, case: str) -> None:
    verdict = verdict_of(tmp_path, f'[[case]]\nname = "a"\n{case}')
    assert len(verdict.problems) == 1
    assert FAILS[case] in verdict.problems[0]


COUNTER = """(module
  (memory (export "memory") 1) (data (i32.const 8) "0")
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "count") (param i32 i32) (result i64)
    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1))) (i64.const 0x8_00000001)))"""


def test_steps_share_an_instance_and_cases_do_not(tmp_path: Path) -> None:
    (tmp_path / "p.wat").write_text(COUNTER)
    step = '[[case.step]]\nfunction = "count"\nanswer = {}\n'
    case = '[[case]]\nname = "{}"\n' + step.format(1) + step.format(2)
    cases = read(tmp_path, case.format("one") + case.format("two"))
    assert [run_case(case, tmp_path / "p.wat").problems for case in cases.cases] == [(), ()]
    (wrong,) = read(tmp_path, '[[case]]\nname = "a"\n' + step.format(1) * 2).cases
    assert run_case(wrong, tmp_path / "p.wat").problems == ("step 2, count: answer is 2, expected 1",)


def test_random_bytes_are_the_same_in_each_run_and_another_seed_gives_others(tmp_path: Path) -> None:
    text = '[[case]]\nname = "a"\nfunction = "call_host"\ngrant = ["random"]\npayload = { service = "random" }\n'
    told = [verdict_of(tmp_path, f"{text}answer = 0\n{seed}").problems[0] for seed in ("", "", "seed = 0", "seed = 1")]
    assert told[0] == told[1] == told[2] != told[3]


def test_what_a_guest_wrote_is_inert_in_a_problem(tmp_path: Path) -> None:
    verdict = verdict_of(
        tmp_path, '[[case]]\nname = "a"\nfunction = "echo"\npayload = { "\\u001b[2J" = "\\u001b" }\nanswer = {}'
    )
    assert verdict.problems[0].isprintable()


@pytest.mark.parametrize(
    ("given", "expected"), [(1, 1.0), ({"a": [None]}, {"a": [None]}), ("x", "x"), (b"x", b"x"), (True, True)]
)
def test_equal_values_do_not_differ(given: Any, expected: Any) -> None:
    assert differing(given, expected) == ""


@pytest.mark.parametrize(("given", "expected"), [(1, True), (0, False), ("1", 1), (None, {}), ([1], [1, 2]), (1, None)])
def test_values_that_differ_in_kind_differ(given: Any, expected: Any) -> None:
    assert differing(given, expected) != ""


# --- junit -----------------------------------------------------------------------------------------------------------


def test_junit_has_a_testcase_for_each_case_and_holds_any_text() -> None:
    bad = Verdict(Case("a < b \x00\x1b\ufffe & \ud800", (), Setting()), ("x ]]> \x08\uffff", "y"), 0.25, None)
    good = Verdict(Case("fine", (), Setting()), (), 0.5, None)
    root = ET.fromstring(as_junit("p.c", [bad, good]))
    (suite,) = root
    assert suite.attrib == {
        "name": "p.c",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
        "time": "0.750",
    }
    assert [case.get("name", "")[:5] for case in suite] == ["a < b", "fine"]
    (failure,) = suite.iter("failure")
    assert failure.text is not None
    assert failure.text.startswith("x ]]> ")
    assert failure.text.endswith("\ny")
    assert os.fsencode("fine") in as_junit("p.c", [good])
