"""The plots by name: each takes a frame and returns a `matplotlib.figure.Figure`.

A kind of plot is one file of this room, and one line here.
"""

from judicia_notebook.metrics.latency import latency

__all__ = ["latency"]
