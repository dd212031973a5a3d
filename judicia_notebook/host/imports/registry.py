"""The Python functions that a runtime offers to every module which imports them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from judicia_notebook.context import current_way
from judicia_notebook.errors import PolicyError
from judicia_notebook.host.imports.functions import Import
from judicia_notebook.host.imports.offer import ImportOffer
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.host_call import RateMeter
    from judicia_notebook.policy.policy import Ledger

F = TypeVar("F", bound=Callable[..., Any])


class ImportRegistry:
    """Functions by the module and name that they are imported by.

    Parameters
    ----------
    rates : RateMeter
        Of the runtime.
    is_taken : callable
        ``is_taken(module, name)``: whether the platform itself offers this function.
    """

    def __init__(self, rates: RateMeter, is_taken: Callable[[str, str], bool]) -> None:
        self._lock = threading.Lock()
        self._offers: dict[tuple[str, str], ImportOffer] = {}
        self._rates = rates
        self._is_taken = is_taken

    def find(self, module: str, name: str) -> ImportOffer | None:
        """The offer for an import, if there is one."""
        return self._offers.get((module, name))

    def make(self, module: str, name: str, supplied: Import) -> ImportOffer:
        """An offer that is not kept here: for the plugin of one load.

        Raises
        ------
        LoadError
            The name is too long.
        """
        return ImportOffer(module, name, supplied, self._rates)

    def register(self, module: str, name: str, supplied: Import, ledger: Ledger) -> None:
        """Offer a function from now on; in the place of an earlier one also to plugins that are loaded already.

        Raises
        ------
        PolicyError
            The platform offers a function of this name.
        LoadError
            The name is too long.
        """
        if any(part.__class__ is not str for part in (module, name)):
            raise PolicyError("A module and a name are texts: @rt.host.function('env', 'now').")
        if self._is_taken(module, name) or module.strip().startswith("judicia:"):
            shown = printable(f"{module}.{name}", 80)
            raise PolicyError(f"{shown} is the platform's own: a function in its place would answer for it.")
        offer = ImportOffer(module, name, supplied, self._rates, is_registered=True)
        with self._lock:
            known = self._offers.setdefault((module, name), offer)
            known.supplied, known.capability = supplied, offer.capability
        ledger.add_audit("function", "", offer.grant, current_way())

    def names(self) -> list[str]:
        """The grants of all that are registered."""
        return sorted(offer.grant for offer in tuple(self._offers.values()))
