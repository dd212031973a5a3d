"""An engine that guests run in: a compiler with a cache of compiled modules, which the core's ticker ticks."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from judicia_notebook.engine import cache, compile_apart, safety
from judicia_notebook.engine.compiler import Compiler, Module
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.wasm.memory_images import FEW, pack_images, unpack_images

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.compile_apart import CompileLimits
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.memory_images import Image


class Engine(Compiler):
    """Compiling, with a cache. Use `judicia_notebook.engine.startup.get_engine`."""

    def __init__(self, reservation: int | None = None) -> None:
        super().__init__(reservation)
        if functions.watch_engine(self.pointer):
            raise ResourceExhausted("This process has more engines than its ticker watches.")
        self.pid = os.getpid()
        safety.remember_signal_handlers()

    def fetch(self, module: ModuleInfo, digest: str, cache_folder: Path | None) -> Module | None:
        """The module of this digest as an earlier `compile` left it in the cache; None where it did not."""
        safety.check_process()
        with deferred():  # meanwhile bare numbers hold an open file and a module: an interrupt would lose them
            entry = cache.find(cache_folder, digest, self.key) if cache_folder else None
            if entry is None:
                return None
            with entry:
                compiled = self.deserialize_file(entry.path, digest)
        if compiled is not None and cache_folder is not None:
            compiled.images = self._fetch_images(module, digest, cache_folder)
        return compiled

    def _fetch_images(self, module: ModuleInfo, digest: str, cache_folder: Path) -> tuple[Image, ...]:
        if module.data_segments > FEW:
            with deferred(), contextlib.suppress(OSError):  # the cache is never the reason that a load fails
                entry = cache.find(cache_folder, digest, self.key, cache.IMAGES)
                if entry is not None:
                    with entry:
                        images = unpack_images(entry.read())
                    if images is not None:
                        return images
        return self.read_images(module)

    def _keep(
        self, module: ModuleInfo, digest: str, cache_folder: Path, code: bytes, images: tuple[Image, ...]
    ) -> None:
        # The images first: where the code is, they are there.
        if images and module.data_segments > FEW:
            cache.keep(cache_folder, digest, self.key, pack_images(images), cache.IMAGES)
        cache.keep(cache_folder, digest, self.key, code)

    def compile(
        self, module: ModuleInfo, digest: str, *, cache_folder: Path | None = None, apart: CompileLimits | None = None
    ) -> Module:
        """Compile a module, and leave it in the cache.

        Parameters
        ----------
        digest : str
            That of the file as given. What is compiled lacks the data segments that are in the images.
        apart : CompileLimits, optional
            Compile in a child process within these limits.

        Raises
        ------
        CompileError
            The engine refused the module; the message is Wasmtime's.
        CompileLimit
            The compiler took more than it may.
        """
        safety.check_process()
        wasm, images = self.take_images(module)
        if apart is not None:
            code = compile_apart.compile_apart(wasm, self.reservation, apart)
            if cache_folder:
                self._keep(module, digest, cache_folder, code, images)
            compiled = self.deserialize(code, digest)
        else:
            compiled = self.compile_here(wasm, digest)
            if cache_folder:
                self._keep(module, digest, cache_folder, self.serialize(compiled), images)
        compiled.images = images
        return compiled
