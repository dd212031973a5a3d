"""Rebuilds the bundled plugins: Rust to WebAssembly, the manifest inside, the same bytes from the same toolchain.

Run by ``make plugins``; needs nothing but the standard library and a Rust toolchain with the wasm32 standard library.
The plugins in C, which a lesson looks into, are compiled by the package itself, with debug information.

- Each plugin folder is copied, with the SDK, into a build folder where the plugin is the root of its own Cargo
  workspace. Cargo hashes paths inside a workspace relative to its root and everything else absolutely, and those hashes
  end up in symbol names; so this is what makes the bytes independent of where the checkout lies.
- Paths that the compiler writes into panic messages are replaced; a path of this machine in the result is an error.
- ``plugin.toml`` becomes the custom section ``judicia.manifest`` (JSON), appended at the end. Its field ``toolchain``
  is added here, so that ``--check`` can tell a stale file from another compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "judicia_notebook" / "plugins"
STUDIED = ROOT / "notebooks" / "measuring"  # the three that a lesson measures
INSIDE = ROOT / "notebooks" / "inside"  # those that a lesson looks into
LEVELS = {"close_1": "-O0", "close_2": "-O0"}  # of C: each line has code of its own there; the others have -O1
SDK = ROOT / "judicia_notebook" / "sdk" / "rust"
TARGET = "wasm32-unknown-unknown"
SECTION = "judicia.manifest"
SHARED = ("--target-dir", "../target")  # by all plugins of a run: serde is compiled once, and the bytes stay the same
DEBIAN_CRATES = Path("/usr/share/cargo/registry")
NO_TOOLCHAIN = f"""\
No Rust toolchain with the standard library for {TARGET} was found. Looked at: {{looked}}.
  With rustup:   rustup target add {TARGET}
  On Debian 12:  apt-get install cargo rustc libstd-rust-dev-wasm32 lld-14 \\
                                 librust-serde-json-dev librust-serde-derive-dev
  Elsewhere:     set RUSTC to a rustc that has it"""


class BuildError(Exception):
    """Something that the person at the terminal has to put right; its text is all that is shown."""


@dataclass(frozen=True)
class Toolchain:
    """A rustc that can compile to wasm32, the cargo that belongs to it and the crates it builds with."""

    rustc: Path
    cargo: Path
    crates: Path | None

    @property
    def version(self) -> str:
        """Such as ``rustc 1.63.0``."""
        return " ".join(run([str(self.rustc), "--version"]).split()[:2])


def run(command: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command and answers its standard output; its errors go to the terminal."""
    try:
        return subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{Path(command[0]).name} ended with {error.returncode}.") from None


# -- choosing a toolchain ----------------------------------------------------------------------------------------------


def candidates() -> Iterator[Path]:
    """Every rustc that could be meant, the likeliest first: RUSTC, the path in its order, Debian's own place."""
    named = os.environ.get("RUSTC")
    if named:
        yield Path(shutil.which(named) or named)
        return
    folders = [*os.environ.get("PATH", "").split(os.pathsep), str(Path.home() / ".cargo" / "bin"), "/usr/bin"]
    for folder in dict.fromkeys(folders):
        rustc = Path(folder) / "rustc"
        if folder and os.access(rustc, os.X_OK):
            yield rustc


def targets_wasm(rustc: Path) -> bool:
    """Whether the wasm32 standard library is really there. rustc lists the target also when it is not."""
    question = [str(rustc), "--print", "target-libdir", "--target", TARGET]
    asked = subprocess.run(question, capture_output=True, text=True, check=False)
    return asked.returncode == 0 and any(Path(asked.stdout.strip()).glob("libstd-*.rlib"))


def find_toolchains() -> list[Toolchain]:
    """The toolchains that fit; an error that says what to install when there is none."""
    looked, found = [], []
    for rustc in candidates():
        looked.append(str(rustc))
        # rustup and Debian both put the two side by side; a cargo from elsewhere may be too new for this rustc.
        cargo = rustc.with_name("cargo")
        if targets_wasm(rustc) and os.access(cargo, os.X_OK):
            from_debian = rustc == Path("/usr/bin/rustc") and any(DEBIAN_CRATES.glob("serde_json-*"))
            found.append(Toolchain(rustc, cargo, DEBIAN_CRATES if from_debian else None))
    if not found:
        raise BuildError(NO_TOOLCHAIN.format(looked=", ".join(looked) or "no rustc on the path"))
    return found


