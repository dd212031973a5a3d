"""DWARF, the debug information of compilers, as a stranger's file may hold it. Versions 2 to 5, of 32-bit offsets.

It knows bytes and nothing of modules' code: `judicia_notebook.wasm.source_map` puts the two together.

- `sections.py` finds the sections and reads numbers, texts and attributes from them, each within bounds.
- `line_programs.py` runs the programs that stand for tables of lines.
- `functions.py` reads the tree of functions, and what was inlined into them.

All of it is bounded by `DwarfLimits`, not by what a file says of itself: every loop takes at least a byte of the file
or one of a budget, no text is read twice, nothing recurses. What is wrong raises `DebugInfoError`.
"""
