"""One notification: its texts as the sender wrote them, and what became of its deliveries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from judicia_notebook.engine import wire
from judicia_notebook.host.delivery.queue import Fate
from judicia_notebook.text import printable

PLATFORM: Final = "@platform"
"""The sender of notifications from Python code; no plugin can have this name."""

Type = Literal["info", "success", "warning", "error", "announcement"]
Urgency = Literal["low", "normal", "high", "critical"]

TYPES: Final[tuple[Type, ...]] = get_args(Type)
URGENCIES: Final[tuple[Urgency, ...]] = get_args(Urgency)


@dataclass(eq=False, slots=True)
class Notification:
    """A message of a plugin or the platform to people.

    Attributes
    ----------
    source : str
        The plugin, or ``@platform``; the host says so.
    packed : bytes
        The metadata as JSON.
    id, at_ns : str, int
        Given when it is written down; nanoseconds since the runtime began.
    targets, fates : int, Counter
        How many targets it was queued for, and what became of that.
    """

    source: str
    recipient: str
    title: str
    message: str
    type: Type = "info"
    urgency: Urgency = "normal"
    packed: bytes = b"{}"
    call_id: int = 0
    id: str = ""
    at_ns: int = 0
    targets: int = 0
    fates: Counter[str] = field(default_factory=Counter)

    @property
    def metadata(self) -> dict[str, Any]:
        """The sender's data for programs."""
        decoded: dict[str, Any] = wire.reread(self.packed)
        return decoded

    @property
    def size(self) -> int:
        """Bytes of its texts, as UTF-8, and metadata."""
        texts = self.recipient, self.title, self.message
        return len(self.packed) + sum(len(text.encode("utf-8", "replace")) for text in texts)

    def became(self, fate: Fate, count: int = 1) -> None:
        """Count what became of a delivery; a replay takes ``parked`` back with a count of -1."""
        self.fates[fate] += count

    @property
    def body(self) -> str:
        """The text that goes out: a line of the host's own that names sender and recipient, then the message.

        A target that cuts what is too long cuts the end.
        """
        return f"{self.origin}\n\n{self.message}"

    @property
    def origin(self) -> str:
        """The host's own line: the sender and the recipient."""
        urgent = "" if self.urgency == "normal" else f"Urgency: {self.urgency}. "
        return f"{urgent}From {self.source} to {self.recipient}."

    def __repr__(self) -> str:
        return f"<Notification {self.id} from {self.source} to {self.recipient}: {printable(self.title, 100)}>"


def is_line(text: str) -> bool:
    """Whether a text is one line without control and direction characters: nothing that ends a header of a mail.

    Examples
    --------
    >>> is_line("First solve: C"), is_line("First solve" + chr(13) + chr(10) + "Bcc: everybody@example.org")
    (True, False)
    """
    return "\n" not in text and "\t" not in text and is_text(text)


def is_text(text: str) -> bool:
    """The same for several lines, with tabs."""
    plain = text.replace("\n", " ").replace("\t", " ")
    return printable(plain, len(plain)) == plain
