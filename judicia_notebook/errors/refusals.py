"""Errors of what was asked for and not begun: a policy that forbids it, a name that is not there, nothing left."""

from __future__ import annotations

from datetime import datetime

from judicia_notebook.errors.base import JudiciaError


class PolicyError(JudiciaError):
    """An unknown capability, a bad scope, unit or number, or a quota above the runtime's ceiling."""


class PolicyLocked(PolicyError):
    """A grant or a quota beyond what `Runtime.lock` allows.

    Attributes
    ----------
    by : str
        Who locked the runtime.
    since : datetime or None
        When, in UTC.
    """

    def __init__(self, message: str, *, by: str = "", since: datetime | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.by = by
        self.since = since


class PluginNotReady(JudiciaError):
    """The plugin is unloaded, failed to initialize, or is being called from its own host call."""


class InvalidPayload(JudiciaError, ValueError):
    """What you want to send has no JSON form, or a number does not fit its parameter. The plugin was not entered."""


class NoSuchPlugin(JudiciaError):
    """No plugin of that name is loaded."""


class NoSuchFunction(JudiciaError):
    """The plugin exports no such function."""


class NoSuchExport(JudiciaError, KeyError):
    """The plugin exports no such global, or no memory to look at."""


class NoSuchExample(JudiciaError):
    """No bundled example has that name."""


class ResourceExhausted(JudiciaError):
    """The runtime is closed or forked, or what all plugins share is used up."""
