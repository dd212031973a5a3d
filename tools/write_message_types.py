"""Writes the types of the live pages' messages, ``messages.d.ts``, from the structs in Python that declare them.

Run by ``make pages``. The structs are read with msgspec's own inspection, which decodes and encodes them too, so the
pages are checked against what the kernel really takes and says.

- What a page says is decoded: a field with a default may be left out.
- What the kernel says is encoded: every field is there, unless its struct leaves out what is as by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import inspect

from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.call_card.call_card import HandleState
from judicia_notebook.notebook.live.charts.frames import Frame
from judicia_notebook.notebook.live.panel.state import State
from tools.generated import write_or_compare

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "judicia_notebook" / "notebook" / "live" / "messages.d.ts"
HEAD = """\
// Made by `make pages` from messages.py and the states and frames that its texts hold. Change those, not this.
"""
SCALARS = {
    inspect.BoolType: "boolean",
    inspect.FloatType: "number",
    inspect.IntType: "number",
    inspect.NoneType: "null",
    inspect.StrType: "string",
}


def operations() -> tuple[type[msgspec.Struct], ...]:
    """What a page can ask for."""
    return get_args(messages.OPERATIONS)


def structs(kinds: Sequence[type[msgspec.Struct]]) -> Iterator[inspect.StructType]:
    """These structs, and those that their fields hold, each once."""
    seen: dict[type, inspect.StructType] = {}
    waiting = [inspect.type_info(kind) for kind in kinds]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, inspect.StructType) and found.cls not in seen:
            seen[found.cls] = found
            waiting += [field.type for field in found.fields]
        elif isinstance(found, inspect.UnionType):
            waiting += found.types
        elif isinstance(found, inspect.VarTupleType | inspect.ListType):
            waiting.append(found.item_type)
    yield from seen.values()


def written(found: inspect.Type) -> str:
    """A type as TypeScript writes it."""
    if type(found) in SCALARS:
        return SCALARS[type(found)]
    match found:
        case inspect.StructType(cls=kind):
            return kind.__name__
        case inspect.LiteralType(values=values):
            return " | ".join(f'"{value}"' for value in values)
        case inspect.UnionType(types=types):
            return " | ".join(dict.fromkeys(map(written, types)))
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"{written(item)}[]" if " | " not in written(item) else f"({written(item)})[]"
        case inspect.TupleType(item_types=items):
            return f"[{', '.join(map(written, items))}]"
        case inspect.DictType(value_type=value):
            return f"{{ [key: string]: {written(value)} }}"
    raise TypeError(f"There is no TypeScript for {found}.")


def interface(found: inspect.StructType, *, decoded: bool, tag: Sequence[tuple[str, str]] = ()) -> str:
    """A struct as an interface. A `decoded` one may leave out what has a default."""
    sparse = decoded or found.cls.__struct_config__.omit_defaults
    summary = (found.cls.__doc__ or "").strip().splitlines()[0]
    lines = [f"/** {summary} */", f"export interface {found.cls.__name__} {{"]
    lines += [f'  {name}: "{value}";' for name, value in tag]
    if found.tag_field is not None:
        lines.append(f'  {found.tag_field}: "{found.tag}";')
    for field in found.fields:
        optional = "?" if sparse and not field.required else ""
        lines.append(f"  {field.encode_name}{optional}: {written(field.type)};")
    return "\n".join([*lines, "}"])


def union(name: str, summary: str, kinds: Sequence[type]) -> str:
    return f"/** {summary} */\nexport type {name} =\n  | " + "\n  | ".join(kind.__name__ for kind in kinds) + ";"


def document() -> str:
    """The whole file."""
    said = tuple(messages.Said.__subclasses__())
    parts = [
        HEAD.rstrip("\n"),
        "// What a page says",
        *(interface(one, decoded=True) for one in structs([messages.View])),
        *(interface(one, decoded=True, tag=[("type", "do")]) for one in structs(operations())),
        union("Operation", "Something that a page asks for.", operations()),
        "// What the kernel says",
        *(interface(one, decoded=False) for one in structs(said)),
        union("Said", "A message of the kernel.", said),
        "// What the texts in them hold",
        *(interface(one, decoded=False) for one in structs([State, HandleState, Frame])),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    write_or_compare(lambda: {PATH: document()}, about=__doc__, again="make pages")
