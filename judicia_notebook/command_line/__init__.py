"""The command line: ``python -m judicia_notebook COMMAND``, a file a command, thin over the names that a notebook uses.

Knows the package's public names, and nothing here is something that a notebook could not do. No room imports it.

- Each command's file has two functions: `add` gives the parser its options, `carry_out` does it. `parser.py` has the
  list of them, `endings.py` how a command ends that went wrong, `lessons.py` where the notebooks lie.
- Answers go to standard output, everything about them to standard error. Exit codes: 0 well, 1 the plugin, a limit or
  a file said no, 2 wrong usage, 130 interrupted; a WASI command's own, if it came to its end.
"""
