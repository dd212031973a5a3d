"""Plugins whose names and texts try to paint over what a page, a figure or a terminal shows, also of other plugins."""

from __future__ import annotations

import json
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook import plots
from judicia_notebook.__main__ import main
from judicia_notebook.host.notifications import Notification
from judicia_notebook.host.notifications.targets import Target
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.notebook import object_cards, reprs
from judicia_notebook.notebook.notification_cards import notice_card
from tests.support import guests
from tests.support.guests import forwarder

NOT_TYPESET = pytest.mark.wall({"judicia_notebook.text:INERT_CLASSES": "''"})
FRAMES_TOO = pytest.mark.wall({"judicia_notebook.notebook.reprs:_frame_html": "lambda frame: frame._repr_html_()"})
NOTED = pytest.mark.wall({"judicia_notebook.text:with_plugin_text": "lambda frame: frame"})
PRINTABLE = pytest.mark.wall({"judicia_notebook.text:printable": "lambda text, limit=500: text"})
SEEN = pytest.mark.wall({"judicia_notebook.text:_UNPRINTABLE": "re.compile(r'[\\x00-\\x1f]')"})
JSON_TOO = pytest.mark.wall({"judicia_notebook.text:printable_json": "lambda value: value"})
UNSELECTED = "re.compile(f'[{_INVISIBLE}]'.replace('\\\\ufe00-\\\\ufe0d', ''))"
NO_FLOODS = pytest.mark.wall({"judicia_notebook.text:_without_floods": "lambda text: text"})
AS_IT_IS = pytest.mark.wall({"judicia_notebook.analysis.style:AS_IT_IS": "{}"})
WITHOUT_LATEX = pytest.mark.wall(
    {
        "judicia_notebook.analysis.style:AS_IT_IS": "{'parse_math': False}",
        "judicia_notebook.analysis.portable:without_tex": "contextmanager(lambda: (yield))",
    }
)
DRAWABLE = pytest.mark.wall({"judicia_notebook.analysis.style:drawable": "lambda text: text"})
ESCAPED = pytest.mark.wall(
    {"judicia_notebook.command_line.run:as_json": "lambda value: json.dumps(value, ensure_ascii=False)"}
)
SENDER_FIRST = pytest.mark.wall(
    {"judicia_notebook.host.notifications.notification:Notification.body":
     "property(lambda self: f'{self.message}\\n\\n{self.origin}')"}
)  # fmt: skip
ABOVE_THE_TITLE = pytest.mark.wall(
    {"judicia_notebook.host.notifications.targets:Target._written": "lambda self, said: (said.title, said.body)"}
)

TEX = r"Sorts.$\smash{\rlap{\kern-6.3em\raise-3.1em{\bbox[white,2pt]{\large\text{nothing}}}}}$"
BROKEN_TEX = r"$\frac$"
ZALGO = "Z" + "\u0335\u0321\u0322\u0328\u0489" * 60
UNSEEN = "\u200b\u200d\u2060\ufeff\u202e\u2066\u2028\x85\x9b\x1b[2J\U000e0041\u3164\u00ad"
LOG = forwarder(log="log.write")


def escaped(text: str) -> str:
    """A text as a string of WAT."""
    return "".join(f"\\{byte:02x}" for byte in text.encode())


def exporting(function: str, body: str = "(call $reply (local.get 0) (local.get 1))") -> str:
    return f'(func (export "{escaped(function)}") (param i32 i32) (result i64) {body})'


def asking(**manifest: Any) -> str:
    return f'(@custom "judicia.manifest" "{escaped(json.dumps({"name": "evil", **manifest}))}")'


load = partial(guests.load, name="evil")


