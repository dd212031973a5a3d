"""Programs in processes of their own."""

from tests.support.programs import survives

__all__ = ["survives"]
