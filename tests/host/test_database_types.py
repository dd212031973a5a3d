"""Frames of every type as tables, on SQLite and on PostgreSQL: they come back as they were, or are refused."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.host.database.columns import frame as frame_of
from tests.support.conversions import (
    AT,
    BERLIN,
    COLUMNS,
    ISO,
    NUMPY,
    PANDAS,
    PYTHON,
    UTC,
    Level,
    Right,
    Word,
    page_rows,
    verdict,
    verdict_of,
)

TEXT = "str" if str(pd.Series(["a"]).dtype) == "str" else "object"
MOMENT, MOMENT_UTC = "datetime64[us]", "datetime64[us, UTC]"


@pytest.fixture(params=["sqlite", "postgresql"])
def rt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[jn.Runtime]:
    """A runtime on each kind of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tables'}"
    else:
        url = str(request.getfixturevalue("postgresql"))
    with jn.Runtime(tmp_path / "data", database=url) as runtime:
        yield runtime


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[jn.Runtime]:
    with jn.Runtime(tmp_path / "data") as runtime:
        yield runtime


def there_and_back(rt: jn.Runtime, values: Any) -> pd.Series:
    """A column as the table gives it back."""
    rt.host.database.add_table("t", pd.DataFrame({"c": values}))
    return rt.host.database.table("t")["c"]


def plain(column: pd.Series) -> list[Any]:
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


# --- what comes back -------------------------------------------------------------------------------------------------

WHOLE: list[tuple[Any, str, str]] = [
    *((np.array([7, 8], name), "int64", "Int64") for name in ("int8", "uint16", "int64", "uint64")),
    *((pd.array([7, 8], dtype=name), "int64", "Int64") for name in ("Int8", "UInt64", "Int64")),
    ([2**53 + 1, -(2**63)], "int64", "Int64"),
    ([True, False], "bool", "boolean"),
    (pd.array([True, False], dtype="boolean"), "bool", "boolean"),
    *((np.array([0.1, 2], name), "float64", "float64") for name in ("float16", "float32", "float64")),
    (pd.array([0.1, 2], dtype="Float64"), "float64", "float64"),
    ([0.5, float("inf")], "float64", "float64"),
    (["a'b", ""], TEXT, TEXT),
    (pd.array(["a", "b"], dtype="string"), TEXT, TEXT),
    (pd.Categorical(["a", "b"]), TEXT, TEXT),
    (pd.Categorical([1, 2]), "int64", "Int64"),
    (pd.arrays.SparseArray([0, 7]), "int64", "Int64"),
    ([AT, dt.datetime(1, 1, 1)], MOMENT, MOMENT),  # noqa: DTZ001
    (np.array([AT, "2025-01-02"], "M8[us]"), MOMENT, MOMENT),
    (np.array(["2025-01-02", "2262-01-01"], "M8[ns]"), MOMENT, MOMENT),
    ([UTC, BERLIN], MOMENT_UTC, MOMENT_UTC),
    (pd.array([pd.Timestamp(BERLIN)] * 2), MOMENT_UTC, MOMENT_UTC),
    ([dt.date(2025, 1, 2), dt.date(1, 1, 1)], "object", "object"),
    ([b"\x00\xff", b""], "object", "object"),
]


@pytest.mark.parametrize(("values", "dtype", "dtype_missing"), WHOLE, ids=lambda value: "")
def test_a_column_comes_back_as_it_was_whatever_is_missing_in_it(
    rt: jn.Runtime, values: Any, dtype: str, dtype_missing: str
) -> None:
    given = list(pd.Series(values))
    back = there_and_back(rt, values)
    assert str(back.dtype) == dtype
    assert list(back) == given
    back = there_and_back(rt, pd.Series([*given, None], dtype="object"))
    assert str(back.dtype) == dtype_missing
    assert plain(back) == [*given, None]
    assert str(there_and_back(rt, pd.Series(values).iloc[:0]).dtype) in (dtype, TEXT)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_dtype_of_pandas_comes_back_as_the_page_says(rt: jn.Runtime, name: str) -> None:
    whole, missing = page_rows("Columns")[name]
    column = pd.Series(COLUMNS[name])
    if whole == "refused":
        with pytest.raises(jn.PolicyError):
            there_and_back(rt, column)
        return
    back = there_and_back(rt, column)
    assert plain(back) == plain(column)
    for cell, taken in ((missing, back), (whole, there_and_back(rt, column.dropna()))):
        if cell.startswith("`"):
            assert str(taken.dtype) in (cell.strip("`"), TEXT if cell == "`str`" else "")


