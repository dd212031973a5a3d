"""The enumerations that C and Python share: their numbers are compared here, as structs are when the core is loaded."""

from __future__ import annotations

import enum
import re
from itertools import count

import pytest

from judicia_notebook.engine.core import sources, structs

ENUMS = dict(
    re.findall(r"enum (jc_\w+) \{(.*?)\};", (sources.FOLDER / "calls.h").read_text(encoding="utf-8"), re.DOTALL)
)
SHARED = {
    "jc_kind": structs.Kind,
    "jc_owner": structs.Owner,
    "jc_stop": structs.Stop,
    "jc_status": structs.Status,
    "jc_phase": structs.Phase,
    "jc_step": structs.Step,
    "jc_number": structs.Number,
    "jc_host_number": structs.HostNumber,
}
COUNTS = {"JC_KINDS", "JC_OWNERS", "JC_NUMBERS", "JC_HOST_NUMBERS"}


def members_of(body: str) -> dict[str, int]:
    """The numbers of an enumeration's members; those that only count the others are left out."""
    found: dict[str, int] = {}
    number = count()
    for member in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).split(","):
        name, _, value = (part.strip() for part in member.partition("="))
        if not name:
            continue
        if value:  # ``JC_RUNTIME = JC_OWNERS``: the count before it
            number = count(found[value])
        found[name] = next(number)
    return {re.sub("^JC_(OF_)?", "", name): at for name, at in found.items() if name not in COUNTS}


@pytest.mark.parametrize("name", SHARED)
def test_python_has_the_numbers_of_c(name: str) -> None:
    kind: type[enum.IntEnum] = SHARED[name]
    assert {member.name: member.value for member in kind} == members_of(ENUMS[name])
