"""A file is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from judicia_notebook.analysis.replacing import replacing


def test_the_new_file_takes_the_place_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "run.zip"
    target.write_text("old")
    with replacing(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"run.zip": "new"}


@pytest.mark.parametrize("begun", ["", "half of it"])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path, begun: str) -> None:
    target = tmp_path / "run.zip"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as part:
        if begun:
            part.write_text(begun)
        raise KeyboardInterrupt
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"run.zip": "old"}
