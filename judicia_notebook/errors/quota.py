"""The error of a call that used up a limit: how much it used of what, and the line that allows it more."""

from __future__ import annotations

from typing import Any

from judicia_notebook.errors.call import CallError
from judicia_notebook.reporting import suggestions
from judicia_notebook.units import format_count, format_quantity, parse_size, parse_time

_MOST_RUNS = 3
_QUOTA_NOUNS = {"cpu": "CPU", "wall": "wall time", "memory": "memory"}
_HAPPENED = {
    "log": "wrote {used} of log, more than its limit of {limit},",
    "answer": "answered {used}, more than its limit of {limit},",
    "json_values": "answered JSON of {used} or more, above its limit of {limit},",
    "payload": "was given {used} of payload, more than its limit of {limit},",
}


class QuotaExceeded(CallError):
    """A limit in force was reached.

    Attributes
    ----------
    quota : str
        ``cpu``, ``wall``, ``memory``, ``fuel``, ``payload``, ``answer``, ``host_calls``, ...
    limit, used : float
        In `unit`: ``s``, ``bytes``, or what is counted (``fuel``, ``host calls``).
    ceiling : float or None
        What the runtime allows at most; None where it has no ceiling of this kind.
    """

    def __init__(
        self,
        *,
        quota: str,
        limit: float,
        used: float,
        unit: str,
        per_call: bool = False,
        ceiling: float | None = None,
        **where: Any,
    ) -> None:
        super().__init__(quota, **where)
        self.quota = quota
        self.limit = limit
        self.used = used
        self.unit = unit
        self.per_call = per_call
        self.ceiling = ceiling

    @property
    def outcome(self) -> str:  # type: ignore[override]  # depends on which quota it was
        return f"quota_{self.quota}"

    def _ending(self) -> list[str]:
        lines = self._shown_lines(_MOST_RUNS)
        return [f"{self._shown_where()} {_used(self)}{f' in {lines}' if lines else ''}.", *_allow_more(self)]


def refused_memory(error: QuotaExceeded) -> tuple[str, list[str]]:
    """The fact that a memory quota refused a call more, and the lines that say how to allow it."""
    wanted, limit = format_quantity(error.used, "bytes"), format_quantity(error.limit, "bytes")
    facts = " ".join([f"Its memory quota of {limit} refused it {wanted}.", *error.facts])
    more = error.hint.splitlines() or [line.strip() for line in _allow_more(error)]
    return facts, more


def _used(error: QuotaExceeded) -> str:
    if error.quota in _HAPPENED:
        used, limit = format_quantity(error.used, error.unit), format_quantity(error.limit, error.unit)
        if used == limit:  # the next byte after a round number
            used = f"{format_count(error.used)} {error.unit}"
        return f"{_HAPPENED[error.quota].format(used=used, limit=limit)} and was stopped"
    noun = _QUOTA_NOUNS.get(error.quota, error.quota.replace("_", " ") if error.unit in ("s", "bytes") else "")
    used, limit = format_quantity(error.used, error.unit), format_quantity(error.limit, error.unit)
    verb = "asked for" if error.unit == "bytes" else "used"
    if error.unit not in ("s", "bytes"):
        used = used.removesuffix(f" {error.unit}")
    amount = f"{verb} {used} of {limit}" + (f" {noun}" if noun else "")
    return f"{amount} and was stopped"


def _typed(value: float, unit: str, *, exact: bool = False) -> str:
    """A limit as a user would type it; where it must be `exact` and rounding would change it, in full."""
    if unit not in ("s", "bytes"):
        return str(round(value))
    text = format_quantity(value, unit).replace(" ", "")
    if exact and (parse_time(text) if unit == "s" else parse_size(text)) != value:
        return f"{value!r}s" if unit == "s" else f"{round(value)}B"
    return text


def _allow_more(error: QuotaExceeded) -> list[str]:
    at_the_ceiling = error.ceiling is not None and error.limit >= error.ceiling
    value = _next_limit(error)
    if error.ceiling is not None and not at_the_ceiling:
        value = min(value, error.ceiling)
    text = _typed(value, error.unit)
    if error.ceiling is not None and not at_the_ceiling and value >= error.ceiling:
        text = _typed(value, error.unit, exact=True)  # a rounded one might lie above
    number = error.unit not in ("s", "bytes")
    kinds = {error.quota: round(value) if number else text}
    if at_the_ceiling:
        quota = suggestions.python("jn.Quota", **kinds)
        return _indented("That is the runtime's ceiling. To raise it:  ", f"jn.Runtime(ceiling={quota})")
    if error.per_call:
        way = "run" if error.function == "_start" else "call"
        return _indented("To allow more:  ", f"p.{way}(..., quota={suggestions.python('jn.Quota', **kinds)})")
    line = suggestions.magic("quota", error.plugin, **{error.quota: text})
    return _indented("To allow more:  ", line, suggestions.python("p.policy.set_quota", **kinds))


def _indented(what: str, *lines: str) -> list[str]:
    return [f"  {text}"] if (text := suggestions.hint(what, *lines)) else []


def _next_limit(error: QuotaExceeded) -> float:
    """A limit that would have let this much through, as a round number."""
    if error.unit == "bytes":
        wanted = 1 << 10
        while wanted <= max(error.used, error.limit):
            wanted <<= 1
        return wanted
    wanted_value = max(error.limit * 4, error.used * 1.5)
    return float(f"{wanted_value:.1g}") if wanted_value else 1.0
