"""``%plugin profile`` and ``%plugin trace`` in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.kernels import Kernel


@pytest.fixture
def specimen(kernel: Kernel) -> Kernel:
    kernel.run("%plugin load example:specimen")
    return kernel


def test_profile_shows_a_flame_graph_and_returns_the_profile(specimen: Kernel) -> None:
    reply = specimen.run('profile = %plugin profile specimen.spin {"ms": 60} --samples 2\nprofile')
    assert reply.status == "ok", reply.output
    assert 'role="tree"' in reply.value["text/html"]
    assert reply.text.startswith("specimen.spin · 1 call · ")
    assert "spin" in specimen.run("print(profile.functions['function'][0])").stdout
    assert "image/png" in specimen.run("profile.figure()").value


def test_profile_takes_a_variable_and_says_what_it_lacks(specimen: Kernel) -> None:
    specimen.run("payload = {'ms': 30}")
    assert specimen.run("%plugin profile specimen.spin payload --samples 5 --seconds 1s").status == "ok"
    assert "%plugin profile takes NAME.FUNCTION" in specimen.run("%plugin profile specimen").output
    assert "%plugin profile: nothing is no JSON" in specimen.run("%plugin profile specimen.spin nothing").output
    assert "has no unit" in specimen.run("%plugin profile specimen.spin payload --seconds 5").output
    assert "not PAYLOAD and --text" in specimen.run("%plugin profile specimen.spin payload --text x").output


def test_trace_tells_a_call_that_it_makes_with_what_was_said(specimen: Kernel) -> None:
    reply = specimen.run('%plugin trace specimen.call_host {"service": "clock", "n": 2}')
    assert reply.status == "ok", reply.output
    assert 'specimen.call_host({"service":"clock","n":2})' in reply.text
    assert reply.text.count("DENIED wall_clock") == 2
    assert "<strong>judicia:clock now" in reply.value["text/html"]


def test_trace_tells_the_last_call_of_a_plugin_or_one_by_its_number(specimen: Kernel) -> None:
    specimen.run("%plugin call specimen.echo 1\n%plugin call specimen.echo 22")
    assert "specimen.echo(2 B)" in specimen.run("%plugin trace specimen").text
    assert "specimen.echo(2 B)" in specimen.run("%plugin trace").text
    first = specimen.run(
        "import judicia_notebook as jn\nprint(jn.get_runtime().calls.query(\"function == 'echo'\")['call_id'].iloc[-2])"
    ).stdout.strip()
    assert "specimen.echo(1 B)" in specimen.run(f"%plugin trace specimen --call {first}").text


def test_trace_keeps_as_much_of_a_payload_as_it_is_told(specimen: Kernel) -> None:
    text = "abcdefghij" * 10
    assert text not in specimen.run(f"%plugin trace specimen.echo --limit 20B --text {text}").text
    assert text in specimen.run(f"%plugin trace specimen.echo --limit 1KiB --text {text}").text


def test_a_call_that_fails_is_told_and_stops_nothing(specimen: Kernel) -> None:
    reply = specimen.run("%plugin trace specimen.trap\n'went on'")
    assert reply.status == "ok"
    assert reply.text == "'went on'"


def test_time_measures_cold_and_warm_calls_and_shows_them_as_a_table(specimen: Kernel) -> None:
    reply = specimen.run("bench = %plugin time specimen.echo [1,2] --repeats 7 --warmup 1\nbench")
    assert reply.status == "ok", reply.output
    assert reply.text.startswith("specimen.echo · 7 cold and 7 warm calls after 1 to warm up")
    assert "<table" in reply.value["text/html"]
    assert specimen.run("print(len(bench.warm.records))").stdout == "7\n"
    assert "%plugin time takes NAME.FUNCTION" in specimen.run("%plugin time specimen").output
    assert specimen.run("%plugin time specimen.trap").error == "GuestTrap"
