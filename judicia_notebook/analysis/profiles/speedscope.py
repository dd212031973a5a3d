"""A profile in the file format of speedscope (https://www.speedscope.app/file-format-schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.analysis.profiles.stacks import HOST

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def document(profile: Stacks) -> dict[str, Any]:
    """One sampled profile whose weights are milliseconds."""
    frames: dict[Frame, int] = {}
    samples = [[frames.setdefault(frame, len(frames)) for frame in sample.stack] for sample in profile.samples]
    weights = [sample.ms for sample in profile.samples]
    return {
        "$schema": SCHEMA,
        "name": profile.title,
        "exporter": "judicia_notebook",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": _name(frame), "file": frame.module} for frame in frames]},
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


def _name(frame: Frame) -> str:
    return f"{frame.name} (host)" if frame.module == HOST else frame.name


def encode(profile: Stacks) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(document(profile))
