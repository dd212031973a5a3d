"""What others get is whole: the sdist, the wheel, the workflows and the repository's metadata. ``make package``.

It runs in an environment with the group `package` of pyproject.toml, and ends at the first step that finds something:

- sdist and wheel are built, the wheel from the unpacked sdist, in a fresh folder, as a packager does
- twine and check-wheel-contents look at both
- tests of the unpacked sdist run there, on that sources' own core, with the Python that ``--tests-with`` names
- zizmor, offline and pedantic, looks at the workflows; repo-review at the repository
- pip-audit asks about the dependencies that are installed beside that Python, where a registry answers
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TESTS = ("tests/wasm/test_sections.py", "tests/policy", "tests/test_units.py", "tests/engine/core/test_build.py")
"""A part that needs nothing but the sdist, and takes seconds."""
AUDIT_LASTS_AT_MOST = 60


class CheckError(Exception):
    """What a step found; its own words are printed above."""


def run(what: str, *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    """One step: silent where all is well."""
    given = list(map(str, command))
    output = subprocess.PIPE
    done = subprocess.run(given, check=False, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        raise CheckError(f"{what}: exit code {done.returncode}")
    print(f"package: {what}", flush=True)


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, unpack it, and build the wheel of what it held: where that lies, and the wheel."""
    hatchling = (sys.executable, "-m", "hatchling", "build", "--directory", folder / "dist", "--target")
    run("the sdist is built", *hatchling, "sdist")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    run("the wheel is built from the unpacked sdist", *hatchling, "wheel", cwd=unpacked)
    (wheel,) = (folder / "dist").glob("*.whl")
    return unpacked, wheel


def test_alone(unpacked: Path, python: Path) -> None:
    """Run tests of an unpacked sdist, on a core built there."""
    env = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    run("the sdist's core is built", python, "tools/build_core.py", cwd=unpacked, env=env)
    imported = "import judicia_notebook as jn, os; assert jn.__file__.startswith(os.getcwd())"
    run("the sdist is imported from its own folder", python, "-c", imported, cwd=unpacked, env=env)
    options = ("-m", "pytest", "--quiet", "--numprocesses", "0", "-p", "no:cacheprovider")
    run("tests of the sdist pass in its own folder", python, *options, *TESTS, cwd=unpacked, env=env)


def audit(python: Path) -> None:
    """Ask for known vulnerabilities of what is installed; say so where nobody answers.

    A mirror that knows packages but no advisories answers that it does not know the package. Then nothing was asked.
    """
    asks = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    where = subprocess.run(asks, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    command = [str(BIN / "pip-audit"), "--path", where, "--skip-editable", "--timeout", "10", "--format", "json"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=AUDIT_LASTS_AT_MOST)
        found, why = json.loads(done.stdout)["dependencies"], "it knows none of the packages"
    except subprocess.TimeoutExpired:
        found, why = [], f"no answer within {AUDIT_LASTS_AT_MOST} s"
    except json.JSONDecodeError:
        found, why = [], "".join(done.stderr.strip().splitlines()[-1:])
    asked = [one for one in found if "vulns" in one]
    if not asked:
        print(f"package: not audited, since no registry that knows advisories answers here: {why}")
        return
    if known := [f"{one['name']} {one['version']}: {vuln['id']}" for one in asked for vuln in one["vulns"]]:
        print("\n".join(known))
        raise CheckError(f"pip-audit: {len(known)} known vulnerabilities in what is installed")
    unknown = len(found) - len(asked)
    print(f"package: pip-audit knows no vulnerability of {len(asked)} packages; {unknown} it does not know")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tests-with", type=Path, default=Path(sys.executable), metavar="PYTHON")
    parser.add_argument("--requirements", action="store_true", help="print what it checks with, and do nothing")
    given = parser.parse_args()
    if given.requirements:
        print(*tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["package"], sep="\n")
        return 0
    python = given.tests_with.absolute()
    try:
        with tempfile.TemporaryDirectory(prefix="package-") as name:
            unpacked, wheel = build(Path(name))
            run("twine finds nothing", BIN / "twine", "check", "--strict", *wheel.parent.iterdir())
            run("check-wheel-contents finds nothing", BIN / "check-wheel-contents", wheel)
            test_alone(unpacked, python)
        run("zizmor finds nothing", BIN / "zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github")
        run("repo-review finds nothing", BIN / "repo-review", ".")
        audit(python)
    except CheckError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
