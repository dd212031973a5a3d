"""The house itself: what importing promises, what the repository may not hold, what a wheel brings along."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import judicia_notebook as jn
from judicia_notebook.engine.core import CORE
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = f"judicia_notebook/engine/core/{CORE.build.path.name}"
HEAVY = ("IPython", "anywidget", "ipywidgets", "matplotlib", "nbconvert", "pandas")

# Written so that none of them is found in this file.
NOT_OURS_TO_TELL = re.compile(
    rb"/[r]oot/|/[w]ork/|/[h]ome/[a-z]|/[U]sers/[A-Za-z]|[C]:\\\\Users|\.[p]yenv|/[t]mp/ipykernel_|[p]ythonhosted"
    rb"|[p]ypi\.org/simple|[r]egistry\.npmjs|[d]eb\.debian|[s]tatic\.crates\.io|[i]ndex\.crates\.io|[e]xtra-index-url"
)
CACHES = (
    ".venv/",
    ".hypothesis/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    "docs/_build/",
    "judicia-notebooks/",
)
LEFTOVERS = re.compile(
    r"(^|/)(target|__pycache__|\.ipynb_checkpoints|node_modules|\.zig-cache|\.venv)/|\.py[cod]$|\.o$"
    r"|(^|/)judicia_core\.\w+$"
)


def succeed(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command that has to end well; answers what it printed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- the public surface ----------------------------------------------------------------------------------------------


def public_members() -> Iterator[tuple[str, object]]:
    """Every public name, and the public methods of every public class that this package wrote."""
    for name in jn.__all__:
        value = getattr(jn, name)
        yield name, value
        for owner in value.__mro__ if inspect.isclass(value) else ():
            if owner.__module__.startswith("judicia_notebook"):
                for member, what in vars(owner).items():
                    if not member.startswith("_") and inspect.isroutine(what):
                        yield f"{name}.{member}", what


def test_all_public_names_are_listed_sorted_and_exist() -> None:
    listed = list(jn.__all__)
    assert listed == sorted(set(listed))
    assert [name for name in listed if not hasattr(jn, name)] == []
    assert dir(jn) == listed


def test_every_error_of_the_tree_is_public() -> None:
    from judicia_notebook import errors

    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree <= set(jn.__all__)


def test_what_users_call_is_described() -> None:
    described = {name: inspect.getdoc(what) for name, what in public_members() if callable(what)}
    assert "Plugin.call" in described
    assert [name for name, text in described.items() if not text] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = f"import sys, judicia_notebook; print([name for name in {HEAVY} if name in sys.modules])"
    assert succeed(sys.executable, "-c", program, cwd=ROOT) == "[]\n"


# --- the repository --------------------------------------------------------------------------------------------------


def repository_files() -> list[Path]:
    """What a clone would hold: tracked, and new files that nothing ignores. In an unpacked sdist: what lies there."""
    if (ROOT / ".git").exists():
        asked = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
        listed = succeed("git", "-c", f"safe.directory={ROOT}", *asked, cwd=ROOT).split("\0")
        return [path for name in listed if name and (path := ROOT / name).is_file()]
    names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return [ROOT / name for name in names if not LEFTOVERS.search(name) and not name.startswith(CACHES)]


def test_no_file_tells_about_the_machine_it_was_made_on() -> None:
    found = {
        str(path.relative_to(ROOT)): told.group()
        for path in repository_files()
        if (told := NOT_OURS_TO_TELL.search(path.read_bytes()))
    }
    assert found == {}


def test_the_version_is_written_once() -> None:
    written = re.compile(rf"""version[^\n]{{0,12}}["']{re.escape(jn.__version__)}["']""")
    places = [
        path.relative_to(ROOT).as_posix()
        for path in repository_files()
        if path.suffix in {".py", ".toml"} and path.name not in {"plugin.toml", "Cargo.toml"}
        if written.search(path.read_text("utf-8"))
    ]
    assert places == ["judicia_notebook/__init__.py"]
    assert f"## {jn.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in repository_files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def example_of_the_tour() -> list[tuple[str, str]]:
    """The notebook in docs/tour.md: what goes into each cell, and what it is said to show."""
    tour = (ROOT / "docs" / "tour.md").read_text("utf-8")
    return re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", tour, re.DOTALL)


def shape(text: str) -> list[str]:
    """The words of a text, without what differs between runs: how long it took, how wide columns are, digests."""
    text = re.sub(r"sha256 [0-9a-f]+", "sha256", text)
    return re.sub(r"\d+([.\u00a0\u2009\u202f]\d+)*( [nµm]?s\b)?", "#", text).split()


def test_the_tour_shows_what_its_notebook_really_shows(tmp_path: Path) -> None:
    example = example_of_the_tour()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source, _ in example])
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"IPYTHONDIR": str(tmp_path), "PYTHONPATH": path}
    with (tmp_path / "kernel.log").open("w") as log:
        NotebookClient(notebook, timeout=PATIENCE, iopub_timeout=PATIENCE).execute(env=env, stdout=log, stderr=log)
    assert len(example) == 3
    for (_, shown), cell in zip(example, notebook.cells, strict=True):
        outputs = [output.get("text") or output["data"]["text/plain"] for output in cell.outputs]
        assert shape("\n".join(outputs)) == shape(shown)


