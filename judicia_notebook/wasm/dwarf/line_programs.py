"""Tables of lines, each kept as a program that is run to make it: section 6.2 of DWARF 5, and its older versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from judicia_notebook.errors import DebugInfoError
from judicia_notebook.wasm.dwarf.sections import STRX, Budget, Reader, Sections, Value, read_form

_PATH, _FOLDER = 1, 2
_EXTENDED, _COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE, _SET_COLUMN, _NEGATE = range(7)
_CONST_ADD_PC, _FIXED_ADVANCE_PC = 8, 9
_END_SEQUENCE, _SET_ADDRESS = 1, 2
_MOST_NUMBER: Final = 0xFFFFFFFF


class Line(NamedTuple):
    """From an address of the code on, up to the next of its sequence: a place of a file.

    Attributes
    ----------
    address : int
        Bytes from the start of the code section's content.
    file : int
        The place of its name in `LineProgram.files`; as the file says it, so perhaps none.
    line, column : int
        From 1; 0 where the compiler names none.
    """

    address: int
    file: int
    line: int
    column: int
    is_statement: bool


class Sequence(NamedTuple):
    """Lines of code without a gap, in ascending order, and where the code ends."""

    lines: list[Line]
    end: int


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    least_length: int
    default_is_statement: bool
    line_base: int
    line_range: int
    opcode_base: int
    arguments: tuple[int, ...]
    folders: list[Value]
    files: list[tuple[Value, int]]  # a name, and the number of its folder


class LineProgram:
    """One unit's table of lines.

    Parameters
    ----------
    offset : int
        Where it begins in ``.debug_line``, as the unit's DW_AT_stmt_list says.

    Raises
    ------
    DebugInfoError
    """

    def __init__(self, sections: Sections, offset: int) -> None:
        self._sections = sections
        outer = sections.reader(".debug_line", offset)
        self._body = outer.part("a table of lines")
        self.end = outer.pos
        self._header = _read_header(self._body, sections)
        self._names: dict[int, str] = {}

    def file(self, number: int, compiled_in: str = "") -> str:
        """A file by the number that a line has: its path, below the folder it was compiled in where that is so.

        An empty text where there is no such file.
        """
        found = self._names.get(number)
        if found is None:
            found = self._names[number] = self._file(number, compiled_in)
        return found

    def _file(self, number: int, compiled_in: str) -> str:
        header = self._header
        place = number if header.version >= 5 else number - 1
        if not 0 <= place < len(header.files):
            return ""
        name, folder = header.files[place]
        path = self._text(name)
        if path.startswith("/"):
            return _below(path, compiled_in)
        at = folder if header.version >= 5 else folder - 1
        if not 0 <= at < len(header.folders) or (at == 0 and header.version >= 5):
            return path  # of the folder that it was compiled in
        above = _below(self._text(header.folders[at]) + "/", compiled_in)
        return f"{above}{path}" if above not in {"", "./", "/"} else path

    def _text(self, value: Value) -> str:
        return self._sections.text(value) if isinstance(value, tuple) else ""

    def run(self) -> list[Sequence]:
        """The table that it stands for.

        Raises
        ------
        DebugInfoError
            An instruction is cut, or it makes more rows than are read.
        """
        return _Machine(self._body, self._header, self._sections.budget).run()


class _Machine:
    """The registers of a line program, and what it has made so far."""

    def __init__(self, body: Reader, header: _Header, budget: Budget) -> None:
        self._body = body
        self._header = header
        self._budget = budget
        self._sequences: list[Sequence] = []
        self._begin()

    def _begin(self) -> None:
        self._lines: list[Line] = []
        self._address, self._file, self._line, self._column = 0, 1, 1, 0
        self._statement = self._header.default_is_statement

    def run(self) -> list[Sequence]:
        header, body, budget = self._header, self._body, self._budget
        base, span, line_base, least = header.opcode_base, header.line_range, header.line_base, header.least_length
        end = body.end
        while body.pos < end:
            budget.spend("instructions")
            opcode = body.data[body.pos]
            body.pos += 1
            if opcode >= base:  # moves both, and adds a row
                opcode -= base
                self._address += opcode // span * least
                self._line += line_base + opcode % span
                self._add()
            elif opcode == _EXTENDED:
                self._extended()
            elif opcode == _COPY:
                self._add()
            else:
                self._standard(opcode)
        return self._sequences

    def _add(self) -> None:
        self._budget.spend("rows")
        line, column = self._line, self._column
        self._lines.append(
            Line(
                self._address,
                self._file,
                line if 0 <= line <= _MOST_NUMBER else 0,
                column if column <= _MOST_NUMBER else 0,
                self._statement,
            )
        )

    def _extended(self) -> None:
        body = self._body
        length = body.unsigned()
        after = body.pos + length
        if length == 0 or after > body.end:
            raise body.wrong(f"an instruction has {length} bytes, and {body.end - body.pos} are left")
        kind = body.number(1)
        if kind == _END_SEQUENCE:
            if self._lines:
                self._sequences.append(Sequence(self._lines, self._address))
            self._begin()
        elif kind == _SET_ADDRESS and 2 <= length <= 9:
            self._address = body.number(length - 1)
        body.pos = after

    def _standard(self, opcode: int) -> None:
        body, header = self._body, self._header
        if opcode == _ADVANCE_PC:
            self._address += body.unsigned() * header.least_length
        elif opcode == _ADVANCE_LINE:
            self._line += body.signed()
        elif opcode == _SET_FILE:
            self._file = body.unsigned()
        elif opcode == _SET_COLUMN:
            self._column = body.unsigned()
        elif opcode == _NEGATE:
            self._statement = not self._statement
        elif opcode == _CONST_ADD_PC:
            self._address += (255 - header.opcode_base) // header.line_range * header.least_length
        elif opcode == _FIXED_ADVANCE_PC:
            self._address += body.number(2)
        else:  # of no use here, or of a later version: the header says how many numbers follow
            for _ in range(header.arguments[opcode - 1]):
                body.unsigned()


def _below(path: str, folder: str) -> str:
    """A path without the folder that it lies in."""
    above = folder.rstrip("/") + "/"
    return path[len(above) :] if len(above) > 1 and path.startswith(above) else path


def _read_header(body: Reader, sections: Sections) -> _Header:
    version = body.number(2)
    if not 2 <= version <= 5:
        raise body.wrong(f"a table of lines has the unknown version {version}")
    if version >= 5:
        body.skip(2)  # the sizes of addresses and segment selectors
    length = body.number(4)
    if length > body.end - body.pos:
        raise body.wrong(f"a header says {length} bytes, and {body.end - body.pos} are left")
    program = body.pos + length
    least = body.number(1)
    if version >= 4 and body.number(1) > 1:
        raise body.wrong("it is of a machine with several operations in an instruction")
    default = bool(body.number(1))
    line_base = body.number(1)
    line_range, opcode_base = body.number(1), body.number(1)
    if not line_range or not opcode_base:
        raise body.wrong("a header says that lines have no range")
    arguments = tuple(body.number(1) for _ in range(opcode_base - 1))
    if version >= 5:
        folders: list[Value] = [entry.get(_PATH) for entry in _table(body, sections)]
        files = [(entry.get(_PATH), _integer(entry.get(_FOLDER))) for entry in _table(body, sections)]
    else:
        folders, files = _older_tables(body, sections)
    body.pos = program
    return _Header(
        version, least, default, line_base - 256 if line_base > 127 else line_base, line_range, opcode_base,
        arguments, folders, files,
    )  # fmt: skip


def _integer(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _table(body: Reader, sections: Sections) -> list[dict[int, Value]]:
    """The folders, or the files, of version 5: each an entry of the forms that stand before them."""
    forms = [(body.unsigned(), body.unsigned()) for _ in range(body.number(1))]
    count = body.unsigned()
    if count and not forms:
        raise body.wrong("a table's entries have no bytes")
    if count > body.end - body.pos:
        raise body.wrong(f"a table says {count} entries, and {body.end - body.pos} bytes are left")
    sections.budget.spend("files", count)
    sections.budget.spend("attributes", count * len(forms))
    entries = []
    for _ in range(count):
        start = body.pos
        entries.append({kind: _usable(read_form(body, form, 4), form) for kind, form in forms})
        if body.pos == start:
            raise body.wrong("a table's entries have no bytes")
    return entries


def _usable(value: Value, form: int) -> Value:
    """A text by its number would need a unit, which compilers of WebAssembly never rely on here."""
    return None if form in STRX else value


def _older_tables(body: Reader, sections: Sections) -> tuple[list[Value], list[tuple[Value, int]]]:
    folders: list[Value] = []
    files: list[tuple[Value, int]] = []
    while (start := body.skip_text()) + 1 < body.pos:
        sections.budget.spend("files")
        folders.append((body.where, start))
    while (start := body.skip_text()) + 1 < body.pos:
        sections.budget.spend("files")
        folder = body.unsigned()
        body.unsigned()  # when it was changed, and its size
        body.unsigned()
        files.append(((body.where, start), folder))
    return folders, files


def read_programs(sections: Sections) -> list[LineProgram]:
    """All of ``.debug_line``, one after the other.

    Raises
    ------
    DebugInfoError
    """
    end = len(sections.contents.get(".debug_line", b""))
    offset, programs = 0, []
    while offset < end:
        sections.budget.spend("units")
        program = LineProgram(sections, offset)
        if program.end <= offset:
            raise DebugInfoError("section '.debug_line': a table of no bytes")
        programs.append(program)
        offset = program.end
    return programs
