"""Where the text of a plugin's sources may come from: what this process compiled, the SDK, a folder the user names.

A module names the paths of its sources, and its author chose them. So none of them is opened as it stands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from judicia_notebook.languages.source_texts import recall, sdk_text

if TYPE_CHECKING:
    from judicia_notebook.analysis.listings.lines import Texts


def texts_of(digest: str, sources: str | os.PathLike[str] | None = None) -> Texts:
    """Looks up the texts of files that the module with this digest names.

    Parameters
    ----------
    sources : path, optional
        A folder of sources; nothing outside of it is read.

    Raises
    ------
    NotADirectoryError
        It is no folder.
    """
    from judicia_notebook.analysis.listings.lines import folder_texts

    compiled = recall(digest)
    folder = Path(sources).expanduser() if sources is not None else None
    if folder is not None and not folder.is_dir():
        raise NotADirectoryError(f"sources is a folder, and {folder} is none")
    in_folder = folder_texts(folder) if folder is not None else None

    def text(file: str) -> str | None:
        if compiled is not None and file == compiled.file:
            return compiled.text
        found = in_folder(file) if in_folder is not None else None
        return found if found is not None else sdk_text(file)

    return text
