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
    "jc_verdict": structs.Verdict,
}


def members_of(body: str) -> dict[str, int]:
    """The numbers of an enumeration's members; one that only counts the others (``JC_KINDS``) is left out."""
    found: dict[str, int] = {}
    number = count()
    for member in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).split(","):
        name, _, value = (part.strip() for part in member.partition("="))
        if not name:
            continue
        if value:  # ``JC_RUNTIME = JC_OWNERS``: the count before it
            number = count(found[value])
        found[name] = next(number)
    return {name.removeprefix("JC_"): at for name, at in found.items() if name not in {"JC_KINDS", "JC_OWNERS"}}


@pytest.mark.parametrize("name", SHARED)
def test_python_has_the_numbers_of_c(name: str) -> None:
    kind: type[enum.IntEnum] = SHARED[name]
    assert {member.name: member.value for member in kind} == members_of(ENUMS[name])
