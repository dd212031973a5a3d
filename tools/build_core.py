"""Build the core's library, `judicia_notebook/engine/core/`: ``make core``, and what the wheel's build calls.

With $CC, cc, gcc or clang, else with the clang inside the package ``ziglang``. It runs before anything is installed, so
it needs the standard library alone. Nothing is done where the library is already that of the sources.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "judicia_notebook" / "engine" / "core"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g")


def _load_sources() -> ModuleType:
    spec = importlib.util.spec_from_file_location("core_sources", CORE / "sources.py")
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  # for the type checker
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sources = _load_sources()


def find_compiler() -> list[str] | None:
    """The command of a C compiler: $CC, cc, gcc, clang, or the package ziglang's; None if there is none."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def is_current(library: Path, variant: str = "release") -> bool:
    """Whether a library is there and was built from the sources as they are now."""
    if not library.is_file():
        return False
    said = sources.BUILD_LINE.search(library.read_bytes().decode("latin-1"))
    return said is not None and (said["digest"], said["variant"]) == (sources.digest(CORE), variant)


def build(library: Path, compiler: list[str], *, variant: str = "release", flags: tuple[str, ...] = ()) -> None:
    """Compile every source into one library, which takes its place at once or not at all.

    Raises
    ------
    subprocess.CalledProcessError
        If the compiler refuses; its messages are on stderr.
    """
    library.parent.mkdir(parents=True, exist_ok=True)
    defined = (f'-DJC_DIGEST="{sources.digest(CORE)}"', f'-DJC_VARIANT="{variant}"')
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".judicia_core-") as folder:
        made = Path(folder) / library.name
        inputs = [str(path) for path in sorted(CORE.glob("*.c"))]
        command = [*compiler, *sources.FLAGS, *flags, *defined, "-o", str(made), *inputs]
        # Zig keeps what it has compiled, by default in the current folder and in the home.
        zig = {f"ZIG_{kind}_CACHE_DIR": str(Path(folder) / kind) for kind in ("LOCAL", "GLOBAL")}
        subprocess.run(command, check=True, env={**zig, **os.environ})
        made.replace(library)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sanitize", action="store_true", help="with AddressSanitizer and UBSan")
    parser.add_argument("--force", action="store_true", help="build it even if it is current")
    asked = parser.parse_args()
    library = CORE / sources.library_name()
    variant = "sanitized" if asked.sanitize else "release"
    if not asked.force and is_current(library, variant):
        return 0
    compiler = find_compiler()
    if compiler is None:
        print("no C compiler: no $CC, cc, gcc, clang and no package ziglang (pip install ziglang)", file=sys.stderr)
        return 1
    try:
        build(library, compiler, variant=variant, flags=SANITIZE if asked.sanitize else ())
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{' '.join(compiler)} did not build the core: {error}", file=sys.stderr)
        return 1
    print(f"core: {library.relative_to(ROOT)}, {variant}, by {' '.join(compiler)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
