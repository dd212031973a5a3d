"""The plugin in a folder: which of its files it is, and the module that is made of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from judicia_notebook.experiments.cases.reading import Cases, CasesError
from judicia_notebook.languages import SUFFIXES, language_of
from judicia_notebook.languages.build import Built, build
from judicia_notebook.text import printable
from judicia_notebook.units import format_names
from judicia_notebook.wasm.manifest import FILE as MANIFEST

MODULE: Final = ".wasm"


def find_plugin(folder: Path, cases: Cases) -> Path:
    """The file of the plugin: what the cases name, or the only one there that can be one.

    Where a module has a source of the same name beside it, it is the source: a module may be older.

    Raises
    ------
    CasesError
        There is none, or there are several.
    """
    if cases.plugin is not None:
        path = folder / cases.plugin
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CasesError("is not inside the folder", file=cases.file, place="plugin")
        if path.suffix != MODULE and language_of(path) is None:
            raise CasesError(f"its suffix is none of {MODULE}, {', '.join(SUFFIXES)}", file=cases.file, place="plugin")
        if not path.is_file():
            raise CasesError(f"there is no file {printable(cases.plugin)!r}", file=cases.file, place="plugin")
        return path
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError as error:
        raise CasesError(f"cannot be read: {error.strerror}", file=str(folder)) from None
    sources = [path for path in files if language_of(path) is not None]
    stems = {path.stem for path in sources}
    found = [*sources, *(path for path in files if path.suffix == MODULE and path.stem not in stems)]
    if not found:
        raise CasesError(f"has no plugin: no file ends in {MODULE}, {', '.join(SUFFIXES)}", file=str(folder))
    if len(found) > 1:
        names = format_names(printable(path.name, 80) for path in found)
        raise CasesError(f'could be about any of {names}. At its head, name one: plugin = "..."', file=cases.file)
    return found[0]


def prepare(plugin: Path, cases: Cases, place: Path) -> tuple[Path, Built | None]:
    """The plugin as a file in an empty folder, so that what happens to its own folder meanwhile changes no case.

    Returns
    -------
    path : Path
        A module or WAT, with the manifest that stood beside the plugin.
    built : Built or None
        How it was compiled, if it was.

    Raises
    ------
    LoadError
        It does not compile.
    CasesError
        It cannot be read.
    """
    built = None
    if language_of(plugin) in {None, "wat"}:
        if cases.flags or cases.level != "-Oz":
            raise CasesError("level and flags are for a compiler, and the plugin has none", file=cases.file)
        module = place / plugin.name
        _copy(plugin, module)
    else:
        built = build(plugin, level=cases.level, flags=cases.flags)
        module = place / f"{plugin.stem}{MODULE}"
        module.write_bytes(built.wasm)
    manifest = plugin.with_name(MANIFEST)
    if manifest.is_file():
        _copy(manifest, place / MANIFEST)
    return module, built


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise CasesError(f"cannot be read: {error.strerror}", file=str(source)) from None
