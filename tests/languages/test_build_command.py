"""``python -m judicia_notebook build``: what it writes is whole, whatever was there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from judicia_notebook.__main__ import main
from judicia_notebook.languages import zig_cache

SOURCE = '(module (func (export "f") (result i32) (i32.const 7)))'


def test_a_module_that_is_loaded_meanwhile_stays_whole(tmp_path: Path) -> None:
    source, target = tmp_path / "f.wat", tmp_path / "f.wasm"
    source.write_text(SOURCE)
    target.write_bytes(b"old")
    with target.open("rb") as mapped:
        assert main(["build", str(source)]) == 0
        assert mapped.read() == b"old"
    assert target.read_bytes()[:4] == b"\0asm"
    assert {path.name for path in tmp_path.iterdir()} - {"temporary"} == {"f.wat", "f.wasm"}


def test_a_link_stays_a_link_and_a_device_is_written(tmp_path: Path) -> None:
    source, link, far = tmp_path / "f.wat", tmp_path / "f.wasm", tmp_path / "far.wasm"
    source.write_text(SOURCE)
    far.write_bytes(b"old")
    link.symlink_to(far)
    assert main(["build", str(source)]) == 0
    assert link.is_symlink()
    assert far.read_bytes()[:4] == b"\0asm"
    assert main(["build", str(source), "-o", os.devnull]) == 0
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.wat").write_text(SOURCE)
    (tmp_path / "f.wasm").mkdir()
    assert main(["build", str(tmp_path / "f.wat")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} - {"temporary"} == {"f.wat", "f.wasm"}


@pytest.mark.parametrize("name", ["C++", "cobol"])
def test_the_language_is_said_as_people_write_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.txt").write_text('extern "C" __attribute__((export_name("f"))) int f(void) { return 1; }\n')
    command = ["build", str(tmp_path / "f.txt"), "--lang", name]
    if name == "cobol":
        with pytest.raises(SystemExit):
            main(command)
        assert "no compiler for 'cobol'" in capsys.readouterr().err
    else:
        assert main(command) == 0


def test_what_a_killed_process_left_of_zigs_cache_is_removed(tmp_path: Path) -> None:
    cache, left = tmp_path / "zig", tmp_path / "zig-4711.old"
    for folder in (cache, left):
        folder.mkdir(mode=0o700)
        (folder / "library").write_text("x")
    zig_cache._trim(cache)
    assert (cache / "library").exists()
    assert not left.exists()
