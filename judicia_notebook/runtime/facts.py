"""Facts on a call that ended badly, beyond its error: the guest's last words, refused memory, denied grants.

Errors end up in a cell, a row and another error's text, where the log and the account of memory are far away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.engine.abi import suspicion
from judicia_notebook.engine.traps import memory_exceeded
from judicia_notebook.errors import AbiViolation, CallError, GuestError, GuestTrap, refused_memory
from judicia_notebook.policy.grants import is_grant
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import EndedAccount, MemoryAccount
    from judicia_notebook.host.scope import CallScope

SHOWN_BYTES = 32
"""Of an answer that cannot be read."""

WORDS = 300
"""Characters of the guest's last words at most."""


def complete(error: CallError, scope: CallScope, account: MemoryAccount | EndedAccount | None) -> None:
    """Add the facts to an error of this call. An error that has a record already is another call's."""
    if error.record is not None or not isinstance(error, GuestError | GuestTrap | AbiViolation):
        return
    exited = scope.process is not None and error is scope.process.exited
    words = last_words(scope) if exited or not isinstance(error, GuestError) else ""
    said = [f"It said: {printable(words, WORDS)}"] if words else []
    fact, more = _refused(scope, account)
    error.facts = (*error.facts, *said, *fact)
    error.hint = "\n".join([*error.hint.splitlines(), *more, *denied_before(scope)])


def hint_of_exit(scope: CallScope, account: MemoryAccount | EndedAccount | None) -> str:
    """The same lines for a command that came to its end, without its last words: they stand in its stderr already."""
    failed = scope.process is not None and scope.process.status != 0
    fact, more = _refused(scope, account) if failed else ([], [])
    return "\n".join([*fact, *more, *denied_before(scope)])


def _refused(scope: CallScope, account: MemoryAccount | EndedAccount | None) -> tuple[list[str], list[str]]:
    """The fact that the guest was refused memory, and the lines that allow it more; both empty where it was not."""
    if account is None or account.refused is None:
        return [], []
    fact, more = refused_memory(memory_exceeded(scope, account))
    return [fact], more


def last_words(scope: CallScope) -> str:
    """The panic's text or the last line of stderr; without any, the last line of the log that is an error."""
    process = scope.process
    return (process.last_words() if process is not None else "") or scope.last_error


def denied_before(scope: CallScope) -> list[str]:
    """The line that grants what a call was denied: as far as it means anything, since scopes may be a guest's."""
    grants = [grant for grant in sorted(set(scope.denials.values())) if is_grant(grant)]
    line = suggestions.magic("grant", scope.plugin, *grants) if grants else ""
    return [text] if (text := suggestions.hint("It was denied before: ", line)) else []


def no_json(scope: CallScope, answer: bytes, error: ValueError) -> AbiViolation:
    """The error for an answer that cannot be read: the fault, the bytes that stand there, and a suspicion."""
    if not answer:
        text = "its answer is empty, which is no JSON"
    else:
        doubt = suspicion(scope.packed >> 32, scope.packed & 0xFFFFFFFF)
        text = f"its answer is not the JSON of the ABI: {error}; {shown(answer)}{doubt}"
    return AbiViolation(text, plugin=scope.plugin, function=scope.function)


def shown(data: bytes) -> str:
    """Bytes as Python writes them, or how they begin.

    Examples
    --------
    >>> shown(b"hello")
    "it is b'hello'"
    """
    if len(data) <= SHOWN_BYTES:
        return f"it is {data!r}"
    return f"its {len(data)} bytes begin with {data[:SHOWN_BYTES]!r}"