class _Outermost(HTMLParser):
    """The classes of the elements that nothing is around, and whether any text stands outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.classes: list[str] = []
        self.outside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0 and tag != "script":
            self.classes.append(dict(attrs).get("class") or "")
        self.depth += tag not in {"input", "br", "meta"}

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.outside += data.strip() if self.depth == 0 else ""


def is_not_typeset(html: str) -> bool:
    """Whether MathJax 2 and 3 leave all of it alone."""
    found = _Outermost()
    found.feed(html)
    wanted = {"tex2jax_ignore", "mathjax_ignore"}
    return bool(found.classes) and not found.outside and all(wanted <= set(one.split()) for one in found.classes)


# --- TeX in what a page shows ----------------------------------------------------------------------------------------


@NOT_TYPESET
def test_tex_in_a_description_does_not_paint_over_the_card(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f"), asking(description=TEX, capabilities=["network_access"]))
    html = object_cards.plugin_card(evil).html()
    assert TEX in html
    assert is_not_typeset(html)


@NOT_TYPESET
def test_tex_in_a_notification_is_not_typeset() -> None:
    html = notice_card(Notification("evil", "you", TEX, TEX)).html()
    assert TEX in html
    assert is_not_typeset(html)


@NOT_TYPESET
def test_tex_in_a_log_line_is_not_typeset_in_a_trace(rt: jn.Runtime) -> None:
    evil = load(rt, LOG)
    evil.call("log", {"level": "info", "message": TEX})
    html = evil.trace()._repr_html_()
    assert TEX in html
    assert is_not_typeset(html)


@NOT_TYPESET
def test_tex_in_the_name_of_a_function_is_not_typeset_in_a_flame_graph(rt: jn.Runtime) -> None:
    from judicia_notebook.analysis.profiles.profile import Profile
    from judicia_notebook.analysis.profiles.stacks import Frame, Sample

    html = Profile("evil", TEX, "9f" * 32, 1, (Sample(1.0, (Frame(TEX, "evil"),), 5.0),), 5.0, 0.0)._repr_html_()
    assert TEX in html
    assert is_not_typeset(html)


@pytest.fixture
def shown() -> Callable[[Any], str]:
    """How a notebook shows a value, as HTML."""
    from IPython.core.formatters import DisplayFormatter

    formatter: Any = DisplayFormatter()
    reprs.install(SimpleNamespace(display_formatter=formatter))
    return lambda value: str(formatter.format(value, include={"text/html"})[0].get("text/html", ""))


@FRAMES_TOO
def test_tex_in_a_log_frame_is_not_typeset(rt: jn.Runtime, shown: Callable[[Any], str]) -> None:
    load(rt, LOG).call("log", {"level": "info", "message": TEX})
    html = shown(rt.logs)
    assert "smash" in html
    assert is_not_typeset(html)


@NOTED
def test_tex_in_what_is_made_of_a_frame_is_not_typeset(rt: jn.Runtime, shown: Callable[[Any], str]) -> None:
    evil = load(rt, LOG, exporting(TEX))
    evil.call("log", {"level": "info", "message": TEX})
    evil.call(TEX)
    calls, logs = rt.calls, rt.logs
    from judicia_notebook.analysis.statistics import summarize

    for frame in (
        logs.head(),
        logs[["at", "message"]],
        logs[logs["level"] == "info"],
        calls.sort_values("wall_ms").reset_index(drop=True),
        calls.merge(logs, on="call_id"),
        calls.groupby("function", observed=True)[["wall_ms"]].median(),
        summarize(calls),
    ):
        assert is_not_typeset(shown(frame))


def test_a_frame_of_the_users_own_is_shown_as_pandas_shows_it(shown: Callable[[Any], str]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"formula": ["$x^2$"]})
    assert shown(frame) == frame._repr_html_()


# --- what cannot be seen, or covers its surroundings -----------------------------------------------------------------


@NO_FLOODS
def test_marks_do_not_pile_up_over_the_lines_above(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f"), asking(description=ZALGO))
    text = object_cards.plugin_card(evil).text()
    assert "Z" in text
    assert sum(unicodedata.combining(char) > 0 for char in text) < 10


@SEEN
def test_what_cannot_be_seen_is_seen_in_an_error(rt: jn.Runtime) -> None:
    name = f"f{UNSEEN}"
    error = load(rt, exporting(name, "unreachable")).attempt(name).error
    assert error is not None
    assert all(char.isprintable() for char in str(error).replace("\n", ""))
    assert not set(UNSEEN) & (set(str(error)) - set("[2J"))


@SEEN
def test_what_cannot_be_seen_is_seen_in_an_inspection(rt: jn.Runtime) -> None:
    load(rt, f'(import "env" "now{escaped(UNSEEN)}" (func))', exporting(f"f{UNSEEN}"), unknown_imports="trap")
    text = str(rt.plugins["evil"].inspect())
    assert not set(UNSEEN) & (set(text) - set("[2J"))


@PRINTABLE
def test_what_cannot_be_seen_is_seen_in_the_reprs(rt: jn.Runtime) -> None:
    name = f"f{UNSEEN}"
    evil = load(rt, exporting(name))
    handle = evil.submit(name)
    handle.result()
    bench = evil.bench(name, repeats=2, warmup=0)
    for text in (repr(handle), repr(evil.raw(name)), repr(bench), str(bench), repr(evil.trace()), repr(evil.last)):
        assert not set(UNSEEN) & (set(text) - set("[2J")), text


def moves_the_cursor(frame: Any) -> bool:
    """Whether a frame that is shown whole does."""
    return bool(set(frame.to_string() + frame.to_html()) & set("\x1b\u202e"))


@JSON_TOO
def test_the_fields_of_a_log_line_do_not_move_the_cursor(rt: jn.Runtime) -> None:
    fields = {f"key{UNSEEN}": [f"quiet{UNSEEN}", {"deep": UNSEEN}]}
    load(rt, LOG).call("log", {"level": "info", "message": "quiet", "fields": fields})
    assert "quiet" in rt.logs.to_string()
    assert not moves_the_cursor(rt.logs)


@JSON_TOO
def test_the_payload_of_an_event_does_not_move_the_cursor(rt: jn.Runtime) -> None:
    emit = exporting("emit", "(call $judicia:events.emit (local.get 0) (local.get 1))")
    load(rt, emit, grant=["emit_event"]).call("emit", {"type": "evil.said", "payload": {UNSEEN: UNSEEN}})
    history = rt.host.events.history
    assert len(history) == 1
    assert not moves_the_cursor(history)


@JSON_TOO
def test_what_comes_with_a_notification_does_not_move_the_cursor(rt: jn.Runtime) -> None:
    send = exporting("send", "(call $judicia:notifications.send (local.get 0) (local.get 1))")
    request = {"recipient": "you", "title": "t", "message": "m", "metadata": {UNSEEN: UNSEEN}}
    load(rt, send, grant=["send_notifications"]).call("send", request)
    history = rt.host.notifications.history
    assert len(history) == 1
    assert not moves_the_cursor(history)


@pytest.mark.wall({"judicia_notebook.text:_UNPRINTABLE": UNSELECTED})
def test_two_names_do_not_look_the_same_by_a_selector(rt: jn.Runtime) -> None:
    shown = load(rt, *(exporting(f"check{one}") for one in ("", "\ufe0f", "\ufe00"))).inspect()
    assert str(shown).count("\ufffd") == 2


def test_an_emoji_stays_one(rt: jn.Runtime) -> None:
    for text in ("1\ufe0f\u20e3", "\u2764\ufe0f", "\u260e\ufe0e", "\U0001f468\u200d\U0001f469"):
        assert str(load(rt, exporting(text)).inspect()).count(text) == 1


@PRINTABLE
def test_a_log_line_does_not_move_the_cursor(rt: jn.Runtime) -> None:
    load(rt, LOG).call("log", {"level": "info", "message": f"quiet{UNSEEN}"})
    [message] = rt.logs["message"]
    assert "\x1b" not in message
    assert "\u202e" not in message


@ESCAPED
def test_an_answer_on_the_command_line_does_not_move_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "evil.wat"
    module.write_text(compile_wat(exporting("echo")))
    assert main(["run", str(module), "echo", json.dumps(UNSEEN)]) == 0
    said = capsys.readouterr().out
    assert json.loads(said) == UNSEEN
    assert said.strip().isprintable()


# --- figures ---------------------------------------------------------------------------------------------------------


def draw_all(rt: jn.Runtime) -> Iterator[Any]:
    """Each figure of the calls of a runtime, drawn to the end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for kind, frames in plots.FRAMES.items():
        figure = getattr(plots, kind)(*(getattr(rt, frame) for frame in frames))
        yield kind, figure
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()


