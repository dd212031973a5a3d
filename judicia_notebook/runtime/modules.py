"""The frame of loaded modules: what a survey says of a file, and what it became when it was compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from judicia_notebook.analysis.survey import columns_of, facts_of
from judicia_notebook.records.columns import texts
from judicia_notebook.text import printable, with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.runtime.plugin import Plugin


def modules(plugins: Sequence[Plugin]) -> pd.DataFrame:
    """Carry out `Runtime.modules`."""
    import pandas as pd

    codes = [plugin._code for plugin in plugins]
    columns = {
        "plugin": texts(printable(plugin.name, 200) for plugin in plugins),
        "abi": texts(code.abi for code in codes),
        "compile_ms": pd.array([code.compile_ms for code in codes], dtype="Float64"),
        "from_cache": pd.array([code.from_cache for code in codes], dtype="bool"),
        "native_code_bytes": pd.array([code.native_code_bytes for code in codes], dtype="Int64"),
    }
    known = {code.digest: code for code in codes}
    facts = {digest: facts_of(code.module, digest) for digest, code in known.items()}
    return with_plugin_text(pd.DataFrame(columns | columns_of([facts[code.digest] for code in codes])))
