"""`judicia_notebook.survey`: what the modules of a corpus are, a row each, without compiling or running any of them.

The files may come from strangers, and there may be thousands: one file is read at a time and only its row is kept, what
cannot be read is a row with an error, and nothing in a file decides how much memory reading it takes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.columns import texts
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.reporting.progress import bar
from judicia_notebook.text import listed, printable, with_plugin_text
from judicia_notebook.units import parse_size
from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.features import take_census
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.strict_parsing import read_regular_file

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.wasm.info import ModuleInfo

_TEXT_LIMIT = 200
_CODE, _DATA = 10, 11
Count = int | None


class Facts(msgspec.Struct, kw_only=True):
    """What is said of one module: a row, with the names of its columns. None is NA."""

    digest: str | None = None
    file_bytes: Count = None
    wasm_code_bytes: Count = None
    data_bytes: Count = None
    custom_bytes: Count = None
    sections: str | None = None
    types: Count = None
    functions: Count = None
    instructions: Count = None
    imports: Count = None
    imported_functions: Count = None
    import_modules: str | None = None
    exports: Count = None
    tables: Count = None
    memories: Count = None
    globals: Count = None
    tags: Count = None
    data_segments: Count = None
    element_segments: Count = None
    memory_bytes: Count = None
    features: str | None = None
    error: str | None = None


def facts_of(module: ModuleInfo, digest: str) -> Facts:
    """What is said of a module that was read; where its code cannot be, an error says so."""
    sizes = [(section.id, section.size) for section in module.sections]
    functions = sum(each.kind == "func" for each in module.imports)
    facts = Facts(
        digest=digest,
        file_bytes=len(module.data),
        wasm_code_bytes=sum(size for number, size in sizes if number == _CODE),
        data_bytes=sum(size for number, size in sizes if number == _DATA),
        custom_bytes=sum(size for number, size in sizes if number == 0),
        sections=", ".join(section.name for section in module.sections if section.id != 0),
        types=len(module.types),
        functions=len(module.functions) - functions,
        imports=len(module.imports),
        imported_functions=functions,
        import_modules=listed(module.imported_modules, ""),
        exports=len(module.exports),
        tables=len(module.tables),
        memories=len(module.memories),
        globals=module.global_count,
        tags=len(module.tags),
        data_segments=module.data_segments,
        element_segments=module.element_segments,
        memory_bytes=min(sum(memory.minimum_pages for memory in module.memories) << 16, (1 << 63) - 1),
    )
    try:
        census = take_census(module)
    except JudiciaError as error:
        facts.error = _error_text(error)
    else:
        facts.instructions = census.instructions
        facts.features = ", ".join(sorted(census.features))
    return facts


def columns_of(rows: Sequence[Facts]) -> dict[str, Any]:
    """The rows as columns."""
    import pandas as pd

    kinds = msgspec.structs.fields(Facts)
    return {
        field.name: texts(getattr(row, field.name) for row in rows)
        if field.type == str | None
        else pd.array([getattr(row, field.name) for row in rows], dtype="Int64")
        for field in kinds
    }


@tells_interrupts("The survey was interrupted.")
def survey(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    most: int | str = DEFAULT.file_bytes,
    progress: bool = True,
) -> pd.DataFrame:
    """What the modules of a corpus are. None of them is compiled or run.

    Parameters
    ----------
    paths : path, or several
        Files, and folders: of a folder all files that end in ``.wasm``, also in folders within.
    most : int or str
        How many bytes a file may have, 256 MiB at most; a larger one is a row with an error.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        One row a file, in the order of `paths`, those of a folder sorted: ``file`` (within its folder), ``digest``,
        sizes in bytes, counts of what it declares, ``instructions``, and as texts ``sections``, ``import_modules`` and
        ``features``. A file that is no module, or cannot be read, has an ``error``, and NA for what is not known.

    Raises
    ------
    FileNotFoundError
        A path itself is not there.
    KeyboardInterrupt

    Examples
    --------
    >>> import judicia_notebook as jn, pathlib
    >>> plugins = pathlib.Path(jn.__file__).parent / "plugins"
    >>> frame = jn.survey(plugins, progress=False)
    >>> [file.rpartition("/")[2] for file in frame["file"]]
    ['balloons.wasm', 'burglar.wasm', 'checker.wasm', 'scoreboard.wasm', 'specimen.wasm']
    >>> bool((frame["instructions"] > 10_000).all()), frame["error"].notna().sum()
    (True, np.int64(0))
    """
    import pandas as pd

    limit = min(parse_size(most), DEFAULT.file_bytes)
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files = [found for path in given for found in _files_of(Path(path))]
    names, rows = [], []
    with bar("survey", "file", len(files), shown=progress) as tell:
        for path, name in files:
            names.append(printable(name, _TEXT_LIMIT))
            rows.append(_facts_of_file(path, limit))
            tell(1)
    return with_plugin_text(pd.DataFrame({"file": texts(names), **columns_of(rows)}))


def _files_of(path: Path) -> Iterator[tuple[Path, str]]:
    """The files of a path, and what they are called in the frame: without the folders above.

    Raises
    ------
    FileNotFoundError
    """
    if not path.is_dir():
        if not os.path.lexists(path):
            raise FileNotFoundError(f"{path} is not there")
        yield path, path.name
        return
    for folder, folders, found in os.walk(path):  # links to folders are not followed: they may lead round
        folders.sort()
        for name in sorted(found):
            if name.endswith(".wasm"):
                whole = Path(folder) / name
                yield whole, whole.relative_to(path).as_posix()


def _facts_of_file(path: Path, limit: int) -> Facts:
    """The row of one file, whatever it is."""
    try:
        data = read_regular_file(path.resolve(strict=True), limit)
        digest = hashlib.sha256(data).hexdigest()
    except (OSError, ValueError, RuntimeError) as error:  # a link that leads round is a RuntimeError
        return Facts(error=_error_text(error))
    try:
        return facts_of(read_module(data), digest)
    except JudiciaError as error:
        return Facts(digest=digest, file_bytes=len(data), error=_error_text(error))


def _error_text(error: Exception) -> str:
    """An error in words, without the path, which names the machine."""
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
    elif isinstance(error, JudiciaError):
        what = error.message
    else:
        what = str(error) if isinstance(error, ValueError) else "it cannot be read"
    return printable(f"{type(error).__name__}: {what}", _TEXT_LIMIT)
