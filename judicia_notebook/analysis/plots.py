"""The plots by name: each takes frames and returns a `matplotlib.figure.Figure`.

A kind of plot is one file of `figures`, and one line in each table here.
"""

from judicia_notebook.analysis.figures.breakdown import breakdown
from judicia_notebook.analysis.figures.capabilities import capabilities
from judicia_notebook.analysis.figures.cold_warm import cold_warm
from judicia_notebook.analysis.figures.growth import growth
from judicia_notebook.analysis.figures.latency import latency
from judicia_notebook.analysis.figures.memory import memory
from judicia_notebook.analysis.figures.success import success
from judicia_notebook.analysis.figures.timeline import timeline
from judicia_notebook.analysis.figures.usage import usage

__all__ = [
    "FRAMES",
    "breakdown",
    "capabilities",
    "cold_warm",
    "growth",
    "latency",
    "memory",
    "success",
    "timeline",
    "usage",
]

FRAMES: dict[str, tuple[str, ...]] = {
    "latency": ("calls",),
    "breakdown": ("calls",),
    "timeline": ("calls", "host_calls"),
    "usage": ("calls", "samples"),
    "memory": ("calls",),
    "cold_warm": ("calls",),
    "capabilities": ("host_calls",),
    "success": ("calls",),
    "growth": ("calls",),
}
"""Each kind, and the frames of a runtime it takes, in their order."""
