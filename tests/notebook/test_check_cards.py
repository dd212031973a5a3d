"""A check in a notebook: a card for each as it is judged, of inert text, and below a failed one a short error."""

from __future__ import annotations

from judicia_notebook.errors import CheckFailed
from judicia_notebook.notebook.object_cards import check_card
from judicia_notebook.records.findings import Finding
from tests.notebook.test_cards import NASTY, read
from tests.support.kernels import Kernel

PASSED = 'p = rt.load("example:specimen")\njn.check(p.attempt("echo", 1), answer=1)\njn.check(p, grants_at_most=[])'
FAILED = 'jn.check(p.attempt("echo", "<b>$x$"), answer=2, points=3)'


def test_each_check_of_a_cell_is_a_card_and_none_is_shown_twice(kernel: Kernel) -> None:
    shown = kernel.run(PASSED).output
    assert shown.count("specimen.echo: passed · 1 of 1 point") == 1
    assert shown.count("specimen: passed · 1 of 1 point") == 1
    assert "  met      the answer is the expected one" in shown


def test_a_check_that_fails_is_a_card_and_an_error_of_one_line(kernel: Kernel) -> None:
    kernel.run(PASSED)
    reply = kernel.run(FAILED)
    assert reply.status == "error"
    assert "specimen.echo: not passed · 0 of 3 points" in reply.output
    assert reply.output.count("the outcome is ok") == 1  # on the card alone
    caught = kernel.run(f"try:\n    {FAILED}\nexcept AssertionError as error:\n    print(type(error).__name__)")
    assert caught.stdout == "CheckFailed\n"


def test_what_a_guest_wrote_stays_text_on_the_card() -> None:
    for text in NASTY:
        error = CheckFailed(text, findings=[Finding("answer", False, text), Finding("denied", True, text)])
        reader = read(check_card(error).html())
        assert reader.tags == {"div", "strong", "span", "ul", "li"}
        words = [word.strip() for word in reader.words]
        assert ("not met" in words, "met" in words) == (True, True)  # colour alone says nothing
        assert check_card(error).text().replace("\n", "").isprintable()
