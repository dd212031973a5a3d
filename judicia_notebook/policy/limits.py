"""The table of limits: what each limit counts, its unit, its default, and how a typed value becomes a number.

Knows no quota and no service: `policy.quotas` and the services of host/ declare their limits with it.

- **Declared once.** A limit is a field of a dataclass, ``rows: int = limit(10_000, "rows", "answer", "of one query")``.
  The field is what a running call reads, as a plain attribute; beside it lies its `LimitKind`.
- **Derived.** A `LimitTable` is made of such a class. Reading and writing values, error texts, the options of magics,
  the rows of panels, docs/reference.md, the tables of sdk/ABI.md and the tests of every limit come from the table.
- **In force** is an immutable object of that class. `LimitTable.changed` makes the next object, and no other code does.
  A service shows it as ``limits``, which `LimitTable.in_force` keeps from being assigned.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, Never, NoReturn, TypeVar

from judicia_notebook.errors import PolicyError
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import SIZE_UNITS, format_count, format_quantity, parse_count, parse_size, parse_time

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

L = TypeVar("L", bound="DataclassInstance")

MOST: Final = 1 << 62
"""The largest number of any limit."""

_METADATA: Final = "limit"
_SAME: Final = object()


@dataclasses.dataclass(frozen=True, slots=True)
class LimitKind:
    """One kind of limit.

    Attributes
    ----------
    unit : str
        ``bytes``, ``s``, or the plural of what is counted.
    per : str
        What has the limit for itself: ``call``, ``plugin``, ``plugin and second`` ...
    default : float or None
        Bytes, seconds or a count; ``None`` is no limit.
    meaning : str
        What is counted.
    beyond : str
        What happens beyond it, for authors of plugins; where it is empty, the host call is answered ``quota_exceeded``.
        Quotas say nothing here: beyond one the call ends with an error of its own.
    may_be_none : bool
        Whether there may be no limit.
    least, most : int
        The numbers allowed.
    """

    unit: str
    per: str
    default: float | None
    meaning: str
    beyond: str = ""
    may_be_none: bool = False
    least: int = 0
    most: int = MOST

    def read(self, value: Any) -> float | None:
        """The bytes, seconds or count that a line of Python or a manifest gives. A count as text is refused.

        Raises
        ------
        ValueError
            The text says what is wrong, without a name.

        Examples
        --------
        >>> LimitKind("bytes", "call", None, "").read("2KiB"), LimitKind("s", "call", None, "").read(0.5)
        (2048, 0.5)
        """
        if value is None:
            self._check_may_be_none("None")
            return None
        number = self._number(value)
        if not self.least <= number <= self.most:
            bounds = [f"at least {self.write(self.least)}"] if self.least else []
            bounds += [f"at most {self.write(self.most)}"] if self.most < MOST or not bounds else []
            raise ValueError(f"{' and '.join(bounds)}, not {value!r}")
        return number

    def parse(self, text: str) -> float | None:
        """The bytes, seconds or count that a line of a magic or a field of a page says. ``none`` is no limit.

        Raises
        ------
        ValueError
            The text says what is wrong, without a name.

        Examples
        --------
        >>> LimitKind("rows", "call", None, "").parse("12 840"), LimitKind("s", "call", None, "").parse("2s")
        (12840, 2.0)
        """
        text = text.strip()
        if text in ("none", "None"):
            self._check_may_be_none("none")
            return None
        if self.unit in ("bytes", "s"):
            return self.read(text)
        try:
            count = parse_count(text)
        except ValueError as error:
            none = ", or none" if self.may_be_none else ""
            raise ValueError(f"a whole number of {self.unit}{none}; {error}") from None
        return self.read(count)

    def write(self, value: float | None) -> str:
        """A value as text that `parse` reads back exactly.

        Examples
        --------
        >>> LimitKind("s", "call", None, "").write(0.05), LimitKind("bytes", "call", None, "").write(16 << 20)
        ('50ms', '16MiB')
        """
        if value is None:
            return "none"
        if self.unit == "bytes":
            fitting = (unit for unit in ("GiB", "MiB", "KiB") if value and value % SIZE_UNITS[unit] == 0)
            unit = next(fitting, "B")
            return f"{int(value) // SIZE_UNITS[unit]}{unit}"
        return _exact_time(value) if self.unit == "s" else format_count(value)

    def format(self, value: float | None, none: str = "none") -> str:
        """A value for people, rounded: ``1.1 MiB``."""
        return none if value is None else format_quantity(value, self.unit)

    def _check_may_be_none(self, word: str) -> None:
        if not self.may_be_none:
            raise ValueError(f"there must be a limit, {word} is not one")

    def _number(self, value: Any) -> float:
        if self.unit == "bytes":
            return parse_size(value)
        if self.unit == "s":
            return parse_time(value)
        count = -1 if isinstance(value, bool) or not hasattr(value, "__index__") else operator.index(value)
        if not 0 <= count <= MOST:
            raise ValueError(f"a whole number of {self.unit} up to {MOST}, not {value!r}")
        return count


def _exact_time(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        text = f"{seconds * factor:.12g}{unit}"
        if "e" not in text and seconds * factor >= 1 and parse_time(text) == seconds:
            return text
    return f"{Decimal(repr(seconds)):f}s"


def limit(default: float | None, unit: str, per: str, meaning: str, *, field_default: Any = _SAME, **more: Any) -> Any:
    """A field of a dataclass that is a limit.

    Parameters
    ----------
    default, unit, per, meaning
        As in `LimitKind`.
    field_default : Any
        What the field is where nothing was given, if that is not the limit's default.
    **more
        ``beyond``, ``may_be_none``, ``least`` and ``most`` of `LimitKind`.
    """
    kind = LimitKind(unit, per, default, meaning, **more)
    return dataclasses.field(default=default if field_default is _SAME else field_default, metadata={_METADATA: kind})


class LimitsInForce(property, Generic[L]):
    """The property ``limits`` of a service, which is read and not assigned; `LimitTable.in_force` makes it."""

    if TYPE_CHECKING:

        def __get__(self, service: Any, owner: type | None = None, /) -> L: ...  # type: ignore[override]  # of the class, too
        def __set__(self, service: object, limits: Never, /) -> NoReturn: ...


class LimitTable(Mapping[str, LimitKind], Generic[L]):
    """The limits that a dataclass declares, by name, in the order people read them.

    Parameters
    ----------
    of : type
        The dataclass; a field that is no `limit` is not in the table.
    service : str
        As in ``rt.host.SERVICE``; empty for quotas.
    on : str
        What these are limits on, for people.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class TableLimits:
    ...     rows: int = limit(10, "rows", "answer", "of one query")
    ...     pause: float = limit(0.5, "s", "answer", "after it")
    >>> table = LimitTable(TableLimits, "tables", "tables")
    >>> table.changed(TableLimits(), {"pause": "50ms"})
    TableLimits(rows=10, pause=0.05)
    """

    def __init__(self, of: type[L], service: str = "", on: str = "") -> None:
        fields = dataclasses.fields(of)
        self._kinds: dict[str, LimitKind] = {
            field.name: field.metadata[_METADATA] for field in fields if _METADATA in field.metadata
        }
        self.service = service
        self.on = on
        self._word = "limit" if service else "quota"

    def __getitem__(self, name: str) -> LimitKind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __repr__(self) -> str:
        return f"<LimitTable {self.service or 'quotas'}: {', '.join(self)}>"

    def check_names(self, names: Iterable[Any]) -> None:
        """Refuse names that are not in the table.

        Raises
        ------
        PolicyError
            It names the limit that was probably meant.
        """
        for name in names:
            if name not in self._kinds:
                known = f"limit on {self.on}" if self.service else "quota"
                raise PolicyError(f"There is no {known} {name!r}.{did_you_mean(str(name), self._kinds)}")

    def read(self, name: str, value: Any) -> float | None:
        """The number that a line of Python or a manifest gives, as `LimitKind.read` reads it.

        Raises
        ------
        PolicyError
            It names the limit.
        """
        try:
            return self._kinds[name].read(value)
        except ValueError as error:
            raise self._refusal(name, error) from None

    def parse(self, name: str, text: str) -> float | None:
        """The number that a field of a page says, as `LimitKind.parse` reads it.

        Raises
        ------
        PolicyError
            An unknown limit or a bad text.
        """
        self.check_names([name])
        try:
            return self._kinds[name].parse(text)
        except ValueError as error:
            raise self._refusal(name, error) from None

    def changed(self, limits: L, wanted: Mapping[str, Any]) -> L:
        """Limits with some exchanged for what a user gave; all of them or none.

        Raises
        ------
        PolicyError
            An unknown limit or a bad value.
        """
        self.check_names(wanted)
        return dataclasses.replace(limits, **{name: self.read(name, value) for name, value in wanted.items()})

    def in_force(self, read: Callable[[Any], L]) -> LimitsInForce[L]:
        """Make the method that reads a service's limits its property ``limits``.

        An assignment to it is an AttributeError, which names ``set_limits``: it would not be checked.
        """
        return LimitsInForce(read, self._refuse_assignment)

    def _refuse_assignment(self, _service: Any, _limits: Any) -> NoReturn:
        name = next(iter(self))
        raise AttributeError(
            f"The limits on {self.on} are not assigned; rt.host.{self.service}.set_limits({name}=...) checks and "
            "changes them."
        )

    def _refusal(self, name: str, error: ValueError) -> PolicyError:
        text = str(error)
        return PolicyError(f"{self._word} {name}: {text}{'' if text.endswith(('.', '?')) else '.'}")
