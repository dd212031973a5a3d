"""How many locals a module's functions declare, counted before the compiler sees them.

Three bytes declare fifty thousand locals, and the compiler lays out each of them, so that a small file could keep it
busy for an hour. This walks from body to body and reads only their declarations. It takes about a microsecond a
function, which is nothing beside compiling, and too much for a load that finds its module compiled already.
"""

from __future__ import annotations

from judicia_notebook.engine.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.engine.module_info import ModuleInfo
from judicia_notebook.errors import CompileLimit
from judicia_notebook.units import format_count

_CODE = 10


def check_locals(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> int:
    """The locals of all functions together.

    Raises
    ------
    CompileLimit
        More than `limits` allow in one function, or in all.
    InvalidModule
        A body whose declarations cannot be read.
    """
    section = next((each for each in module.sections if each.id == _CODE), None)
    if section is None:
        return 0
    cursor = TypeCursor(module.data, limits)
    cursor.pos = section.offset + 1
    size = cursor.u32("its size")
    cursor.where = f"section 'code' at byte {section.offset}"
    cursor.end = end = cursor.pos + size
    imported = sum(each.kind == "func" for each in module.imports)
    total = 0
    for number in range(cursor.count(limits.functions, "function bodies")):
        length = cursor.u32("the size of a function")
        start = cursor.pos
        cursor.skip(length, "a function")
        after, cursor.pos, cursor.end = cursor.pos, start, cursor.pos
        declared = _declared(cursor)
        total += declared
        if declared > limits.function_locals or total > limits.locals:
            one = declared > limits.function_locals
            where = f"function {imported + number} declares" if one else "its functions declare"
            allowed = limits.function_locals if one else limits.locals
            more = format_count(declared if one else total)
            raise CompileLimit(f"{where} {more} locals or more, and {format_count(allowed)} are allowed")
        cursor.pos, cursor.end = after, end
    return total


def _declared(cursor: TypeCursor) -> int:
    """The locals of the body that the cursor is at the beginning of."""
    found = 0
    for _ in range(cursor.u32("the number of declarations of locals")):
        found += cursor.u32("a number of locals")
        if found > cursor.limits.function_locals:
            break
        cursor.value_type("the type of locals")
    return found
