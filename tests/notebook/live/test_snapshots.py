"""What a live view leaves behind where there is no kernel, and what a handout of it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import judicia_notebook as jn
from judicia_notebook.notebook.cards import Card
from judicia_notebook.notebook.live.snapshots import bundle

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
THEN = "It says how things stood then, and not how they stand now."
ATTACK = "<img src=x onerror=alert(1)></main><script>alert(2)</script>\x1b[31m"


def test_a_handout_has_grants_quotas_calls_and_audit_and_nothing_that_acts(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", grant=["network_access=https://example.org/"], quota={"cpu": "70ms"})
    specimen.attempt("fail", {"message": ATTACK})
    specimen.policy.grant("random")
    specimen.attempt("call_host", {"service": "time", "n": 1})
    made = specimen.snapshot_html()
    for words in ("https://example.org/", "70ms", "guest_error", "<td", "random", THEN, "network_access"):
        assert words in made
    assert made.count("<h1>") == 1
    assert "audit, seconds" in made
    assert "default-src 'none'" in made
    assert "color-scheme: light dark" in made
    for acts in ("<script", "<img", "<form", "<button", "<input", "<link", "src=", "href=", "onerror=", "\x1b"):
        assert acts not in made


def test_a_runtimes_handout_has_each_of_its_plugins(rt: jn.Runtime) -> None:
    assert "No plugin is loaded" in rt.snapshot_html()
    rt.load("example:specimen")
    rt.load("example:checker")
    made = rt.snapshot_html()
    assert made.count("<h1>") == 1
    assert made.count("<h2>") == 2
    assert "2 plugins loaded" in made


def test_text_of_a_guest_stays_text(rt: jn.Runtime) -> None:
    made = bundle(Card(ATTACK), "00ff")["text/html"]
    assert "<script" not in made
    assert "&lt;img" in made


def test_a_snapshot_follows_its_plugin_from_cell_to_cell_and_only_when_something_is_new(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:specimen\nview = p.panel()")
    snapshot, live = kernel.run("view").shown
    assert (WIDGET in live, WIDGET in snapshot) == (True, False)
    key = kernel.value("view.snapshot")
    assert f'data-judicia-snapshot="{key}"' in snapshot["text/html"]
    assert key not in kernel.run("1").updated
    newer = kernel.run("p.policy.grant('random')").updated[key]
    assert THEN in newer["text/html"]
    assert newer["text/html"].split("Snapshot of")[0] != snapshot["text/html"].split("Snapshot of")[0]
    assert key in kernel.run("p.policy.revoke('random')\nview.close()").updated
    assert key not in kernel.run("p.policy.grant('random')").updated


BOXES = """
import ipywidgets as w
p = %plugin load example:specimen
panel, toggles = p.panel(), jn.widgets.capability_toggles(p)
class Mine(w.VBox):
    def _repr_mimebundle_(self, **options):
        return {**super()._repr_mimebundle_(**options), "text/html": "<b>mine</b>"}, {"text/html": {"a": 1}}
"""


def test_views_in_a_box_leave_their_snapshots_before_it(kernel: Kernel) -> None:
    kernel.run("import judicia_notebook as jn")
    kernel.run(BOXES)
    boxed = "w.Tab([w.VBox([panel]), w.HBox([w.HTML('x'), toggles, panel])])"  # one of them twice
    reply = kernel.run(f"box = {boxed}\nbox")
    keys = [kernel.value(f"{name}._left_behind.key") for name in ("panel", "toggles")]
    assert [
        f'data-judicia-snapshot="{key}"' in shown["text/html"] for key, shown in zip(keys, reply.shown, strict=True)
    ]
    assert all("granted" in shown["text/html"] and WIDGET not in shown for shown in reply.shown)
    assert reply.value[WIDGET]["model_id"] == kernel.value("box.model_id")
    assert reply.text.startswith("Live view: specimen 1.0.0, Policy of specimen. It is shown only where")
    assert set(kernel.run("p.policy.grant('random')").updated) == set(keys)
    # By `display` as by the last value, and whatever the box is: its own look stays.
    *snapshots, live = kernel.run("display(Mine([panel]))").shown
    assert [keys[0] in each["text/html"] for each in snapshots] == [True]
    assert live["text/html"] == "<b>mine</b>"
    assert WIDGET in live


def test_a_box_without_live_views_looks_as_ever(kernel: Kernel) -> None:
    kernel.run("import judicia_notebook as jn")
    kernel.run(BOXES)
    plain = kernel.run("w.VBox([w.HTML('x')])")
    assert plain.shown == []
    assert plain.text.startswith("VBox(children=(HTML(")
    # A view that cannot say how things stand takes nothing away from what it is in.
    broken = kernel.run("panel.card = lambda: 1 / 0\npanel._left_behind._card = panel.card\nw.VBox([panel])")
    assert WIDGET in broken.value
    assert broken.text.startswith("VBox(children=(")
    assert broken.traceback == broken.stderr == ""
    kernel.run("%unload_ext judicia_notebook")
    assert kernel.run("w.VBox([toggles])").shown == []
