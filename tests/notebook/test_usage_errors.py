"""What an error about a line names: what was given, where it is, the names there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%plugin call specimen.echo 1 --text x", "one of PAYLOAD, --text, --data and --raw, not PAYLOAD and --text"),
        ("%plugin call specimn 1", "takes NAME.FUNCTION, not 'specimn'. Did you mean 'specimen'?"),
        ("%plugin load 'no end", """the quote ' is not closed, at "'no end\""""),
        ("%plugin call specimen.echo [NaN]", "NaN is not JSON, which has null in its place"),
        ("%plugin panel --scale big", "a number from 0.5 to 4, not big"),
        ("%plugin help lod", "There is no command and no plugin 'lod'. Did you mean 'load'?"),
    ],
)
def test_a_line_that_cannot_be_meant(kernel: Kernel, line: str, says: str) -> None:
    kernel.run("%plugin load example:specimen")
    assert says in kernel.run(line).output
