"""What runs in each kernel of these tests before anything else: IPython carries this file out at a kernel's start.

- `start_witness` starts a thread that evaluates Python for the tests, whatever the kernel itself is doing. They ask
  what holds while a cell keeps the shell busy, and the subshells of newer ipykernels are among the things tested. So
  this way leads past all of a kernel's own: a socket on loopback with a key of its own, announced in a file that is
  named after the kernel.
- `hear_every_request` keeps ipykernel 7.0 to 7.3 from going deaf for good now and then.
"""

from __future__ import annotations

from typing import Any


def start_witness(names: dict[str, Any]) -> None:
    """Listen, and say where."""
    import json
    import os
    import secrets
    import threading
    import traceback
    from multiprocessing.connection import Connection, Listener
    from pathlib import Path

    from ipykernel.connect import get_connection_file

    def answer(mode: str, text: str) -> tuple[bool, Any]:
        try:
            if mode == "exec":
                exec(compile(text, "<witness>", "exec"), names)
                return True, None
            return True, eval(compile(text, "<witness>", "eval"), names)
        except BaseException:
            return False, traceback.format_exc()

    def serve(connection: Connection) -> None:
        with connection:
            while True:
                try:
                    mode, text = connection.recv()
                    connection.send(answer(mode, text))
                except (EOFError, OSError):
                    return

    def listen(listener: Listener) -> None:
        while True:
            connection = listener.accept()
            threading.Thread(target=serve, args=(connection,), name="witness", daemon=True).start()

    key = secrets.token_hex(16)
    listener = Listener(("127.0.0.1", 0), authkey=bytes.fromhex(key))
    threading.Thread(target=listen, args=(listener,), name="witness", daemon=True).start()
    announced = Path(os.environ["JUDICIA_WITNESS_FOLDER"]) / Path(get_connection_file()).name
    draft = announced.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "address": listener.address, "key": key}))
    draft.replace(announced)  # whoever reads it finds it whole


def hear_every_request(kernel: Any) -> None:
    """Answer on the shell channel by its stream, as ipykernel does since 7.4.0.

    Before, it wrote to the socket that the stream reads from. A request that came in at that moment was never read, nor
    any later one (ipykernel's pull request 1529, and issue 1554). It has nothing to do with what is tested here.
    """
    from ipykernel._version import __version__

    if not __version__.startswith(("7.0.", "7.1.", "7.2.", "7.3.")):
        return
    from ipykernel.subshell_manager import SubshellManager

    def send(_: SubshellManager, message: list[bytes]) -> None:
        kernel.shell_stream.send_multipart(message)

    # The one of this kernel is made later, and by its class.
    SubshellManager._send_on_shell_channel = send  # type: ignore[method-assign,assignment]
