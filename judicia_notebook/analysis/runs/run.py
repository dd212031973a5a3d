"""The frames of one run as values: what a file holds, and what `read_run` gives back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.text import printable
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.recorder import Recorder

TABLES = ("calls", "host_calls", "samples", "logs", "audit", "policies")
"""The frames of a run, named as the properties of `Runtime` are."""


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """What was recorded in one runtime, with the frames and columns that the runtime itself has.

    Attributes
    ----------
    calls, host_calls, samples, logs, audit, policies : DataFrame
        As those of `Runtime`.
    meta : mapping
        When and with what it was recorded: ``run_id``, ``began``, ``machine``, ``clocks``, ``packages``, the digests
        of the ``plugins``, and whether it is ``anonymous``.
    """

    calls: pd.DataFrame
    host_calls: pd.DataFrame
    samples: pd.DataFrame
    logs: pd.DataFrame
    audit: pd.DataFrame
    policies: pd.DataFrame
    meta: Mapping[str, Any]

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames by name."""
        return {name: getattr(self, name) for name in TABLES}

    def save(self, path: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
        """Keep it in a file, as `Runtime.save` does."""
        from judicia_notebook.analysis.runs import archive

        return archive.save(self, path, anonymous=anonymous)

    def title(self) -> tuple[str, str]:
        """Which run it is, and of when, for people."""
        if self.meta.get("anonymous"):
            return self._name, ""
        return self._name, str(self.meta.get("began", ""))[:19].replace("T", " ")

    @property
    def _name(self) -> str:
        if self.meta.get("anonymous"):
            return "anonymous run"
        return f"run {printable(str(self.meta.get('run_id', '')), 80)}".strip()

    def rows(self) -> list[tuple[str, str]]:
        """What it holds and was measured with, for people."""
        frames = self.frames
        counts = [format_count(len(frame)) + f" {name.replace('_', ' ')}" for name, frame in frames.items()]
        dropped = [f"{format_count(frame.attrs['dropped'])} {name.replace('_', ' ')}"
                   for name, frame in frames.items() if frame.attrs.get("dropped")]  # fmt: skip
        told = [
            ("holds", ", ".join(counts)),
            ("dropped before", ", ".join(dropped)),
            ("plugins", ", ".join(self._of("plugins"))),
            ("machine", ", ".join(str(self._of("machine").get(part) or "") for part in ("system", "processor"))),
            ("packages", ", ".join(f"{name} {version}" for name, version in self._of("packages").items())),
        ]
        return [(head, text) for head, text in told if text.strip(" ,")]

    def _of(self, part: str) -> Mapping[str, Any]:
        """A part of `meta`, of which a file may say anything."""
        found = self.meta.get(part)
        return found if isinstance(found, Mapping) else {}

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(frame):,} {name.replace('_', ' ')}" for name, frame in self.frames.items())
        return f"<{self._name}: {counts}>"


def of_recorder(recorder: Recorder) -> Run:
    """A run as it is now."""
    from judicia_notebook.analysis.runs import environment
    from judicia_notebook.records import frames

    made = {name: getattr(frames, name)(recorder) for name in TABLES}
    calls = made["calls"]
    known = calls[["plugin", "digest"]].drop_duplicates().dropna()
    plugins: dict[str, list[str]] = {}
    for plugin, digest in zip(known["plugin"], known["digest"], strict=True):
        plugins.setdefault(str(plugin), []).append(str(digest))
    meta = {
        "run_id": recorder.run_id,
        "began": recorder.began_utc.isoformat(),
        "plugins": plugins,
        **environment.describe(),
    }
    return Run(**made, meta=meta)
