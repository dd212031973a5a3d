"""Hatchling's build hook: compile the core's library and say which machines the wheel is for.

A wheel gets the library and the tag ``py3-none-PLATFORM``: any Python, one kind of machine. The library of this machine
also stays beside its sources, where `make core` keeps it: an editable install has it from there, and so has ``python -m
judicia_notebook`` in a clone, which finds the sources before what is installed. ziglang is a build requirement only
where there is no C compiler, and no library of these sources yet; or where JUDICIA_CORE_TARGET names another machine
than this one, as `make wheels` does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _load_builder(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_core", root / "tools" / "build_core.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(root / "tools" / "build_core.py")
    module = sys.modules["build_core"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CoreBuildHook(BuildHookInterface[BuilderConfig]):
    """Builds the core for one wheel."""

    def dependencies(self) -> list[str]:
        builder = _load_builder(Path(self.root))
        if os.environ.get("JUDICIA_CORE_TARGET"):
            return [builder.ZIGLANG]
        return [] if builder.find_compiler() or builder.is_current(builder.LIBRARY) else [builder.ZIGLANG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        builder = _load_builder(Path(self.root))
        if version == "editable":
            builder.keep_current()
            return
        self._made = tempfile.TemporaryDirectory(prefix="judicia_core-")  # until `finalize`
        library = Path(self._made.name) / builder.LIBRARY.name
        if target := os.environ.get("JUDICIA_CORE_TARGET"):
            library = builder.build_for(target, Path(self._made.name))
        else:
            with contextlib.suppress(OSError):  # where the sources cannot be written to
                builder.keep_current()
            if builder.is_current(builder.LIBRARY):
                shutil.copyfile(builder.LIBRARY, library)
            else:
                builder.build(library)
        build_data["pure_python"] = False
        platform = builder.TARGETS[target] if target else builder.wheel_platform(library)
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(library)] = f"judicia_notebook/engine/core/{library.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if version != "editable":
            self._made.cleanup()
