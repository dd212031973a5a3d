"""Ticks whose labels stand apart, however narrow the axes and however large the letters.

An axis gets several locators, the one with the most ticks first. Each time the axis is drawn, the first whose labels
leave room between each other is used, so that a figure may be resized after it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc
from judicia_notebook.analysis.figures.letters import width_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.ticker import Locator

    Array = np.ndarray[Any, Any]

_LEAST = 2  # ticks: one alone gives no scale
_GAP = 0.6  # between two labels, of the height of a letter
_LINE = 1.25  # the height of a line, of that of its letters


def set_ticks(axis: XAxis | YAxis, locators: Sequence[Locator], text: Callable[[float], str]) -> None:
    """Give an axis the ticks of the first locator whose labels fit, with these texts."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    size = rc.points(f"{axis.axis_name}tick.labelsize")  # of the labels of this axis, whatever is set when it is drawn
    axis.set_major_locator(_apart(locators, text, size))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def keep_on_figure(axis: XAxis | YAxis) -> None:
    """Leave out ticks whose labels would leave the figure, where the figure makes no room for them.

    It makes the drawing narrower for such a label. A narrower drawing may have other ticks, for which it is made wider
    again: where that does not come to rest, a label is cut by the figure's edge.
    """
    locator: Any = axis.get_major_locator()
    if hasattr(locator, "stays_on_figure"):
        locator.stays_on_figure = True


def linear(*, integer: bool = False) -> list[Locator]:
    """Round numbers, eight intervals or fewer."""
    from matplotlib.ticker import MaxNLocator

    return [
        MaxNLocator(nbins=most, steps=[1, 2, 5, 10], integer=integer, min_n_ticks=1) for most in (8, 6, 5, 4, 3, 2, 1)
    ]


def logarithmic(spread: float, base: int = 10) -> list[Locator]:
    """Powers of the base; of ten their doubles and fives as well where the largest is not far from the smallest."""
    from matplotlib.ticker import LogLocator

    powers: list[Locator] = [LogLocator(base=base, numticks=most) for most in (8, 6, 5, 4, 3, 2)]
    if spread < 5:  # where there may be no such number, ticks are as on a linear axis
        return [*linear()[2:], *powers]
    if base == 10 and spread < 200:  # powers of ten alone would be too few
        powers = [LogLocator(subs=(1, 2, 5)), LogLocator(subs=(1, 3)), *powers, LogLocator(subs=(2,))]
    return [*powers, *linear()[4:]]


def binary() -> list[Locator]:
    """Multiples of a power of two."""
    return [_binary(most) for most in (6, 4, 3, 2, 1)]


def fixed(*places: Sequence[float]) -> list[Locator]:
    """These numbers, or the next ones."""
    from matplotlib.ticker import FixedLocator

    return [FixedLocator(list(few)) for few in places]


def _binary(most: int) -> Locator:
    import numpy as np
    from matplotlib.ticker import Locator

    class BinaryLocator(Locator):
        def __call__(self) -> Sequence[float]:
            low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
            return self.tick_values(low, high)

        def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
            step = 2.0 ** np.ceil(np.log2(max(vmax - vmin, 1e-9) / most))
            ticks: list[float] = np.arange(np.ceil(vmin / step) * step, vmax + step / 1e6, step).tolist()
            return ticks

    return BinaryLocator()


def _apart(locators: Sequence[Locator], text: Callable[[float], str], size: float) -> Locator:
    from matplotlib.ticker import Locator

    class ApartLocator(Locator):
        _found: tuple[Any, Sequence[float]] = (None, ())  # matplotlib asks some ten times for each drawing
        stays_on_figure = False

        def set_axis(self, axis: Any) -> None:
            super().set_axis(axis)
            for locator in locators:
                locator.set_axis(axis)

        def __call__(self) -> Sequence[float]:
            axis: Any = self.axis
            now = (*axis.get_view_interval(), *axis.axes.bbox.bounds, axis.axes.figure.dpi, self.stays_on_figure)
            if now != self._found[0]:
                chosen = _chosen(axis, locators, text, size)
                self._found = now, _on_figure(axis, chosen, text, size) if self.stays_on_figure else chosen
            return self._found[1]

        def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
            return locators[0].tick_values(vmin, vmax)

        def view_limits(self, vmin: float, vmax: float) -> tuple[float, float]:
            return locators[0].view_limits(vmin, vmax)

    return ApartLocator()


def _chosen(axis: Any, locators: Sequence[Locator], text: Callable[[float], str], size: float) -> Sequence[float]:
    """The ticks of the first locator whose labels fit; where each has but one or none there, one."""
    few: Sequence[float] = ()
    for locator in locators:
        ticks = locator()
        shown = _shown(axis, ticks)
        if _fit(axis, shown, text, size):
            if len(shown) >= _LEAST:
                return ticks
            few = few if len(few) > len(shown) else ticks
    return few


def _shown(axis: Any, ticks: Sequence[float]) -> Array:
    """The ticks within the axis's limits."""
    import numpy as np

    low, high = sorted(axis.get_view_interval())
    edge = 1e-9 * (high - low)
    return np.array([tick for tick in ticks if low - edge <= tick <= high + edge])


def _places(axis: Any, ticks: Array, text: Callable[[float], str], size: float) -> tuple[Array, Array]:
    """Where the middles of the labels of these ticks are along the axis, and how long they are there, in points."""
    import numpy as np

    horizontal = axis.axis_name == "x"
    corners = np.zeros((len(ticks), 2))
    corners[:, 0 if horizontal else 1] = ticks
    corners[:, 1 if horizontal else 0] = (axis.axes.get_ylim() if horizontal else axis.axes.get_xlim())[0]
    places = axis.axes.transData.transform(corners)[:, 0 if horizontal else 1] / axis.axes.figure.dpi * 72
    return places, np.array([width_of(text(tick), size) if horizontal else _LINE * size for tick in ticks])


def _on_figure(axis: Any, ticks: Sequence[float], text: Callable[[float], str], size: float) -> Sequence[float]:
    """Those of the ticks whose labels are on the figure as a whole, if any are."""
    shown = _shown(axis, ticks)
    if not len(shown):
        return ticks
    places, needed = _places(axis, shown, text, size)
    figure = axis.axes.figure
    length = 72 * (figure.get_figwidth() if axis.axis_name == "x" else figure.get_figheight())
    whole: list[float] = shown[(places - needed / 2 >= 0) & (places + needed / 2 <= length)].tolist()
    return whole or ticks


def _fit(axis: Any, ticks: Array, text: Callable[[float], str], size: float) -> bool:
    """Whether the labels of these ticks leave a gap between each other."""
    import numpy as np

    if len(ticks) < _LEAST:
        return True
    horizontal = axis.axis_name == "x"
    places, needed = _places(axis, ticks, text, size)
    order = np.argsort(places)
    room = np.diff(places[order]) - (needed[order][1:] + needed[order][:-1]) / 2
    return bool((room >= (_GAP * size if horizontal else 0)).all())
