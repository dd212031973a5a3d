"""One declaration a column: record, row and frame agree, and nobody reads a key by the places of its parts."""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.records.record import CALLS, CallKey, CallRecord, EndedCall
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.records.rows import SCHEMAS, HostCallKey
from judicia_notebook.records.schema import KEPT, Column, Made, Number, Schema, Text
from judicia_notebook.records.table import Rows

AddCall = Callable[..., int]

PACKAGE = Path(jn.__file__).parent
DTYPES: dict[Any, set[str]] = {
    int: {"int64"},
    float: {"float64"},
    str: {"category"},
    str | None: {"category", "str"},
    int | None: {"Int64"},
    float | None: {"Float64"},
    datetime: {"datetime64[ns, UTC]"},
}


def test_a_records_fields_are_the_columns_of_the_frame_with_the_types_of_their_dtypes() -> None:
    hints = get_type_hints(CallRecord)
    assert list(hints) == list(CALLS.columns) == list(CallRecord.__struct_fields__)
    assert [name for name, dtype in CALLS.dtypes.items() if dtype not in DTYPES[hints[name]]] == []
    assert hints.keys() - CALLS.dtypes.keys() == {"labels"}


def test_a_record_can_be_pickled(recorder: Recorder, add_call: AddCall) -> None:
    record = recorder.call_at(add_call(recorder))
    assert record is not None
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_call_that_leaves_a_column_out_is_not_recorded(recorder: Recorder) -> None:
    call = EndedCall()
    for name in (*CallKey._fields, *CALLS.layout.names):
        with pytest.raises(AttributeError):
            recorder.add_call(call)
        setattr(call, name, "" if name in {"error", "labels"} else 0)
    assert recorder.add_call(call) == 0


def test_a_call_has_no_column_that_is_not_declared() -> None:
    with pytest.raises(AttributeError):
        EndedCall().cpu_time = 1


@pytest.mark.parametrize("kind", [Text, Made])
def test_a_text_without_a_word_on_anonymity_cannot_be_declared(kind: Callable[..., Column]) -> None:
    with pytest.raises(TypeError, match="anonymous"):
        kind("what it is")
    assert kind("what it is", anonymous=KEPT).anonymous is KEPT


@pytest.mark.parametrize("name", SCHEMAS)
def test_numbers_lie_where_the_layout_says(name: str) -> None:
    layout = SCHEMAS[name].layout
    numbers = range(1, len(layout.names) + 1)
    data = bytearray(layout.packed.pack(0, *numbers))
    read = {name: struct.unpack_from(f"<{code}", data, offset)[0] for name, (offset, code) in layout.fields.items()}
    assert read == {"key": 0, **dict(zip(layout.names, numbers, strict=True))}
    array = layout.array(Rows(data, (), 0, 1))
    assert array.dtype.itemsize == layout.packed.size == len(data)
    assert {name: (array.dtype.fields or {})[name][1] for name in layout.fields} == {
        name: offset for name, (offset, _) in layout.fields.items()
    }
    assert {name: int(array[name][0]) for name in layout.fields} == read
    assert layout.unpack(data, 0) == (0, {number: read[number] for number in layout.names})


def test_a_number_may_be_stored_under_another_name_and_once_for_two_columns() -> None:
    columns = {
        "one": Number("a number", stored_as="number"),
        "two": Number("the same, where it is known", stored_as="number", least=5),
    }
    schema = Schema(HostCallKey, columns)
    assert schema.layout.names == schema.reads == ("number",)
    assert schema.dtypes == {"one": "int64", "two": "Int64"}


def test_readers_get_keys_with_names(recorder: Recorder, add_call: AddCall) -> None:
    position = add_call(recorder)
    row = recorder.calls.row_at(position)
    assert row is not None
    assert (row.key.subject.plugin, row.key.outcome, row.numbers["cpu_ns"]) == ("checker", "trap", 310_000)
    recorder.add_host_call(7, "checker", 1, "random", "judicia:random bytes", "16", 0, 0, 0, 0, "denied", "no")
    [run] = recorder.host_calls.rows()
    assert run.keys == [HostCallKey("checker", "random", "judicia:random bytes", "16", "denied", "no")]
    assert type(run.keys[0]) is HostCallKey
    assert np.array_equal(recorder.host_calls.layout.array(run)["call_id"], [7])


def test_no_reader_takes_a_part_of_a_key_by_its_place() -> None:
    by_place = re.compile(r"\b(key|keys\[\w+\])\[\d")
    found = [path.name for path in PACKAGE.rglob("*.py") if by_place.search(path.read_text(encoding="utf-8"))]
    assert found == []
