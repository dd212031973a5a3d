"""A compiler with a cache of compiled modules, and an engine: such a compiler that guests run in, and that ticks."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from judicia_notebook.engine import cache, compile_apart, memory, safety
from judicia_notebook.engine.compiler import Compiler, Module
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.settings import FULL, EngineSettings
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.wasm import packed_info
from judicia_notebook.wasm.memory_images import FEW, pack_images, unpack_images

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.compile_apart import CompileLimits
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.manifest import Manifest
    from judicia_notebook.wasm.memory_images import Image
    from judicia_notebook.wasm.packed_info import Recalled


class CachingCompiler(Compiler):
    """Compiling, with a cache."""

    def recall(self, wasm: bytes, digest: str, cache_folder: Path) -> Recalled | None:
        """What was read of these bytes before, as `remember` left it in the cache; None where it must be read anew.

        Parameters
        ----------
        digest : str
            The SHA-256 of these bytes.
        """
        if not (readers := packed_info.readers()):
            return None
        with deferred():
            packed = cache.find_info(cache_folder, digest, f"{self.key}-{readers}", packed_info.MAX_BYTES)
        return None if packed is None else packed_info.unpack_info(wasm, packed)

    def remember(
        self, module: ModuleInfo, manifest: Manifest | None, digest: str, cache_folder: Path, code_bytes: int
    ) -> None:
        """Leave in the cache what was read of a module: its sections, and the manifest that is one of them."""
        if not (readers := packed_info.readers()):
            return
        packed = packed_info.pack_info(module, manifest, code_bytes)
        if packed is not None:
            cache.keep_info(cache_folder, digest, f"{self.key}-{readers}", packed)

    def fetch(
        self, module: ModuleInfo, digest: str, cache_folder: Path | None, recalled: Recalled | None = None
    ) -> Module | None:
        """The module of this digest as an earlier `compile` left it in the cache; None where it did not.

        Parameters
        ----------
        recalled : Recalled, optional
            What `recall` gave for this digest.
        """
        safety.check_process()
        size = 0 if recalled is None else recalled.code_bytes
        with deferred():  # meanwhile bare numbers hold an open file and a module: an interrupt would lose them
            entry = cache.find(cache_folder, digest, self.key, size=size) if cache_folder else None
            if entry is None:
                return None
            with entry:
                compiled = self.deserialize_file(entry.path, digest)
        if compiled is not None and cache_folder is not None:
            compiled.cached_bytes = entry.size
            known = None if recalled is None or not memory.AVAILABLE else recalled.images
            compiled.images = self._fetch_images(module, digest, cache_folder) if known is None else known
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
    ) -> bool:
        # The images first: where the code is, they are there.
        if images and module.data_segments > FEW:
            cache.keep(cache_folder, digest, self.key, pack_images(images), cache.IMAGES)
        return cache.keep(cache_folder, digest, self.key, code)

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
        code = b""
        if apart is not None:
            code = compile_apart.compile_apart(wasm, self.reservation, apart, self.settings)
            compiled = self.deserialize(code, digest)
        else:
            compiled = self.compile_here(wasm, digest)
            if cache_folder:
                code = self.serialize(compiled)
        if cache_folder and self._keep(module, digest, cache_folder, code, images):
            compiled.cached_bytes = len(code)
        compiled.images = images
        return compiled


class Engine(CachingCompiler):
    """A compiler that guests run in. Use `judicia_notebook.engine.startup.get_engine`."""

    def __init__(self, reservation: int | None = None, settings: EngineSettings = FULL) -> None:
        super().__init__(reservation, settings)
        if functions.watch_engine(self.pointer, settings.fuel, "exceptions" in settings.features):
            raise ResourceExhausted("This process has more engines than its ticker watches.")
        self.pid = os.getpid()
        safety.remember_signal_handlers()