def test_moments_are_the_same_instants(rt: jn.Runtime) -> None:
    assert list(there_and_back(rt, [UTC, BERLIN])) == [UTC, BERLIN]
    assert there_and_back(rt, [AT]).iloc[0].isoformat() == ISO
    assert str(there_and_back(rt, pd.to_datetime([None, None])).dtype) == MOMENT
    assert str(there_and_back(rt, pd.to_datetime([None], utc=True)).dtype) == MOMENT_UTC


def test_a_table_without_rows_keeps_its_dtypes(rt: jn.Runtime) -> None:
    frame = pd.DataFrame({"i": [1], "f": [0.5], "b": [True], "t": ["a"], "at": [AT], "utc": [UTC]}).iloc[:0]
    rt.host.database.add_table("t", frame)
    assert list(map(str, rt.host.database.table("t").dtypes)) == ["int64", "float64", "bool", TEXT, MOMENT, MOMENT_UTC]


def test_what_was_taken_from_a_table_can_be_put_into_it_again(rt: jn.Runtime) -> None:
    rt.host.database.add_table("t", pd.DataFrame({str(at): values for at, (values, *_) in enumerate(WHOLE)}))
    first = rt.host.database.table("t")
    rt.host.database.add_table("t", first)
    pd.testing.assert_frame_equal(rt.host.database.table("t"), first)


# --- what is taken and what is not -----------------------------------------------------------------------------------

TAKEN: dict[tuple[str, str], list[tuple[Any, bool]]] = {
    ("Python", "int"): [([5, 2**63 - 1], True), ([2**63], False), (pd.Series([2**53 + 1, 0.5], dtype="object"), False)],
    ("Python", "bool"): [([True], True)],
    ("Python", "str"): [(["ä"], True), (["a\0"], False), (pd.Series(["\ud800"], dtype="object"), False)],
    ("Python", "float"): [([0.1, float("inf")], True)],
    ("Python", "bytes"): [([b"\0"], True)],
    ("Python", "date"): [([AT.date()], True)],
    ("Python", "datetime"): [([AT], True), ([BERLIN], True)],
    ("Python", "NoneType"): [([None], True)],
    ("Python", "IntEnum"): [([Level.HIGH], True)],
    ("Python", "IntFlag"): [([Right.READ], True)],
    ("Python", "StrEnum"): [([Word.YES], True)],
    ("NumPy", "uint64"): [(np.array([2**63 - 1], "u8"), True), (np.array([2**63], "u8"), False)],
    ("NumPy", "longdouble"): [(np.array([0.5], "g"), True), (np.array(["0.1"], "g"), False)],
    ("NumPy", "datetime64"): [
        (pd.Series([np.datetime64(AT)], dtype="object"), True),
        (pd.to_datetime(["2025-01-02T03:04:05.123456789"]), False),
        (pd.Series([np.datetime64(1, "ns")], dtype="object"), False),
    ],
    ("NumPy", "object_"): [(pd.Series([1, None], dtype="object"), True), (pd.Series([1, "a"], dtype="object"), False)],
    ("NumPy", "bytes_"): [(pd.Series([np.bytes_(b"x")], dtype="object"), True)],
    ("NumPy", "timedelta64"): [(np.array([5], "m8[s]"), False), (np.array(["NaT"], "m8[s]"), False)],
    ("NumPy", "complex128"): [([1j], False)],
    ("pandas", "Timestamp"): [([pd.Timestamp(AT)], True), ([pd.Timestamp(1, unit="ns")], False)],
    ("pandas", "NA"): [([pd.NA], True)],
    ("pandas", "NaT"): [([pd.NaT], True)],
}
if np.finfo(np.longdouble).nmant == np.finfo(np.float64).nmant:
    del TAKEN["NumPy", "longdouble"]


