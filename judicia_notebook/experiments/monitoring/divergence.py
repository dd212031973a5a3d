"""Where two runs of the same module part: their paths, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.monitors.path import MOST
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    from judicia_notebook.experiments.monitoring.monitor import Counted


class Divergence(NamedTuple):
    """The first step at which two paths differ.

    Attributes
    ----------
    step : int
        How many blocks they have in common before it.
    function : str
        Of the last block that they have in common; empty where there is none.
    offset : int or None
        The byte of the file where that block's last instruction begins: what decided.
    file : str or None
    line : int or None
    block, other : int or None
        The numbers of the blocks that came next; None where a path ended.
    """

    step: int
    function: str
    offset: int | None
    file: str | None
    line: int | None
    block: int | None
    other: int | None


def divergence(mine: Counted, other: Counted) -> Divergence | None:
    """Carry out `Monitored.divergence`, whose docstring says more."""
    if "path" not in mine.monitors or "path" not in other.monitors:
        raise JudiciaError(
            "The first divergence is found in paths, and they were not recorded in both.",
            hint='p.monitor(..., what=("path", ...)) records one.',
        )
    if list(mine.digests.values()) != list(other.digests.values()):
        raise JudiciaError("The paths are of different modules, whose blocks are not the same.")
    if len(mine.plugins) > 1:
        raise JudiciaError("The paths of several plugins are not compared: monitor one of them.")
    frames = [side.frame("path") for side in (mine, other)]
    mine_path, other_path = (frame["block"].tolist() for frame in frames)
    both = min(len(mine_path), len(other_path))
    step = next((at for at in range(both) if mine_path[at] != other_path[at]), both)
    if any(step == len(frame) and frame.attrs["dropped"] for frame in frames):
        raise JudiciaError(
            f"The paths are the same for the {format_count(step)} blocks that both have, and more began.",
            hint=f'what="path={min(8 * step, MOST)}" keeps more.' if step < MOST else "",
        )
    if step == len(mine_path) == len(other_path):
        return None
    if step == 0:
        function, offset, file, line = "", None, None, None
    else:
        counts, block = mine.counts(), mine_path[step - 1]
        function, offset = counts.names[counts.blocks.function[block]], counts.last_offset(block)
        (file,), (line,) = counts.places([offset])
    following = [path[step] if step < len(path) else None for path in (mine_path, other_path)]
    return Divergence(step, function, offset, file, line, *following)
