"""Write docs/reference.md from the tables in the code, so that the two cannot differ; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine.traps import TRAPS
from judicia_notebook.host import shared_memory
from judicia_notebook.host.database import limits as database
from judicia_notebook.host.events import limits as events
from judicia_notebook.host.http import limits as http
from judicia_notebook.host.notifications import limits as notifications
from judicia_notebook.policy.quotas import KINDS, QuotaKind
from judicia_notebook.units import format_quantity

TARGET = Path(__file__).parent.parent / "docs" / "reference.md"

_HEAD = """# Reference

Written by `tools/write_reference.py` from the tables in the code.

## Quotas

Sizes take an int of bytes, or text such as `"16MiB"` (1024) and `"16MB"` (1000). Times take float seconds, a
`timedelta`, or text such as `"50ms"`; magics and the command line insist on a unit. In force is the least of the
call's own (`quota=`), the plugin's (live) and the runtime's ceiling. Asking above the ceiling is a `PolicyError`.

A change of `cpu`, `wall` or `memory` takes effect within one tick (10 ms), plus the longest time another thread holds
the GIL, plus one bulk instruction. A grant or revoke counts from the next host call, `fuel` from the next call.
"""

_CAPABILITIES = """
## Capabilities

Nothing is granted by default. `file_storage` stands for `read_files` and `write_files`.
"""

_DATABASE = """
## Limits on databases

`rt.host.database.set_limits(rows=100)` changes them.
"""

_EVENTS = """
## Limits on events

`rt.host.events.set_limits(queue=100)` changes them.
"""

_HTTP = """
## Limits on requests to servers, and to plugins

`rt.host.http.set_limits(answer_bytes="16MiB")` changes them; `routes` and what begins with `served_` is about requests
to plugins.
"""

_NOTIFICATIONS = """
## Limits on notifications

`rt.host.notifications.set_limits(send_rate=10)` changes them.
"""

_SHARED_MEMORY = """
## Limits on shared memory

`rt.host.shared_memory.set_limits(total_bytes="1GiB")` changes them.
"""

_TRAPS = """
## Traps

What `GuestTrap.trap` can be, besides `unknown_import` (under `unknown_imports="trap"`).
"""

_COLUMNS = ("kind", "unit", "counts per", "default", "what")


def _quota_rows(kinds: Mapping[str, QuotaKind]) -> list[tuple[str, ...]]:
    return [
        (
            f"`{name}`",
            kind.unit,
            kind.per,
            "none" if kind.default is None else format_quantity(kind.default, kind.unit),
            kind.meaning,
        )
        for name, kind in kinds.items()
    ]


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def reference() -> str:
    """The page."""
    capabilities = [(f"`{name}`", text) for name, text in CAPABILITIES.items()]
    traps = [(f"`{name}`",) for name in TRAPS.values()]
    return "\n".join(
        [
            _HEAD,
            _table(_COLUMNS, _quota_rows(KINDS)),
            _CAPABILITIES,
            _table(("name", "what it allows"), capabilities),
            _DATABASE,
            _table(_COLUMNS, _quota_rows(database.KINDS)),
            _EVENTS,
            _table(_COLUMNS, _quota_rows(events.KINDS)),
            _HTTP,
            _table(_COLUMNS, _quota_rows(http.KINDS)),
            _NOTIFICATIONS,
            _table(_COLUMNS, _quota_rows(notifications.KINDS)),
            _SHARED_MEMORY,
            _table(_COLUMNS, _quota_rows(shared_memory.KINDS)),
            _TRAPS,
            _table(("trap",), traps),
            "",
        ]
    )


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0 if TARGET.read_text() == reference() else f"{TARGET.name} is out of date: run tools/write_reference.py"
        )
    TARGET.write_text(reference())
