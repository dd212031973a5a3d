"""A JupyterLab of these tests' own, with kernels of several ipykernel versions, and the way past a busy kernel's shell.

- `install_kernels` puts each version of `VERSIONS` into a folder of its own, without a virtual environment: the
  kernelspec names the folder first on PYTHONPATH, and everything else comes from the environment the tests run in.
- `Lab` is one server process on loopback; its settings, workspaces, kernels and caches lie in the folder it is given.
- `Witness` asks the thread that `witness.py` starts in each kernel.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE

VERSIONS = {
    # The last one before comm messages were given a shell of their own choosing, the newest, and one without subshells.
    "7.3": ("ipykernel==7.3.0", "nest-asyncio2==1.7.4"),
    "newest": ("ipykernel==7.4.0", "nest-asyncio2==1.7.4"),
    "6.31": ("ipykernel==6.31.0", "nest-asyncio==1.6.0"),
}
STARTUP = """
start_witness(get_ipython().user_ns)
hear_every_request(get_ipython().kernel)
del start_witness, hear_every_request
"""
SETTINGS: dict[str, dict[str, object]] = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Every cell stays in the page, also one that is scrolled out of sight.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def install_kernels(data: Path) -> None:
    """Install each version, and a kernelspec of that name, below a Jupyter data folder."""
    for name, packages in VERSIONS.items():
        folder = data / "ipykernels" / name
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *packages]
        done = subprocess.run([*command, "--no-warn-conflicts"], capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"no {packages[0]}; enable: python -m pip download --no-deps {' '.join(packages)}")
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"ipykernel {name}",
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join((str(folder), *_python_path()))},
        }
        written = data / "kernels" / name / "kernel.json"
        written.parent.mkdir(parents=True)
        written.write_text(json.dumps(spec))


def _python_path() -> tuple[str, ...]:
    package = Path(judicia_notebook.__file__).parents[1]
    return tuple(path for path in (str(package), os.environ.get("PYTHONPATH", "")) if path)


class Lab:
    """A JupyterLab server; `close` ends it and its kernels."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "notebooks"
        self.witnesses = folder / "witnesses"
        self.log_file = folder / "server.log"
        self.token = secrets.token_hex(16)
        self._runtime = folder / "runtime"
        for made in (self.root, self.witnesses, self._runtime):
            made.mkdir()
        install_kernels(folder / "data")
        self._write_settings(folder)
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environment(folder), stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.url = self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise

    def _write_settings(self, folder: Path) -> None:
        for plugin, values in SETTINGS.items():
            file = folder / "settings" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        startup = folder / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        witness = Path(__file__).with_name("witness.py").read_text("utf-8")
        (startup / "witness.py").write_text(f"{witness}\n\n{STARTUP}")

    def _environment(self, folder: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        return {
            **kept,
            "HOME": str(folder),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUDICIA_NOTEBOOK_CACHE": str(folder / "judicia-cache"),
            "JUDICIA_WITNESS_FOLDER": str(self.witnesses),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "MPLCONFIGDIR": str(folder / "matplotlib"),
        }

    def _command(self) -> list[str]:
        options = (
            "--no-browser",
            "--allow-root",
            "--expose-app-in-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={free_port()}",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        )
        return [sys.executable, "-m", "jupyterlab", *options]

    def _wait_until_it_answers(self) -> str:
        deadline = time.monotonic() + 3 * PATIENCE
        announced = self._runtime / f"jpserver-{self._process.pid}.json"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                pytest.fail(f"JupyterLab ended at once: {self.log()}")
            try:
                # Where the port was taken in the meantime the server took another, and says so here.
                url = str(json.loads(announced.read_text())["url"])
                with urllib.request.urlopen(f"{url}api/status?token={self.token}", timeout=5):
                    return url
            except (OSError, ValueError):
                time.sleep(0.05)
        pytest.fail(f"JupyterLab does not answer: {self.log()}")

    def log(self) -> str:
        """The last words of the server and its kernels."""
        return self.log_file.read_text("utf-8", "replace")[-20_000:] if self.log_file.exists() else ""

    def close(self) -> None:
        """Ask it to end itself and its kernels, and see to it that it does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


class Witness:
    """Evaluates Python in a kernel, on a thread of its own there."""

    def __init__(self, announced: Path) -> None:
        deadline = time.monotonic() + PATIENCE
        while not announced.exists():
            if time.monotonic() > deadline:
                pytest.fail("the kernel has no witness")
            time.sleep(0.02)
        said = json.loads(announced.read_text())
        self.pid = int(said["pid"])
        self._connection = Client(tuple(said["address"]), authkey=bytes.fromhex(said["key"]))

    def value(self, expression: str) -> Any:
        """What an expression is there: plain data."""
        return self._ask("eval", expression)

    def run(self, statements: str) -> None:
        """Carry out statements there, in the notebook's own namespace."""
        self._ask("exec", statements)

    def _ask(self, mode: str, text: str) -> Any:
        self._connection.send((mode, text))
        if not self._connection.poll(PATIENCE):
            pytest.fail(f"the kernel does not answer: {text}")
        good, value = self._connection.recv()
        assert good, value
        return value

    def close(self) -> None:
        self._connection.close()
