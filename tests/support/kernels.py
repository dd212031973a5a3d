"""A real kernel to speak to, as a notebook does: over Jupyter's own protocol, and with no settings of the user's own.

What a cell prints, shows and raises is collected in a `Reply`; a cell has `PATIENCE` unless the kernel is given more.
"""

from __future__ import annotations

import ast
import asyncio
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import judicia_notebook
from tests.support.waiting import PATIENCE

_WATCH = """
import pathlib as _pathlib, sys, threading as _threading, time as _time
def _watch():
    while True:
        try:
            if {when}:
                break
        except (AttributeError, LookupError):  # a module is not there yet, or half of it
            pass
        _time.sleep(0.01)
    _time.sleep(0.3)  # what it holds for has begun, and the cell's thread waits for it or is inside of it
    _pathlib.Path({holds!r}).touch()
_threading.Thread(target=_watch, daemon=True).start()
"""
_numbers = itertools.count(1)


@dataclass
class Reply:
    """What came of one cell."""

    status: str = ""
    error: str = ""
    traceback: str = ""
    stdout: str = ""
    stderr: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    updated: dict[str, dict[str, Any]] = field(default_factory=dict)  # by display id
    value: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The last value as text."""
        return str(self.value.get("text/plain", ""))

    @property
    def output(self) -> str:
        """All there is to read below the cell, as text."""
        shown = (str(bundle.get("text/plain", "")) for bundle in self.shown)
        return "\n".join([self.stdout, *shown, self.text, self.stderr, self.traceback])


class Kernel:
    """A running ipykernel. Its event loop is its own: the blocking clients of jupyter_client leave theirs open."""

    def __init__(self, folder: Path, *, within: float = PATIENCE, **variables: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._within = within
        self._loop = asyncio.Runner()
        self._loop.run(self._start(folder, variables))

    async def _start(self, folder: Path, variables: dict[str, str]) -> None:
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager

        self._manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True),
            connection_file=str(folder / "connection.json"),
        )
        await self._manager.start_kernel(env=environment(folder) | variables, cwd=str(folder))
        self._client = self._manager.client()
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=PATIENCE)

    def close(self) -> None:
        self._client.stop_channels()
        self._loop.run(self._shut_down())
        self._loop.close()

    async def _shut_down(self) -> None:
        await self._manager.shutdown_kernel(now=True)

    def run(self, code: str, *, interrupt_when: str = "") -> Reply:
        """Run a cell and wait for its end; press the stop button once an expression has held in the kernel for a while.

        After so many seconds the cell need not have come to what is to be interrupted, on a machine that is busy.
        """
        return self._loop.run(self._run(code, interrupt_when))

    async def _run(self, code: str, interrupt_when: str) -> Reply:
        holds = self._folder / f"holds-{next(_numbers)}"
        if interrupt_when:
            await self._client.execute_interactive(_WATCH.format(holds=str(holds), when=interrupt_when), silent=True)

        async def interrupt() -> None:
            while not holds.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)
            await self._manager.interrupt_kernel()

        reply = Reply()
        button = asyncio.create_task(interrupt()) if interrupt_when else None
        answer = await self._client.execute_interactive(
            code, allow_stdin=False, output_hook=lambda message: _collect(message, reply), timeout=self._within
        )
        if button is not None and not button.done():
            button.cancel()  # the cell has ended by itself
        reply.status = answer["content"]["status"]
        return reply

    def value(self, expression: str) -> Any:
        """The value of an expression of plain data."""
        reply = self.run(f"print(repr(({expression})))")
        assert reply.status == "ok", reply.output
        return ast.literal_eval(reply.stdout)

    def complete(self, code: str) -> list[str]:
        """What is offered at the end of a text: whole texts that it would become."""
        content = self._loop.run(self._client.complete(code, reply=True, timeout=PATIENCE))["content"]
        before, after = code[: content["cursor_start"]], code[content["cursor_end"] :]
        return [before + match + after for match in content["matches"]]

    def inspect(self, code: str) -> str:
        """What a question mark or Shift-Tab shows."""
        content = self._loop.run(self._client.inspect(code, reply=True, timeout=PATIENCE))["content"]
        return str(content["data"].get("text/plain", ""))


def environment(folder: Path) -> dict[str, str]:
    """The variables of a process that shares no settings, history or cache with the user's own."""
    package = Path(judicia_notebook.__file__).parents[1]
    paths = (str(package), os.environ.get("PYTHONPATH", ""))
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    return {
        **os.environ,
        **{name: str(folder / name.lower()) for name in names},
        "JUDICIA_NOTEBOOK_CACHE": str(folder.parent / "judicia-cache"),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _collect(message: dict[str, Any], reply: Reply) -> None:
    kind, content = message["header"]["msg_type"], message["content"]
    if kind == "stream":
        setattr(reply, content["name"], getattr(reply, content["name"]) + content["text"])
    elif kind == "display_data":
        reply.shown.append(content["data"])
    elif kind == "update_display_data":
        reply.updated[content["transient"]["display_id"]] = content["data"]
    elif kind == "execute_result":
        reply.value = content["data"]
    elif kind == "error":
        reply.error = content["ename"]
        reply.traceback = "\n".join(content["traceback"])