def choose(toolchains: Sequence[Toolchain], recorded: str) -> Toolchain:
    """The toolchain that built the committed files when it is there, else the first."""
    return next((one for one in toolchains if recorded.startswith(f"{one.version},")), toolchains[0])


# -- compiling ---------------------------------------------------------------------------------------------------------


def prepare(plugin: Path, folder: Path) -> None:
    """Lays the plugin out as a workspace root with the SDK inside it."""
    shutil.copytree(plugin / "src", folder / "src")
    shutil.copytree(SDK, folder / "guest" / "rust", ignore=shutil.ignore_patterns("target", "Cargo.lock"))
    manifest = (plugin / "Cargo.toml").read_text("utf-8")
    (folder / "Cargo.toml").write_text(re.sub(r'path = ".*sdk/rust"', 'path = "guest/rust"', manifest), "utf-8")


def environment(toolchain: Toolchain, folder: Path) -> dict[str, str]:
    """The environment for cargo: nothing of the caller's that changes code, and the path prefixes to forget."""
    env = {key: value for key, value in os.environ.items() if not re.match(r"CARGO_(?!HOME$)|RUSTFLAGS$|RUSTC_", key)}
    cargo_home = Path(env.get("CARGO_HOME", Path.home() / ".cargo"))
    if toolchain.crates is not None:
        cargo_home = folder.parent / "cargo-home"
        cargo_home.mkdir(exist_ok=True)
        (cargo_home / "config.toml").write_text(
            '[source.crates-io]\nreplace-with = "here"\n'
            f"[source.here]\ndirectory = {json.dumps(str(toolchain.crates))}\n[net]\noffline = true\n",
            "utf-8",
        )
        env["CARGO_HOME"] = str(cargo_home)
    sysroot = run([str(toolchain.rustc), "--print", "sysroot"]).strip()
    library = f"{sysroot}/lib/rustlib/src/rust"
    forget = {library: "rust", cargo_home: "cargo", toolchain.crates: "crates", folder: "plugin"}
    flags = [f"--remap-path-prefix={prefix}={name}" for prefix, name in forget.items() if prefix is not None]
    programs = {"RUSTC": str(toolchain.rustc), "RUSTDOC": str(toolchain.rustc.with_name("rustdoc"))}
    return env | programs | {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}


def compile_plugin(plugin: Path, toolchain: Toolchain, folder: Path) -> tuple[bytes, str]:
    """Compiles one plugin; answers the module and what it was compiled with."""
    prepare(plugin, folder)
    env = environment(toolchain, folder)
    cargo = str(toolchain.cargo)
    run([cargo, "build", "--release", "--quiet", "--target", TARGET, *SHARED], cwd=folder, env=env)
    built = folder.parent / "target" / TARGET / "release" / f"{plugin.name}.wasm"
    if not built.exists():
        raise BuildError(
            f"{plugin.name}: cargo built no {built.name}. Is its crate-type cdylib, and its name the folder's?"
        )
    tree = run([cargo, "tree", "--edges=normal", "--prefix=none", "--target", TARGET], cwd=folder, env=env)
    crates = sorted(set(re.findall(r"^(serde|serde_json) v(\S+)", tree, re.MULTILINE)))
    return built.read_bytes(), ", ".join([toolchain.version, *(" ".join(crate) for crate in crates)])


# -- the finished file -------------------------------------------------------------------------------------------------


def manifest_of(plugin: Path) -> dict[str, object]:
    """Reads plugin.toml; whether its fields are right is for the runtime to say, which the tests ask."""
    manifest = tomllib.loads((plugin / "plugin.toml").read_text("utf-8"))
    if manifest.get("name") != plugin.name:
        raise BuildError(f"{plugin.name}/plugin.toml names the plugin {manifest.get('name')!r}, not as its folder.")
    return manifest


