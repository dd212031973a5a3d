"""``python -m judicia_notebook test`` and ``new``: exit codes, what is printed, and what is left alone."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.languages import SUFFIXES, project
from judicia_notebook.runtime.source import example_folder

Captured = pytest.CaptureFixture[str]
SPECIMEN = example_folder() / "specimen" / "specimen.wasm"
GOOD = '[[case]]\nname = "echoes"\nfunction = "echo"\npayload = 1\nanswer = 1\n'
BAD = '[[case]]\nname = "is wrong"\nfunction = "echo"\npayload = 1\nanswer = 2\n'
ENDLESS = '[[case]]\nname = "ends"\nfunction = "spin"\npayload = { ms = 1000000 }\nquota = { cpu = "50ms" }\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin, and no cases."""
    shutil.copy(SPECIMEN, tmp_path)
    return tmp_path


def test_the_exit_code_is_0_where_all_cases_pass(folder: Path, capsys: Captured) -> None:
    (folder / "cases.toml").write_text(GOOD)
    assert main(["test", str(folder)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "specimen.wasm: as it is"
    assert lines[1].startswith("  ok    echoes ")
    assert " fuel" in lines[1]
    assert lines[2].startswith("1 passed in ")
    assert printed.err == ""


def test_the_exit_code_is_1_where_a_case_fails_and_the_others_are_run(folder: Path, capsys: Captured) -> None:
    (folder / "cases.toml").write_text(ENDLESS + BAD + GOOD)
    assert main(["test", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  FAIL  ends ")
    assert lines[2].startswith("        the outcome is quota_cpu, expected ok: specimen.spin used ")
    assert lines[3].startswith("  FAIL  is wrong ")
    assert lines[4] == "        answer is 1, expected 2"
    assert lines[5].startswith("  ok    echoes ")
    assert lines[6].startswith("1 passed, 2 failed in ")


def test_the_exit_code_is_1_where_the_plugin_does_not_load(folder: Path, capsys: Captured) -> None:
    (folder / "cases.toml").write_text(GOOD)
    (folder / "specimen.wasm").write_bytes(b"\0asm\1\0\0\0\xff")
    assert main(["test", str(folder)]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("InvalidModule: specimen.wasm: ")
    assert printed.out == ""


def test_the_exit_code_is_2_where_folder_or_file_cannot_be_taken(folder: Path, capsys: Captured) -> None:
    assert main(["test", str(folder / "none")]) == 2
    assert capsys.readouterr().err == f"error: {folder / 'none'}: there is no such folder\n"
    assert main(["test", str(folder)]) == 2
    assert capsys.readouterr().err == f"error: {folder / 'cases.toml'}: cannot be read: No such file or directory\n"
    (folder / "cases.toml").write_text(f"{GOOD}anser = 1")
    assert main(["test", str(folder)]) == 2
    said = f"error: {folder / 'cases.toml'}: case 1 (\"echoes\"), anser: there is no such key. Did you mean 'answer'?\n"
    assert capsys.readouterr().err == said
    (folder / "cases.toml").write_text(f'level = "-O2"\n{GOOD}')
    assert main(["test", str(folder)]) == 2
    assert "level and flags are for a compiler" in capsys.readouterr().err
    (folder / "specimen.wasm").unlink()
    assert main(["test", str(folder)]) == 2
    assert "has no plugin" in capsys.readouterr().err


def test_some_cases_alone_and_cases_from_another_file(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    more = tmp_path / "more.toml"
    more.write_text(GOOD + BAD)
    assert main(["test", str(folder), "--cases", str(more), "-k", "echo"]) == 0
    assert "1 passed, 1 left out in " in capsys.readouterr().out
    assert main(["test", str(folder), "--cases", str(more), "-k", "nothing"]) == 2
    assert "no case has 'nothing' in its name" in capsys.readouterr().err


def test_junit_is_written_also_where_a_case_fails(folder: Path, capsys: Captured) -> None:
    (folder / "cases.toml").write_text(GOOD + BAD)
    assert main(["test", str(folder), "--junit", str(folder / "junit.xml")]) == 1
    (suite,) = ET.parse(folder / "junit.xml").getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("specimen.wasm", "2", "1")
    assert [one.get("message") for one in suite.iter("failure")] == ["answer is 1, expected 2"]
    capsys.readouterr()
    assert main(["test", str(folder), "--junit", str(folder)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_manifest_beside_a_module_counts(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "p.wat").write_text((project.TEMPLATES / "plugin.wat").read_text().replace("judicia.manifest", "other"))
    (tmp_path / "plugin.toml").write_text('name = "p"\n[quota]\nfuel = 1\n')
    (tmp_path / "cases.toml").write_text('[[case]]\nname = "a"\nfunction = "hello"\noutcome = "quota_fuel"')
    assert main(["test", str(tmp_path)]) == 0
    (tmp_path / "plugin.toml").write_text('name = "p"\nnme = 1')
    assert main(["test", str(tmp_path)]) == 1
    assert "ManifestError" in capsys.readouterr().err


def test_colours_are_for_terminals(folder: Path) -> None:
    (folder / "cases.toml").write_text(GOOD)
    command = [sys.executable, "-m", "judicia_notebook", "test", str(folder)]
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    ours, theirs = pty.openpty()
    try:
        assert subprocess.run(command, env=env, stdout=theirs, timeout=120).returncode == 0
        assert b"\x1b[32mok  \x1b[0m" in os.read(ours, 1 << 16)
        assert subprocess.run(command, env=env | {"NO_COLOR": "1"}, stdout=theirs, timeout=120).returncode == 0
        assert b"\x1b" not in os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_name_of_a_case_is_inert_in_the_report(folder: Path, capsys: Captured) -> None:
    (folder / "cases.toml").write_text(GOOD.replace("echoes", "\\u001b[2J\\u202e"))
    assert main(["test", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()


# --- new -------------------------------------------------------------------------------------------------------------


def test_new_lays_out_a_project_whose_cases_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    assert main(["new", "my-plugin_2", "--lang", "wat"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "To test it:  python -m judicia_notebook test my-plugin_2"
    files = sorted(path.name for path in (tmp_path / "my-plugin_2").iterdir())
    assert files == [".gitignore", "README.md", "cases.toml", "my-plugin_2.wat"]
    assert [Path(line).name for line in printed[:-1]] == ["my-plugin_2.wat", "cases.toml", "README.md", ".gitignore"]
    assert not any("@" in path.read_text().replace("(@custom", "") for path in (tmp_path / "my-plugin_2").iterdir())
    assert main(["test", "my-plugin_2"]) == 0
    with jn.Runtime() as rt:
        assert rt.load(tmp_path / "my-plugin_2" / "my-plugin_2.wat").manifest.name == "my-plugin_2"


NO_NAMES = ["", "..", "../up", "a/b", "/abs", "A", "1st", "-x", ".hidden", "a b", "ü", "a" * 65, "a\n", "con", "nul"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(project.ProjectError):
        project.new_project(name, "c", tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_new_writes_over_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "greet").mkdir()
    (tmp_path / "greet" / "mine.txt").write_text("mine")
    assert main(["new", "greet", "--lang", "c"]) == 2
    assert capsys.readouterr().err == "error: greet has something in it already, and nothing is written over\n"
    assert [path.name for path in (tmp_path / "greet").iterdir()] == ["mine.txt"]
    (tmp_path / "file").touch()
    assert main(["new", "greet", "--lang", "c", "--folder", "file"]) == 2
    assert "file is there already" in capsys.readouterr().err
    assert main(["new", "greet", "--lang", "c", "--folder", "file/below"]) == 2
    assert "cannot be written: Not a directory" in capsys.readouterr().err
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    assert main(["new", "greet", "--lang", "c", "--folder", "empty"]) == 0
    assert (tmp_path / "empty" / "greet.c").is_file()


def test_new_needs_a_language_that_there_is(tmp_path: Path, capsys: Captured) -> None:
    for arguments in ([], ["--lang", "go"]):
        with pytest.raises(SystemExit) as ended:
            main(["new", "greet", *arguments])
        assert ended.value.code == 2
    with pytest.raises(project.ProjectError, match=r"no language 'zigg'\. Did you mean 'zig'"):
        project.new_project("greet", "zigg", tmp_path / "greet")


def test_there_is_a_template_for_each_language() -> None:
    suffixes = {path.suffix for path in project.TEMPLATES.glob("plugin.*")}
    assert {SUFFIXES[suffix] for suffix in suffixes} == set(SUFFIXES.values())
    assert len(suffixes) == len(set(SUFFIXES.values()))
