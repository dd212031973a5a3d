"""The panel while a plugin runs: a click takes hold, and what is shown as confirmed is what the kernel grants.

What took how long from the click to its effect is listed at the end of the run; nothing here asserts it.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook, Report
    from tests.browser.pages import Notebook, PanelView

LOAD = """
import contextlib, threading, time
import judicia_notebook as jn
rt = jn.get_runtime()
p = rt.load("example:specimen", grant=["random", "wall_clock"], quota={"cpu": 60, "wall": 120})
changed, ended = [], []
p.policy.observe(lambda _: changed.append(time.time()))
DRAW = {"service": "random", "n": 20000, "every_ms": 5}
def granted():
    return p.policy.version, {name: p.policy.state.allows(name) for name in ("random", "wall_clock")}
"""
SHOW = "p.panel()"
ENDED = "ended.append(time.time())"
WAYS = {
    "background": f"p.submit('call_host', DRAW).add_done_callback(lambda _: {ENDED})",
    "blocking": f"p.attempt('call_host', DRAW)\n{ENDED}",
    "awaiting": f"with contextlib.suppress(jn.Cancelled):\n    await p.call_async('call_host', DRAW)\n{ENDED}",
}
RANDOM = "p.host_calls[p.host_calls.capability == 'random']"
WORKS = "rt._recorder.host_calls.end > 6"
CLICKS = ("random", "wall_clock", "random", "random", "wall_clock", "random")
COMPARED = 40  # moments

every_way = pytest.mark.parametrize(
    ("kernel", "way"), [*((kernel, way) for kernel in ("7.3", "newest") for way in WAYS), ("6.31", "background")]
)


async def open_panel(open_notebook: OpenNotebook, kernel: str, *cells: str) -> tuple[Notebook, PanelView]:
    """A notebook whose third cell is the first of `cells`, and the panel in the second one's output."""
    book = await open_notebook(LOAD, SHOW, *cells, kernel=kernel)
    await book.run(0, 1)
    panel = book.panel(1)
    await panel.appear()
    return book, panel


async def compare(book: Notebook, panel: PanelView, clicked: asyncio.Event) -> None:
    """Look at the page and the policy until the clicks are made and there were enough moments to compare.

    A moment counts if the panel says that nothing is pending, and the policy is the same before and after the look.
    """
    witness = await book.witness()
    compared = 0
    while compared < COMPARED or not clicked.is_set():
        before = witness.value("granted()")
        seen = await panel.drawn()
        if seen.pending == 0 and witness.value("granted()") == before:
            assert {name: seen.granted[name] for name in before[1]} == before[1]
            compared += 1


async def click_about(panel: PanelView, clicked: asyncio.Event) -> None:
    for number, capability in enumerate(CLICKS):
        await panel.switch(capability).click()
        await asyncio.sleep(0.05 * (number % 3))  # now a hurried hand, now a slow one
    clicked.set()


@every_way
async def test_a_revoke_during_a_call_denies_the_next_host_call(
    open_notebook: OpenNotebook, report: Report, kernel: str, way: str
) -> None:
    book, panel = await open_panel(open_notebook, kernel, WAYS[way])
    witness = await book.witness()
    await book.start(2)
    await book.until(WORKS)
    await panel.switch("random").click()
    await panel.shows("random", granted=False)
    assert not witness.value("p.policy.state.allows('random')")
    report(f"revoke, {way}", kernel, witness.value("changed[-1]") - await book.last_click())
    await book.until(f"({RANDOM}.decision == 'denied').sum() > 30")

    decisions = witness.value(f"{RANDOM}.decision.astype(str).tolist()")
    assert decisions == sorted(decisions)  # allowed, allowed, ..., denied, denied: not one was let through later
    assert witness.value("p.audit[p.audit.what == 'revoke'].via.astype(str).tolist()") == ["panel"]
    witness.run("p.cancel_calls()")
    await book.until("ended")
    await book.ended(2)
    made = f"p.calls.started.iloc[-1].timestamp() + {RANDOM}.at_ms / 1e3"
    # Two clocks take part, that of the call's start and the one that counts on from there, and one may be corrected.
    assert witness.value(f"set({RANDOM}.decision[{made} > changed[-1] + 0.05])") == {"denied"}


