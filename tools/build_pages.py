"""Checks and bundles the pages of the live widgets: ES modules, one committed bundle a widget, the same bytes always.

Run by ``make pages``. Needs Node and the packages that package.json pins, which it installs; nobody who only installs
or uses the package needs either, since the bundles are committed.

- ``messages.d.ts`` is written first, from the structs in Python (see ``write_message_types.py``).
- esbuild joins the modules and leaves them readable. The paths it writes beside them are relative to the repository.
- Without Node, or without a registry to install the packages from, it says what to install and ends with `MISSING`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIVE = ROOT / "judicia_notebook" / "notebook" / "live"
BUNDLES = LIVE / "bundles"
PAGES = {name: LIVE / name / f"{name}.js" for name in ("call_card", "charts", "panel")}
PAGES["answering"] = LIVE / "widgets" / "answering.js"
UNIT_TESTS = ROOT / "tests" / "notebook" / "live"
PACKAGES = ROOT / "node_modules"
HEAD = "// Made by `make pages` from the modules named below. Change those, not this."
OLDEST_NODE = 18
MISSING = 3
NO_NODE = (
    f"no Node {OLDEST_NODE} or newer with its npm; enable: apt-get install nodejs npm"
    " (or: pip install 'judicia-notebook[pages]')"
)
NO_PACKAGES = "the packages of package.json could not be installed; enable: npm install"


class BuildError(Exception):
    """Something that the person at the terminal has to put right; its text is all that is shown."""


class MissingError(Exception):
    """What the pages are checked and bundled with is not here; its text says how to get it."""


def run(*command: str | Path) -> str:
    """Runs a command in the repository and answers its standard output.

    Raises
    ------
    BuildError
        It failed; what it printed is the text.
    """
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{done.stdout}{done.stderr}".rstrip())
    return done.stdout


# -- Node and its packages ---------------------------------------------------------------------------------------------


def nodes() -> Iterator[Path]:
    """Every node that could be meant: those on the path in its order, then PyPI's, beside this interpreter."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), str(Path(sys.executable).parent)]
    for folder in dict.fromkeys(filter(None, folders)):
        found = shutil.which("node", path=folder)
        if found:
            yield Path(found)


def find_node() -> Path:
    """The first node that is new enough and has its npm beside it."""
    for node in nodes():
        asked = subprocess.run([str(node), "--version"], capture_output=True, text=True, check=False)
        major = asked.stdout.strip().removeprefix("v").partition(".")[0]
        if major.isdecimal() and int(major) >= OLDEST_NODE and shutil.which("npm", path=str(node.parent)):
            return node
    raise MissingError(NO_NODE)


def pinned() -> dict[str, str]:
    """The packages of package.json, each with its one version."""
    pins: dict[str, str] = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    return pins


def are_installed() -> bool:
    """Whether the packages are there in the versions that package.json pins."""
    for name, version in pinned().items():
        about = PACKAGES / name / "package.json"
        if not about.exists() or json.loads(about.read_text("utf-8"))["version"] != version:
            return False
    return True


def prepare() -> Path:
    """Finds Node, and installs the packages where they are missing or others; answers the node."""
    node = find_node()
    os.environ["PATH"] = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])  # npm and the tools start node
    if not are_installed():
        try:
            run(shutil.which("npm", path=str(node.parent)) or "npm", "install")
        except BuildError as error:
            raise MissingError(f"{NO_PACKAGES}\n{error}") from None
    return node


def tool(name: str) -> Path:
    return PACKAGES / ".bin" / name


# -- what it does ------------------------------------------------------------------------------------------------------


def message_types(*flags: str) -> None:
    """Writes messages.d.ts, or checks it."""
    run(sys.executable, ROOT / "tools" / "write_message_types.py", *flags)


def bundle(out: Path) -> None:
    """Writes the bundle of each page into a folder."""
    entries = [f"{name}={path.relative_to(ROOT).as_posix()}" for name, path in PAGES.items()]
    form = ("--bundle", "--format=esm", "--target=es2022", "--charset=utf8", f"--banner:js={HEAD}")
    run(tool("esbuild"), *entries, *form, "--log-level=warning", f"--outdir={out}")


def build() -> None:
    """Makes the types and the committed bundles anew."""
    message_types()
    bundle(BUNDLES)
    for name in PAGES:
        print(f"{name}: {(BUNDLES / f'{name}.js').stat().st_size:,} bytes")


def check() -> None:
    """Holds the committed types and bundles against their source.

    Raises
    ------
    BuildError
        One is stale.
    """
    message_types("--check")
    with tempfile.TemporaryDirectory(prefix="judicia-pages-") as folder:
        fresh = Path(folder)
        bundle(fresh)
        names = [f"{name}.js" for name in PAGES]
        stale = [name for name in names if text_of(fresh / name) != text_of(BUNDLES / name)]
    if stale:
        raise BuildError(f"STALE: {', '.join(stale)} in {BUNDLES.relative_to(ROOT)}; run `make pages`")
    print("pages: the committed types and bundles are what their sources make")


def text_of(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def lint() -> None:
    """Formatting, lint rules and types."""
    run(tool("biome"), "check", "--error-on-warnings", ".")
    run(tool("tsc"), "--project", ".")
    print("pages: biome and tsc are satisfied")


def fix() -> None:
    """Formats, and mends what can be mended safely."""
    print(run(tool("biome"), "check", "--write", "."), end="")


def unit_tests(node: Path) -> None:
    """Runs the unit tests of the parts that need no page."""
    print(run(node, "--test", "--test-reporter=spec", *sorted(UNIT_TESTS.glob("*.test.js"))), end="")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check and bundle the pages of the live widgets.")
    jobs = parser.add_mutually_exclusive_group()
    jobs.add_argument("--check", action="store_true", help="write nothing; fail if a committed bundle is stale")
    jobs.add_argument("--lint", action="store_true", help="formatting, lint rules and types")
    jobs.add_argument("--fix", action="store_true", help="format, and mend what can be mended safely")
    jobs.add_argument("--test", action="store_true", help="run the unit tests")
    parser.add_argument("--where-possible", action="store_true", help="outside CI, no failure where Node is missing")
    options = parser.parse_args(arguments)
    try:
        node = prepare()
        if options.test:
            unit_tests(node)
        else:
            (check if options.check else lint if options.lint else fix if options.fix else build)()
    except MissingError as missing:
        print(f"pages: skipped: {missing}", file=sys.stderr)
        return 0 if options.where_possible and not os.environ.get("CI") else MISSING
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
