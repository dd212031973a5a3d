"""The stock pieces: whatever is clicked, dragged or changed elsewhere, what they say is what the policy says."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook.live.widget import answer_where_asked
from tests.support.guests import load
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"


def said(widget: Any) -> str:
    """The text of an HTML widget."""
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def drag(slider: Any, value: float) -> None:
    """What comes from the browser when somebody lets a thumb go."""
    slider.set_state({"value": value})


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", grant=["random"])


@pytest.fixture
def toggles(specimen: jn.Plugin) -> Iterator[Any]:
    made = jn.widgets.capability_toggles(specimen)
    yield made
    made.close()


@pytest.fixture
def sliders(specimen: jn.Plugin) -> Iterator[Any]:
    made = jn.widgets.quota_sliders(specimen)
    yield made
    made.close()


# --- capabilities ----------------------------------------------------------------------------------------------------


def test_each_row_says_what_the_policy_says_and_offers_the_other(toggles: Any, specimen: jn.Plugin) -> None:
    assert list(toggles.rows) == ["wall_clock", "random"]
    version = specimen.policy.version
    clock, random = toggles.rows["wall_clock"], toggles.rows["random"]
    assert said(clock.said) == f"not granted · policy {version}"
    assert said(random.said) == f"granted · policy {version}"
    assert (clock.grant.disabled, clock.revoke.disabled) == (False, True)
    assert (random.grant.disabled, random.revoke.disabled) == (True, False)


def test_a_click_changes_the_policy_and_the_audit_says_by_what(
    toggles: Any, rt: jn.Runtime, specimen: jn.Plugin
) -> None:
    toggles.rows["wall_clock"].grant.click()
    toggles.rows["random"].revoke.click()
    assert specimen.policy.granted == {"wall_clock"}
    assert said(toggles.rows["wall_clock"].said) == f"granted · policy {specimen.policy.version}"
    assert said(toggles.rows["random"].said).startswith("not granted")
    assert list(rt.audit["via"])[-2:] == ["widgets", "widgets"]


def test_a_click_that_comes_twice_or_late_means_what_it_said(toggles: Any, specimen: jn.Plugin) -> None:
    row = toggles.rows["wall_clock"]
    specimen.policy.grant("wall_clock")
    row.grant.click()
    row.grant.click()
    assert "wall_clock" in specimen.policy.granted
    row.revoke.click()
    row.revoke.click()
    assert "wall_clock" not in specimen.policy.granted


def test_changes_from_elsewhere_are_shown_and_new_capabilities_get_a_row(toggles: Any, specimen: jn.Plugin) -> None:
    other = jn.widgets.capability_toggles(specimen)
    specimen.policy.grant("read_database=submissions", "wall_clock")
    for made in (toggles, other):
        assert said(made.rows["wall_clock"].said).startswith("granted")
        assert said(made.rows["read_database"].said).startswith("granted for submissions")
        assert made.rows["read_database"].row in made.children
    with specimen.policy.temporarily(revoke=["wall_clock"]):
        assert said(toggles.rows["wall_clock"].said).startswith("not granted")
    assert said(toggles.rows["wall_clock"].said).startswith("granted")
    other.close()


def test_what_a_manifest_asks_for_is_granted_with_its_scopes(rt: jn.Runtime) -> None:
    manifest = {"name": "reader", "version": "1.0.0", "capabilities": ["read_database=submissions,users"]}
    plugin = rt.load("example:specimen", name="reader", manifest=manifest)
    toggles: Any = jn.widgets.capability_toggles(plugin)
    toggles.rows["read_database"].grant.click()
    assert plugin.policy.granted == {"read_database=submissions", "read_database=users"}
    toggles.close()


def test_a_refused_click_says_why_and_what_still_holds(toggles: Any, specimen: jn.Plugin) -> None:
    specimen.unload()
    toggles.rows["wall_clock"].grant.click()
    assert "specimen is unloaded; rt.load(...) loads it again" in said(toggles.children[-1])
    assert said(toggles.rows["wall_clock"].said).startswith("not granted")
    assert specimen.policy.granted == {"random"}


IMPORTING = """(import "env" "now" (func (result f64))) (import "env" "seed" (func (result i32)))"""


@pytest.fixture
def importing(rt: jn.Runtime) -> jn.Plugin:
    rt.host.function("env", "seed", capability="random")(lambda: 7)
    return load(rt, IMPORTING, imports={"env.now": lambda: 1.0})


def test_each_import_has_buttons_of_its_own_that_mean_it_alone(importing: jn.Plugin) -> None:
    toggles: Any = jn.widgets.capability_toggles(importing)
    assert list(toggles.rows) == ["imports=env.now", "imports=env.seed"]
    now, seed = toggles.rows.values()
    seed.grant.click()
    now.revoke.click()
    now.revoke.click()
    assert importing.policy.granted == {"imports=env.seed"}
    assert (now.grant.disabled, now.revoke.disabled, said(now.said)[:11]) == (False, True, "not granted")
    now.grant.click()
    assert importing.policy.granted == {"imports=env.seed", "imports=env.now"}
    toggles.close()


def test_an_import_that_something_wider_allows_says_so_and_is_not_revoked_in_vain(importing: jn.Plugin) -> None:
    toggles: Any = jn.widgets.capability_toggles(importing)
    importing.policy.grant("imports", "random")
    now, seed = toggles.rows["imports=env.now"], toggles.rows["imports=env.seed"]
    assert said(now.said).startswith("granted by imports · ")
    assert said(seed.said).startswith("granted by imports, random · ")
    seed.revoke.click()
    assert "env.seed is allowed by imports and random" in said(toggles.children[-1])
    toggles.rows["imports"].revoke.click()
    assert importing.policy.granted == {"random"}
    toggles.rows["random"].revoke.click()
    assert said(seed.said).startswith("not granted")
    toggles.rows["imports"].grant.click()
    assert importing.policy.granted == {"imports"}
    toggles.close()


def test_rows_of_imports_are_those_of_the_present_code_and_not_too_many(rt: jn.Runtime, importing: jn.Plugin) -> None:
    toggles: Any = jn.widgets.capability_toggles(importing)
    cell = "".join(f'(import "env" "f{number}" (func))' for number in range(60))
    load(rt, cell, imports={f"env.f{number}": lambda: None for number in range(60)})
    rows = [name for name in toggles.rows if "=" in name]
    assert rows == [f"imports=env.f{number}" for number in range(50)]
    assert "more imports are not shown" in said(toggles.children[-2])
    toggles.close()


# --- quotas ----------------------------------------------------------------------------------------------------------


def test_a_drag_sets_the_quota_and_only_the_kernel_says_so(sliders: Any, specimen: jn.Plugin) -> None:
    drag(sliders.rows["cpu"].slider, 0.0513)
    assert specimen.policy.quota.cpu == 0.051
    assert said(sliders.rows["cpu"].said) == f"in force: 51 ms · policy {specimen.policy.version}"
    drag(sliders.rows["memory"].slider, 1_000_000.0)
    assert specimen.policy.quota.memory == 15 * 65536
    drag(sliders.rows["fuel"].slider, 123_456.0)
    assert specimen.policy.quota.fuel == 120_000
    assert not any(row.slider.readout for row in sliders.rows.values())


def test_the_thumb_goes_where_the_policy_is(sliders: Any, specimen: jn.Plugin) -> None:
    specimen.policy.set_quota(cpu="5ms", wall=None)
    assert sliders.rows["cpu"].slider.value == 0.005
    wall = sliders.rows["wall"]
    assert wall.slider.value == pytest.approx(600.0)
    assert said(wall.said).startswith("in force: no limit of its own, ceiling 10 min · ")
    assert wall.no_limit.disabled
    specimen.policy.set_quota(cpu=1e-9)
    assert specimen.policy.quota.cpu == 1e-9
    assert said(sliders.rows["cpu"].said).startswith("in force: 1 ns")


def test_looking_changes_nothing(specimen: jn.Plugin) -> None:
    version = specimen.policy.version
    made: Any = jn.widgets.quota_sliders(specimen, "cpu", "memory")
    assert list(made.rows) == ["cpu", "memory"]
    made.close()
    assert specimen.policy.version == version


def test_no_limit_takes_the_limit_away(sliders: Any, specimen: jn.Plugin) -> None:
    sliders.rows["memory"].no_limit.click()
    assert specimen.policy.quota.memory is None


def test_a_slider_ends_at_the_ceiling(rt: jn.Runtime) -> None:
    with jn.Runtime(ceiling=jn.Quota(cpu="3s")) as limited:
        plugin = limited.load("example:specimen")
        made: Any = jn.widgets.quota_sliders(plugin, "cpu")
        drag(made.rows["cpu"].slider, 60.0)
        assert plugin.policy.quota.cpu == 3.0
        made.rows["cpu"].no_limit.click()
        assert "no limit of its own, ceiling 3 s" in said(made.rows["cpu"].said)
        made.close()


def test_a_thumb_that_the_browser_moved_unheard_is_put_back_with_the_next_change(
    sliders: Any, specimen: jn.Plugin
) -> None:
    sent: list[Any] = []
    sliders.rows["cpu"].slider.send_state = sent.append  # what goes to the browser, also where nothing differs here
    specimen.policy.grant("wall_clock")
    assert sent == ["value"]


def test_a_refused_drag_goes_back(sliders: Any, specimen: jn.Plugin) -> None:
    before = specimen.policy.quota.cpu
    specimen.unload()
    drag(sliders.rows["cpu"].slider, 0.002)
    assert specimen.policy.quota.cpu == before
    assert sliders.rows["cpu"].slider.value == before
    assert "unloaded" in said(sliders.children[-1])


def test_a_quota_without_a_slider_is_named(specimen: jn.Plugin) -> None:
    with pytest.raises(ValueError, match=r"no slider for 'cpo'.*'cpu'"):
        jn.widgets.quota_sliders(specimen, "cpo")


# --- both ------------------------------------------------------------------------------------------------------------


def test_whoever_changes_the_policy_in_whatever_order_what_is_said_is_what_holds(
    toggles: Any, sliders: Any, specimen: jn.Plugin
) -> None:
    def change(number: int) -> None:
        for turn in range(25):
            specimen.policy.set_quota(cpu=(1 + number * 25 + turn) / 1000)
            (specimen.policy.grant if turn % 2 else specimen.policy.revoke)("random")

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(25):
        drag(sliders.rows["wall"].slider, 1.0 + turn)
        toggles.rows["wall_clock"].grant.click()
        toggles.rows["wall_clock"].revoke.click()
    for thread in threads:
        thread.join(PATIENCE)
    state = specimen.policy.state
    assert f"policy {state.version}" in said(toggles.rows["random"].said)
    assert said(toggles.rows["random"].said).startswith("granted") == state.allows("random")
    assert said(sliders.rows["cpu"].said).endswith(f"policy {state.version}")
    assert sliders.rows["cpu"].slider.value == pytest.approx(state.quota.cpu)
    assert state.quota.wall == 25.0


@pytest.mark.parametrize("make", [jn.widgets.capability_toggles, jn.widgets.quota_sliders])
def test_closing_a_piece_leaves_nothing_that_watches(specimen: jn.Plugin, make: Callable[[jn.Plugin], Any]) -> None:
    watching = len(specimen.policy._observers)
    made = make(specimen)
    assert len(specimen.policy._observers) == watching + 1
    row = next(iter(made.rows.values()))
    made.close()
    made.close()
    assert len(specimen.policy._observers) == watching
    assert row.said.comm is None
    text = row.said.value
    specimen.policy.grant("wall_clock")
    assert row.said.value == text


def test_a_page_without_a_kernel_has_it_as_a_table(toggles: Any, sliders: Any) -> None:
    for made in (toggles, sliders):
        shown = made._repr_mimebundle_()
        assert WIDGET in shown
        assert "granted" in shown["text/plain"]
        assert "<table" in shown["text/html"]


def test_a_comm_that_answers_elsewhere_is_told_to_answer_where_it_was_asked() -> None:
    class Comm:
        def _reply_subshell_for(self, _: object, default: object) -> object:
            return "the busy one"

    comm = Comm()
    answer_where_asked(comm)
    assert comm._reply_subshell_for({}, "the one that was asked") == "the one that was asked"
    answer_where_asked(plain := object())
    assert not hasattr(plain, "_reply_subshell_for")


# --- running ---------------------------------------------------------------------------------------------------------


def test_the_run_button_calls_in_the_background_and_shows_the_answer_as_text(specimen: jn.Plugin) -> None:
    made: Any = jn.widgets.run_button(specimen, "echo", {"a": "<img src=x onerror=alert(1)>"})
    made.run.click()
    made.handle.result(PATIENCE)
    until(lambda: not made.run.disabled)
    assert "<img" not in made.answer.value
    assert '"a": "<img src=x onerror=alert(1)>"' in said(made.answer)
    assert "specimen.echo: ok" in said(made.answer)
    assert made.cancel.disabled
    made.close()


def test_a_call_of_the_run_button_can_be_cancelled_and_a_second_click_waits_for_its_end(specimen: jn.Plugin) -> None:
    specimen.policy.set_quota(wall="120s")
    made: Any = jn.widgets.run_button(specimen, "sleep", lambda: {"ms": 60_000})
    made.run.click()
    handle = made.handle
    made.run.click()
    assert made.handle is handle
    assert (made.run.disabled, made.cancel.disabled) == (True, False)
    made.cancel.click()
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    until(lambda: not made.run.disabled)
    assert "Cancelled" in said(made.answer)
    made.run.click()
    assert made.handle is not handle
    made.close()
    assert isinstance(made.handle.exception(PATIENCE), jn.Cancelled)


def test_a_call_that_cannot_be_made_says_why(specimen: jn.Plugin) -> None:
    made: Any = jn.widgets.run_button(specimen, "nothing")
    made.run.click()
    assert made.handle is None
    assert "no function 'nothing'" in said(made.children[-1])
    made.close()


def test_the_pieces_are_shown_in_a_notebook(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:specimen")
    for piece in ("capability_toggles(p)", "quota_sliders(p)", "run_button(p, 'echo')"):
        snapshot, shown = kernel.run(f"jn.widgets.{piece}").shown
        assert WIDGET in shown
        assert "specimen" in snapshot["text/plain"]
    kernel.run("t = jn.widgets.capability_toggles(p)\n%plugin grant specimen wall_clock")
    assert "granted" in kernel.value("t.rows['wall_clock'].said.value")
    assert "not granted" not in kernel.value("t.rows['wall_clock'].said.value")
