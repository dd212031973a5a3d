"""Values of every type that Python, NumPy and pandas have, as their own registries list them, and docs/conversions.md.

A type that one of them adds has no samples here, and the tests that go by these lists fail until it has a decision.
"""

from __future__ import annotations

import array
import builtins
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import re
import types
import uuid
import zoneinfo
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import msgspec
import numpy as np
import pandas as pd

PAGE = Path(__file__).parents[2] / "docs" / "conversions.md"
INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1


# --- what the registries list ----------------------------------------------------------------------------------------


def python_types() -> set[str]:
    """The classes of the builtins and of the modules whose values people put into payloads and frames."""
    found = {"NoneType"}
    for module in (builtins, dt, enum, collections, decimal, fractions, uuid, array):
        names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        found |= {kind.__name__ for name in names if is_value_type(kind := getattr(module, name))}
    return found


def is_value_type(value: Any) -> bool:
    if not isinstance(value, type) or issubclass(value, BaseException | type):
        return False
    return not value.__name__.startswith("_") and value not in ENUM_MACHINERY


def numpy_types() -> set[str]:
    """The scalar types of `np.sctypeDict`, and the dtypes that have none of them."""
    made = {kind for name, kind in vars(np.dtypes).items() if name.endswith("DType")}
    own = {kind.type.__name__ for kind in made if issubclass(kind.type, np.generic)}
    others = {kind.__name__ for kind in made if not issubclass(kind.type, np.generic)}
    old = {"bool_": "bool"}  # its name before NumPy 2
    return {old.get(name, name) for name in {kind.__name__ for kind in np.sctypeDict.values()} | own | others}


def pandas_dtypes() -> set[str]:
    """The extension dtypes that pandas makes public."""

    def below(kind: type) -> set[type]:
        children: list[type] = kind.__subclasses__()
        return {one for child in children for one in {child, *below(child)}}

    found = {kind.__name__ for kind in below(pd.api.extensions.ExtensionDtype) if hasattr(pd, kind.__name__)}
    return found if find_spec("pyarrow") else found - {"ArrowDtype"}


ENUM_MACHINERY = {
    kind
    for name in (
        "auto",
        "property",
        "member",
        "nonmember",
        "verify",
        "EnumCheck",
        "FlagBoundary",
        "ReprEnum",
        "EnumDict",
    )
    if (kind := getattr(enum, name, None)) is not None
} | {decimal.Context, decimal.DecimalTuple, uuid.SafeUUID}


# --- values ----------------------------------------------------------------------------------------------------------


