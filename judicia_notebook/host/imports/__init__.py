"""Imports that Python functions answer: what other people's modules ask their host for.

- `Import` is a function with what belongs to it: the value that a denied call gets, another capability it may take.
- `Caller` is what such a function sees of the call: the guest's memory, the plugin's name, whether it is to end.
- `ImportRegistry` has the functions that are registered with ``@rt.host.function``.
- `ImportOffer` makes of one of them the host function that a module links to. Each call of it goes through the steps of
  every host call: counted, decided on by the policy, one row.
"""

from __future__ import annotations

from judicia_notebook.host.imports.caller import Caller
from judicia_notebook.host.imports.functions import Import
from judicia_notebook.host.imports.offer import ImportOffer
from judicia_notebook.host.imports.registry import ImportRegistry

__all__ = ["Caller", "Import", "ImportOffer", "ImportRegistry"]
