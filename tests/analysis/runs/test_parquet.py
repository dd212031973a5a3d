"""A run as Parquet: what another reader finds there is what the frames have."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.runs.run import of_recorder
from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.recorder import Recorder

AddCall = Callable[..., int]


def test_the_files_have_the_rows_and_dtypes_of_the_frames(
    recorder: Recorder, add_call: AddCall, unknown: dict[str, Any], tmp_path: Path
) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not there; enable: pip install judicia-notebook[parquet]"
    )
    add_call(recorder)
    add_call(recorder, call_id=8, **unknown)
    recorder.add_host_call(7, "p", 1, "random", "judicia:random bytes", "x", 1, 1, 0, 8, "allowed", "")
    recorder.add_log(7, "p", 5, "info", "", {"a": 1, "b": ["x"]}, "log")
    recorder.add_log(7, "p", 6, "info", "m", None, "log")
    recorder.add_policy("p", ("random",), {"cpu": 0.1}, "error")
    mixed = jn.sweep("example:specimen", "echo", [1, "two", None], repeats=1, progress=False)
    run = of_recorder(recorder)
    folder = jn.Run(**run.frames, meta=run.meta, sweeps={"mixed": mixed}).to_parquet(tmp_path / "run")
    for name in ("calls", "samples"):
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"{name}.parquet"), run.frames[name])
    logs = parquet.read_table(folder / "logs.parquet").to_pylist()
    assert [row["fields"] for row in logs] == ['{"a":1,"b":["x"]}', None]
    assert [row["message"] for row in logs] == ["", "m"]
    [policy] = parquet.read_table(folder / "policies.parquet").to_pylist()
    assert (policy["grants"], policy["quota"]) == ('["random"]', '{"cpu":0.1}')
    swept = parquet.read_table(folder / "sweeps" / "mixed.parquet")
    assert swept.column("param_payload").to_pylist() == ["1", '"two"', "2"]
    assert json.loads((folder / "meta.json").read_bytes())["tables"]["calls"]["rows"] == 2
    with pytest.raises(FileExistsError):
        run.to_parquet(folder)
    hidden = run.to_parquet(tmp_path / "hidden", anonymous=True)
    assert set(pd.read_parquet(hidden / "calls.parquet")["plugin"]) == {"plugin-2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hidden", "run"]


def test_without_pyarrow_the_error_says_which_extra_brings_it(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not there
    with pytest.raises(JudiciaError, match="Parquet needs pyarrow") as refused:
        of_recorder(recorder).to_parquet(tmp_path / "run")
    assert "judicia-notebook[parquet]" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