def leb128(number: int) -> bytes:
    """Writes a number as WebAssembly does: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def custom_section(name: str, content: bytes) -> bytes:
    """A custom section: id 0, size, name, content."""
    body = leb128(len(name.encode())) + name.encode() + content
    return b"\0" + leb128(len(body)) + body


def with_manifest(module: bytes, manifest: dict[str, object]) -> bytes:
    """Appends the manifest; keys are sorted so that the order in the TOML file does not change the bytes."""
    content = json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return module + custom_section(SECTION, content.encode())


def refuse_paths(module: bytes, name: str, folders: Sequence[Path]) -> None:
    """A path of the machine that built a file has no business in it."""
    for folder in folders:
        at = module.find(str(folder).encode())
        if at >= 0:
            found = re.split(rb"[^\x20-\x7e]", module[at : at + 200])[0]
            raise BuildError(f"{name}.wasm contains the path {found.decode()}")


def build(plugin: Path, toolchain: Toolchain, scratch: Path) -> bytes:
    """Builds one plugin; answers the finished file."""
    manifest = manifest_of(plugin)
    module, record = compile_plugin(plugin, toolchain, scratch / plugin.name)
    # Debian's standard library carries the place of its own source, which no flag reaches; the new name is as long.
    module = module.replace(b"/usr/src/rustc-", b"rust-src/rustc-")
    own = [scratch, ROOT, Path.home(), DEBIAN_CRATES, Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))]
    refuse_paths(module, plugin.name, own)
    return with_manifest(module, manifest | {"toolchain": record})


def build_c(plugin: Path) -> bytes:
    """Builds one plugin in C, with the lines of its source; answers the finished file."""
    sys.path.insert(0, str(ROOT))
    from judicia_notebook.errors import LoadError
    from judicia_notebook.languages.build import build as compile_source

    # The SDK's header is named as no file of this machine, and its lines are not shown.
    flags = ("-g", f"-ffile-prefix-map={SDK.parent / 'c'}=sdk/c")
    try:
        built = compile_source(plugin / f"{plugin.name}.c", level=LEVELS.get(plugin.name, "-O1"), flags=flags)
    except LoadError as error:
        raise BuildError(f"{plugin.name}: {error}") from None
    refuse_paths(built.wasm, plugin.name, [ROOT, Path.home()])
    return with_manifest(built.wasm, manifest_of(plugin) | {"toolchain": built.compiler})


# -- the command -------------------------------------------------------------------------------------------------------


def recorded_toolchain(module: bytes) -> str:
    """What a finished file says it was built with; the manifest is its last section."""
    at = module.rfind(SECTION.encode())
    return str(json.loads(module[at + len(SECTION) :]).get("toolchain", "")) if at >= 0 else ""


def store(out: Path, plugin: Path, module: bytes) -> None:
    """Writes one finished plugin in the layout in which the runtime looks for examples."""
    folder = out / plugin.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{plugin.name}.wasm").write_bytes(module)
    if folder.resolve() != plugin.resolve():
        shutil.copyfile(plugin / "plugin.toml", folder / "plugin.toml")
    print(f"{plugin.name}: {len(module):,} bytes, {recorded_toolchain(module)}")


def compare(plugin: Path, module: bytes) -> bool:
    """Compares a rebuilt plugin with the committed one and says what it means; False when the file is stale."""
    committed = committed_file(plugin)
    if committed == module:
        print(f"{plugin.name}: the committed file is what its source builds to")
        return True
    was, now = recorded_toolchain(committed), recorded_toolchain(module)
    if was != now:
        print(f"{plugin.name}: not comparable: committed is what {was or 'an unknown toolchain'} built; here is {now}")
        return True
    print(f"{plugin.name}: the committed file is STALE: the same toolchain builds other bytes; run `make plugins`")
    return False


def committed_file(plugin: Path) -> bytes:
    path = plugin / f"{plugin.name}.wasm"
    return path.read_bytes() if path.exists() else b""


def run_tests(plugin: Path, toolchain: Toolchain, folder: Path) -> None:
    """Runs the Rust unit tests of a plugin and of the SDK on this machine."""
    prepare(plugin, folder)
    command = [str(toolchain.cargo), "test", "--quiet", *SHARED]
    for crate in (plugin.name, "judicia-guest"):
        print(run([*command, "--package", crate], cwd=folder, env=environment(toolchain, folder)))


def lint(plugin: Path, toolchain: Toolchain, folder: Path) -> bool:
    """Asks rustfmt and clippy about a plugin and its SDK; False where one finds something."""
    prepare(plugin, folder)
    env = environment(toolchain, folder)
    # cargo looks for cargo-clippy on the path, and that one for clippy-driver: they must be of the same toolchain.
    env["PATH"] = os.pathsep.join([str(toolchain.cargo.parent), env.get("PATH", os.defpath)])
    rustfmt = [str(toolchain.cargo.with_name("rustfmt")), "--edition", "2021", "--check"]
    formatted = [*rustfmt, str(plugin / "src" / "lib.rs"), str(SDK / "src" / "lib.rs")]
    clippy = [str(toolchain.cargo), "clippy", "--quiet", "--workspace", "--target", TARGET]
    linted = [*clippy, *SHARED, "--", "--deny", "warnings"]
    found = [subprocess.run(one, cwd=folder, env=env, check=False).returncode for one in (formatted, linted)]
    clean = not any(found)
    print(f"{plugin.name}: rustfmt and clippy {'find nothing' if clean else 'find what stands above'}")
    return clean


def plugin_folders(names: Sequence[str]) -> list[Path]:
    """The folders to build: those named, else all that are Rust crates, and then those in C."""
    crates = [path for place in (PLUGINS, STUDIED) for path in sorted(place.glob("*/Cargo.toml"))]
    known = {path.parent.name: path.parent for path in (*crates, *sorted(INSIDE.glob("*/*.c")))}
    if unknown := [name for name in names if name not in known]:
        raise BuildError(f"No plugin {', '.join(unknown)}; there are {', '.join(known)}.")
    return [known[name] for name in names] or list(known.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Rebuild the bundled plugins from source.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="plugins to build (default: all)")
    parser.add_argument(
        "--out", "--output", type=Path, metavar="DIR", help="write DIR/NAME/NAME.wasm, not the committed files"
    )
    parser.add_argument("--check", action="store_true", help="leave the committed files; fail if one is stale")
    parser.add_argument("--test", action="store_true", help="build nothing; run the Rust unit tests on this machine")
    parser.add_argument(
        "--lint", action="store_true", help="build nothing; fail where rustfmt or clippy find something"
    )
    options = parser.parse_args(arguments)
    try:
        plugins = plugin_folders(options.names)
        crates = [plugin for plugin in plugins if plugin.parent != INSIDE]
        in_c = [] if options.test or options.lint else [plugin for plugin in plugins if plugin not in crates]
        fresh = [keep(plugin, build_c(plugin), options) for plugin in in_c]
        if crates:
            toolchain = choose(find_toolchains(), recorded_toolchain(committed_file(crates[0])))
            with tempfile.TemporaryDirectory(prefix="judicia-plugins-") as scratch:
                fresh += [work(plugin, toolchain, Path(scratch), options) for plugin in crates]
        return 0 if all(fresh) else 1
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def work(plugin: Path, toolchain: Toolchain, scratch: Path, options: argparse.Namespace) -> bool:
    """Does what the command line asks for with one plugin; False when its committed file is stale."""
    if options.test:
        run_tests(plugin, toolchain, scratch / plugin.name)
        return True
    if options.lint:
        return lint(plugin, toolchain, scratch / plugin.name)
    return keep(plugin, build(plugin, toolchain, scratch), options)


def keep(plugin: Path, module: bytes, options: argparse.Namespace) -> bool:
    """Stores what was built, or compares it; False when the committed file is stale."""
    if options.out or not options.check:
        store(options.out or plugin.parent, plugin, module)
    return compare(plugin, module) if options.check else True


if __name__ == "__main__":
    raise SystemExit(main())
