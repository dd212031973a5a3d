"""A plugin's text in the report of its cases, on a terminal and in JUnit's XML."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from judicia_notebook.__main__ import main
from judicia_notebook.runtime.source import example_folder

UNSEEN = "\u200b\u200d\u2060\ufeff\u202e\u2066\u2028\x85\x9b\x1b[2J\U000e0041\u3164\u00ad\x08"


@pytest.mark.wall({"judicia_notebook.text:printable": "lambda text, limit=500: text"})
@pytest.mark.parametrize("said", [{"code": "evil", "message": UNSEEN}, {"code": UNSEEN, "message": "evil"}])
def test_what_a_plugin_says_is_inert_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: dict[str, str]
) -> None:
    shutil.copy(example_folder() / "specimen" / "specimen.wasm", tmp_path)
    case = f"[[case]]\nname = 'a'\nfunction = 'fail'\npayload_json = '{json.dumps(said)}'\ncode = 'other'\n"
    (tmp_path / "cases.toml").write_text(case)
    assert main(["test", str(tmp_path), "--junit", str(tmp_path / "junit.xml")]) == 1
    printed = capsys.readouterr()
    assert "evil" in printed.out
    assert printed.out.replace("\n", "").isprintable()
    written = (tmp_path / "junit.xml").read_text("utf-8")
    assert written.replace("\n", "").isprintable()
    (failure,) = ET.fromstring(written).iter("failure")
    assert "evil" in (failure.text or "")
