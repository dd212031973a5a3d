"""What can be expected of a call: the criteria, what each takes, and which go together.

One table for `jn.check`, for the keys of ``cases.toml`` and for a plugin of hidden checks. Knows no runtime, and judges
nothing. A value that is none of its criterion's is refused here, so that no check passes for a slip of the pen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from judicia_notebook.errors import InvalidCheck
from judicia_notebook.runtime.outcome import OUTCOMES
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.wasm.json_shape import MOST_DEPTH
from judicia_notebook.wasm.strict_parsing import INTEGERS

_MOST_POINTS: Final = 1_000_000


class _Nothing:
    """Stands for what is not given: for an answer that is not the same as null."""

    def __repr__(self) -> str:
        return "not given"


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one call.

    Attributes
    ----------
    answer : Any
        The value; `NOTHING` where it is not compared.
    outcome : str
        A value of the column ``outcome``.
    code : str or None
        The code of the plugin's own failure.
    denied : int or None
        How many host calls the policy denies, exactly.
    host_calls_at_most, fuel_at_most : int or None
    """

    answer: Any = NOTHING
    outcome: str = "ok"
    code: str | None = None
    denied: int | None = None
    host_calls_at_most: int | None = None
    fuel_at_most: int | None = None


def expect(given: Mapping[str, Any]) -> Expected:
    """What is expected, from criteria whose values have been read. An outcome that is not given is ``ok``.

    Raises
    ------
    InvalidCheck
        Two of them contradict each other.
    """
    outcome = given.get("outcome", "guest_error" if "code" in given else "ok")
    if "code" in given and outcome != "guest_error":
        raise InvalidCheck(f"is of a plugin's own failure, and the outcome is {outcome}", criterion="code")
    if "answer" in given and outcome != "ok":
        raise InvalidCheck(f"cannot be there where the outcome is {outcome}", criterion="answer")
    return Expected(**{**given, "outcome": outcome})


# --- the values ------------------------------------------------------------------------------------------------------


def described(value: Any) -> str:
    """A value that was given, in few words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(printable(value, 80))
    if isinstance(value, int | float):
        return printable(str(value), 40)
    return (
        "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"a {type(value).__name__}"
    )


def not_taken(what: str, given: Any) -> ValueError:
    """The refusal of a value."""
    return ValueError(f"expected {what}, given {described(given)}")


def read_count(value: Any) -> int:
    """A whole number from 0 on.

    Raises
    ------
    ValueError
        As all that read a value here.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise not_taken("a whole number from 0 on", value)
    return value


def read_text(value: Any, most: int = 1000) -> str:
    """A text of at most so many characters."""
    if not isinstance(value, str):
        raise not_taken("text", value)
    if len(value) > most:
        raise ValueError(f"has {len(value)} characters, and may have {most}")
    return value


def read_one_of(value: Any, known: Iterable[str]) -> str:
    """One of the known names."""
    names = tuple(known)
    if value not in names:
        raise ValueError(f"is {described(value)}, which is none of them.{did_you_mean(str(value)[:80], names)}")
    return str(value)


def read_outcome(value: Any) -> str:
    """A value of the column ``outcome``."""
    return read_one_of(value, OUTCOMES)


def read_code(value: Any) -> str:
    """The code of a plugin's own failure; an empty one could not be told from none."""
    if not read_text(value):
        raise not_taken("the code of a failure", value)
    return str(value)


def read_answer(value: Any) -> Any:
    """A value that JSON can hold, bytes, or the numbers of a numeric export; an object would compare as it likes."""
    return value if type(value) is bytes else _read_json(value, MOST_DEPTH)


def _read_json(value: Any, levels: int) -> Any:
    if not levels:
        raise ValueError(f"is nested deeper than {MOST_DEPTH} levels, or holds itself")
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: _read_json(each, levels - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_read_json(each, levels - 1) for each in value]
    if value is None or type(value) in {bool, str}:
        return value
    if type(value) is int and value in INTEGERS:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise not_taken("what JSON can hold", value)


def read_share(value: Any) -> float:
    """A share of a whole, above 0: a share of 0 would expect nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise not_taken("a share above 0 and up to 1, such as 0.8", value)
    return float(value)


def read_coverage(value: Any) -> float | dict[str, float]:
    """A share of the whole module, or one for each function that is named."""
    if not isinstance(value, dict):
        return read_share(value)
    if not value or not all(isinstance(name, str) and name for name in value):
        raise not_taken("a share, or the name of a function for each share", value)
    return {name: read_share(share) for name, share in value.items()}


_DIGEST = re.compile(r"[0-9a-f]{12,64}")


def read_digest(value: Any) -> str:
    """A SHA-256 in hex, or at least its first 12 digits."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise not_taken("12 to 64 hexadecimal digits, such as p.digest", value)
    return value


def read_points(value: Any) -> float:
    """What a check is worth."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_POINTS:
        raise not_taken(f"a number from 0 to {_MOST_POINTS}", value)
    return value


OF_A_CALL: Final[Mapping[str, Callable[[Any], Any]]] = {
    "answer": read_answer,
    "outcome": read_outcome,
    "code": read_code,
    "denied": read_count,
    "host_calls_at_most": read_count,
    "fuel_at_most": read_count,
}
"""The criteria of a call, each with what reads its value."""