def two_plugins(rt: jn.Runtime, name: str) -> None:
    evil, good = load(rt, exporting(name)), rt.load("example:specimen", name="good")
    for number in range(8):
        evil.call(name, number)
        good.call("echo", [number] * (number + 1))


@AS_IT_IS
def test_a_broken_formula_as_a_name_breaks_no_figure(rt: jn.Runtime) -> None:
    two_plugins(rt, BROKEN_TEX)
    broken = []
    figures = draw_all(rt)
    for kind in plots.FRAMES:
        try:
            assert next(figures)[0] == kind
        except ValueError as error:  # what matplotlib says of a formula, when the figure before was drawn
            broken.append(f"{kind}: {error}")
            break
    assert broken == []


@WITHOUT_LATEX
def test_a_name_is_not_handed_to_latex(rt: jn.Runtime) -> None:
    import matplotlib as mpl
    from matplotlib.text import Text

    name = r"\input{/etc/passwd}"
    two_plugins(rt, name)
    with mpl.rc_context({"text.usetex": True}):
        for kind, frames in plots.FRAMES.items():
            try:
                figure = getattr(plots, kind)(*(getattr(rt, frame) for frame in frames))
                figure.canvas.draw()
            except RuntimeError as error:
                raise AssertionError(f"{kind} was handed to LaTeX, which is not here") from error
            assert not any(text.get_usetex() for text in figure.findobj(Text) if text.get_text()), kind


