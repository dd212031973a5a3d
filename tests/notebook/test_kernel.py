"""The extension through a kernel's life: loading, reloading, unloading, an interrupt, Run All."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

TWO = (
    '%%plugin define two\n(data (i32.const 0) "2")\n'
    '(func (export "two") (param i32 i32) (result i64) (call $reply (i32.const 0) (i32.const 1)))'
)
CELLS = (
    "%load_ext judicia_notebook",
    "import judicia_notebook as jn\nrt = jn.get_runtime()",
    "%plugin load example:specimen --cpu 50ms",
    TWO,
    "value = %plugin call two.two\nvalue",
    '%plugin call specimen.spin {"ms": 60000} --expect quota_cpu',
    "rt.calls[['plugin', 'function', 'outcome']].astype(str).to_numpy().tolist()",
)


def test_loading_the_extension_imports_nothing_heavy(fresh: Kernel) -> None:
    fresh.run("import sys\nbefore = set(sys.modules)\n%load_ext judicia_notebook")
    heavy = ["wasmtime", "pandas", "matplotlib.figure", "matplotlib.pyplot", "numpy", "ipywidgets", "anywidget"]
    assert fresh.value(f"[name for name in {heavy} if name in sys.modules and name not in before]") == []
    assert fresh.run("%plugin list").status == "ok"


def test_a_bare_figure_is_a_picture_in_a_fresh_kernel(fresh: Kernel) -> None:
    draw = "from matplotlib.figure import Figure\nf = Figure()\n_ = f.subplots().plot([1, 2])"
    assert "image/png" not in fresh.run(f"{draw}\nf").value
    assert "image/png" in fresh.run("%load_ext judicia_notebook\nf").value
    assert "image/png" not in fresh.run("%unload_ext judicia_notebook\nf").value


def test_unloading_leaves_a_figure_printer_that_pyplot_put_there(fresh: Kernel) -> None:
    fresh.run("%load_ext judicia_notebook\n%matplotlib inline\nimport matplotlib.pyplot as plt")
    assert "image/png" in fresh.run("%unload_ext judicia_notebook\nf, ax = plt.subplots(); plt.close(f)\nf").value


def test_unloading_takes_magics_and_reprs_away_and_leaves_the_runtime(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:checker")
    assert kernel.run("%unload_ext judicia_notebook").status == "ok"
    for line in ("%plugin list", "%%plugin call checker.check\n{}"):
        reply = kernel.run(line)
        assert (reply.status, "not found" in reply.stderr) == ("error", True)
    assert "text/html" not in kernel.run("p").value
    assert kernel.value("list(rt.plugins)") == ["checker"]
    assert kernel.run("%load_ext judicia_notebook\n%plugin list").status == "ok"
    assert "text/html" in kernel.run("p").value


def test_reloading_the_extension_keeps_the_runtime_and_its_plugins(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:specimen --grant random\nrt.panel")
    assert kernel.run("%reload_ext judicia_notebook\n%reload_ext judicia_notebook").status == "ok"
    assert kernel.value("jn.get_runtime() is rt, rt.plugin('specimen') is p, sorted(p.policy.granted)") == (
        True,
        True,
        ["random"],
    )
    assert kernel.run("%plugin call specimen.echo 1").text == "1"
    assert kernel.complete("%plugin unloa") == ["%plugin unload"]


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("Plugin", "p"),
        ("Runtime", "rt"),
        ("Policy", "p.policy"),
        ("Quota", "p.policy.quota"),
        ("Inspection", "p.inspect()"),
        ("Outcome", "p.attempt('echo', [1])"),
        ("Outcome", "p.attempt('trap')"),
    ],
)
def test_objects_show_themselves_as_text_and_as_html(kernel: Kernel, name: str, expression: str) -> None:
    kernel.run("p = rt.load('example:specimen')")
    shown = kernel.run(expression).value
    assert kernel.value(f"type({expression}).__name__") == name
    assert shown["text/html"].startswith('<div class="judicia-card ')
    assert len(shown["text/plain"].splitlines()) > 1
    assert "\n" not in kernel.run(f"[{expression}]").text  # inside of a list, a card would tear the lines apart


def test_an_interrupt_ends_a_running_call_and_everything_goes_on(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:specimen --cpu 60s --wall 600s\n%plugin call specimen.echo 1")
    running = "p._deployment.running_calls"
    reply = kernel.run('%plugin call specimen.spin {"ms": 60000}\nafter = True', interrupt_when=running)
    assert reply.error == "KeyboardInterrupt"
    assert kernel.value("p.last.outcome, 'after' in globals()") == ("cancelled", False)
    assert kernel.run("%plugin call specimen.echo 2").text == "2"


def test_an_interrupt_is_no_expected_failure(kernel: Kernel) -> None:
    kernel.run("p = %plugin load example:specimen --cpu 60s --wall 600s\n%plugin call specimen.echo 1")
    running = "p._deployment.running_calls"
    reply = kernel.run('%plugin call specimen.sleep {"ms": 60000} --expect cancelled', interrupt_when=running)
    assert reply.error == "KeyboardInterrupt"


@pytest.fixture
def own_settings(monkeypatch: pytest.MonkeyPatch, kernel_environment: dict[str, str]) -> None:
    """Have kernels that nbclient starts share nothing with the user's own set-up."""
    for name, value in kernel_environment.items():
        monkeypatch.setenv(name, value)


