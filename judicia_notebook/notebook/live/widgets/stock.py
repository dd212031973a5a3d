"""Pieces for dashboards of ipywidgets: capability buttons, quota sliders, a run button.

``judicia_notebook.widgets`` is this module. It makes stock ipywidgets in a `VBox`, which fits anywhere.
`judicia_notebook.notebook.live.widgets.pieces`, imported with the first piece, says how each stays true to the policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.notebook.live.quota_rows import RANGES
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from ipywidgets import VBox

    from judicia_notebook.runtime.plugin import Plugin

__all__ = ["capability_toggles", "quota_sliders", "run_button"]


def capability_toggles(plugin: Plugin) -> VBox:
    """A row for each capability that concerns a plugin: grant, revoke, and the kernel's word on what is granted.

    Parameters
    ----------
    plugin : Plugin

    Returns
    -------
    ipywidgets.VBox
        ``rows`` has the parts of each row by capability: ``grant``, ``revoke``, ``said``. ``close()`` ends it.
    """
    from judicia_notebook.notebook.live.widgets.pieces import CapabilityToggles

    return CapabilityToggles(plugin)


def quota_sliders(plugin: Plugin, *kinds: str) -> VBox:
    """A slider for each quota of a plugin, and the kernel's word on what is in force.

    Parameters
    ----------
    plugin : Plugin
    *kinds : str
        Which: ``memory``, ``cpu``, ``wall``, ``fuel``, ``host_call_rate``. Without any, all of them.

    Returns
    -------
    ipywidgets.VBox
        ``rows`` has the parts of each row by kind: ``slider``, ``no_limit``, ``said``. ``close()`` ends it.

    Raises
    ------
    ValueError
        A quota that has no slider.
    """
    from judicia_notebook.notebook.live.widgets.pieces import QuotaSliders

    for kind in kinds:
        if kind not in RANGES:
            raise ValueError(f"there is no slider for {kind!r}.{did_you_mean(kind, RANGES)}")
    return QuotaSliders(plugin, kinds or tuple(RANGES))


def run_button(plugin: Plugin, function: str, payload: Any = None) -> VBox:
    """A button that calls a function in the background, a button that cancels the call, and the call's answer.

    Parameters
    ----------
    plugin : Plugin
    function : str
    payload : Any
        What `Plugin.call` takes; or a function without arguments that makes it at each click, from other widgets.

    Returns
    -------
    ipywidgets.VBox
        Its parts are ``run``, ``cancel`` and ``answer``; ``handle`` is the last call's. ``close()`` cancels that.
    """
    from judicia_notebook.notebook.live.widgets.pieces import RunButton

    return RunButton(plugin, function, payload)