class Verdict(enum.Enum):
    ACCEPTED = "accepted"
    RAW = b"accepted"


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Right(enum.IntFlag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: Any
    _y: Any = 2


@dataclasses.dataclass
class Unfinished:
    x: int = 1
    y: int = dataclasses.field(init=False)


@attrs.define
class Shown:
    x: int = 1


@attrs.define
class Hidden:
    x: int = 1
    _y: int = 2


class Pair(msgspec.Struct):
    left: Any
    right: Any = None


class Text(str):
    __slots__ = ()


class Moment(dt.datetime):
    pass


class Named(NamedTuple):
    a: int
    b: int


AT = dt.datetime(2025, 1, 2, 3, 4, 5, 123456)  # noqa: DTZ001  # one without a zone is what it is for
UTC = AT.replace(tzinfo=dt.UTC)
BERLIN = AT.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
ODD_ZONE = AT.replace(tzinfo=dt.timezone(dt.timedelta(minutes=19, seconds=32)))
ISO = "2025-01-02T03:04:05.123456"

ABSTRACT_ZONE: Any = dt.tzinfo

Sample = tuple[Any, str | None]
"""A value, and the JSON that it becomes; None where it is refused."""


def refused(*values: Any) -> list[Sample]:
    return [(value, None) for value in values]


PYTHON: dict[str, list[Sample]] = {
    "NoneType": [(None, "null")],
    "bool": [(True, "true")],
    "int": [(5, "5"), (INT_MIN, str(INT_MIN)), (INT_MAX, str(INT_MAX)), *refused(INT_MAX + 1, INT_MIN - 1)],
    "float": [(0.1, "0.1"), (-0.0, "-0.0"), (1e22, "1e22"), *refused(float("nan"), float("inf"))],
    "str": [("ä", '"ä"'), *refused("\ud800", Text("a"))],
    "list": [([1, "a"], '[1,"a"]')],
    "tuple": [((1, (2,)), "[1,[2]]")],
    "namedtuple": refused(Named(1, 2), [Named(1, 2)]),
    "dict": [
        ({"a": None}, '{"a":null}'), ({1: 2, 2.5: 3}, '{"1":2,"2.5":3}'), ({Word.YES: 1}, '{"yes":1}'),
        ({AT.date(): 1}, '{"2025-01-02":1}'), ({Text("a"): (1,)}, '{"a":[1]}'), ({np.int64(1): 1}, '{"1":1}'),
        *refused({True: 1}, {None: 1}, {b"a": 1}, {(1,): 1}, {float("nan"): 1}, {np.float32("nan"): 1}, {ODD_ZONE: 1}),
        *refused({1: 0, "1": 0}, {2.5: 0, "2.5": 0}, Point({1: 0, "1": 0})),
    ],
    "OrderedDict": [(collections.OrderedDict(a=1), '{"a":1}')],
    "defaultdict": [(collections.defaultdict(int, a=1), '{"a":1}')],
    "Counter": [(collections.Counter("a"), '{"a":1}')],
    "set": [({3}, "[3]"), *refused({b"x"})],
    "frozenset": [(frozenset("a"), '["a"]'), *refused(frozenset({b"x"}))],
    "bytes": refused(b"xy", [b""], {"a": [{"b": b"x"}]}, (b"x",), Point(b"x"), Pair(b"x"), Verdict.RAW),
    "bytearray": refused(bytearray(b"xy")),
    "memoryview": refused(memoryview(b"xy")),
    "complex": refused(1j),
    "date": [(AT.date(), '"2025-01-02"')],
    "datetime": [
        (AT, f'"{ISO}"'), (UTC, f'"{ISO}Z"'), (BERLIN, f'"{ISO}+01:00"'), *refused(ODD_ZONE, Moment(2025, 1, 2)),
    ],
    "time": [
        (AT.time(), '"03:04:05.123456"'), (UTC.timetz(), '"03:04:05.123456Z"'),
        *refused(BERLIN.timetz(), ODD_ZONE.timetz()),
    ],
    "timedelta": [(dt.timedelta(days=1, microseconds=1), '"P1DT0.000001S"'), (dt.timedelta(seconds=-90), '"-PT90S"')],
    "Decimal": [(decimal.Decimal("1.10"), '"1.10"'), (decimal.Decimal("0." + "1" * 40), '"0.' + "1" * 40 + '"')],
    "UUID": [(uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"')],
    "Enum": [(Verdict.ACCEPTED, '"accepted"')],
    "IntEnum": [(Level.HIGH, "3")],
    "StrEnum": [(Word.YES, '"yes"')],
    "Flag": [(Mode.READ | Mode.WRITE, "3")],
    "IntFlag": [(Right.READ | Right.WRITE, "3")],
    "dataclass": [(Point(1), '{"x":1,"_y":2}'), *refused(Unfinished())],
    "attrs": [(Shown(), '{"x":1}'), *refused(Hidden())],
    "msgspec.Struct": [(Pair("l"), '{"left":"l","right":null}'), (Pair(1, msgspec.UNSET), '{"left":1}')],
    "Fraction": refused(fractions.Fraction(1, 3)),
}  # fmt: skip

ANYTHING_ELSE: dict[str, Any] = {
    "ChainMap": collections.ChainMap({"a": 1}), "UserDict": collections.UserDict(a=1),
    "UserList": collections.UserList([1]), "UserString": collections.UserString("a"), "deque": collections.deque([1]),
    "array": array.array("i", [1]), "tzinfo": ABSTRACT_ZONE(), "timezone": dt.UTC,
    "classmethod": classmethod(id), "staticmethod": staticmethod(len), "property": property(), "super": super(Text),
    "enumerate": enumerate(""), "filter": filter(None, ""), "map": map(len, ""), "zip": zip(strict=True),
    "range": range(3), "reversed": reversed(""), "slice": slice(1), "object": object(),
    "SimpleNamespace": types.SimpleNamespace(a=1), "mappingproxy": types.MappingProxyType({}), "Raw": msgspec.Raw(b"1"),
    "class": Point, "function": len, "generator": (x for x in ""), "ellipsis": ...,
}  # fmt: skip

_INTEGERS = ("int8", "int16", "int32", "int64", "longlong", "uint8", "uint16", "uint32", "uint64", "ulonglong")
NUMPY: dict[str, list[Sample]] = {
    **{name: [(np.array([7]).astype(name)[0], "7"), (np.array([7, 8]).astype(name), "[7,8]")] for name in _INTEGERS},
    "bool": [(np.bool_(True), "true"), (np.array([True, False]), "[true,false]")],
    "float16": [(np.float16(0.1), "0.0999755859375"), *refused(np.float16("nan"))],
    "float32": [(np.float32(0.1), "0.10000000149011612"), *refused(np.array([1, np.inf], "f4"))],
    "float64": [
        (np.float64(0.1), "0.1"), (np.array([[0.5]]), "[[0.5]]"), *refused(np.float64("nan"), np.array([np.nan])),
    ],
    "longdouble": [(np.longdouble(0.5), "0.5"), (np.array([0.5], "g"), "[0.5]")],
    "complex64": refused(np.complex64(1)),
    "complex128": refused(np.complex128(1), np.array([1j])),
    "clongdouble": refused(np.clongdouble(1)),
    "datetime64": [
        (np.datetime64("2025-01-02T03:04:05", "s"), '"2025-01-02T03:04:05"'), (np.datetime64(AT), f'"{ISO}"'),
        (np.datetime64("2025-01-02"), '"2025-01-02T00:00:00"'), (np.datetime64(AT, "ns"), f'"{ISO}"'),
        *refused(np.datetime64("2025-01-02T03:04:05.123456789"), np.array(["2025-01-02T03:04:05.000000001"], "M8[ns]")),
        *refused(np.datetime64("NaT"), np.datetime64("12025-01-02"), np.datetime64(2**62, "s"), np.datetime64(5, "as")),
    ],
    "timedelta64": [
        (np.timedelta64(90, "s"), '"PT90S"'), (np.timedelta64(1, "W"), '"P7D"'),
        (np.timedelta64(5000, "ns"), '"PT0.000005S"'),
        *refused(np.timedelta64(1, "ns"), np.timedelta64(5), np.timedelta64(5, "M"), np.timedelta64(5, "Y")),
        *refused(np.timedelta64(2**60, "s"), np.timedelta64("NaT")),
    ],
    "str_": [(np.str_("x"), '"x"'), (np.array(["a", "b"]), '["a","b"]')],
    "StringDType": [],
    "bytes_": refused(np.bytes_(b"xy"), np.array([b"xy"])),
    "void": refused(np.void(b"ab"), np.array([(1, 2.0)], "i4,f8"), np.array([(1, 2.0)], "i4,f8")[0]),
    "object_": [
        (np.array([None, "a", {"b": 1}], object), '[null,"a",{"b":1}]'), *refused(np.array([b"x", pd.NA], object)),
    ],
    "MaskedArray": [(np.ma.array([1, 2], mask=[False, True]), "[1,null]")],
}  # fmt: skip
if np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant:
    NUMPY["longdouble"] += refused(np.longdouble("0.1"), np.array(["0.1"], "g"))
if "StringDType" in vars(np.dtypes):
    NUMPY["StringDType"] = [(np.array(["a"], np.dtypes.StringDType()), '["a"]')]
else:
    del NUMPY["StringDType"]

PANDAS: dict[str, list[Sample]] = {
    "Timestamp": [
        (pd.Timestamp(AT), f'"{ISO}"'), (pd.Timestamp(BERLIN), f'"{ISO}+01:00"'),
        *refused(pd.Timestamp("2025-01-02T03:04:05.123456789")),
        *refused([pd.Timestamp("2025-01-02T03:04:05.000000001", tz="UTC")]),
    ],
    "Timedelta": [(pd.Timedelta(90, "s"), '"PT90S"'), *refused(pd.Timedelta(1, "ns"))],
    "NA": refused(pd.NA, [pd.NA]),
    "NaT": refused(pd.NaT, [pd.NaT]),
    "Period": refused(pd.Period("2025")),
    "Interval": refused(pd.Interval(1, 2)),
    "Series": refused(pd.Series([1])),
    "DataFrame": refused(pd.DataFrame({"a": [1]})),
    "Index": refused(pd.Index([1]), pd.DatetimeIndex(["2025"]), pd.RangeIndex(1)),
    "DateOffset": refused(pd.offsets.Day()),
}  # fmt: skip


COLUMNS: dict[str, Any] = {
    **{
        f"{kind}{bits}Dtype": pd.array([7, None], dtype=f"{kind}{bits}")
        for kind in ("Int", "UInt", "Float")
        for bits in (8, 16, 32, 64)
        if (kind, bits) not in (("Float", 8), ("Float", 16))
    },
    "BooleanDtype": pd.array([True, None], dtype="boolean"),
    "StringDtype": pd.array(["a", None], dtype="string"),
    "CategoricalDtype": pd.Categorical(["a", None]),
    "DatetimeTZDtype": pd.array([pd.Timestamp(UTC), pd.NaT]),
    "PeriodDtype": pd.period_range("2025", periods=2).array,
    "IntervalDtype": pd.interval_range(0, 2).array,
    "SparseDtype": pd.arrays.SparseArray([0, 7]),
    **({"ArrowDtype": pd.array([1, None], dtype="int64[pyarrow]")} if find_spec("pyarrow") else {}),
}
"""An array of each of pandas' dtypes."""


# --- the page --------------------------------------------------------------------------------------------------------


def page_rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading of the page, by each name in their first cell."""
    text = PAGE.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and not set(line) <= set("|- "):
            rows |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]) or [cells[0]], cells[1:])
    return rows


def verdict_of(cell: str) -> str:
    """What a cell of the page begins with."""
    return next(said for said in ("exact or refused", "exact", "refused") if cell.startswith(said))


def verdict(outcomes: list[bool]) -> str:
    """What it has to be, of whether each sample was taken."""
    return "exact" if all(outcomes) else "exact or refused" if any(outcomes) else "refused"
