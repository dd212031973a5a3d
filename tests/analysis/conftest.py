"""A recorder, and a call for it whose every number differs from the others."""

from tests.support.recorded import add_call, recorder, unknown

__all__ = ["add_call", "recorder", "unknown"]
