"""A frame of every dtype that a run's tables have, written as text and read again: the same bits, the same NA."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from judicia_notebook.analysis.runs import cells


def test_every_cell_comes_back_with_its_bits_and_its_dtype() -> None:
    texts = pd.Index(["007", "1"], dtype="str")
    frame = pd.DataFrame(
        {
            "whole": np.array([2**53 + 1, 3, -(2**63), 2**63 - 1]),
            "whole_or_na": pd.array([2**53 + 1, None, -(2**63), 2**63 - 1], dtype="Int64"),
            "real": [0.1, np.inf, -0.0, 5e-324],
            "real_or_na": pd.array([0.1, None, 1e-310, 5e300], dtype="Float64"),
            "zeros": [0.0, -0.0, 0.0, 0.0],
            "text": pd.Series(['ä,"b"', "", "NA", "nan"], dtype="str"),
            "one_of": pd.Categorical.from_codes([0, -1, 1, 0], categories=texts),
            "at": pd.to_datetime(
                ["2025-01-02T03:04:05.123456789Z", None, *["2025-01-02T00:00:00Z"] * 2], format="ISO8601"
            ).as_unit("ns"),
            "object": pd.Series([None, {"a": 2**64 - 1}, [1, 2.5, None], {}], dtype="object"),
        }
    )
    stream = io.BytesIO()
    cells.write(frame, stream)
    text = io.StringIO(stream.getvalue().decode(), newline="")
    back = cells.read(text, frame.iloc[:0], len(frame), cells.Allowance(1000), never_na={"text"})
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert np.signbit(back["real"][2])
    assert np.signbit(back["zeros"]).tolist() == [False, True, False, False]