@DRAWABLE
def test_a_name_that_no_font_has_draws_no_warning(rt: jn.Runtime) -> None:
    two_plugins(rt, "\U0001f40c\u4e2d")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(list(draw_all(rt))) == len(plots.FRAMES)
    assert [str(one.message) for one in said if "missing from font" in str(one.message)] == []


# --- the views of others ---------------------------------------------------------------------------------------------


def test_every_view_of_a_runtime_is_made_and_shows_the_good_plugin(
    rt: jn.Runtime, tmp_path: Path, shown: Callable[[Any], str]
) -> None:
    name = f"{TEX[:60]}{ZALGO[:20]}{UNSEEN}</td><script>=1+1"
    evil = load(rt, exporting(name), LOG, asking(description=TEX * 10, version="1.0.0", author=ZALGO[:150]))
    good = rt.load("example:specimen", name="good")
    for _ in range(3):
        evil.call(name, {name: [name]})
        evil.call("log", {"level": "error", "message": name, "fields": {name: name}})
        good.call("echo", 1)
    panel: Any = rt.panel()
    charts: Any = rt.charts()
    views = {
        "overview": object_cards.overview_card(rt).html(),
        "overview as text": object_cards.overview_card(rt).text(),
        "card": object_cards.plugin_card(good).html(),
        "calls": shown(rt.calls.sort_values("started", ascending=False)),
        "calls as text": str(rt.calls[["plugin", "function"]]),
        "panel": f"{panel._repr_mimebundle_()[0]['text/html']} beside good",
        "charts": f"{charts._repr_mimebundle_()[0]['text/html']} beside good",
        "chrome": rt.export_trace(tmp_path / "trace.json").read_text("utf-8"),
        "saved": str(jn.read_run(rt.save(tmp_path / "run.zip")).calls[["plugin", "function"]]),
        "repr": repr(rt),
    }
    panel.close()
    charts.close()
    for view, text in views.items():
        assert "good" in text, view
        assert "<script>=" not in text or view in {"overview as text", "calls as text", "chrome", "saved"}, view
        assert not set(UNSEEN) & (set(text) - set("[2J")), view


