"""A call's result in words: a value or an error as lines of text, cut and made printable.

Knows values and errors, but not the place where the text is shown.
"""

from __future__ import annotations

from typing import Any

import msgspec

from judicia_notebook.analysis.series import plural
from judicia_notebook.engine import wire
from judicia_notebook.errors import InvalidPayload, JudiciaError, describe
from judicia_notebook.text import printable

ANSWER_LINES, ANSWER_LINE = 60, 400


def value_text(value: Any) -> str:
    """A value as JSON over several lines; bytes, numbers that JSON has not, and the result of a run as Python has them.

    Examples
    --------
    >>> print(value_text({"a": 1}))
    {
      "a": 1
    }
    >>> print(value_text(b"a"))
    b'a'
    """
    try:
        text = msgspec.json.format(wire.encode(value), indent=2).decode("utf-8", "replace")
    except InvalidPayload:
        text = repr(value[:ANSWER_LINE] if isinstance(value, bytes) else value)
    lines = text.split("\n")
    cut = [printable(line, ANSWER_LINE) for line in lines[:ANSWER_LINES]]
    left_out = len(lines) - ANSWER_LINES
    return "\n".join([*cut, f"… {plural(left_out, 'more line')}"] if left_out > 0 else cut)


def error_text(error: BaseException) -> str:
    """An error's kind, sentence and hints.

    Examples
    --------
    >>> error_text(ValueError("no number"))
    'ValueError: no number'
    """
    lines = describe(error) if isinstance(error, JudiciaError) else [str(error)]
    return "\n".join(printable(line, ANSWER_LINE) for line in [f"{type(error).__name__}: {lines[0]}", *lines[1:]])
