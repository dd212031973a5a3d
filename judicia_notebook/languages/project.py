"""A small project for a plugin of one's own: its source, cases that pass, and what an author has beside them.

The texts lie in ``sdk/new/``. Nothing that is there already is ever written over: the folder has to be new or empty,
and each file is made only where there is none.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from judicia_notebook.languages import SUFFIXES, languages
from judicia_notebook.languages.language import SDK
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.wasm.manifest import NAME

TEMPLATES: Final = SDK / "new"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that are devices on Windows, with whatever suffix."""


class ProjectError(ValueError):
    """The project cannot be made; its text says what is in the way."""


def new_project(name: str, lang: str, folder: Path | None = None) -> tuple[Path, ...]:
    """Lay out a project.

    Parameters
    ----------
    name : str
        The plugin's, as its manifest says it: ``a-z 0-9 _ -``, beginning with a letter, at most 64.
    lang : str
        One of `languages`.
    folder : Path, optional
        Where to; by default a new folder of the plugin's name.

    Returns
    -------
    tuple of Path
        The files, the source first.

    Raises
    ------
    ProjectError
        The name or the language is none, the folder has something in it already, or nothing can be written there.
    """
    if NAME.fullmatch(name) is None:
        raise ProjectError(
            f"{printable(name, 80)!r} is no name of a plugin: it has a-z, 0-9, _ and -, begins with a letter, "
            "and has at most 64 characters"
        )
    if name in _RESERVED:
        raise ProjectError(f"{name!r} names a device on Windows, where no file can be called so")
    if lang not in languages():
        raise ProjectError(f"there is no language {printable(lang, 80)!r}.{did_you_mean(lang[:80], languages())}")
    target = Path(name) if folder is None else folder
    texts = dict(_texts(name, lang))
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(path.name != ".git" for path in target.iterdir()):  # a repository may be begun before
            raise ProjectError(f"{target} has something in it already, and nothing is written over")
        for file, text in texts.items():
            with (target / file).open("x", encoding="utf-8", newline="\n") as written:
                written.write(text)
    except FileExistsError as error:
        raise ProjectError(f"{error.filename or target} is there already, and nothing is written over") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ProjectError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ProjectError(f"{target} cannot be written: {reason}") from None
    return tuple(target / file for file in texts)


def line_to_test(folder: Path) -> str:
    """The line for a shell that runs the cases of a project; empty if it cannot be written."""
    return suggestions.shell(_python(), "-m", "judicia_notebook", "test", str(folder))


def _python() -> str:
    """What a shell calls this interpreter: a kernel's environment need not be on the path of its shells."""
    found = shutil.which("python")
    # Folders are compared as they are written: in an environment, python is a link to the one that has no packages.
    return "python" if found is not None and Path(found).parent == Path(sys.executable).parent else sys.executable


def _texts(name: str, lang: str) -> Iterator[tuple[str, str]]:
    """The name and the text of each file, the source first."""
    suffix = next(suffix for suffix, language in SUFFIXES.items() if language == lang and f"plugin{suffix}" in _THERE)
    cases = "cases.wat.toml" if lang == "wat" else "cases.toml"
    pairs = {
        f"{name}{suffix}": f"plugin{suffix}",
        "cases.toml": cases,
        "README.md": "README.md",
        ".gitignore": "gitignore",
    }
    for file, template in pairs.items():
        text = (TEMPLATES / template).read_text("utf-8")
        yield file, text.replace("@NAME@", name).replace("@FILE@", f"{name}{suffix}")


_THERE: Final = frozenset(path.name for path in TEMPLATES.glob("plugin.*"))
