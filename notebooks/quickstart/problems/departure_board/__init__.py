"""The departure board.

The first line holds n (0 <= n <= 5000); each of the next n lines is one departure,
``HH:MM;line;destination;platform``. No line leaves twice in a minute. Print the board, earliest first and in the same
minute the smaller line first, and below it how many departures there are::

    TIME   LINE DESTINATION      PLATFORM
    07:05    12 Porto Alto              3
    1 departure

The columns are 5, 4, 16 and 8 characters wide, with two spaces after the first and one after the next two. Line and
platform stand at the right of their columns, the rest at the left. Of a destination with more than 16 characters
print the first 15 and a full stop. Everything counts here, down to the last space.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem

TOWNS = (
    "Porto Alto",
    "Mill Lane",
    "Åsgårdsvik",
    "Old Harbour",
    "Castle",
    "Žďár Square",
    "Università",
    "Upper Meadow Road",
    "Zoo",
    "North Station and Fairground",
)


def _day(*departures: str) -> str:
    return "\n".join([str(len(departures)), *departures]) + "\n"


def _random_day(seed: int, count: int) -> str:
    random = Random(seed)

    departures: dict[tuple[str, int], str] = {}
    while len(departures) < count:
        minute, line = random.randrange(24 * 60), random.randrange(1, 1000)
        town, platform = TOWNS[random.randrange(len(TOWNS))], random.randrange(1, 20)
        time = f"{minute // 60:02}:{minute % 60:02}"
        departures[time, line] = f"{time};{line};{town};{platform}"
    return _day(*departures.values())


PROBLEM = Problem(
    package=__name__,
    mode="exact",
    small={
        "strike": _day(),
        "one_bus": _day("07:05;12;Porto Alto;3"),
        "out_of_order": _day("22:10;4;Zoo;1", "06:30;101;Castle;12", "09:45;7;Mill Lane;2"),
        "same_minute": _day("08:00;30;Castle;1", "08:00;4;Old Harbour;2", "08:00;100;Zoo;3"),
        "sixteen_letters": _day("10:00;5;Central Terminal;8", "11:00;6;Central Terminals;8"),
        "cut_at_a_space": _day("12:00;1;Inn of the Owl and Fox;1"),
        "accents": _day("13:00;2;Žďár Square;4", "12:59;9;Åsgårdsvik;5", "14:30;11;Università;6"),
        "quiet_sunday": _random_day(seed=501, count=12),
    },
    big={"every_line_in_the_country": lambda: _random_day(seed=502, count=5000)},
)
