"""C++, as C: without exceptions, RTTI and the locks of static variables, which all need a library."""

from __future__ import annotations

from judicia_notebook.languages.c import Clang

_OPTIONS = ("-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")

LANGUAGE = Clang("cpp", "C++", "cell.cpp", "c++", _OPTIONS)
