"""The module that loops over rows: its bytes are those of its text, and no type of function is too odd for it."""

from __future__ import annotations

import re

import pytest

from judicia_notebook.engine.compiler import assemble
from judicia_notebook.wasm import row_loop
from judicia_notebook.wasm.row_loop import write_row_loop
from judicia_notebook.wasm.sections import read_module


def test_the_bytes_are_those_of_the_text_in_the_docstring() -> None:
    written = write_row_loop(("i32", "f64"), ("f64",))
    offsets = iter(column.offset for column in (*written.arguments, *written.results))
    text = row_loop.__doc__ or ""
    text = text[text.index("(module") : text.index("The row is counted")]
    text = re.sub(r"offset=(64|\.\.\.)", lambda _: f"offset={next(offsets)}", text)
    text = text.replace("PAGES", str(written.size >> 16))
    expected = assemble(text)
    expected = expected[: expected.index(b"\x04name") - 2]  # names of all functions and locals, in a section at the end
    assert written.wasm.startswith(expected)
    assert read_module(written.wasm).names == {2: row_loop.NAME}


@pytest.mark.parametrize(
    ("params", "results"),
    [
        ((), ()),
        (("i64",), ()),
        ((), ("f32",)),
        (("f32", "i64", "i32", "f64"), ("f64", "i32", "i64", "f32")),
        (("f64",) * 1000, ("i32",) * 1000),
    ],
    ids=["nothing", "no result", "no parameter", "all", "many"],
)
def test_the_columns_of_a_block_do_not_touch(params: tuple[str, ...], results: tuple[str, ...]) -> None:
    written = write_row_loop(params, results)
    module = read_module(written.wasm)
    (memory,) = module.memories
    assert memory.minimum_pages == memory.maximum_pages == written.size >> 16
    columns = [*written.arguments, *written.results]
    assert [column.kind for column in columns] == [*params, *results]
    end = 64
    for column in columns:
        assert column.offset == end
        assert column.offset % 64 == 0
        end += column.size * written.rows
    assert end <= written.size < end + (64 << 10) + 1
    assert 64 <= written.rows <= 64 << 10
