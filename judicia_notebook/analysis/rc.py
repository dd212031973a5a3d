"""The user's settings of matplotlib, its ``rcParams``; where the user has set nothing, the house chooses."""

from __future__ import annotations

from typing import Any


def is_set(name: str) -> bool:
    """Whether one of ``rcParams`` is the user's: neither matplotlib's default nor the value in its dark style."""
    from matplotlib import style

    now, default = _settings()
    dark: Any = style.library["dark_background"]
    return bool(now[name] not in (default[name], dark.get(name)))


def get(name: str, otherwise: Any) -> Any:
    """One of ``rcParams`` where it is the user's; otherwise the value of the house."""
    now, _ = _settings()
    return now[name] if is_set(name) else otherwise


def _settings() -> tuple[Any, Any]:
    """Settings of matplotlib as they are and as they come, by names that its types know one by one."""
    import matplotlib as mpl

    return mpl.rcParams, mpl.rcParamsDefault


def scaled(name: str, value: float) -> float:
    """A size of the house, as much larger or smaller as the user has made the one of this name."""
    now, default = _settings()
    return float(value * now[name] / default[name])


def line_width(value: float) -> float:
    """The width of a line of the house, in points, as ``lines.linewidth`` makes it thinner or thicker."""
    return scaled("lines.linewidth", value)


def mark_size(value: float) -> float:
    """The size of a mark of the house, in points, as ``lines.markersize`` makes it smaller or larger."""
    return scaled("lines.markersize", value)


def points(name: str) -> float:
    """The size of the text that ``axes.labelsize``, ``xtick.labelsize`` or the like sets, in points."""
    from matplotlib.font_manager import FontProperties

    now, _ = _settings()
    return FontProperties(size=now[name]).get_size_in_points()
