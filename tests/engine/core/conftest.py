"""What may end the process is tried in a process of its own."""

from tests.support.programs import survives

__all__ = ["survives"]
