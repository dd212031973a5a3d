"""The capabilities that a plugin can be granted, each with its name and a line that describes it.

Manifests ask for these, policies grant them and host functions need them, so all three read the names here. What a
scope after ``=`` means is the business of `judicia_notebook.policy.policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "emit_event": "publish events; scope: event patterns such as contest.*",
        "subscribe_events": "receive events; scope: event patterns such as contest.**",
        "read_database": "query tables; scope: platform tables; without a scope, its private schema only",
        "write_database": "change tables; scope: platform tables; without a scope, its private schema only",
        "register_routes": "answer HTTP requests; scope: path prefixes; without a scope, those under its own name",
        "send_notifications": "send notifications to users",
        "network_access": "make HTTP requests; scope: scheme://host[:port][/path]; without a scope, any public host",
        "read_files": "read files; scope: /host/folder@alias; without a scope, its private folder",
        "write_files": "write and delete files; scope: /host/folder@alias; without a scope, its private folder",
        "read_shared_memory": "read shared memory regions; scope: their names",
        "write_shared_memory": "write shared memory regions; scope: their names",
        "wall_clock": "read the time of day",
        "random": "draw random bytes",
        "imports": "call Python functions that the notebook supplies; scope: module.name; without a scope, all of them",
    }
)
"""Every capability and what it allows, in the order people read them."""

IMPORTS: Final = "imports"
"""What a Python function takes that answers an import; its scope is the import's name."""

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"file_storage": ("read_files", "write_files")})
"""Names that stand for several capabilities: accepted wherever one is named, and stored as the parts."""


def expand(name: str) -> tuple[str, ...]:
    """The capabilities a name stands for; a name that is not an alias stands for itself, known or not.

    Examples
    --------
    >>> expand("file_storage"), expand("random")
    (('read_files', 'write_files'), ('random',))
    """
    return ALIASES.get(name, (name,))
