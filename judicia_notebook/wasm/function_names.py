"""The names of a module's functions, from its name section: for people, and no part of what the module does.

A damaged section is ignored, as the specification asks. Neither its names nor their sum are read beyond limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from judicia_notebook.errors import InvalidModule
from judicia_notebook.wasm.binary_format import DEFAULT, Cursor, SectionLimits
from judicia_notebook.wasm.info import CustomSection


class FunctionNames(Mapping[int, str]):
    """The names of a module's functions by index, for people; the first look reads them, from any thread.

    Few loads ever need one, and in a small module they take three quarters of the time that all else takes.
    """

    __slots__ = ("_count", "_data", "_limits", "_names", "_section")

    def __init__(
        self, data: bytes, custom_sections: Sequence[CustomSection], functions: int, limits: SectionLimits = DEFAULT
    ) -> None:
        self._data = data
        self._section = next((each for each in custom_sections if each.name == "name"), None)
        self._count = functions
        self._limits = limits
        self._names: dict[int, str] | None = None

    def _read(self) -> dict[int, str]:
        names = self._names
        if names is None:
            section = self._section
            names = {} if section is None else _NameReader(self._data, self._limits, section, self._count).read()
            self._names = names
        return names

    def __getitem__(self, index: int) -> str:
        return self._read()[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


class _NameReader(Cursor):
    __slots__ = ("functions",)

    def __init__(self, data: bytes, limits: SectionLimits, section: CustomSection, functions: int) -> None:
        super().__init__(data, limits)
        self.pos, self.end = section.offset, section.offset + section.size
        self.functions = functions

    def read(self) -> dict[int, str]:
        """None at all when the section is damaged."""
        try:
            while self.pos < self.end:
                number = self.byte("a subsection")
                size = self.u32("a subsection")
                if number == 1:
                    return self.function_names()
                self.skip(size, "a subsection")
        except InvalidModule:
            pass
        return {}

    def function_names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        budget = self.limits.function_names_bytes
        for _ in range(min(self.u32("the number of names"), self.limits.function_names)):
            index = self.u32("an index")
            size = self.u32("the length of a name")
            start = self.pos
            self.skip(size, "a name")
            shown = min(size, self.limits.function_name_bytes)
            budget -= shown
            if budget < 0:
                break
            if index < self.functions:
                names[index] = self.data[start : start + shown].decode(errors="replace")
        return names
