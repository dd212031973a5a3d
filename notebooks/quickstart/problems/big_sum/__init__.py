"""The ledger.

A merchant's book has n entries (1 <= n <= 1000), one a line after the line with n. Each is an integer of at most
40 digits, negative for money that was paid out. Print their sum as a plain integer.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem


def _entries(*values: int) -> str:
    return "\n".join(map(str, (len(values), *values))) + "\n"


def _random_entries(seed: int, count: int, digits: int) -> str:
    random = Random(seed)
    return _entries(*(random.randrange(-(10**digits) + 1, 10**digits) for _ in range(count)))


PROBLEM = Problem(
    package=__name__,
    mode="tokens",
    small={
        "one_entry": _entries(7),
        "nothing_left": _entries(250, -100, -150),
        "pocket_money": _entries(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        "past_32_bits": _entries(2_147_483_647, 1),
        "past_53_bits": _entries(9_007_199_254_740_992, 1, 0),
        "past_64_bits": _entries(-(2**63), -1, -(2**63)),
        "forty_digits": _entries(10**40 - 1, 1, 10**39),
        "a_busy_week": _random_entries(seed=101, count=60, digits=3),
        "a_busy_bank": _random_entries(seed=102, count=60, digits=40),
    },
    big={},
)
