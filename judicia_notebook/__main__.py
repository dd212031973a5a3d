"""``python -m judicia_notebook``; see `judicia_notebook.command_line`."""

from __future__ import annotations

from judicia_notebook.command_line.parser import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
