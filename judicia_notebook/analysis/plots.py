"""The plots by name: each takes frames and returns a `matplotlib.figure.Figure`.

All of them, `Comparison.plot` and `Profile.figure` take these, too::

    ax      matplotlib Axes to draw into; they are returned. Without it there is a new figure
    width   of a new figure, in inches: 3.33 for a column of a paper. The height follows
    title   True: the title counts what is drawn and what is left out. A text replaces it; None or False for none
    table   False: no numbers below the drawing or beside its rows, only names
    legend  False: none. A place of matplotlib's, such as "upper left": the names stand in the drawing, without numbers

Texts have the sizes and fonts of matplotlib's ``rcParams``, and lines, marks, the grid, colours, resolution and size
follow each setting that is not matplotlib's default. PDF and PostScript get TrueType fonts, SVG letters as paths.

A kind of plot is one file of `figures`, and one line in each table here. `against` draws any column of any frame, so
that it has no line in `FRAMES`.
"""

from judicia_notebook.analysis.figures.against import against
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
    "against",
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
