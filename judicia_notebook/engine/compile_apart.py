"""Compiling in a child process, with limits on memory and time.

Fuel, epochs and store limits bound the guest, not the compiler: a hostile module can keep Cranelift busy for minutes
and gigabytes. The system can limit a child process, and the parent can end it.

- The child is spawned, never forked: an engine does not survive a fork.
- It sets its own limits before it reads a byte of the module.
- It hands the compiled module back over a pipe; the parent's memory and threads are not at stake.
- It runs `child` of this file, and imports the engine room and nothing above it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import struct
import subprocess
import sys
from dataclasses import dataclass

from judicia_notebook.engine.child_process import be_expendable, lower_limit, python_command
from judicia_notebook.engine.compiler import Compiler
from judicia_notebook.engine.settings import FULL, EngineSettings, settings_named
from judicia_notebook.errors import CompileError, CompileLimit
from judicia_notebook.units import format_size, format_time

DEFAULT_ABOVE = 4 << 20
"""Bytes of wasm above which a module is compiled apart unless the caller says otherwise."""

WAY_OUT = (
    "isolate_compile=False compiles it in this process, without limits, if you trust it; where compiled modules are "
    "kept, the next load is quick. Fewer data segments, fewer types and shorter functions take less."
)

_CHILD = "from judicia_notebook.engine import compile_apart; compile_apart.child()"
_HEADER = struct.Struct("<QQQQ128s")
_REFUSED = "refused: "
_THREAD_BYTES = 256 << 20
_OVER = 3  # the child's exit code for a limit it hit and noticed
_BOUNDED = importlib.util.find_spec("resource") is not None  # Windows has no such limits


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What compiling one module may take: bytes of address space, of the result, seconds of CPU, of wall time."""

    memory_bytes: int = 4 << 30
    compiled_bytes: int = 1 << 30
    cpu_seconds: int = 120
    wall_seconds: float = 180.0


def compile_apart(wasm: bytes, reservation: int, limits: CompileLimits, settings: EngineSettings = FULL) -> bytes:
    """Compile in a child; the serialized module.

    Parameters
    ----------
    reservation : int
        Bytes of address space for each memory.
    settings : EngineSettings
        Of the engine that will run it: both must be the same on both sides.

    Raises
    ------
    CompileLimit
        The compiler took more than it may.
    CompileError
        The engine refused the module.
    """
    if not _BOUNDED:
        raise CompileLimit(
            "this system cannot limit what a compiler's process takes, so it is not compiled",
            hint=WAY_OUT,
        )
    command = python_command(_CHILD)
    # Each of the compiler's threads sets address space aside, 64 MiB and more: sixty-four would take all of a gigabyte.
    threads = min(os.cpu_count() or 1, max(1, limits.memory_bytes // _THREAD_BYTES))
    environment = {**os.environ, "RUST_BACKTRACE": "0", "RAYON_NUM_THREADS": str(threads)}
    header = _HEADER.pack(
        reservation, limits.memory_bytes, limits.compiled_bytes, limits.cpu_seconds, settings.name.encode()
    )
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    except OSError as error:
        raise CompileError(f"the compiler's process could not be started ({error.strerror})") from None
    with child:  # closes the pipes, whatever happens
        try:
            compiled, said = child.communicate(header + wasm, timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired:
            raise _ended(format_time(limits.wall_seconds)) from None
        finally:
            if child.poll() is None:  # a timeout, or Ctrl-C
                child.kill()
                child.wait()  # after Ctrl-C, leaving `with child` does not wait
    if child.returncode == 0:
        return compiled
    raise _why(child.returncode, said.decode("utf-8", "replace").strip(), limits)


def _why(code: int, said: str, limits: CompileLimits) -> CompileError:
    if said.startswith(_REFUSED):
        return CompileError(said.removeprefix(_REFUSED))
    if code < 0 or code == _OVER:  # Rust aborts where memory ends, the system kills where CPU time does
        memory, cpu = format_size(limits.memory_bytes), format_time(limits.cpu_seconds)
        return _ended(f"{memory} of memory or {cpu} of CPU time")
    return CompileError(f"the compiler's process failed: {said.splitlines()[-1] if said else f'exit code {code}'}")


def _ended(limit: str) -> CompileLimit:
    return CompileLimit(f"compiling it took more than {limit}, and the compiler was ended", hint=WAY_OUT)


def child() -> None:
    """The child's whole life: limits, a module from stdin, a compiled module to stdout."""
    header = _HEADER.unpack(sys.stdin.buffer.read(_HEADER.size))
    reservation, memory_bytes, compiled_bytes, cpu_seconds, name = header
    compiler = Compiler(reservation, settings_named(name.rstrip(b"\0").decode()))
    import resource  # not on every system; `compile_apart` has looked

    # macOS takes no limit of address space.
    with contextlib.suppress(ValueError) if sys.platform == "darwin" else contextlib.nullcontext():
        lower_limit(resource.RLIMIT_AS, memory_bytes, memory_bytes)
    lower_limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    be_expendable()
    try:
        module = compiler.compile_here(sys.stdin.buffer.read())
        compiled = compiler.serialize(module)
    except CompileError as error:
        sys.stderr.write(_REFUSED + error.message)
        sys.stderr.flush()
        os._exit(1)
    except MemoryError:
        os._exit(_OVER)
    if len(compiled) > compiled_bytes:  # a file of a megabyte can stand for gigabytes of code
        os._exit(_OVER)
    sys.stdout.buffer.write(compiled)
    sys.stdout.buffer.flush()
    os._exit(0)
