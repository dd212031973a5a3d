"""The lesson on attacks: what is saved in it, that each attack is stopped in a run, and the program it opens with."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.lessons import NOTEBOOKS, cell_of, check_saved, said

NAME = "07-the-burglar.ipynb"
ORDINARY = NOTEBOOKS / "burglar" / "ordinary.c"


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("source", ["int main(int count", "while (1)"]),
        ("run", ["/etc/passwd: Capabilities insufficient", "HOME: not set", "the year: 1970"]),
        ("ordinary-rows", ["escape", "path_open /etc/passwd", "/../../../.ssh/id_rsa"]),
        ("ordinary-denied", ["denied", "wall_clock"]),
        ("loop", ["of 200 ms CPU and was stopped", "quota_cpu"]),
        ("burglar", ["asks for 14 capabilities", "granted:  0"]),
        ("tell", ["17 doors tried, all denied"]),
        ("files", ["bad_request", "../../etc/passwd"]),
        ("files-rows", ["escape", "`..` in the path, refused by its text"]),
        ("link", ["Add two numbers.", "a link is where a folder should be"]),
        ("link-row", ["escape", "a link that leads out of the folder, not followed"]),
        ("files-defence", ["limited", "at most 1024"]),
        ("flood", ["escape", "../../etc/shadow"]),
        ("network", ["169.254.169.254 is not public", "denied"]),
        ("network-row", ["redirect 1", "302 from 127.0.0.1"]),
        ("database", ["no such table: diary", "ATTACH DATABASE"]),
        ("database-defence", ["['mine', 5]", "write_database=grades"]),
        ("database-time", ["the statement took more than 0.3 s"]),
        ("events", ["denied", "emit_event=submission.judged"]),
        ("events-source", ["burglar.verdict", "'verdict': 'accepted'"]),
        ("events-cycle", ["on_event  guest_error", "quota_exceeded"]),
        ("events-flood", ["more than 20 events a second"]),
        ("browser", ["document.cookie", "sandbox allow-scripts", "register_routes=/scoreboard/"]),
        ("notifications", ["<script>", "more than 3 notifications a second"]),
        ("log", ["more than 8192 bytes of log in one call"]),
        ("memory", ["hoard", "ok"]),
        ("time", ["of 500 ms wall time and was stopped", "quota_wall"]),
        ("cpu", ["of 100 ms CPU and was stopped"]),
        ("rate", ["of 1 000 host calls", "quota_host_calls"]),
        ("rate-defence", ["more than 100 host calls a second"]),
        ("pointers", ["out of bounds memory", "0xf0000000 with 64 bytes lies beyond", "JSON nested deeper than 128"]),
        ("table", ["the row it left", "fopen", "host calls", "abi_violation"]),
        ("counts", ["escape", "denied"]),
    ],
)
def test_each_wall_stands(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for run in (lesson, saved):
        shown = said(run, cell)
        assert [word for word in words if word not in shown] == [], shown


def test_nothing_of_the_burglars_is_more_than_text(lesson: Any, saved: Any) -> None:
    for run in (lesson, saved):
        html = json.dumps([output.get("data", {}).get("text/html") for output in cell_of(run, "notifications").outputs])
        assert html.count("&lt;script&gt;") >= 3
        assert "<script" not in html


def test_the_programs_source_builds_to_a_program_that_does_the_same(rt: jn.Runtime, tmp_path: Path) -> None:
    clang = shutil.which("clang") or shutil.which("clang-14")
    built = tmp_path / "ordinary.wasm"
    command = [str(clang), "--target=wasm32-wasi", "-Oz", "-Wl,--strip-all", "-o", str(built), str(ORDINARY)]
    if clang is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no C for WASI; enable: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32")
    programs = [rt.load(path, name=path.parent.name) for path in (ORDINARY.with_suffix(".wasm"), built)]
    first, second = (p.run().stdout for p in programs)
    assert first == second
    assert first.decode().splitlines()[-1] == "the year: 1970"
    rows = [[*p.host_calls[["function", "decision"]].itertuples(index=False, name=None)] for p in programs]
    assert rows[0] == rows[1]
