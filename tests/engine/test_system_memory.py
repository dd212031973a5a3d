"""The memory that a container leaves, told by files as Linux writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.system_memory import memory_limit
from judicia_notebook.runtime.runtime import default_ceiling

MIB = 1 << 20
PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
NO_LIMIT_V1 = "9223372036854771712\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, PHYSICAL),
        ({"sys/fs/cgroup/memory.max": f"{512 * MIB}\n"}, 512 * MIB),
        ({"sys/fs/cgroup/memory.max": "max\n"}, PHYSICAL),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{256 * MIB}\n"}, 256 * MIB),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1}, PHYSICAL),
        (
            {
                "proc/self/cgroup": "0::/user.slice/jupyter.service\n",
                "sys/fs/cgroup/user.slice/jupyter.service/memory.max": "max\n",
                "sys/fs/cgroup/user.slice/memory.max": f"{300 * MIB}\n",
            },
            300 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/jobs/one\n0::/\n",
                "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": f"{200 * MIB}\n",
                "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": f"{900 * MIB}\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1,
            },
            200 * MIB,
        ),
        (  # the path of the host, of which the container sees nothing
            {"proc/self/cgroup": "0::/kubepods/pod1\n", "sys/fs/cgroup/memory.max": f"{128 * MIB}\n"},
            128 * MIB,
        ),
        ({"proc/self/cgroup": "\n::\nnonsense\n0::/../..\n", "sys/fs/cgroup/memory.max": "a lot\n"}, PHYSICAL),
    ],
)
def test_the_least_of_all_limits_around_a_process_holds(tmp_path: Path, files: dict[str, str], limit: int) -> None:
    assert memory_limit(tree(tmp_path, files)) == limit


def test_the_ceiling_is_a_quarter_of_a_small_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judicia_notebook.engine.system_memory.memory_limit", lambda: 512 * MIB)
    assert default_ceiling().memory == 128 * MIB
    with jn.Runtime() as rt:
        plugin = rt.load("example:specimen")
        with pytest.raises(jn.PolicyError, match="128 MiB"):
            plugin.policy.set_quota(memory="200MiB")
        assert plugin.call("echo", 1) == 1


def test_the_ceiling_never_exceeds_a_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (None, 1 << 40):
        monkeypatch.setattr("judicia_notebook.engine.system_memory.memory_limit", lambda there=there: there)
        assert default_ceiling().memory == 1 << 30