# --- numbers and notices that tell the wrong story -------------------------------------------------------------------


def test_time_in_the_allocator_is_the_guests(rt: jn.Runtime) -> None:
    burn = "(call $burn (i32.const 20000000))"
    cell = f"""(module (memory (export "memory") 2)
      (func $burn (param $n i32) (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "judicia_alloc") (param i32) (result i32) {burn} (i32.const 1024))
      (func (export "judicia_free") (param i32 i32) {burn})
      (func (export "go") (param i32 i32) (result i64) (i64.const 0)))"""
    guest = rt.load(cell.encode(), name="guest")
    guest.call("go", 1)
    row = guest.last
    assert row is not None
    assert row.guest_ms > row.encode_ms + row.decode_ms


ASKING = """(module
  (import "judicia:clock" "now" (func $now (param i32 i32) (result i64))) (memory (export "memory") 2)
  (global $asked (mut i32) (i32.const 0)) (global $n (mut i32) (i32.const 0))
  (func (export "judicia_alloc") (param i32) (result i32)
    (if (global.get $asked) (then (global.set $n (i32.const 30000000))
      (loop $l (global.set $n (i32.sub (global.get $n) (i32.const 1))) (br_if $l (global.get $n)))))
    (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "go") (param i32 i32) (result i64)
    (global.set $asked (i32.const 1)) (drop (call $now (i32.const 0) (i32.const 0)))
    (global.set $asked (i32.const 0)) (i64.const 0)))"""


def test_time_in_the_allocator_for_the_answer_to_a_host_call_is_not_the_hosts(rt: jn.Runtime) -> None:
    guest = rt.load(ASKING.encode(), name="guest", grant=["wall_clock"])
    guest.call("go", 1)
    row = guest.last
    assert row is not None
    assert row.guest_ms > row.host_ms


def test_the_row_of_a_host_call_has_no_time_of_the_guest(rt: jn.Runtime) -> None:
    guest = rt.load(ASKING.encode(), name="guest", grant=["wall_clock"])
    guest.call("go", 1)
    row = guest.last
    assert row is not None
    assert rt.host_calls["wall_ms"].sum() < row.wall_ms / 2


MANY = "M" * 5000


@SENDER_FIRST
def test_a_long_message_does_not_cut_off_who_sent_it() -> None:
    apprise = pytest.importorskip("apprise", reason="no apprise; enable: pip install 'judicia-notebook[notify]'")
    target = apprise.Apprise.instantiate(f"pover://{'a' * 30}@{'b' * 30}/?overflow=truncate")
    said = Notification("evil", "you", "title", MANY)
    [cut] = target._apply_overflow(body=said.body, title=said.title)
    assert "From evil to you." in cut["body"]


@ABOVE_THE_TITLE
def test_a_long_title_does_not_push_out_who_sent_it() -> None:
    pytest.importorskip("apprise", reason="no apprise; enable: pip install 'judicia-notebook[notify]'")
    target = Target("sinch://" + "a" * 32 + ":" + "b" * 32 + "@15551231234/15551231234?overflow=truncate", "*", "", 1)
    title, body = target._written(Notification("evil", "you", "T" * 500, MANY))
    [cut] = target._apprise[0]._apply_overflow(body=body, title=title)
    assert "From evil to you." in cut["body"]
