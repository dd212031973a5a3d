"""The tree of functions in ``.debug_info``: their ranges, their names, and what was inlined into them.

The entries of all units are gone through once, in their order. Of each only a few attributes are kept; all others are
stepped over, those of a fixed size together. A name may stand at another entry, to which a chain of references leads:
that is followed when all have been read, and for a few steps, so that a circle is of no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from judicia_notebook.wasm.dwarf import sections as forms
from judicia_notebook.wasm.dwarf.sections import FIXED, Reader, Sections, Value, read_form, skip_form, u32_at
from judicia_notebook.wasm.rust_symbols import demangle

_FUNCTION, _INLINED = 0x2E, 0x1D
_SCOPES: Final = frozenset({0x39, 0x02, 0x13, 0x17, 0x04})  # namespace, class, structure, union, enumeration
_UNITS: Final = frozenset({0x11, 0x4A})  # full, skeleton
_NAME, _LINKAGE, _OLD_LINKAGE, _STMT_LIST, _LOW, _HIGH, _FOLDER = 0x03, 0x6E, 0x2007, 0x10, 0x11, 0x12, 0x1B
_ORIGIN, _SPECIFICATION, _RANGES, _CALL_COLUMN, _CALL_FILE, _CALL_LINE = 0x31, 0x47, 0x55, 0x57, 0x58, 0x59
_TEXTS_BASE, _ADDRESSES_BASE, _RANGES_BASE = 0x72, 0x73, 0x74
_KEPT: Final = frozenset({
    _NAME, _LINKAGE, _OLD_LINKAGE, _STMT_LIST, _LOW, _HIGH, _FOLDER, _ORIGIN, _SPECIFICATION, _RANGES, _CALL_COLUMN,
    _CALL_FILE, _CALL_LINE, _TEXTS_BASE, _ADDRESSES_BASE, _RANGES_BASE,
})  # fmt: skip
_MOST_STEPS: Final = 8  # from an entry to the one with its name
_MOST_SCOPES: Final = 12


@dataclass(slots=True, eq=False)
class Unit:
    """What was compiled at once: usually a file and what it includes.

    Attributes
    ----------
    name, folder : str
        The file, and the folder that it was compiled in.
    lines : int or None
        Where its table of lines begins.
    """

    version: int
    address_size: int
    start: int
    name: str = ""
    folder: str = ""
    lines: int | None = None
    low: int = 0
    texts_base: int = 8
    addresses_base: int = 8
    ranges_base: int = 0


@dataclass(slots=True, eq=False)
class DebugFunction:
    """A function with code, or what was inlined into one.

    Attributes
    ----------
    parent : DebugFunction or None
        What it was inlined into; None of a function.
    ranges : list of (int, int)
        Its code, from the start of the code section's content.
    call_file, call_line, call_column : int
        Where it was called, if it was inlined; the file is a number of its unit's table.
    """

    unit: Unit
    parent: DebugFunction | None
    entry: int
    name: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    call_file: int = 0
    call_line: int = 0
    call_column: int = 0


class _Declaration(NamedTuple):
    """What all entries of a kind look like: attributes with their forms, or (None, bytes) to step over."""

    tag: int
    has_children: bool
    steps: tuple[tuple[int | None, int], ...]


class _Named(NamedTuple):
    """An entry that others may take their name from."""

    name: Value
    linkage: Value
    refers_to: int | None
    scope: int | None


class FunctionReader:
    """Reads all units; `units` and `functions` are what it found.

    Raises
    ------
    DebugInfoError
    """

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._budget = sections.budget
        self._declarations: dict[tuple[int, int], dict[int, _Declaration]] = {}
        self._named: dict[int, _Named] = {}
        self.units: list[Unit] = []
        self.functions: list[DebugFunction] = []
        reader = sections.reader(".debug_info")
        while reader.pos < reader.end:
            self._budget.spend("units")
            start = reader.pos
            self._read_unit(reader.part("a unit"), start)
        for function in self.functions:
            function.name = self._name_of(function.entry)

    # units

    def _read_unit(self, body: Reader, start: int) -> None:
        version = body.number(2)
        if not 2 <= version <= 5:
            raise body.wrong(f"a unit has the unknown version {version}")
        if version >= 5:
            kind, address_size, declarations = body.number(1), body.number(1), body.number(4)
            if kind in {4, 5}:
                body.skip(8)  # the number of a skeleton, or of what was split off
            elif kind not in {1, 3}:
                return  # types alone
        else:
            declarations, address_size = body.number(4), body.number(1)
        if address_size not in {4, 8}:
            raise body.wrong(f"addresses of {address_size} bytes")
        self._read_entries(body, Unit(version, address_size, start), self._declared(declarations, address_size))

    def _declared(self, offset: int, address_size: int) -> dict[int, _Declaration]:
        key = (offset, address_size)
        if key in self._declarations:
            return self._declarations[key]
        reader = self._sections.reader(".debug_abbrev", offset)
        found: dict[int, _Declaration] = {}
        while (code := reader.unsigned()) != 0:
            self._budget.spend("declarations")
            tag, has_children = reader.unsigned(), bool(reader.number(1))
            steps: list[tuple[int | None, int]] = []
            while True:
                attribute, form = reader.unsigned(), reader.unsigned()
                if form == 0x21:
                    reader.signed()  # a value that is no part of the entries
                if attribute == form == 0:
                    break
                self._budget.spend("declarations")
                is_kept = attribute in _KEPT and (tag in {_FUNCTION, _INLINED} or tag in _SCOPES or tag in _UNITS)
                size = address_size if form == forms.ADDRESS else FIXED.get(form)
                if is_kept or size is None:
                    steps.append((attribute if is_kept else -1, form))
                elif steps and steps[-1][0] is None:
                    steps[-1] = (None, steps[-1][1] + size)
                else:
                    steps.append((None, size))
            found[code] = _Declaration(tag, has_children, tuple(steps))
        self._declarations[key] = found
        return found

    # entries

    def _read_entries(self, body: Reader, unit: Unit, declared: dict[int, _Declaration]) -> None:
        above: list[tuple[DebugFunction | None, int | None]] = []  # of the entries that are open: function and scope
        function: DebugFunction | None = None
        scope: int | None = None
        budget = self._budget
        while body.pos < body.end:
            budget.spend("entries")
            entry = body.pos
            code = body.unsigned()
            if code == 0:  # the last child
                if not above:
                    continue
                function, scope = above.pop()
                continue
            declaration = declared.get(code)
            if declaration is None:
                raise body.wrong(f"an entry is of the unknown kind {code}")
            values = self._values(body, unit, declaration)
            inner = (function, scope)
            if values is not None:
                inner = self._keep(unit, entry, declaration.tag, values, function, scope)
            if declaration.has_children:
                above.append((function, scope))
                function, scope = inner

    def _values(self, body: Reader, unit: Unit, declaration: _Declaration) -> dict[int, tuple[int, Value]] | None:
        """The attributes that are kept, each with its form; None where none is."""
        self._budget.spend("attributes", len(declaration.steps))
        values: dict[int, tuple[int, Value]] | None = None
        for attribute, form in declaration.steps:
            if attribute is None:
                body.skip(form)
            elif attribute < 0:
                skip_form(body, form, unit.address_size)
            else:
                values = {} if values is None else values
                values[attribute] = form, read_form(body, form, unit.address_size)
        return values

    def _keep(
        self, unit: Unit, entry: int, tag: int, values: dict[int, tuple[int, Value]], function: DebugFunction | None,
        scope: int | None,
    ) -> tuple[DebugFunction | None, int | None]:  # fmt: skip
        """The function and the scope that its children are in."""
        if tag in _UNITS:
            self._begin(unit, values)
            return None, None
        if tag in _SCOPES:
            self._named[entry] = _Named(self._place(unit, values, _NAME), None, None, scope)
            return function, entry
        refers_to = next((at for kind in (_ORIGIN, _SPECIFICATION) if (at := _reference(unit, values.get(kind)))), None)
        linkage = self._place(unit, values, _LINKAGE) or self._place(unit, values, _OLD_LINKAGE)
        self._named[entry] = _Named(self._place(unit, values, _NAME), linkage, refers_to, scope)
        ranges = self._ranges(unit, values)
        if not ranges or (tag == _INLINED and function is None):
            return (function if tag == _INLINED else None), entry
        made = DebugFunction(unit, function if tag == _INLINED else None, entry, ranges=ranges)
        if tag == _INLINED:
            made.call_file = _number(values.get(_CALL_FILE))
            made.call_line = _number(values.get(_CALL_LINE))
            made.call_column = _number(values.get(_CALL_COLUMN))
        self.functions.append(made)
        return made, entry

    def _begin(self, unit: Unit, values: dict[int, tuple[int, Value]]) -> None:
        unit.texts_base = _number(values.get(_TEXTS_BASE)) or 8
        unit.addresses_base = _number(values.get(_ADDRESSES_BASE)) or 8
        unit.ranges_base = _number(values.get(_RANGES_BASE))
        unit.lines = _number(values[_STMT_LIST]) if _STMT_LIST in values else None
        name, folder = self._place(unit, values, _NAME), self._place(unit, values, _FOLDER)
        unit.name = self._sections.text(name) if isinstance(name, tuple) else ""
        unit.folder = self._sections.text(folder) if isinstance(folder, tuple) else ""
        unit.low = self._address(unit, values.get(_LOW)) or 0
        self.units.append(unit)

    def _place(self, unit: Unit, values: dict[int, tuple[int, Value]], attribute: int) -> Value:
        """Where the text of an attribute stands."""
        form, value = values.get(attribute, (0, None))
        if isinstance(value, tuple):
            return value
        if form in forms.STRX and isinstance(value, int):
            table = self._sections.contents.get(".debug_str_offsets", b"")
            return ".debug_str", u32_at(table, unit.texts_base + 4 * value, ".debug_str_offsets")
        return None

    # addresses

    def _address(self, unit: Unit, given: tuple[int, Value] | None) -> int | None:
        if given is None or not isinstance(given[1], int):
            return None
        return self._indexed(unit, given[1]) if given[0] in forms.ADDRX else given[1]

    def _indexed(self, unit: Unit, index: int) -> int:
        table = self._sections.contents.get(".debug_addr", b"")
        return Reader(table, ".debug_addr", unit.addresses_base + unit.address_size * index).number(unit.address_size)

    def _ranges(self, unit: Unit, values: dict[int, tuple[int, Value]]) -> list[tuple[int, int]]:
        low = self._address(unit, values.get(_LOW))
        high_form, high = values.get(_HIGH, (0, None))
        if low is not None and isinstance(high, int):
            end = self._address(unit, (high_form, high)) if high_form in {forms.ADDRESS, *forms.ADDRX} else low + high
            self._budget.spend("ranges")
            return [(low, end)] if end is not None and low < end else []
        form, offset = values.get(_RANGES, (0, None))
        if not isinstance(offset, int):
            return []
        return self._new_ranges(unit, form, offset) if unit.version >= 5 else self._old_ranges(unit, offset)

    def _old_ranges(self, unit: Unit, offset: int) -> list[tuple[int, int]]:
        reader = self._sections.reader(".debug_ranges", offset)
        size, base = unit.address_size, unit.low
        found: list[tuple[int, int]] = []
        while True:
            self._budget.spend("ranges")
            start, end = reader.number(size), reader.number(size)
            if start == end == 0:
                return found
            if start == (1 << 8 * size) - 1:
                base = end
            elif start < end:
                found.append((base + start, base + end))

    def _new_ranges(self, unit: Unit, form: int, offset: int) -> list[tuple[int, int]]:
        if form == forms.RNGLISTX:
            table = self._sections.contents.get(".debug_rnglists", b"")
            offset = unit.ranges_base + u32_at(table, unit.ranges_base + 4 * offset, ".debug_rnglists")
        reader = self._sections.reader(".debug_rnglists", offset)
        base = unit.low
        found: list[tuple[int, int]] = []
        while (kind := reader.number(1)) != 0:
            self._budget.spend("ranges")
            if kind == 1:
                base = self._indexed(unit, reader.unsigned())
            elif kind == 5:
                base = reader.number(unit.address_size)
            else:
                found.append(self._range(unit, reader, kind, base))
        return [(start, end) for start, end in found if start < end]

    def _range(self, unit: Unit, reader: Reader, kind: int, base: int) -> tuple[int, int]:
        if kind == 2:
            return self._indexed(unit, reader.unsigned()), self._indexed(unit, reader.unsigned())
        if kind == 3:
            start = self._indexed(unit, reader.unsigned())
            return start, start + reader.unsigned()
        if kind == 4:
            return base + reader.unsigned(), base + reader.unsigned()
        if kind == 6:
            return reader.number(unit.address_size), reader.number(unit.address_size)
        if kind == 7:
            start = reader.number(unit.address_size)
            return start, start + reader.unsigned()
        raise reader.wrong(f"0x{kind:x} is no kind of range")

    # names

    def _name_of(self, entry: int) -> str:
        """The name of a function, as its author wrote it and with the scopes it is in; empty where none is known."""
        at: int | None = entry
        name: Value = None
        scope: int | None = None
        for _ in range(_MOST_STEPS):
            named = self._named.get(at) if at is not None else None
            if named is None:
                break
            if isinstance(named.linkage, tuple):
                linkage = self._sections.text(named.linkage)
                shown = demangle(linkage)
                if shown != linkage or not linkage.startswith(("_Z", "_R")):
                    return shown
            if isinstance(named.name, tuple) and name is None:
                name = named.name
            if named.name is not None:
                scope = named.scope
            at = named.refers_to
        if not isinstance(name, tuple):
            return ""
        return "::".join([*self._scopes(scope), self._sections.text(name)])

    def _scopes(self, scope: int | None) -> list[str]:
        found: list[str] = []
        for _ in range(_MOST_SCOPES):
            named = self._named.get(scope) if scope is not None else None
            if named is None:
                break
            if isinstance(named.name, tuple):
                found.append(self._sections.text(named.name))
            scope = named.scope
        return found[::-1]


def _reference(unit: Unit, given: tuple[int, Value] | None) -> int | None:
    """The entry that an attribute refers to."""
    if given is None or not isinstance(given[1], int):
        return None
    return unit.start + given[1] if given[0] in forms.UNIT_REFERENCES else given[1]


def _number(given: tuple[int, Value] | None) -> int:
    return given[1] if given is not None and isinstance(given[1], int) else 0