# --- the wheel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy in which every kind of leftover lies about."""
    copy = tmp_path_factory.mktemp("copy")
    for path in repository_files():
        (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / path.relative_to(ROOT))
    (copy / ".gitignore").unlink(missing_ok=True)  # an sdist may be built where there is no git
    for leftover in (
        "plugins/checker/target/release/checker.d",
        "__pycache__/plugin.cpython-311.pyc",
        "sdk/rust/a.o",
        "engine/core/judicia_core.leftover",
    ):
        (copy / "judicia_notebook" / leftover).parent.mkdir(parents=True, exist_ok=True)
        (copy / "judicia_notebook" / leftover).write_bytes(b"leftover")
    (copy / "notebooks" / ".ipynb_checkpoints").mkdir(exist_ok=True)
    (copy / "notebooks" / ".ipynb_checkpoints" / "01-quickstart-checkpoint.ipynb").write_text("{}")
    shutil.copyfile(CORE.build.path, copy / LIBRARY)  # as `make core` leaves it
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=copy)
    return folder


def test_a_clone_that_was_installed_from_runs_itself(tmp_path: Path) -> None:
    """In a clone ``python -m judicia_notebook`` finds the sources before what is installed: they need a core, too."""
    for path in repository_files():
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / path.relative_to(ROOT))
    assert not (tmp_path / LIBRARY).exists()
    succeed(
        sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "dist", cwd=tmp_path
    )
    there = "import judicia_notebook as jn; print(jn.__file__, jn.Runtime().load('example:checker').name)"
    assert succeed(sys.executable, "-c", there, cwd=tmp_path).split() == [
        str(tmp_path / "judicia_notebook" / "__init__.py"),
        "checker",
    ]


def wheel_in(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_its_plugins_and_the_lessons(built: Path) -> None:
    names = set(zipfile.ZipFile(wheel_in(built)).namelist())
    for name in (
        "judicia_notebook/py.typed",
        "judicia_notebook/sdk/ABI.md",
        "judicia_notebook/sdk/c/judicia.h",
        "judicia_notebook/sdk/zig/judicia.zig",
        "judicia_notebook/sdk/rust/Cargo.lock",
        "judicia_notebook/sdk/rust/Cargo.toml",
        "judicia_notebook/sdk/rust/README.md",
        "judicia_notebook/sdk/rust/src/code.rs",
        "judicia_notebook/sdk/new/cases.toml",
        "judicia_notebook/sdk/new/gitignore",
        "judicia_notebook/sdk/new/plugin.c",
        "judicia_notebook/plugins/checker/checker.wasm",
        "judicia_notebook/plugins/checker/plugin.toml",
        "judicia_notebook/plugins/checker/src/lib.rs",
        "judicia_notebook/plugins/specimen/specimen.wasm",
        "judicia_notebook/_notebooks/01-quickstart.ipynb",
        "judicia_notebook/notebook/live/bundles/call_card.js",
        "judicia_notebook/notebook/live/bundles/charts.js",
        "judicia_notebook/notebook/live/bundles/panel.js",
    ):
        assert name in names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"judicia_notebook", f"judicia_notebook-{jn.__version__}.dist-info"}


def test_the_wheel_brings_the_core_for_any_python_on_one_kind_of_machine(built: Path) -> None:
    with zipfile.ZipFile(wheel_in(built)) as archive:
        library = archive.read(LIBRARY)
        core = {name for name in archive.namelist() if name.startswith("judicia_notebook/engine/core/")}
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        lines = archive.read(about).decode().splitlines()
    assert f"judicia_core digest={CORE.build.digest} variant=release ".encode() in library
    assert {Path(name).suffix for name in core if name != LIBRARY} == {
        ".py"
    }  # no C beside it: nothing to compare it with
    tag = wheel_in(built).stem.partition(f"-{jn.__version__}-")[2]
    assert re.fullmatch(r"py3-none-(manylinux_2_\d+_|macosx_\d+_\d_|linux_|win_)(x86_64|aarch64|arm64|amd64)", tag)
    assert f"Tag: {tag}" in lines
    assert "Root-Is-Purelib: false" in lines


