"""An engine that guests run in: a compiler, with a cache of compiled modules and the ticker that stops guests."""

from __future__ import annotations

import os
from ctypes import c_void_p
from typing import TYPE_CHECKING

from judicia_notebook.engine import cache, capi, compile_apart, safety
from judicia_notebook.engine.compiler import Compiler, Module
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.ticks import Ticker

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.compile_apart import CompileLimits


class Engine(Compiler):
    """Compiling, with a cache, and the ticker. Use `judicia_notebook.engine.startup.get_engine`."""

    def __init__(self, reservation: int | None = None) -> None:
        super().__init__(reservation)
        self._hot_pointer = c_void_p(self.pointer)
        self.ticker = Ticker(self._advance)
        self.pid = os.getpid()
        safety.remember_signal_handlers()

    def _advance(self) -> None:
        capi.increment_epoch(self._hot_pointer)

    def fetch(self, digest: str, cache_folder: Path | None) -> Module | None:
        """The module of this digest as an earlier `compile` left it in the cache; None where it did not."""
        safety.check_process()
        with deferred():  # meanwhile bare numbers hold an open file and a module: an interrupt would lose them
            entry = cache.find(cache_folder, digest, self.key) if cache_folder else None
            if entry is None:
                return None
            with entry:
                return self.deserialize_file(entry.path, digest)

    def compile(
        self, wasm: bytes, digest: str, *, cache_folder: Path | None = None, apart: CompileLimits | None = None
    ) -> Module:
        """Compile a module, and leave it in the cache.

        Parameters
        ----------
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
        if apart is not None:
            compiled = compile_apart.compile_apart(wasm, self.reservation, apart)
            if cache_folder:
                cache.keep(cache_folder, digest, self.key, compiled)
            return self.deserialize(compiled, digest)
        module = self.compile_here(wasm, digest)
        if cache_folder:
            cache.keep(cache_folder, digest, self.key, self.serialize(module))
        return module
