"""Writes counters into a module that an engine has validated. ``docs/rewriting.md`` says what is inserted where."""