def run_all(cells: tuple[str, ...], folder: Path) -> list[Any]:
    """Run a notebook from the top in a new kernel; its cells with their outputs."""
    import asyncio

    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook,
        timeout=PATIENCE,
        iopub_timeout=PATIENCE,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(folder)}},
    )
    ran: list[Any] = asyncio.run(client.async_execute()).cells  # closes its event loop, as `execute` does not
    return ran


@pytest.mark.usefixtures("own_settings")
def test_restart_and_run_all_gives_the_same_twice(tmp_path: Path) -> None:
    def told(cells: list[Any]) -> list[Any]:
        return [[(out["output_type"], sorted(out.get("data", ()))) for out in cell["outputs"]] for cell in cells]

    first, second = run_all(CELLS, tmp_path), run_all(CELLS, tmp_path)
    assert told(first) == told(second)
    assert first[-1]["outputs"] == second[-1]["outputs"]
    assert first[4]["outputs"][0]["data"]["text/plain"] == "2"


@pytest.mark.usefixtures("own_settings")
@pytest.mark.parametrize(
    "line", ["%plugin lod x", "%plugin call specimen.trap", "%plugin call specimen.echo 1 --expect trap"]
)
def test_a_failed_magic_stops_run_all(tmp_path: Path, line: str) -> None:
    from nbclient.exceptions import CellExecutionError

    mark = tmp_path / "reached"
    with pytest.raises(CellExecutionError):
        run_all((*CELLS[:3], line, f"open({str(mark)!r}, 'w').close()"), tmp_path)
    assert not mark.exists()


def test_a_notification_is_a_card_below_the_cell_that_caused_it(kernel: Kernel) -> None:
    kernel.run(
        "from judicia_notebook.languages.wat import compile_wat\n"
        "cell = '(func (export \"send\") (param i32 i32) (result i64) '\n"
        "cell += '(call $judicia:notifications.send (local.get 0) (local.get 1)))'\n"
        "p = rt.load(compile_wat(cell).encode(), name='crier', grant=['send_notifications'])"
    )
    send = "_ = p.call('send', {'recipient': 'team-7', 'title': '<b>First</b>', 'message': '<script>1</script>'})"
    (card,) = kernel.run(send).shown
    assert "<b>First</b>" in card["text/plain"]
    assert "&lt;b&gt;First&lt;/b&gt;" in card["text/html"]
    assert "<script" not in card["text/html"]
    assert len(kernel.run(f"for _ in range(30):\n    {send}").shown) == 21
    kernel.run("%unload_ext judicia_notebook")
    assert kernel.run(send).shown == []
