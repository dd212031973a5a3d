"""The plugin that a live widget shows: the plugin it was made of, or a chosen plugin of its runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from judicia_notebook.errors import NoSuchPlugin
from judicia_notebook.notebook.live.activity import recorder_of
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.runtime import Runtime

MOST_CHOICES = 200


class ShownPlugin:
    """The plugin that is shown, and the plugins that could be.

    Parameters
    ----------
    source : Plugin or Runtime
        With a runtime, a page can choose among its plugins.
    """

    def __init__(self, source: Plugin | Runtime) -> None:
        self._source = source
        self._chosen = ""

    @property
    def recorder(self) -> Recorder:
        """The recorder that has the rows of all these plugins."""
        source = self._source
        return recorder_of(source) if isinstance(source, Plugin) else source._recorder

    @property
    def plugins(self) -> Mapping[str, Plugin]:
        """The plugins that can be shown, by name."""
        source = self._source
        return {source.name: source.current} if isinstance(source, Plugin) else source.plugins

    @property
    def plugin(self) -> Plugin | None:
        """The plugin that is shown; None where a runtime has none."""
        plugins = self.plugins
        found = plugins.get(self._chosen)
        return found if found is not None else next(iter(tuple(plugins.values())), None)

    @property
    def choices(self) -> tuple[Plugin, ...] | None:
        """The plugins a page can choose among; None where there is nothing to choose."""
        return None if isinstance(self._source, Plugin) else tuple(self.plugins.values())[:MOST_CHOICES]

    def named(self, name: str) -> Plugin:
        """The plugin of this name.

        Raises
        ------
        NoSuchPlugin
        """
        plugins = self.plugins
        found = plugins.get(name)
        if found is None:
            raise NoSuchPlugin(f"No plugin {name!r} is loaded.{did_you_mean(name, plugins)}")
        return found

    def choose(self, name: str) -> None:
        """Show this plugin.

        Raises
        ------
        NoSuchPlugin
        """
        self._chosen = self.named(name).name
