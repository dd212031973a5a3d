"""What a component imports and exports, read from its bytes: enough to say what the file is. Nothing of it is run.

Only the names at its top level are read. Nested modules, components, types and functions are skipped by their section's
size. The format: Component Model, Binary.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from judicia_notebook.errors import LoadError
from judicia_notebook.text import printable
from judicia_notebook.wasm.binary_format import DEFAULT, Cursor, SectionLimits
from judicia_notebook.wasm.claims import Producer, read_producers

_HEADER: Final = 8  # bytes
_CUSTOM, _MODULE, _IMPORT, _EXPORT = 0, 1, 10, 11
_MOST_SECTIONS: Final = 10_000
_MOST_PRODUCERS: Final = 32
_LONGEST: Final = 160  # characters of a name
MOST_SHOWN: Final = 20
"""Names of a component's imports, and of its exports, in a sentence."""

_WORLDS: Final = (("wasi:cli/run@", "wasi:cli/command"), ("wasi:http/incoming-handler@", "wasi:http/proxy"))
"""What a component exports in well-known worlds. A component itself does not name its world."""


class Component(NamedTuple):
    """A component as its sections describe it; all texts are printable.

    Attributes
    ----------
    name : str
        What it calls itself, or an empty text.
    imports, exports : tuple of str
        Their names, such as ``wasi:cli/run@0.2.0``; at most 10 000 of each.
    producers : tuple of Producer
        Of the component and of the modules in it, each once, at most 32.
    """

    name: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    producers: tuple[Producer, ...]

    @property
    def world(self) -> str:
        """The well-known world that its exports are those of, with the version, or an empty text."""
        for export in self.exports:
            for interface, world in _WORLDS:
                if export.startswith(interface):
                    return f"{world}@{export.removeprefix(interface)}"
        return ""


def read_component(data: bytes, limits: SectionLimits = DEFAULT) -> Component:
    """Read the names of a component's imports and exports.

    Raises
    ------
    InvalidModule, CompileLimit
        It is malformed, or holds more than `limits` allow.
    """
    reader = _ComponentReader(data, limits)
    reader.read_sections(within=False)
    producers = tuple(dict.fromkeys(reader.producers))[:_MOST_PRODUCERS]
    return Component(reader.name_of_it, tuple(reader.imports), tuple(reader.exports), producers)


class _ComponentReader(Cursor):
    """Goes through the sections, and through those of the modules directly inside."""

    __slots__ = ("exports", "imports", "name_of_it", "producers", "producing", "sections")

    def __init__(self, data: bytes, limits: SectionLimits) -> None:
        super().__init__(data, limits)
        self.pos = _HEADER
        self.name_of_it = ""
        self.imports: list[str] = []
        self.exports: list[str] = []
        self.producers: list[Producer] = []
        self.producing = 0  # sections of producers that were read
        self.sections = 0

    def read_sections(self, *, within: bool) -> None:
        """The sections from `pos` to `end`; `within` a module only its custom ones count."""
        stop = self.end
        while self.pos < stop:
            self.end = stop
            number = self.byte("a section's id")
            size = self.u32("a section's size")
            self.sections += 1
            if self.sections > _MOST_SECTIONS:
                raise self.wrong("it has too many sections")
            start = self.pos
            self.skip(size, "a section")
            after, self.pos, self.end = self.pos, start, self.pos
            if number == _CUSTOM:
                self.read_custom()
            elif not within and number == _MODULE and size >= _HEADER:
                self.pos += _HEADER
                self.read_sections(within=True)
            elif not within and number in {_IMPORT, _EXPORT}:
                self.read_names(number)
            self.pos = after
        self.end = stop

    def read_custom(self) -> None:
        name = self.name("a custom section's name")
        if name == "producers" and len(self.producers) < _MOST_PRODUCERS and self.producing < _MOST_PRODUCERS:
            self.producing += 1
            self.producers += read_producers(self.data[self.pos : self.end])
        elif name == "component-name" and self.byte("a subsection") == 0:
            self.u32("the size of the name")
            self.name_of_it = printable(self.name("its name"), _LONGEST)

    def read_names(self, number: int) -> None:
        what, most, names = ("imports", self.limits.imports, self.imports)
        if number == _EXPORT:
            what, most, names = ("exports", self.limits.exports, self.exports)
        for _ in range(self.count(max(0, most - len(names)), what)):
            names.append(self.external_name(what))
            if number == _EXPORT:
                self.skip_sort()
                if self.byte("whether its type is given") == 1:
                    self.skip_description()
            else:
                self.skip_description()

    def external_name(self, what: str) -> str:
        form = self.byte("the form of a name")
        if form > 2:
            raise self.wrong(f"a name has the unknown form {form}")
        name = self.name(f"a name of its {what}")
        for _ in range(self.count(10, "a name's options") if form == 2 else 0):
            self.byte("an option")
            self.name("an option")
        return printable(name, _LONGEST)

    def skip_sort(self) -> None:
        if self.byte("the sort of an export") == 0:
            self.byte("the sort of an export")
        self.u32("the index of an export")

    def skip_description(self) -> None:
        """What an import or export is: a module, function, value, type, component or instance, by its index."""
        form = self.byte("a description")
        if form == 0:
            self.byte("a description")
        elif form in {2, 3} and self.byte("a bound") == 1:
            if form == 2:  # a value's type, which may be negative
                self.skip_signed(33, "a bound")
            return
        elif form > 5:
            raise self.wrong(f"a description has the unknown form {form}")
        self.u32("a description")


def describe_component(data: bytes) -> tuple[str, ...]:
    """What a component is, in a sentence, and lines with what it imports, exports and was made by.

    A component that is damaged is just a component.
    """
    try:
        component = read_component(data)
    except LoadError:
        return ("this is a component, and a damaged one; this runtime loads core modules",)
    if not (component.imports or component.exports):
        return ("this is a component; this runtime loads core modules",)
    name = f" {component.name!r}" if component.name else ""
    world = f"world {component.world}" if component.world else "a world of its own"
    lines = [f"this is a component{name} ({world}); this runtime loads core modules"]
    for verb, names in (("imports", component.imports), ("exports", component.exports)):
        shown = ", ".join(names[:MOST_SHOWN]) + (f", ... {len(names) - MOST_SHOWN} more" * (len(names) > MOST_SHOWN))
        lines.append(f"It {verb} {shown or 'nothing'}.")
    if component.producers:
        lines.append(f"It says that it was made by {', '.join(map(str, component.producers))}.")
    return (*lines, "To load it, build a core module of the same source: for wasm32-wasip1, not wasm32-wasip2.")
