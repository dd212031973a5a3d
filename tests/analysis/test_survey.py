"""A corpus as a frame: every file a row, whatever it is, and nothing of it is run."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compiler import assemble
from tests.engine.bomb_parts import MAGIC, NOTHING, bodies, section, vector

PLUGINS = Path(jn.__file__).parent / "plugins"
WAT = """(module
  (import "env" "now" (func (result f64))) (import "env" "memory" (memory 2)) (import "\\1b[2J" "x" (func))
  (table 3 funcref) (global i32 (i32.const 1)) (start 1)
  (func (export "run") (param i32) (result i32) (i32.extend8_s (local.get 0)))
  (func (drop (f64.const 1)))
  (data "abc") (elem func 2) (@custom "note" "12345"))"""


def survey(*paths: Path, **options: object) -> pd.DataFrame:
    return jn.survey(list(paths), progress=False, **options)  # type: ignore[arg-type]


def test_a_row_says_what_the_file_is(tmp_path: Path) -> None:
    data = assemble(WAT)
    (tmp_path / "a.wasm").write_bytes(data)
    row = survey(tmp_path).iloc[0]
    assert row["digest"] == hashlib.sha256(data).hexdigest()
    numbers = {"file_bytes": len(data), "functions": 2, "instructions": 6, "imports": 3, "imported_functions": 2,
               "exports": 1, "tables": 1, "memories": 1, "globals": 1, "tags": 0, "types": 3, "data_segments": 1,
               "element_segments": 1, "memory_bytes": 2 << 16, "custom_bytes": 10}  # fmt: skip
    assert {name: row[name] for name in numbers} == numbers
    assert row["features"] == "sign_extension"
    assert row["import_modules"] == "env, \ufffd[2J"
    assert row["sections"] == "type, import, function, table, global, export, start, element, code, data"
    assert pd.isna(row["error"])
    assert row["wasm_code_bytes"] + row["data_bytes"] + row["custom_bytes"] < len(data)


def test_a_bad_file_is_a_row_with_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    good = assemble(WAT)
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    (folder / "folder.wasm").mkdir()
    os.mkfifo(folder / "pipe.wasm")
    (folder / "round.wasm").symlink_to(folder / "round.wasm")
    (folder / "link.wasm").symlink_to(tmp_path / "good.wasm")
    (folder / "up.wasm").symlink_to(tmp_path)
    (folder / "gone.wasm").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good.wasm").write_bytes(good)
    (tmp_path / "cut.wasm").write_bytes(good[:-20])
    (tmp_path / "empty.wasm").write_bytes(b"")
    (tmp_path / "page.wasm").write_bytes(b"<!doctype html>")
    (tmp_path / "component.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
    (tmp_path / "unknown.wasm").write_bytes(good.replace(b"\xc0", b"\xc7"))
    (tmp_path / "notes.txt").write_bytes(b"no module")
    frame = survey(tmp_path).set_index("file")
    errors = frame["error"].fillna("").to_dict()
    assert list(frame.index) == [
        *("component.wasm", "cut.wasm", "empty.wasm", "good.wasm", "page.wasm", "unknown.wasm"),
        *(f"deep/deeper/{name}.wasm" for name in ("gone", "link", "pipe", "round")),
    ]
    assert errors["good.wasm"] == errors["deep/deeper/link.wasm"] == ""
    assert "component" in errors["component.wasm"]
    assert "the file is empty" in errors["empty.wasm"]
    assert "HTML" in errors["page.wasm"]
    assert "pipe" in errors["deep/deeper/pipe.wasm"]
    assert "unknown" in errors["unknown.wasm"]
    assert all(errors[f"deep/deeper/{name}.wasm"] for name in ("gone", "round"))
    assert str(tmp_path) not in "".join(errors.values())
    assert frame.loc["unknown.wasm", "functions"] == 2
    assert pd.isna(frame.loc["unknown.wasm", "instructions"])
    assert frame.loc["cut.wasm", "file_bytes"] == len(good) - 20


def test_a_path_that_is_not_there_is_no_row(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        survey(tmp_path / "nowhere")
    assert len(survey(tmp_path)) == 0
    assert survey(tmp_path).dtypes.to_dict() == survey(PLUGINS).dtypes.to_dict()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.wasm").open("wb") as file:
        file.truncate(1 << 40)
    frame = survey(tmp_path, most="1MiB")
    assert "larger than the 1048576 bytes" in frame["error"][0]


def test_a_long_body_takes_little_memory(tmp_path: Path) -> None:
    body = b"\0" + b"\x41\x01\x1a" * 2_000_000 + b"\x0b"
    module = MAGIC + section(1, vector([NOTHING])) + section(3, b"\x01\0") + bodies(body)
    (tmp_path / "long.wasm").write_bytes(module)
    tracemalloc.start()
    frame = survey(tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frame["instructions"].tolist() == [4_000_001]
    assert most < 3 * len(body)


def test_one_file_may_be_named_and_a_bar_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    frame = jn.survey(PLUGINS / "checker" / "checker.wasm")
    assert frame["file"].tolist() == ["checker.wasm"]
    assert "1 of 1" in capsys.readouterr().err


# --- the modules that are loaded --------------------------------------------------------------------------------------


def test_the_frame_of_loaded_modules_says_what_compiling_them_took_and_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    with jn.Runtime() as rt:
        assert len(rt.modules) == 0
        rt.load("example:checker")
        rt.load("example:checker", name="again")
        frame = rt.modules.set_index("plugin")
    assert frame["from_cache"].to_dict() == {"checker": False, "again": True}
    assert frame["compile_ms"].isna().to_dict() == {"checker": False, "again": True}
    assert frame["compile_ms"]["checker"] > 1
    assert frame["native_code_bytes"]["checker"] == frame["native_code_bytes"]["again"] > 0
    surveyed = survey(PLUGINS / "checker").iloc[0]
    pd.testing.assert_series_equal(frame.loc["checker"][surveyed.index[1:]], surveyed[1:], check_names=False)


def test_native_code_is_as_large_as_readelf_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import subprocess

    if shutil.which("readelf") is None:
        pytest.skip("readelf is not there; enable: apt-get install binutils")
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    with jn.Runtime() as rt:
        rt.load("example:specimen")
        [said] = rt.modules["native_code_bytes"]
    [compiled] = (tmp_path / "cache").glob("*.cwasm")
    text = subprocess.run(["readelf", "-SW", compiled], capture_output=True, text=True, check=True).stdout
    [line] = [line for line in text.splitlines() if " .text " in line]
    assert int(line.split("PROGBITS")[1].split()[2], 16) == said
