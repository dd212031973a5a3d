"""`Runtime.reset`: everything that plugins left goes in one step, for the next group of students.

What it may not know: where a service keeps things. Each service says in words what it keeps of plugins (`kept`), and
removes that (`forget`).

- Without a confirmation nothing is removed, so a notebook may hold the line and be run from top to bottom.
- Calls end first. What a call still uses is not removed under it: where one does not end, all that was kept stays.
- What the user gave stays: mapped folders, platform tables, callbacks, targets, limits and a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from judicia_notebook.context import current_call, current_way
from judicia_notebook.errors import PolicyError, ResourceExhausted
from judicia_notebook.units import format_count, format_names

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from judicia_notebook.host.services import Host
    from judicia_notebook.policy.bounds import Lock
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.plugin import Plugin

SECONDS = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class Removal:
    """What `Runtime.reset` or `Runtime.clear` removed, or would remove; its text form is for people.

    Attributes
    ----------
    done : bool
        Whether it is gone. False: nothing was removed, and `reset` waits for its confirmation.
    removed : tuple of str
        What goes, a line each.
    stays : str
        What stays, in a sentence.
    """

    done: bool
    removed: tuple[str, ...]
    stays: str

    def __repr__(self) -> str:
        if not self.removed:
            return f"There is nothing to remove. {self.stays}"
        title = "Removed:" if self.done else "Nothing is removed yet. This would go:"
        lines = [title, *(f"  {line}" for line in self.removed), self.stays]
        if not self.done:
            lines.append("To remove it:  %plugin reset --yes     or  rt.reset(confirm=True)")
        return "\n".join(lines)


class Runtime(Protocol):
    """The part of a runtime that a reset needs."""

    _recorder: Recorder
    host: Host

    @property
    def plugins(self) -> Mapping[str, Plugin]: ...

    @property
    def locked(self) -> Lock | None: ...

    def clear(self) -> Removal: ...

    def forgetting(self) -> AbstractContextManager[None]: ...

    def end_running(self, seconds: float) -> int: ...

    def check_open(self) -> None: ...


def reset(runtime: Runtime, *, confirm: bool) -> Removal:
    """What `Runtime.reset` does, which says more."""
    runtime.check_open()
    found = tuple(_found(runtime))
    lock = [f"the lock by {runtime.locked.by}"] if runtime.locked is not None else []
    stays = f"What you gave stays: {', '.join([*runtime.host.given, 'limits', *lock])}."
    if not confirm:
        return Removal(False, found, stays)
    if current_call.get():
        raise PolicyError("A call cannot reset its own runtime: it would have to end first.")
    runtime.clear()
    if left := runtime.end_running(SECONDS):
        raise ResourceExhausted(
            f"{left} call{'s' if left > 1 else ''} did not end within {SECONDS:g} s. The plugins are unloaded; "
            "what they left is still there.",
            hint="Once the calls have ended:  rt.reset(confirm=True)",
        )
    with runtime.forgetting():
        failed = runtime.host.forget()
        if failed:
            raise ResourceExhausted(f"Not everything could be removed: {'; '.join(failed)}.")
        recorder = runtime._recorder
        recorder.clear()
        recorder.add_audit("reset", "", "; ".join(found), current_way())
    return Removal(True, found, stays)


def unloaded(names: Iterable[str], left: Iterable[str]) -> Removal:
    """What `Runtime.clear` did, in words."""
    removed = tuple(f"{name}: unloaded" for name in names)
    stays = f"What plugins left stays: {', '.join([*left, 'recorded rows'])}. rt.reset() removes it, too."
    return Removal(True, removed, stays)


def _found(runtime: Runtime) -> Iterable[str]:
    if plugins := runtime.plugins:
        yield f"{len(plugins)} plugin{'s' if len(plugins) > 1 else ''}: {format_names(plugins)}"
        if running := sum(plugin._deployment.is_busy for plugin in plugins.values()):
            yield f"what runs: calls of {running} plugin{'s' if running > 1 else ''} are cancelled"
    yield from runtime.host.kept()
    recorder = runtime._recorder
    rows: dict[str, Sized] = {
        "call": recorder.calls,
        "host call": recorder.host_calls,
        "sample": recorder.samples,
        "log line": recorder.logs,
        "change": recorder.audit,
        "denial": recorder.denials,
    }
    counts = [f"{format_count(len(table))} {name}{'' if len(table) == 1 else 's'}" for name, table in rows.items()]
    if any(map(len, rows.values())):
        yield f"recorded rows: {', '.join(counts)}"