@pytest.mark.parametrize(("heading", "name"), TAKEN)
def test_a_column_is_taken_or_refused_as_the_page_says(rt: jn.Runtime, heading: str, name: str) -> None:
    for values, taken in TAKEN[heading, name]:
        if taken:
            assert plain(there_and_back(rt, values)) == plain(pd.Series(values))
        else:
            with pytest.raises(jn.PolicyError, match="column 'c'"):
                there_and_back(rt, values)
    assert verdict_of(page_rows(heading)[name][1]) == verdict([taken for _, taken in TAKEN[heading, name]])


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        (heading, name)
        for heading, samples in (("Python", PYTHON), ("NumPy", NUMPY), ("pandas", PANDAS))
        for name in samples
        if (heading, name) not in TAKEN and name != "MaskedArray"
    ],
)
def test_every_other_type_is_taken_or_refused_as_the_page_says(sqlite: jn.Runtime, heading: str, name: str) -> None:
    samples = {"Python": PYTHON, "NumPy": NUMPY, "pandas": PANDAS}[heading][name]
    values = [value for value, _ in samples if not isinstance(value, np.ndarray)]
    said = verdict_of(page_rows(heading)[name][1])
    outcomes = []
    for value in values:
        column = pd.Series([None], dtype="object")
        column[0] = value
        try:
            back = there_and_back(sqlite, column)
        except jn.PolicyError as error:
            assert "column 'c'" in str(error)  # noqa: PT017  # taken is well, too
            outcomes.append(False)
        else:
            assert plain(back) == plain(column)
            outcomes.append(True)
    assert not values or verdict(outcomes) in (said, *(("exact", "refused") if said == "exact or refused" else ()))


@pytest.mark.parametrize("columns", [[("a", 1)], [1.5], [None], [True], [dt.date(2025, 1, 2)], ["a", "a"], [1, "1"]])
def test_names_of_columns_that_would_change_or_be_twice_are_refused(sqlite: jn.Runtime, columns: list[Any]) -> None:
    frame = pd.DataFrame([list(range(len(columns)))])
    frame.columns = pd.Index(columns, dtype="object", tupleize_cols=False)
    with pytest.raises(jn.PolicyError):
        sqlite.host.database.add_table("t", frame)


def test_a_decimal_and_a_mixture_are_told_what_to_do(sqlite: jn.Runtime) -> None:
    for values, way in (
        ([decimal.Decimal("1.10")], "make it text"),
        ([1, "a"], r"\.astype\(str\)"),
        ([2**53 + 1, 0.5], r"\.astype\(float\)"),
        ([pd.Timestamp(1, unit="ns")], r"\.floor\(\"us\"\)"),
    ):
        with pytest.raises(jn.PolicyError, match=way):
            there_and_back(sqlite, pd.Series(values, dtype="object"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int", [1, "x"]), ("int", [1, 0.5]), ("float", [0.5, "x"]), ("bool", [1, 2]), ("text", ["a", 1]),
        ("moment", ["2025-01-02T03:04:05", "soon"]), ("moment", ["2025-01-02T03:04:05.123456789"]),
        ("moment", ["2025-01-02T03:04:05+00:00"]), ("moment with zone", ["2025-01-02T03:04:05"]), ("date", ["soon", 1]),
        ("", [decimal.Decimal("1.10"), None]),
    ],
)  # fmt: skip
def test_what_a_plugin_put_where_it_does_not_fit_comes_as_it_is(kind: str, values: list[Any]) -> None:
    made = frame_of({"c": kind}, [(value,) for value in values])["c"]
    assert str(made.dtype) == "object"
    assert made.tolist() == values
