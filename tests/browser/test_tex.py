"""JupyterLab typesets the TeX in HTML output: not in what shows texts of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

LOAD = r"""
%load_ext judicia_notebook
import json
import judicia_notebook as jn
from IPython.display import HTML
from judicia_notebook.languages.wat import compile_wat
TEX = r"$\rlap{\raise-3em{\large\text{nothing}}}$"
about = json.dumps({"name": "evil", "description": TEX})
escaped = "".join(f"\\{byte:02x}" for byte in about.encode())
calls = "".join(
    f'(func (export "{name}") (param i32 i32) (result i64) (call ${service} (local.get 0) (local.get 1)))'
    for name, service in {"log": "judicia:log.write", "send": "judicia:notifications.send"}.items()
)
rt = jn.get_runtime()
p = rt.load(compile_wat(calls + f'(@custom "judicia.manifest" "{escaped}")').encode(), grant=["send_notifications"])
p.call("log", {"level": "info", "message": TEX})
"""
SHOWN = {
    "card": "p",
    "notification": 'p.call("send", {"recipient": "you", "title": TEX, "message": TEX}); None',
    "frame": "rt.logs[['plugin', 'message']]",
    "a part of a frame": "rt.logs[rt.logs.level == 'info'].head()[['message']]",
    "trace": "p.trace(call_id=1)",
}
TYPESET = "HTML(f'<div>{TEX}</div>')"
MATH = "mjx-container, .MathJax"


async def test_tex_of_a_plugin_is_shown_as_it_is_written(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(LOAD, *SHOWN.values(), TYPESET)
    last = len(SHOWN) + 1
    await book.run(*range(last + 1))
    await book.cell(last).locator(MATH).first.wait_for(state="attached")  # this page does typeset, and came to its end
    for number, what in enumerate(SHOWN, 1):
        output = book.cell(number).locator(".jp-OutputArea-output").first
        assert "rlap" in await output.inner_text(), what
        assert await book.cell(number).locator(MATH).count() == 0, what