@every_way
async def test_what_the_panel_shows_as_confirmed_is_the_policy(
    open_notebook: OpenNotebook, kernel: str, way: str
) -> None:
    book, panel = await open_panel(open_notebook, kernel, WAYS[way])
    witness = await book.witness()
    await book.start(2)
    await book.until(WORKS)
    clicked = asyncio.Event()
    await asyncio.gather(compare(book, panel, clicked), click_about(panel, clicked))
    seen = await panel.settle()
    assert seen.granted["random"] is True  # clicked four times
    assert seen.granted["wall_clock"] is True
    assert witness.value("granted()")[1] == {"random": True, "wall_clock": True}
    assert witness.value("p._deployment.is_busy")  # all that was while it ran
    witness.run("p.cancel_calls()")
    await book.ended(2)


@pytest.mark.parametrize("way", ["blocking", "awaiting"])
async def test_where_a_click_cannot_arrive_it_stays_pending_and_the_panel_says_why(
    open_notebook: OpenNotebook, way: str
) -> None:
    book, panel = await open_panel(open_notebook, "6.31", WAYS[way])
    witness = await book.witness()
    await book.start(2)
    await book.until(WORKS)
    await panel.switch("random").click()
    await panel.wait("(root) => root.querySelector('[data-banner]').textContent.includes('--background')")
    for _ in range(COMPARED):
        seen = await panel.drawn()
        assert witness.value("p.policy.state.allows('random')")
        assert (seen.granted["random"], seen.busy, seen.pending) == (True, ("random",), 1)

    witness.run("p.cancel_calls()")
    await book.ended(2)
    await panel.shows("random", granted=False)
    assert not witness.value("p.policy.state.allows('random')")
    assert (await panel.settle()).busy == ()
    await panel.wait("(root) => root.querySelector('[data-banner]').textContent === ''")


@every_way
async def test_cancel_ends_a_spin_and_a_plugin_that_waits(
    open_notebook: OpenNotebook, report: Report, kernel: str, way: str
) -> None:
    spin, sleep = (
        WAYS[way].replace("'call_host', DRAW", work) for work in ("'spin', {'ms': 60000}", "'sleep', {'ms': 60000}")
    )
    book, panel = await open_panel(open_notebook, kernel, spin, sleep)
    witness = await book.witness()
    for cell, function in ((2, "spin"), (3, "sleep")):
        await book.start(cell)
        await panel.root.locator("[data-cancel]").click()
        await book.until(f"len(ended) == {cell - 1}")
        report(f"cancel {function}, {way}", kernel, witness.value("ended[-1]") - await book.last_click())
        await book.ended(cell)
        assert witness.value("p.last.outcome") == "cancelled"
        await panel.root.get_by_text("No call is running.").wait_for()


@pytest.mark.parametrize(("kernel", "way"), [("7.3", "blocking"), ("newest", "awaiting"), ("6.31", "background")])
async def test_a_raised_cpu_quota_lets_a_call_go_on_and_a_lowered_one_ends_it(
    open_notebook: OpenNotebook, report: Report, kernel: str, way: str
) -> None:
    spin = WAYS[way].replace("'call_host', DRAW", "'spin', {'ms': 60000}").replace("jn.Cancelled", "jn.QuotaExceeded")
    book, panel = await open_panel(open_notebook, kernel, spin)
    witness = await book.witness()
    witness.run("p.policy.set_quota(cpu=4)")
    await book.start(2)
    await book.until("p._deployment.is_busy")
    await panel.set_quota("cpu", "50 s")
    await book.until("p.policy.quota.cpu == 50")
    await panel.root.locator(".jd-running", has_text=re.compile(r"(?<![\d.])([5-9]|\d\d)(\.\d+)? s cpu")).wait_for()
    assert witness.value("p._deployment.is_busy")

    await panel.set_quota("cpu", "100ms")
    await book.until("ended")
    report(f"lower the CPU quota, {way}", kernel, witness.value("ended[-1] - changed[-1]"))
    await book.ended(2)
    assert witness.value("p.last.outcome") == "quota_cpu"
    assert witness.value("p.last.cpu_ms") > 4000
