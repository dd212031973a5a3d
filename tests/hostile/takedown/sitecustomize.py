"""Takes one wall of the sandbox down in every Python process that is started with this folder on PYTHONPATH.

`JUDICIA_WALL_DOWN` holds the wall as JSON: ``{"module:attribute": "replacement"}``. A replacement is an expression that
is evaluated in the module, where ``original`` is what it replaces. It takes the place of the original as soon as the
module has been executed, before any other module can import the name. The package itself never looks at this variable.
"""

from __future__ import annotations

import importlib.abc
import json
import os
import sys
from functools import reduce
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Removing(importlib.abc.Loader):
    """Another loader, which may be that of many modules, and what is done after it ran for this one."""

    def __init__(self, loader: importlib.abc.Loader, remover: Remover) -> None:
        self.loader = loader
        self.remover = remover

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        self.remover.remove(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class Remover(importlib.abc.MetaPathFinder):
    """Finds the modules of a wall as usual, and replaces what the wall consists of after they ran."""

    def __init__(self, wall: dict[str, str]) -> None:
        self.wall = wall
        self.modules = {target.partition(":")[0] for target in wall}
        self.finding = False

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if self.finding or name not in self.modules:
            return None
        self.finding = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.finding = False
        if spec is not None and spec.loader is not None:
            spec.loader = Removing(spec.loader, self)
        return spec

    def remove(self, module: ModuleType) -> None:
        """Replace everything of the wall that is in this module."""
        for target, replacement in self.wall.items():
            where, _, attribute = target.partition(":")
            if where == module.__name__:
                *owners, last = attribute.split(".")
                owner = reduce(getattr, owners, module)
                names = {**vars(module), "original": getattr(owner, last)}
                setattr(owner, last, eval(replacement, names))


if os.environ.get("JUDICIA_WALL_DOWN"):
    import importlib.util

    sys.meta_path.insert(0, Remover(json.loads(os.environ["JUDICIA_WALL_DOWN"])))
