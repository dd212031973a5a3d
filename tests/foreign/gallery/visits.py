"""One visit of the gallery: each module is loaded, works, and loses a grant. What was seen makes the page."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import judicia_notebook as jn
from tests.foreign.gallery.exhibits import EXHIBITS, REFUSALS, Exhibit, Refusal, outcome_of
from tests.foreign.gallery.fetching import Archives


@dataclass(frozen=True, slots=True)
class Cost:
    """What an exhibit's work cost.

    Attributes
    ----------
    first_load_ms, next_load_ms : float
        CPU time of a load that compiles, its compiler's included, and of one that finds it compiled.
    calls : int
    cpu_ms : float
        Of all calls together, as the next two are.
    fuel : int
    memory : int
        Bytes, at the peak.
    """

    first_load_ms: float
    next_load_ms: float
    calls: int
    cpu_ms: float
    fuel: int
    memory: int


@dataclass(frozen=True, slots=True)
class Visit:
    """What was seen of an exhibit.

    Attributes
    ----------
    size : int
        Bytes of the module.
    asks : str
        What it imports, for the page.
    answer : object
        Of its work.
    served : tuple of str
        The imports that were called, each of which has its rows.
    denied : tuple of str
        Those that were denied when the grant was gone.
    loss : str
        What was seen then.
    """

    exhibit: Exhibit
    size: int
    asks: str
    answer: object
    served: tuple[str, ...]
    denied: tuple[str, ...]
    loss: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was seen of a module that does not run."""

    refusal: Refusal
    size: int
    loads: bool
    says: str


def visit(exhibit: Exhibit, folder: Path) -> Visit:
    """Load it twice, let it work, then let it work again without the grant."""
    wasm = exhibit.module.take_out(folder)
    with jn.Runtime() as rt:
        before = _cpu_ms()
        exhibit.load(rt, wasm, "first")
        first_ms = _cpu_ms() - before
        before = _cpu_ms()
        guest = exhibit.load(rt, wasm)
        next_ms = _cpu_ms() - before
        if guest.plugin.abi != "wasi":
            guest.plugin.initialize()
        answer = exhibit.work(guest)
        calls, served = rt.calls, _functions(rt, "allowed")
        assert int(calls["host_calls"].sum()) == len(rt.host_calls)
        asks = asks_for(guest.plugin)
        cost = Cost(
            first_ms,
            next_ms,
            len(calls),
            float(calls["cpu_ms"].sum()),
            int(calls["fuel"].sum()),
            int(calls["memory_peak_bytes"].max()),
        )
    loss, denied = lose(exhibit, wasm)
    return Visit(exhibit, len(wasm), asks, answer, served, denied, loss, cost)


def _cpu_ms() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return 1000 * (time.process_time() + times.children_user + times.children_system)


def _functions(rt: jn.Runtime, decision: str) -> tuple[str, ...]:
    """The imports with rows of this decision."""
    rows = rt.host_calls
    return tuple(sorted(set(rows[rows["decision"] == decision]["function"])))


def lose(exhibit: Exhibit, wasm: bytes) -> tuple[str, tuple[str, ...]]:
    """What is seen of its work when a grant is gone, and which imports were denied."""
    loss = exhibit.loss
    if loss is None:
        return "", ()
    with jn.Runtime() as rt:
        guest = exhibit.load(rt, wasm)
        guest.plugin.policy.revoke(loss.grant)
        work = loss.work or exhibit.work

        def without_grant() -> object:
            if guest.plugin.abi != "wasi":
                guest.plugin.initialize()
            return work(guest)

        return outcome_of(without_grant), _functions(rt, "denied")


def attempt(refusal: Refusal, folder: Path) -> Attempt:
    """Load a module that does not run, and let it try."""
    wasm = refusal.module.take_out(folder)
    with jn.Runtime() as rt:
        says = outcome_of(lambda: refusal.attempt(rt, wasm))
        return Attempt(refusal, len(wasm), bool(rt.plugins), says)


def asks_for(plugin: jn.Plugin) -> str:
    """The imports of a module in few words: WASI by its count, others by name, three at most."""
    wasi = [item for item in plugin.imports if item.module.startswith("wasi")]
    others = [item for item in plugin.imports if not item.module.startswith("wasi")]
    shown = [f"`{item.name}`" if item.kind == "func" else f"a {item.kind} `{item.name}`" for item in others[:3]]
    if len(others) > len(shown):
        shown.append(f"{len(others) - len(shown)} more")
    if wasi:
        shown.append(f"{len(wasi)} of WASI")
    return ", ".join(shown) or "nothing"


@dataclass(frozen=True, slots=True)
class Tour:
    """Visits of all exhibits and attempts with all others."""

    visits: tuple[Visit, ...]
    attempts: tuple[Attempt, ...]
    archives: Archives


def tour(archives: Archives) -> Tour:
    """Visit everything once."""
    visits = tuple(visit(exhibit, archives.folder) for exhibit in EXHIBITS)
    return Tour(visits, tuple(attempt(refusal, archives.folder) for refusal in REFUSALS), archives)
