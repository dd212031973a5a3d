"""The inside of a call, in C: one small library without Python.h, loaded with ctypes.

`core.h` is its contract. `library` finds, checks and loads it; `sources` says what it is built from. Importing this
package loads the library or raises one ImportError.
"""

from __future__ import annotations

from judicia_notebook.engine.core.library import Build, Core, load

__all__ = ["CORE", "Build", "Core", "load"]

CORE = load()
"""The process's one library."""
