"""Build the core's library, `judicia_notebook/engine/core/`: ``make core``, and what the wheel's build calls.

With $CC, cc, gcc or clang, else with the clang inside the package ``ziglang``. It runs before anything is installed, so
it needs the standard library alone. Nothing is done where the library is already that of the sources.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "judicia_notebook" / "engine" / "core"
ZIGLANG: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["c"][0]
"""Its clang is the compiler where there is none, and the one that compiles for other machines."""
MACOS = "11.0"
"""The oldest macOS that a library built here runs on."""
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g")
TARGETS = {
    "x86_64-linux-gnu.2.17": "manylinux_2_17_x86_64",
    "aarch64-linux-gnu.2.17": "manylinux_2_17_aarch64",
    "x86_64-linux-musl": "musllinux_1_2_x86_64",
    "aarch64-linux-musl": "musllinux_1_2_aarch64",
    f"x86_64-macos.{MACOS}": f"macosx_{MACOS.replace('.', '_')}_x86_64",
    f"aarch64-macos.{MACOS}": f"macosx_{MACOS.replace('.', '_')}_arm64",
    "x86_64-windows-gnu": "win_amd64",
}
"""What ``make cross`` compiles for, in zig's words, and the platform in the tag of a wheel with that library."""

NO_COMPILER = 3
"""The exit code that asks the Makefile for ziglang."""


class CannotBuildError(Exception):
    """The compiler refused."""


class NoCompilerError(CannotBuildError):
    """There is none."""


