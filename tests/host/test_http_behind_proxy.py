"""The link on a hub, followed through Jupyter's real proxy in a real Jupyter server, as a hub starts it for a user."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import judicia_notebook as jn
from tests.support import answering
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE

PREFIX = "/user/lund/"
TOKEN = "only-for-this-test"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the user's own server on the hub."""
    folder: Path = tmp_path_factory.mktemp("hub")
    port = free_port()
    options = {
        "ServerApp.port": port, "ServerApp.ip": "127.0.0.1", "ServerApp.base_url": PREFIX, "ServerApp.root_dir": folder,
        "IdentityProvider.token": TOKEN,
        "ServerApp.port_retries": 0,
        "ServerApp.allow_remote_access": True,  # as on a hub: the browser names the hub
        "ServerApp.jpserver_extensions": "{'jupyter_server_proxy': True}",
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder), "PYTHONNOUSERSITE": "1"}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}{PREFIX}"
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    if httpx.get(f"{url}api", timeout=PATIENCE).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None, (folder / "log.txt").read_text()[-2000:]
                assert time.monotonic() < deadline, (folder / "log.txt").read_text()[-2000:]
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_the_link_on_a_hub_leads_through_its_proxy_to_the_plugin(
    rt: jn.Runtime, jupyter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
    plugin = answering.load(rt)
    with rt.host.http.serve() as server, httpx.Client(timeout=PATIENCE) as browser:
        assert server.link == f"{PREFIX}proxy/{server.port}/"
        page = urljoin(jupyter, server.link)
        strangers = browser.get(f"{page}site/")
        assert strangers.status_code in (302, 403)  # to Jupyter's login
        assert "_xsrf" not in strangers.text
        for host in ("", "hub.example.org"):
            headers = {
                "Authorization": f"token {TOKEN}",
                "Cookie": "session=secret",
                **({"Host": host} if host else {}),
            }
            found = browser.get(f"{page}site/a?contest=1&token={TOKEN}", headers=headers)
            assert (found.status_code, found.text) == (200, "hello")
            assert found.headers["content-security-policy"].startswith("sandbox allow-scripts;")
            asked = plugin.call("asked")
            assert (asked["path"], asked["query"]) == ("/site/a", {"contest": "1"})
            assert not {"authorization", "cookie", "host"} & set(asked["headers"])
        plugin.call("answer", {"status": 302, "headers": {"location": "/site/next"}})
        moved = browser.get(f"{page}site/a", headers={"Authorization": f"token {TOKEN}"})
        assert urljoin(str(moved.url), moved.headers["location"]) == f"{page}site/next"
        plugin.policy.revoke("register_routes")
        assert browser.get(f"{page}site/a", headers={"Authorization": f"token {TOKEN}"}).status_code == 503
