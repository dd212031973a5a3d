"""Linear memories of our own: what one instance wrote no other reads, and what was held is given back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

import judicia_notebook as jn

PAGE = 1 << 16

Load = Callable[..., jn.Plugin]


def keeper(pages: int, *, more: str = "") -> str:
    """A guest that fills its memory, and one that looks for what is not zero, both as far as they may."""
    return f"""(memory (export "memory") {pages}) {more}
      (func (export "fill") (memory.fill (i32.const 0) (i32.const 0xAB) (i32.mul (memory.size) (i32.const 65536))))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
      (func (export "found") (result i32) (local $at i32)
        (block $end (loop $next
          (br_if $end (i32.ge_u (local.get $at) (i32.mul (memory.size) (i32.const 65536))))
          (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
        (i32.const -1))"""


def test_a_new_instance_sees_nothing_of_the_one_before(rt: jn.Runtime, load: Load) -> None:
    for pages, growth in ((4, 0), (4, 60), (64, 0), (1, 63)):  # whatever was committed how
        plugin = load(keeper(pages))
        assert plugin.raw("found")() == -1
        assert plugin.raw("grow")(growth) == pages
        assert plugin.raw("found")() == -1
        plugin.raw("fill")()
        assert plugin.raw("found")() == 0
        plugin.unload()
        for successor in (1, 4, 64, 100):
            other = load(keeper(successor), name="other")
            assert other.raw("grow")(10) == successor
            assert other.raw("found")() == -1
            other.unload()


def test_a_smaller_successor_cannot_reach_beyond_its_size(load: Load) -> None:
    large = load(keeper(64))
    large.raw("fill")()
    large.unload()
    small = load(keeper(1), name="small")
    for address in (PAGE, 2 * PAGE, 63 * PAGE, 64 * PAGE):
        with pytest.raises(jn.GuestTrap) as caught:
            small.raw("peek")(address)
        assert caught.value.trap == "out_of_bounds_memory"
    assert small.raw("grow")(1) == 1
    assert small.raw("peek")(PAGE) == 0
    with pytest.raises(jn.GuestTrap):
        small.raw("peek")(2 * PAGE)


def test_a_second_memory_is_cleaned_and_bounded_too(load: Load) -> None:
    two = """(memory $second 32)
      (func (export "fill-second") (memory.fill $second (i32.const 0) (i32.const 0xCD) (i32.const 2097152)))
      (func (export "peek-second") (param i32) (result i32) (i32.load8_u $second (local.get 0)))"""
    first = load(keeper(32, more=two))
    first.raw("fill")()
    first.raw("fill-second")()
    first.unload()
    second = load(keeper(32, more=two.replace("(memory $second 32)", "(memory $second 2)")), name="other")
    assert second.raw("found")() == -1
    assert [second.raw("peek-second")(at) for at in (0, PAGE, 2 * PAGE - 1)] == [0, 0, 0]
    with pytest.raises(jn.GuestTrap):
        second.raw("peek-second")(2 * PAGE)


def test_fresh_instances_start_from_nothing_every_time(load: Load) -> None:
    plugin = load(
        """(memory (export "memory") 2)
        (func (export "count") (result i32)
          (i32.store (i32.const 100000) (i32.add (i32.load (i32.const 100000)) (i32.const 1)))
          (i32.load (i32.const 100000)))""",
        instances="fresh",
    )
    assert [plugin.raw("count")() for _ in range(5)] == [1] * 5


def test_an_instance_that_trapped_leaves_nothing_behind(rt: jn.Runtime, load: Load) -> None:
    plugin = load(keeper(8))
    plugin.raw("fill")()
    with pytest.raises(jn.GuestTrap):
        plugin.raw("peek")(-1)
    assert rt._platform.pool.used == 0
    assert plugin.raw("found")() == -1
    assert rt._platform.pool.used == 8 * PAGE


def test_what_is_held_is_counted_while_it_is_held_and_not_after(rt: jn.Runtime, load: Load) -> None:
    pool = rt._platform.pool
    first, second = load(keeper(3), name="first"), load(keeper(5), name="second")
    assert pool.used == 0
    first.raw("found")()
    second.raw("grow")(7)
    assert pool.used == 15 * PAGE
    rt.unload("first")
    assert pool.used == 12 * PAGE
    rt.close()
    assert pool.used == 0


def test_many_instances_at_once_each_have_their_own(load: Load) -> None:
    plugins = [load(keeper(2), name=f"guest-{number}") for number in range(40)]  # more than are kept for recycling
    for number, plugin in enumerate(plugins):
        assert plugin.raw("found")() == -1
        if number % 2:
            plugin.raw("fill")()
    assert [plugin.raw("found")() for plugin in plugins] == [-1, 0] * 20


def in_a_process_of_its_own(program: str) -> str:
    """What a program printed that limits what its process may have."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


LIMITED = """
import resource
import judicia_notebook as jn
rt = jn.Runtime()
def held(which):  # bytes: 0 = address space, 5 = data
    with open("/proc/self/statm") as file:
        return int(file.read().split()[which]) * resource.getpagesize()
def limit(kind, bytes_):
    resource.setrlimit(kind, (bytes_, resource.getrlimit(kind)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them; enable: run on Linux")
def test_address_space_that_is_used_up_ends_the_call_and_is_not_booked() -> None:
    said = in_a_process_of_its_own(
        LIMITED
        + """
    wat = b'(module (memory 1) (func (export "touch")))'
    first = [rt.load(wat, name=f"p{number}") for number in range(40)]
    first[0].raw("touch")()
    used = rt._platform.pool.used
    limit(resource.RLIMIT_AS, held(0) + (9 << 30))
    failed = 0
    for plugin in first[1:]:
        try: plugin.raw("touch")()
        except jn.JudiciaError: failed += 1
        else: used += 65536
    assert 0 < failed < 39, failed
    assert rt._platform.pool.used == used, (rt._platform.pool.used, used)
    limit(resource.RLIMIT_AS, -1)
    for plugin in first: plugin.raw("touch")()
    rt.clear()
    print(rt._platform.pool.used)
    """.replace("\n    ", "\n")
    )
    assert said == "0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them; enable: run on Linux")
def test_a_grow_that_the_system_refuses_is_seen() -> None:
    said = in_a_process_of_its_own(
        LIMITED
        + """
    p = rt.load("example:specimen", quota={"memory": "512MiB"})
    p.call("echo", 1)
    limit(resource.RLIMIT_DATA, held(5) + (56 << 20))  # three steps, and the rest for the answer's JSON
    answer = p.call("grow", {"bytes": 128 << 20, "step": 16 << 20, "keep_going": True})
    assert 0 < answer["refused"] < 8, answer
    assert p.last.grows_refused == answer["refused"], (p.last, answer)
    assert p.last.memory_peak_bytes - p.last.memory_bytes == answer["grown"]
    limit(resource.RLIMIT_DATA, -1)
    p.call("grow", {"bytes": 64 << 20, "step": 1 << 20})
    rt.clear()
    print(rt._platform.pool.used)
    """.replace("\n    ", "\n")
    )
    assert said == "0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them; enable: run on Linux")
def test_little_address_space_makes_memories_smaller_and_says_so_when_they_are_full() -> None:
    said = in_a_process_of_its_own(
        LIMITED
        + """
    limit(resource.RLIMIT_AS, held(0) + (2 << 30))
    p = rt.load("example:specimen", quota={"memory": "512MiB"})
    assert p.call("echo", 1) == 1
    answer = p.call("grow", {"bytes": 300 << 20, "step": 1 << 20, "keep_going": True})
    assert answer["refused"] > 0
    assert p.last.grows_refused == answer["refused"], (p.last, answer)
    error = p.attempt("grow", {"bytes": 300 << 20, "step": 1 << 20}).error
    print(type(error).__name__, error.quota)
    """.replace("\n    ", "\n")
    )
    assert said == "QuotaExceeded memory\n"