def _load_sources() -> ModuleType:
    spec = importlib.util.spec_from_file_location("core_sources", CORE / "sources.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(CORE / "sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sources = _load_sources()
LIBRARY = CORE / sources.library_name()
"""The library of this checkout."""


def zig() -> list[str] | None:
    """The command of ziglang's clang, if the package is there."""
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


@functools.cache
def find_compiler() -> list[str] | None:
    """The command of a C compiler: $CC, cc, gcc, clang, or the package ziglang's; None if there is none."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if (found := shutil.which(name)) and _works([found]):
            return [found]
    return zig()


def _works(compiler: list[str]) -> bool:
    """Whether it makes a library: Debian's gcc may have no libc to link with, and macOS has a cc that only says so."""
    with tempfile.TemporaryDirectory(prefix="judicia_core-") as folder:
        program = "#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\nint32_t seven(void) { return 7; }\n"
        command = [*compiler, "-shared", "-fPIC", "-o", str(Path(folder) / "probe"), "-x", "c", "-"]
        try:
            subprocess.run(command, input=program.encode(), capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def is_current(library: Path, variant: str = "release") -> bool:
    """Whether a library is there, for this kind of machine, and was built from the sources as they are now."""
    if not library.is_file():
        return False
    said = sources.BUILD_LINE.search(library.read_bytes().decode("latin-1"))
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    return (
        said is not None
        and (said["digest"], said["variant"]) == (sources.digest(CORE), variant)
        and said["target"].partition("-")[0] in {machine, "other"}
    )


def keep_current(variant: str = "release") -> bool:
    """Build this checkout's library if it is not that of the sources; whether there was something to do."""
    if is_current(LIBRARY, variant):
        return False
    if variant == "sanitized":  # with gcc, whose AddressSanitizer is a library that LD_PRELOAD can name
        build(LIBRARY, ["gcc"], variant=variant, flags=SANITIZE)
    else:
        build(LIBRARY)
    return True


def build(
    library: Path, compiler: list[str] | None = None, *, variant: str = "release", flags: tuple[str, ...] = ()
) -> None:
    """Compile every source into one library, which takes its place at once or not at all.

    Raises
    ------
    NoCompilerError
        With the command that brings one.
    CannotBuildError
        If it refuses; its messages are on stderr.
    """
    compiler = compiler or find_compiler()
    if compiler is None:
        raise NoCompilerError(
            f"there is no C compiler that works: neither $CC, cc, gcc, clang nor {ZIGLANG} from PyPI "
            f"({sys.executable} -m pip install {ZIGLANG})"
        )
    defined = (f'-DJC_DIGEST="{sources.digest(CORE)}"', f'-DJC_VARIANT="{variant}"')
    foreign = any(word.startswith("--target=") for word in compiler)
    system = (f"-mmacosx-version-min={MACOS}",) if sys.platform == "darwin" and not foreign else ()
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".judicia_core-") as folder:
        made = Path(folder) / library.name
        inputs = [path.name for path in sorted(CORE.glob("*.c"))]
        command = [*compiler, *sources.FLAGS, *system, *flags, *defined, "-o", str(made), *inputs]
        # Zig keeps what it has compiled, by default in the current folder and in the home.
        caches = {f"ZIG_{kind}_CACHE_DIR": str(Path(folder) / kind) for kind in ("LOCAL", "GLOBAL")}
        try:
            code = subprocess.run(command, check=False, cwd=CORE, env={**caches, **os.environ}).returncode
        except OSError as error:
            raise CannotBuildError(f"{shlex.join(compiler)} did not build the core: {error}") from error
        if code:
            raise CannotBuildError(f"{shlex.join(compiler)} did not build the core: its exit code is {code}")
        made.replace(library)


def wheel_platform(library: Path) -> str:
    """The platform in the tag of a wheel that holds this library, which was built here for here.

    On Linux the oldest glibc that has every symbol which the library asks for; 2.17 at least, before which no installer
    knows such tags. With another libc (musl) only machines like this one.
    """
    if sys.platform == "darwin":
        return f"macosx_{MACOS.replace('.', '_')}_{platform.machine()}"
    here = re.sub(r"\W", "_", sysconfig.get_platform())
    if b"-linux-glibc compiler=" not in library.read_bytes():
        return here
    asked = re.findall(rb"\x00GLIBC_(\d+)\.(\d+)", library.read_bytes())
    major, minor = max([(2, 17), *((int(major), int(minor)) for major, minor in asked)])
    return f"manylinux_{major}_{minor}_{here.removeprefix('linux_')}"


def analyze() -> None:
    """Let gcc follow each path through the C; what it finds is an error like every other warning.

    Unoptimized: with -O1 gcc 12 takes memory that a struct with a lock in it points to for leaked.
    """
    with tempfile.TemporaryDirectory(prefix="judicia_core-") as folder:
        build(Path(folder) / LIBRARY.name, ["gcc"], variant="analyzed", flags=("-O0", "-fanalyzer"))


def build_for(target: str, folder: Path) -> Path:
    """Compile for a machine that is not this one, with zig, into a folder; the library's path.

    Raises
    ------
    CannotBuildError
        If `target` is none of `TARGETS`, or the compiler refuses.
    NoCompilerError
        Without ziglang.
    """
    if target not in TARGETS:
        raise CannotBuildError(f"no wheel is made for {target}: it is one of {', '.join(TARGETS)}")
    compiler = zig()
    if compiler is None:
        raise NoCompilerError(f"for other machines it takes {ZIGLANG}: {sys.executable} -m pip install {ZIGLANG}")
    system = re.split(r"[-.]", target)[1]
    library: Path = folder / sources.library_name({"macos": "darwin", "windows": "win32"}.get(system, "linux"))
    build(library, [*compiler, f"--target={target}"], flags=("-s",))
    return library


def cross(folder: Path) -> None:
    """Compile for machines that are not this one; nothing of it runs here."""
    for target in TARGETS:
        library = build_for(target, folder / target)
        print(f"core: {target}, {library.stat().st_size} bytes", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sanitize", action="store_true", help="with AddressSanitizer and UBSan")
    parser.add_argument("--cross", type=Path, metavar="FOLDER", help="for other machines, with zig, into that folder")
    parser.add_argument("--analyze", action="store_true", help="compile it once with gcc -fanalyzer, and keep nothing")
    parser.add_argument("--ziglang", action="store_true", help="print the requirement that brings a compiler")
    asked = parser.parse_args()
    if asked.ziglang:
        print(ZIGLANG)
        return 0
    variant = "sanitized" if asked.sanitize else "release"
    try:
        if asked.cross:
            cross(asked.cross.resolve())
        elif asked.analyze:
            analyze()
            print("analyze: gcc -fanalyzer finds nothing in the core")
        elif keep_current(variant):
            print(f"core: {LIBRARY.relative_to(ROOT)}, {variant}")
    except NoCompilerError as error:
        print(error, file=sys.stderr)
        return NO_COMPILER
    except CannotBuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