def test_the_sdist_can_build_and_test_everything(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("pyproject.toml", "Makefile", ".ci/run", "tests/conftest.py", "tools/build_plugins.py", "LICENSE"):
        assert name in names
    for name in ("hatch_build.py", "tools/build_core.py", "judicia_notebook/engine/core/core.h", ".clang-format"):
        assert name in names
    for name in ("CITATION.cff", ".github/workflows/wheels.yml", ".github/ISSUE_TEMPLATE/bug.yml"):
        assert name in names
    for name in (".npmrc", "biome.json", "package.json", "tsconfig.json", "tests/notebook/live/session.test.js"):
        assert name in names


def test_nothing_left_lying_about_gets_into_wheel_or_sdist(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames() + zipfile.ZipFile(wheel_in(built)).namelist()
    assert [name for name in names if LEFTOVERS.search(name)] == [LIBRARY]  # the wheel's


def test_pytest_finds_the_fixtures_of_an_installed_wheel(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel_in(built)) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "test_it.py").write_text("def test_it(judicia_runtime): judicia_runtime.load('example:checker')\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "JUDICIA"))}
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "--trace-config", "test_it.py")
    printed = succeed(*command, cwd=tmp_path, env=clean | {"PYTHONPATH": str(tmp_path / "site")})
    assert "1 passed" in printed
    assert str(tmp_path / "site" / "judicia_notebook" / "pytest_plugin.py") in printed


@pytest.fixture(scope="module")
def elsewhere(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that was empty before the wheel was installed into it, away from the checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if uv := shutil.which("uv"):
        succeed(uv, "venv", "--quiet", "--python", sys.executable, folder / "env")
        succeed(uv, "pip", "install", "--quiet", "--python", python, wheel_in(built), cwd=folder)
    else:
        succeed(sys.executable, "-m", "venv", folder / "env")
        succeed(python, "-m", "pip", "install", "--quiet", "--no-compile", wheel_in(built), cwd=folder)
    return python


def run_elsewhere(python: Path, *arguments: str | Path) -> str:
    folder = python.parents[2]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "JUDICIA"))}
    return succeed(python, *arguments, cwd=folder, env=clean | {"IPYTHONDIR": str(folder / "ipython")})


def test_an_installed_wheel_judges_in_ipython(elsewhere: Path) -> None:
    session = elsewhere.parents[2] / "session.ipy"
    session.write_text(
        textwrap.dedent("""\
            %load_ext judicia_notebook
            %plugin load example:checker
            request = {"mode": "tokens", "answer": "1 2 3", "output": "1 2 4"}
            answer = %plugin call checker.check request
            import json, judicia_notebook as jn
            told = [answer["verdict"], answer["difference"]["column"], jn.__file__, jn.__version__]
            print("ANSWER", json.dumps(told))
        """)
    )
    printed = run_elsewhere(elsewhere, "-m", "IPython", "--no-banner", "--colors=nocolor", session)
    answers = [line.removeprefix("ANSWER ") for line in printed.splitlines() if line.startswith("ANSWER ")]
    assert len(answers) == 1, printed
    verdict, column, where, version = json.loads(answers[0])
    assert (verdict, column, version) == ("wrong_answer", 5, jn.__version__)
    assert ROOT not in Path(where).parents


def test_an_installed_wheel_finds_its_lessons(elsewhere: Path) -> None:
    program = """if True:
        from judicia_notebook.command_line.lessons import QUICKSTART, bundled_notebooks
        print(bundled_notebooks() / QUICKSTART)
    """
    lesson = Path(run_elsewhere(elsewhere, "-c", program).strip())
    assert lesson.read_bytes() == (ROOT / "notebooks" / "01-quickstart.ipynb").read_bytes()
    assert elsewhere.parents[1] in lesson.parents


def test_an_installed_wheel_answers_on_the_command_line(elsewhere: Path) -> None:
    printed = run_elsewhere(elsewhere, "-m", "judicia_notebook", "run", "example:specimen", "echo", "[1, 2]")
    assert json.loads(printed) == [1, 2]
