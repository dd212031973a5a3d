"""A profile in the file format of speedscope (https://www.speedscope.app/file-format-schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.analysis.profiles.stacks import HOST, hottest

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def document(profile: Stacks) -> dict[str, Any]:
    """One sampled profile whose weights are milliseconds."""
    frames: dict[Frame, int] = {}
    samples = [[frames.setdefault(step.frame, len(frames)) for step in sample.steps()] for sample in profile.samples]
    weights = [sample.ms for sample in profile.samples]
    return {
        "$schema": SCHEMA,
        "name": profile.title,
        "exporter": "judicia_notebook",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(profile, frame) for frame in frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": profile.title,
                "unit": "milliseconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def _frame(profile: Stacks, frame: Frame) -> dict[str, Any]:
    """A function; its line is the one that most of its time fell on, since speedscope tells functions apart by it."""
    note = " (host)" if frame.module == HOST else " (inlined)" if frame.is_inlined else ""
    place = hottest(profile.lines_of.get(frame, {}))
    where: dict[str, Any] = {"file": frame.module} if place is None else {"file": place[0], "line": place[1]}
    return {"name": f"{frame.name}{note}", **where}


def encode(profile: Stacks) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(document(profile))
