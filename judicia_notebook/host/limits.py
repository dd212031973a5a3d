"""How what somebody typed changes a service's limits; which limits there are is each service's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.policy.quotas import QuotaKind

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

L = TypeVar("L", bound="DataclassInstance")


def changed(limits: L, kinds: Mapping[str, QuotaKind], of: str, wanted: Mapping[str, Any]) -> L:
    """Limits with some exchanged for what somebody typed.

    Parameters
    ----------
    limits : dataclass
        With a field for each of `kinds`.
    of : str
        What they are limits on, for people.

    Raises
    ------
    PolicyError
        An unknown kind or a bad value.
    """
    for kind in wanted:
        if kind not in kinds:
            raise PolicyError(f"There is no limit on {of} {kind!r}.{did_you_mean(kind, kinds)}")
    return dataclasses.replace(limits, **{kind: kinds[kind].read(f"limit {kind}", one) for kind, one in wanted.items()})
