"""The file of a plugin's cases, ``cases.toml``, as data: read strictly, so that no case passes for a slip of the pen.

A key that is unknown, or a value of another type than its key has, is a `CasesError`, which names the file, the case
and the key. Knows no runtime and makes no call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from judicia_notebook.engine.features import check_features
from judicia_notebook.errors import InvalidCheck, JudiciaError
from judicia_notebook.experiments.checks.criteria import (
    OF_A_CALL,
    Expected,
    expect,
    not_taken,
    read_count,
    read_one_of,
    read_text,
)
from judicia_notebook.host.clock import KINDS as CLOCKS
from judicia_notebook.languages.levels import parse_level
from judicia_notebook.policy.grants import parse_grant
from judicia_notebook.policy.quotas import Quota, make_quota
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.wasm.strict_parsing import INTEGERS, parse_json, parse_toml, read_regular_file

FILE: Final = "cases.toml"
MOST_BYTES: Final = 4 << 20
MOST_CASES: Final = 2000
MOST_STEPS: Final = 200
"""Of one case."""

_MOST_NAME = 200


class CasesError(ValueError):
    """A file of cases, or the folder that it is about, cannot be taken as it is.

    Attributes
    ----------
    file : str
        The name of the file or folder.
    place : str
        Which case and step; empty where it is the whole file.
    message : str
        What is wrong there.
    """

    def __init__(self, message: str, *, file: str, place: str = "") -> None:
        where = f"{printable(file)}: {place}: " if place else f"{printable(file)}: "
        super().__init__(f"{where}{message}")
        self.file = file
        self.place = place
        self.message = message


@dataclass(frozen=True, slots=True)
class Step:
    """One call, and what is expected of it.

    Attributes
    ----------
    call : mapping
        The arguments of `Plugin.attempt` that say what kind of call it is: ``payload``, ``data`` or ``numbers``.
    expected : Expected
    """

    function: str
    call: Mapping[str, Any]
    expected: Expected


@dataclass(frozen=True, slots=True)
class Setting:
    """How the plugin of a case is loaded, and its runtime made. What is not given is None."""

    grant: tuple[str, ...] | None = None
    quota: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    on_denied: str | None = None
    unknown_imports: str | None = None
    features: tuple[str, ...] | None = None
    seed: int | None = None
    clock: str | None = None

    def over(self, below: Setting) -> Setting:
        """These settings; where they say nothing, those of `below`. Kinds of quota are taken one by one."""
        mine = {name: getattr(self, name) for name in _SETTINGS}
        chosen = {name: getattr(below, name) if value is None else value for name, value in mine.items()}
        return Setting(**{**chosen, "quota": {**below.quota, **self.quota}})


@dataclass(frozen=True, slots=True)
class Case:
    """One case: calls of one plugin in one runtime, one after the other."""

    name: str
    steps: tuple[Step, ...]
    setting: Setting


@dataclass(frozen=True, slots=True)
class Cases:
    """A file of cases.

    Attributes
    ----------
    file : str
        Its name.
    plugin : str or None
        The file of the plugin, relative to its folder.
    level, flags : str, tuple of str
        For its compiler.
    """

    file: str
    plugin: str | None
    level: str
    flags: tuple[str, ...]
    cases: tuple[Case, ...]


def read_cases(path: Path) -> Cases:
    """The cases of a file.

    Raises
    ------
    CasesError
        There is no such file, or it is not what this module describes.
    """
    try:
        document = parse_toml(read_regular_file(path, MOST_BYTES))
    except OSError as error:
        raise CasesError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except ValueError as error:
        raise CasesError(printable(str(error)), file=str(path)) from None
    place = _Place(str(path))
    rest = {name: value for name, value in document.items() if name not in ("case", *_SETTINGS)}
    head = place.fields(rest, _HEAD, also=("case", *_SETTINGS))
    below = _setting(place, document)
    listed = place.key("case").items(document.get("case", []), "case", MOST_CASES)
    if not listed:
        place.wrong("has no case: a case begins with [[case]]")
    cases = tuple(_case(each, value, below) for each, value in listed)
    _check_names(place, [case.name for case in cases])
    return Cases(path.name, head.get("plugin"), head.get("level", "-Oz"), head.get("flags", ()), cases)


def read_listed(what: str, value: Any) -> list[tuple[str, Step]]:
    """Cases of one call each, from JSON: a list of tables with the keys of a case in a file, without its settings.

    Parameters
    ----------
    what : str
        What gave them, for errors.

    Raises
    ------
    CasesError
    """
    place = _Place(what)
    if not isinstance(value, list):
        place.expected("a list of cases", value)
    if not value:
        place.wrong("there is no case in the list")
    if len(value) > MOST_CASES:
        place.wrong(f"there are {len(value)}, and at most {MOST_CASES} are taken")
    cases = []
    for number, each in enumerate(value, 1):
        at = _Place(what, f"case {number}")
        table = at.table(each)
        name = at.key("name").text(table.get("name", f"case {number}"), _MOST_NAME)
        own = {key: part for key, part in table.items() if key != "name"}
        cases.append((name, _step(at, own, also=("name",))))
    _check_names(place, [name for name, _ in cases])
    return cases


def _check_names(place: _Place, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            place.wrong(f"two cases are called {printable(name, 80)!r}")
        seen.add(name)


def _case(place: _Place, value: Any, below: Setting) -> Case:
    table = place.table(value)
    name = place.key("name").text(table.get("name", ""), _MOST_NAME)
    if not name:
        place.wrong('has no name, such as name = "adds"')
    named = _Place(place.file, f'{place.name} ("{printable(name, 80)}")')
    own = {key: each for key, each in table.items() if key not in ("name", "step", *_SETTINGS)}
    if "step" in table:
        for key in own:
            if key in _STEP:
                named.key(key).wrong("stands in a [[case.step]], since the case has steps")
        named.fields(own, {}, also=("name", "step", *_SETTINGS))
        listed = named.key("step").items(table["step"], "step", MOST_STEPS)
        if not listed:
            named.wrong("has no step")
        steps = tuple(_step(each, item, also=()) for each, item in listed)
    else:
        steps = (_step(named, own, also=("name", "step", *_SETTINGS)),)
    return Case(name, steps, _setting(named, table).over(below))


def _setting(place: _Place, table: Mapping[str, Any]) -> Setting:
    return Setting(**place.fields({key: table[key] for key in _SETTINGS if key in table}, _SETTINGS))


def _step(place: _Place, value: Any, also: Iterable[str]) -> Step:
    given = place.fields(value, _STEP, also=also)
    if "function" not in given:
        place.wrong("has no function")
    calls = [key for key in _CALLS if key in given]
    if len(calls) > 1:
        place.wrong(f"has {' and '.join(calls)}, and a call takes one of them")
    answers = [key for key in _ANSWERS if key in given]
    if len(answers) > 1:
        place.wrong(f"has {' and '.join(answers)}, and an answer is one of them")
    criteria = {key: given[key] for key in OF_A_CALL if key in given}
    if answers:
        criteria["answer"] = given[answers[0]]
    try:
        told = expect(criteria)
    except InvalidCheck as error:
        place.key(answers[0] if error.criterion == "answer" else error.criterion).wrong(error.message)
    return Step(given["function"], {_CALLS[key]: given[key] for key in calls}, told)


# --- checks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the file, and the checks of the value there."""

    file: str
    name: str = ""

    def key(self, name: str) -> _Place:
        return _Place(self.file, f"{self.name}, {printable(name, 80)}" if self.name else printable(name, 80))

    def wrong(self, message: str) -> NoReturn:
        raise CasesError(message, file=self.file, place=self.name)

    def expected(self, what: str, given: Any) -> NoReturn:
        self.wrong(str(not_taken(what, given)))

    def table(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.expected("a table of keys and values", value)
        return value

    def items(self, value: Any, noun: str, most: int) -> list[tuple[_Place, Any]]:
        if not isinstance(value, list):
            self.expected(f"tables, each begun by [[{noun if noun == 'case' else f'case.{noun}'}]]", value)
        if len(value) > most:
            self.wrong(f"there are {len(value)}, and at most {most} are taken")
        before = self.name.removesuffix(noun)
        return [(_Place(self.file, f"{before}{noun} {number}"), each) for number, each in enumerate(value, 1)]

    def fields(
        self, value: Any, known: Mapping[str, Callable[[_Place, Any], Any]], also: Iterable[str] = ()
    ) -> dict[str, Any]:
        checked = {}
        for key, each in self.table(value).items():
            if key not in known:
                self.key(key).wrong(f"there is no such key.{did_you_mean(key[:80], [*known, *also])}")
            checked[key] = known[key](self.key(key), each)
        return checked

    def text(self, value: Any, most: int = 1000) -> str:
        return str(self.checked_by(lambda: read_text(value, most)))

    def texts(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            self.expected("a list of texts", value)
        return tuple(self.text(each) for each in value)

    def count(self, value: Any) -> int:
        return int(self.checked_by(lambda: read_count(value)))

    def json(self, value: Any) -> Any:
        """The value, if JSON can hold it: TOML has dates, too."""
        if isinstance(value, dict):
            return {name: self.key(name).json(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, bool | str):
            return value
        if isinstance(value, int) and value in INTEGERS:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        return self.expected("what JSON can hold", value)

    def json_text(self, value: Any) -> Any:
        try:
            return parse_json(self.text(value, MOST_BYTES).encode())
        except ValueError as error:
            self.wrong(printable(str(error)))

    def one_of(self, value: Any, known: Iterable[str]) -> str:
        return str(self.checked_by(lambda: read_one_of(value, known)))

    def checked_by(self, check: Callable[[], Any]) -> Any:
        """What a check of the package makes of the value; its refusal, at this place."""
        try:
            return check()
        except JudiciaError as error:
            self.wrong(printable(error.message))
        except ValueError as error:
            self.wrong(printable(str(error)))


def _grant(place: _Place, value: Any) -> tuple[str, ...]:
    texts = place.texts(value)
    place.checked_by(lambda: [parse_grant(text) for text in texts])
    return texts


def _quota(place: _Place, value: Any) -> Mapping[str, Any]:
    table = place.table(value)
    for kind, each in table.items():
        if isinstance(each, bool) or not isinstance(each, str | int | float):
            place.key(kind).expected("a number, or text with a unit such as '50ms' or '16MiB'", each)
    quota: Quota = place.checked_by(lambda: make_quota(table))
    return quota.given()


def _numbers(place: _Place, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or any(
        isinstance(each, bool) or not isinstance(each, int | float) for each in value
    ):
        place.expected("a list of numbers", value)
    return tuple(value)


def _criterion(read: Callable[[Any], Any]) -> Callable[[_Place, Any], Any]:
    return lambda place, value: place.checked_by(lambda: read(value))


_SETTINGS: Final[Mapping[str, Callable[[_Place, Any], Any]]] = {
    "grant": _grant,
    "quota": _quota,
    "config": lambda place, value: place.json(place.table(value)),
    "on_denied": lambda place, value: place.one_of(value, ("error", "trap")),
    "unknown_imports": lambda place, value: place.one_of(value, ("error", "trap")),
    "features": lambda place, value: place.checked_by(lambda: check_features(place.texts(value))),
    "seed": _Place.count,
    "clock": lambda place, value: place.one_of(value, CLOCKS),
}
_CALLS: Final = {"payload": "payload", "payload_json": "payload", "data": "data", "numbers": "numbers"}
_ANSWERS: Final = ("answer", "answer_json", "answer_data")
_STEP: Final[Mapping[str, Callable[[_Place, Any], Any]]] = {
    "function": lambda place, value: place.text(value),
    "payload": _Place.json,
    "payload_json": _Place.json_text,
    "data": lambda place, value: place.text(value, MOST_BYTES).encode(),
    "numbers": _numbers,
    "answer": _Place.json,
    "answer_json": _Place.json_text,
    "answer_data": lambda place, value: place.text(value, MOST_BYTES).encode(),
    **{name: _criterion(read) for name, read in OF_A_CALL.items() if name != "answer"},
}
_HEAD: Final[Mapping[str, Callable[[_Place, Any], Any]]] = {
    "plugin": lambda place, value: place.text(value),
    "level": lambda place, value: f"-O{place.checked_by(lambda: parse_level(place.text(value)))}",
    "flags": _Place.texts,
}
