"""The error of a module that imports what is not offered, by the makers of what it imports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from judicia_notebook.errors.base import LONGEST
from judicia_notebook.errors.loading import LoadError
from judicia_notebook.text import printable
from judicia_notebook.units import format_count

_IMPORT_NOUNS = {"func": "function"}
_MOST_GROUPS = 12
_NAMED_IMPORTS, _NAMED_GROUPS = 8, 3


class ImportGroup(NamedTuple):
    """Imports of one kind and one maker that are not offered here. All texts are printable.

    Attributes
    ----------
    whose : str
        Whose they are, such as ``AssemblyScript's``.
    kind : str
        ``func``, ``table``, ``memory``, ``global`` or ``tag``.
    total : int
        How many there are.
    names : tuple of str
        The first 20 of them, as ``module.name``.
    ways : tuple of str
        What to do, the best first.
    """

    whose: str
    kind: str
    total: int
    names: tuple[str, ...]
    ways: tuple[str, ...]

    @property
    def title(self) -> str:
        """How many of which kind, and whose."""
        noun = _IMPORT_NOUNS.get(self.kind, self.kind)
        plural = {"memory": "memories"}.get(noun, f"{noun}s")
        return f"{format_count(self.total)} {noun if self.total == 1 else plural}, {self.whose}"

    @property
    def listed(self) -> str:
        """The names on a line, and how many more there are."""
        more = self.total - len(self.names)
        return ", ".join(self.names) + (f", ... {format_count(more)} more" if more else "")

    def lines(self) -> list[str]:
        """The title and the names, then each way out on a line."""
        return [f"{self.title}: {self.listed}", *(f"  - {way}" for way in self.ways)]


def group_lines(groups: Sequence[ImportGroup]) -> list[str]:
    """Groups of imports, line by line; of very many groups the first."""
    lines = [line for group in groups[:_MOST_GROUPS] for line in group.lines()]
    more = sum(group.total for group in groups[_MOST_GROUPS:])
    return [*lines, *([f"{format_count(more)} more, of other makers"] if more else [])]


class UnknownImport(LoadError):
    """The module imports something this runtime does not offer.

    Attributes
    ----------
    module, name, kind : str
        What it imports.
    known : tuple of str
        The modules this runtime offers.
    others : tuple of (module, name, kind)
        Its other imports that are not offered.
    groups : tuple of ImportGroup
        All of them by maker, with the ways out.
    listing : str
        The line that shows all of them.
    """

    listing = "print(error.details)"

    def __init__(
        self,
        module: str,
        name: str,
        *,
        kind: str = "func",
        known: Iterable[str] = (),
        others: Iterable[tuple[str, str, str]] = (),
        groups: Iterable[ImportGroup] = (),
        hint: str = "",
    ) -> None:
        super().__init__(f"imports {module}.{name}", hint=hint)
        self.others = tuple(others)
        self.groups = tuple(groups)
        self.module = module
        self.name = name
        self.kind = kind
        self.known = tuple(known)

    @property
    def details(self) -> str:
        """What happened, every group of imports with all its ways out, and the hint, line by line."""
        groups = [f"  {line}" for line in group_lines(self.groups)]
        return "\n".join([self._not_offered(), *groups, *self._hint_lines()])

    def _refusal(self) -> list[str]:
        groups = [self._group_and_way(group) for group in self.groups[:_NAMED_GROUPS]]
        more = len(self.groups) - len(groups)
        if more:
            groups.append(f"{more} more group{'s' if more > 1 else ''}")
        all_of_them = f"    All of them:  {self.listing}" if self.listing else ""
        return [self._not_offered(), *([f"  {'; '.join(groups)}.{all_of_them}"] if groups else [])]

    def _not_offered(self) -> str:
        source = printable(self.source) or "the module"
        more, few = len(self.others), self.others[:_NAMED_IMPORTS]
        unnamed = f", ... {more - len(few)} more" if more > len(few) else ""
        rest = ", ".join(_import(*names) for names in few) + unnamed
        sentences = [
            f"{source} imports {_import(self.module, self.name, self.kind)}, which this runtime does not offer.",
            *([f"Nor does it offer {more} more that it imports: {rest}."] if more else []),
            *(self._looks_like() or [f"Known modules: {', '.join(self.known)}"]),
        ]
        return printable(" ".join(sentences), LONGEST)

    def _group_and_way(self, group: ImportGroup) -> str:
        """A group with its best way out, unless that was said of the whole module already."""
        way = group.ways[0] if group.ways else ""
        said = any(label.endswith(f": {way}") for label in self.recognized)
        return f"{group.title}{f': {way}' if way and not said else ''}"


def _import(module: str, name: str, kind: str) -> str:
    return printable(f"{module}.{name}", 160) + ("" if kind == "func" else f" (a {kind})")
