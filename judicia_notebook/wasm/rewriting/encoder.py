"""Puts a module's sections back together, with what was changed or added in its place.

- A section whose content did not change stays as it is, the padding of its size included.
- What is added to a vector comes behind its last entry, so that no index shifts.
- A section that was not there comes where the specification wants it: the memories' before the tags', for one.
- Custom sections stay where they are, but for those that hold offsets of the old code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from judicia_notebook.wasm.binary_format import DEFAULT, Cursor
from judicia_notebook.wasm.encoding import leb128, sized, vector
from judicia_notebook.wasm.info import ModuleInfo, Section
from judicia_notebook.wasm.sections import SECTION_ORDER

TYPES, FUNCTIONS, MEMORIES, EXPORTS, CODE = 1, 3, 5, 7, 10

_STALE: Final = (".debug_", "metadata.code.", "reloc.")
_STALE_NAMES: Final = frozenset({"sourceMappingURL", "external_debug_info"})


class Encoded(NamedTuple):
    """A module, and where the content of its code section begins."""

    wasm: bytes
    code: int


def is_stale(name: str) -> bool:
    """Whether a custom section of that name tells of offsets in the code, so that it would lie.

    Examples
    --------
    >>> is_stale(".debug_line"), is_stale("metadata.code.branch_hint"), is_stale("name")
    (True, True, False)
    """
    return name.startswith(_STALE) or name in _STALE_NAMES


def content_of(module: ModuleInfo, section: Section) -> slice:
    """Where a section's content is in the file, behind its number and size."""
    cursor = Cursor(module.data, DEFAULT)
    cursor.pos = section.offset + 1
    cursor.u32("a size")
    return slice(cursor.pos, cursor.pos + section.size)


def section_of(module: ModuleInfo, number: int) -> Section | None:
    """The section with this number."""
    return next((each for each in module.sections if each.id == number), None)


def appended(module: ModuleInfo, number: int, items: Sequence[bytes]) -> bytes:
    """The content of a section that is a vector, with more entries at its end."""
    section = section_of(module, number)
    if section is None:
        return vector(items)
    place = content_of(module, section)
    cursor = Cursor(module.data, DEFAULT)
    cursor.pos, cursor.end = place.start, place.stop
    count = cursor.u32("a count")
    return leb128(count + len(items)) + module.data[cursor.pos : place.stop] + b"".join(items)


def encode(module: ModuleInfo, contents: Mapping[int, bytes], *, drops_stale: bool) -> Encoded:
    """The module with these sections' contents in place of its own.

    Parameters
    ----------
    contents : mapping of int to bytes
        By the section's number.
    drops_stale : bool
        Whether custom sections with offsets of the old code go.
    """
    written = bytearray(module.data[:8])
    left = dict(contents)
    code = 0
    customs = iter(module.custom_sections)
    for section in module.sections:
        if section.id == 0:
            if drops_stale and is_stale(next(customs).name):
                continue
        else:
            for number in _before(section.id, left):
                code = _put(written, number, left.pop(number), code)
        place = content_of(module, section)
        content = left.pop(section.id, None) if section.id else None
        if content is None or content == module.data[place]:
            if section.id == CODE:
                code = len(written) + place.start - section.offset
            written += module.data[section.offset : place.stop]
        else:
            code = _put(written, section.id, content, code)
    for number in sorted(left, key=SECTION_ORDER.index):
        code = _put(written, number, left[number], code)
    return Encoded(bytes(written), code)


def _before(number: int, left: Mapping[int, bytes]) -> list[int]:
    """The numbers of the sections that come before this one."""
    place = SECTION_ORDER.index(number)
    return [each for each in SECTION_ORDER[:place] if each in left]


def _put(written: bytearray, number: int, content: bytes, code: int) -> int:
    """Write a section, and return where the code section's content begins, as far as that is known."""
    written += bytes((number,)) + sized(content)
    return len(written) - len(content) if number == CODE else code
