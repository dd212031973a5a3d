"""The table of limits: what is read, what is written back, what is refused, and that every way reads alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

import judicia_notebook as jn
from judicia_notebook.engine.limits import Limits
from judicia_notebook.notebook import commands
from judicia_notebook.notebook.live.quota_rows import typed
from judicia_notebook.policy.limits import MOST, LimitKind, LimitTable, limit
from judicia_notebook.policy.quotas import DEFAULTS, KINDS, limits_of, make_quota

BYTES = LimitKind("bytes", "call", 1024, "what is moved", least=16, most=1 << 20)
TIME = LimitKind("s", "call", 1.0, "what it takes", may_be_none=True)
COUNT = LimitKind("rows", "answer", 10, "of a query", least=1, most=2000)


@dataclasses.dataclass(frozen=True, slots=True)
class ShelfLimits:
    books: int = limit(100, "books", "shelf", "that stand there", least=1)
    weight: int = limit(4 << 10, "bytes", "shelf", "all together")
    name: str = "no limit at all"


TABLE = LimitTable(ShelfLimits, "shelves", "shelves")


# --- one kind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        *((BYTES, "2KiB", 2048), (BYTES, 2048, 2048), (BYTES, 16, 16), (BYTES, "1MiB", 1 << 20), (COUNT, 2000, 2000)),
        *((TIME, 0.5, 0.5), (TIME, "2s", 2.0), (TIME, timedelta(minutes=1), 60.0), (TIME, None, None)),
    ],
)
def test_a_value_is_read_in_its_unit(kind: LimitKind, value: Any, number: float | None) -> None:
    assert kind.read(value) == number


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (BYTES, None, "there must be a limit, None is not one"),
        (BYTES, 15, "at least 16B and at most 1MiB, not 15"),
        (BYTES, "2MiB", "at least 16B and at most 1MiB, not '2MiB'"),
        (BYTES, "2mib", "Did you mean 2MiB?"),
        (TIME, "2", "has no unit"),
        (COUNT, "12", "a whole number of rows"),
        (COUNT, 2001, "at least 1 and at most 2 000, not 2001"),
        (LimitKind("rows", "answer", 1, ""), MOST + 1, f"a whole number of rows up to {MOST}"),
        (LimitKind("bytes", "answer", 1, ""), MOST + 1, "at most 4294967296GiB"),
    ],
)
def test_what_is_no_such_limit_is_refused_with_the_reason(kind: LimitKind, value: Any, why: str) -> None:
    with pytest.raises(ValueError) as refusal:  # the text is what is looked at
        kind.read(value)
    assert why in str(refusal.value)


@pytest.mark.parametrize("unit", ["bytes", "s", "rows"])
@given(data=st.data())
def test_what_is_written_is_read_back_exactly(unit: str, data: st.DataObject) -> None:
    kind = LimitKind(unit, "call", None, "", may_be_none=True)
    # A text is a number with a unit, which is a float on its way: exact up to 53 bits.
    numbers = st.floats(0, 1e9) if unit == "s" else st.integers(0, 1 << 53)
    value = data.draw(st.none() | numbers)
    assert kind.parse(kind.write(value)) == value


def test_a_count_may_be_typed_in_groups_and_with_spaces_around() -> None:
    assert COUNT.parse(" 1 500 ") == 1500
    with pytest.raises(ValueError, match=r"a whole number of rows; '2k' is not a whole number\. Did you mean 2000\?"):
        COUNT.parse("2k")
    with pytest.raises(ValueError, match="there must be a limit"):
        COUNT.parse("none")


# --- a table ---------------------------------------------------------------------------------------------------------


def test_a_table_is_made_of_the_fields_that_are_limits() -> None:
    assert list(TABLE) == ["books", "weight"]
    assert ShelfLimits() == ShelfLimits(books=100, weight=4096)
    assert {name: kind.default for name, kind in TABLE.items()} == {"books": 100, "weight": 4096}
    assert TABLE["weight"].per == "shelf"


def test_a_change_is_a_new_object_of_all_that_was_named_or_none() -> None:
    before = ShelfLimits(weight=1)
    assert TABLE.changed(before, {"books": 5}) == ShelfLimits(books=5, weight=1)
    for wanted, said in (
        ({"books": 5, "weight": -1}, "limit weight: a size is not negative"),
        ({"books": 5, "wieght": 1}, "There is no limit on shelves 'wieght'. Did you mean 'weight'?"),
        ({"books": 5, "name": "x"}, "There is no limit on shelves 'name'."),
    ):
        with pytest.raises(jn.PolicyError) as refusal:
            TABLE.changed(before, wanted)
        assert str(refusal.value).startswith(said)
    assert before == ShelfLimits(weight=1)


def test_a_refusal_is_a_sentence_that_ends_once() -> None:
    for value, end in (("2kib", "Units: B, KiB, MiB, GiB, kB, MB, GB."), ("x", "such as 16MiB."), (None, "not one.")):
        with pytest.raises(jn.PolicyError) as refusal:
            TABLE.read("weight", value)
        assert str(refusal.value).endswith(end)
    with pytest.raises(jn.PolicyError, match=r"is not a whole number\. Did you mean 2000\?$"):
        TABLE.parse("books", "2k")


# --- quotas ----------------------------------------------------------------------------------------------------------


def test_what_the_engine_has_for_a_default_of_its_own_is_the_tables() -> None:
    """It runs without a policy in its own tests and in its self-check."""
    in_force, own = limits_of(DEFAULTS)._asdict(), Limits()._asdict()
    assert {name: in_force[name] for name, value in own.items() if value is not None} == {
        name: value for name, value in own.items() if value is not None
    }


def by_python(kind: str, text: str) -> Any:
    quota: Any = {kind: text}
    return getattr(jn.Quota(**quota), kind)


def by_manifest(kind: str, text: str) -> Any:
    return getattr(make_quota({kind: text}), kind)


def by_panel(kind: str, text: str) -> Any:
    return getattr(make_quota({kind: typed(kind, text)}), kind)


def by_magic(kind: str, text: str) -> Any:
    command = commands.find("quota", cell=False)
    return commands.given_quota(command.parse(["guest", f"--{kind.replace('_', '-')}", text]))[kind]


READERS: dict[str, Callable[[str, str], Any]] = {
    "python": by_python,
    "manifest": by_manifest,
    "panel": by_panel,
    "magic": by_magic,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_reads_a_text_alike(kind: str) -> None:
    info = KINDS[kind]
    ways = READERS if info.unit in ("bytes", "s") else {"panel": by_panel, "magic": by_magic}
    text = info.write(info.least + 3)
    assert {way: read(kind, text) for way, read in ways.items()} == dict.fromkeys(ways, info.least + 3)
    for bad in ("-1", "1e", "2q", "", str(info.most * 10)):
        with pytest.raises(ValueError) as reason:  # the ways are held against it
            info.parse(bad)
        for way, read in ways.items():
            with pytest.raises((jn.PolicyError, UsageError)) as refusal:
                read(kind, bad)
            assert str(reason.value) in str(refusal.value) or (way, bad) == ("panel", ""), way
            assert kind.replace("_", "-") in str(refusal.value).replace("_", "-")
