"""Draws the pictures of docs/plots.md, runs.md and monitors.md, on light ground and on dark, from calls that it makes.

Run it after changing how a plot looks::

    python tools/draw_plots.py                     # all of them
    python tools/draw_plots.py timeline memory     # these kinds
    python tools/draw_plots.py --out FOLDER

What is measured differs from run to run, so the pictures do as well; nothing checks them against the committed ones.
"""

from __future__ import annotations

import argparse
import random
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import judicia_notebook as jn
from judicia_notebook.languages import compile_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from judicia_notebook.runtime.runtime import Runtime

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "plots"
MEASURING = ROOT / "notebooks" / "measuring"
GROUNDS = {"light": "default", "dark": "dark_background"}
DPI = 84
LOOPS = """
(data (i32.const 0) "null")
(func $loop (param $turns i32)
  (loop $again
    (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
    (br_if $again (i32.gt_s (local.get $turns) (i32.const 0)))))
(func (export "once") (param $ptr i32) (param $len i32) (result i64)
  (call $loop (local.get $len))
  (call $reply (i32.const 0) (i32.const 4)))
(func (export "pairs") (param $ptr i32) (param $len i32) (result i64) (local $turns i32)
  (local.set $turns (local.get $len))
  (loop $again
    (call $loop (local.get $len))
    (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
    (br_if $again (i32.gt_s (local.get $turns) (i32.const 0))))
  (call $reply (i32.const 0) (i32.const 4)))
"""


def text_of(letters: int, seed: int = 1) -> str:
    """Words for the checker to compare."""
    chosen = random.Random(seed)  # noqa: S311  # test data comes from a seed, not from a secret
    return "".join(chosen.choices(string.ascii_lowercase + "     ", k=letters))


def small_and_large(rt: Runtime) -> None:
    """Two plugins and three functions, some of whose calls fail."""
    checker, specimen = rt.load("example:checker"), rt.load("example:specimen", grant=["wall_clock"])
    for number in range(400):
        output = text_of(random.Random(number).randrange(20, 4000))  # noqa: S311
        checker.call("check", {"output": output, "answer": output, "mode": "exact"})
        if number % 3 == 0:
            specimen.call("call_host", {"service": "clock", "n": 3})
        if number % 4 == 0:
            specimen.attempt("spin", {"ms": number % 29}, quota={"cpu": "20ms"})


def threads(rt: Runtime) -> None:
    """A pool of instances called from three threads, with host calls, denials and a trap."""
    pooled = rt.load("example:specimen", grant=["wall_clock"], instances=3)
    checker = rt.load("example:checker")
    text = text_of(300_000)

    def work(number: int) -> None:
        for turn in range(3):
            pooled.call("call_host", {"service": "clock", "n": 6, "every_ms": 3})
            pooled.call("call_host", {"service": "random" if number == 1 else "clock", "n": 2, "every_ms": 4})
            checker.call("check", {"output": text, "answer": text})
            pooled.attempt("trap" if turn == number else "echo", None)

    with ThreadPoolExecutor(3, thread_name_prefix="reader") as workers:
        list(workers.map(work, range(3)))


def one_call(rt: Runtime) -> None:
    """A call that asks for more memory than it may have."""
    specimen = rt.load("example:specimen", quota={"memory": "8MiB", "cpu": "100ms"})
    specimen.call("echo", 1)
    specimen.attempt("grow", {"bytes": 12 << 20, "step": 512 << 10, "keep_going": True})


def staircase(rt: Runtime) -> None:
    """An instance that keeps what it was given, one that does not."""
    specimen, checker = rt.load("example:specimen", quota={"memory": "8MiB"}), rt.load("example:checker")
    for number in range(40):
        specimen.attempt("grow", {"bytes": 256 << 10} if number % 3 else {"bytes": 64 << 10})
        text = text_of(4000 * (number % 7))
        checker.call("check", {"output": text, "answer": text})


def first_calls(rt: Runtime) -> None:
    """Instances of which only the first call has to set up."""
    payload = {"output": "4 2", "answer": "4 2"}
    for _ in range(40):
        checker, specimen = rt.load("example:checker"), rt.load("example:specimen")
        for _ in range(6):
            checker.call("check", payload)
            specimen.call("echo", payload)
        rt.clear()


def asked_for(rt: Runtime) -> None:
    """Host calls, allowed and denied."""
    specimen = rt.load("example:specimen", grant=["wall_clock", "random"])
    for service, number in (("clock", 60), ("random", 25), ("log", 40)):
        specimen.call("call_host", {"service": service, "n": number})
    specimen.policy.revoke("random")
    specimen.call("call_host", {"service": "random", "n": 30})
    specimen.policy.set_quota(host_calls=20)
    specimen.attempt("call_host", {"service": "clock", "n": 40})


def quotas(rt: Runtime) -> None:
    """The same work under one memory quota after the other."""
    specimen = rt.load("example:specimen", instances="fresh")
    chosen = random.Random(3)  # noqa: S311
    cases = [chosen.gauss(1, 0.3) for _ in range(12)]
    for mebibytes in (2, 3, 4, 6, 8, 12, 16):
        for variant, typical in (("lean", 3), ("hungry", 7)):
            for case, wanted in enumerate(cases):
                with jn.label(variant=variant, case=case):
                    size = max(int(typical * wanted * (1 << 20)), 1)
                    specimen.attempt("grow", {"bytes": size}, quota={"memory": f"{mebibytes}MiB"})


def sizes(rt: Runtime) -> None:
    """Inputs from small to large, read once and compared letter by letter with each other."""
    checker = rt.load("example:checker", quota={"cpu": "10s"})
    loops = rt.load(compile_source("wat", LOOPS), name="loops", quota={"cpu": "10s"})
    checker.call("check", {"output": "", "answer": ""})
    for exponent in range(14):
        text = text_of(16 << exponent)
        checker.call("check", {"output": text, "answer": text})
        loops.call("once", text)
        if exponent < 9:
            loops.call("pairs", text)


def instances(rt: Runtime) -> None:
    """The same inputs for new instances and for kept ones."""
    fresh = rt.load("example:checker", name="fresh", instances="fresh")
    kept = rt.load("example:checker", name="kept")
    for letters in (100, 1_000, 10_000):
        request = {"output": text_of(letters), "answer": text_of(letters)}
        kept.call("check", request)  # the first one makes the instance
        with jn.label(letters=letters):
            for _ in range(40):
                fresh.call("check", request)
                kept.call("check", request)


def repeats(rt: Runtime) -> None:
    """Loops over inputs of growing length, twelve calls each, by two functions."""
    loops = rt.load(compile_source("wat", LOOPS), name="loops", quota={"cpu": "10s"})
    for n in (250, 500, 1_000, 2_000, 3_000):
        for _ in range(12):
            with jn.label(n=n):
                loops.call("once", "x" * n * 100)
                loops.call("pairs", "x" * n)


def product(rt: Runtime) -> None:
    """The product of two matrices, each of which takes four pages."""
    rt.load(MEASURING / "product_2" / "product_2.wasm")


def ranking(rt: Runtime) -> None:
    """Two rankings of 512 teams compared by merge sort."""
    rt.load(MEASURING / "kendall_3" / "kendall_3.wasm")


MONITORED: dict[str, tuple[Callable[[Runtime], None], str, Any]] = {
    "memory": (product, "product", 180),
    "edges": (ranking, "distance", random.Random(512).sample(range(512), 512)),  # noqa: S311
    "opcodes": (ranking, "distance", random.Random(512).sample(range(512), 512)),  # noqa: S311
}


PICTURES: dict[str, tuple[Callable[[Runtime], None], dict[str, Any]]] = {
    "latency": (small_and_large, {}),
    "breakdown": (small_and_large, {}),
    "timeline": (threads, {}),
    "usage": (one_call, {}),
    "memory": (staircase, {}),
    "cold_warm": (first_calls, {}),
    "capabilities": (asked_for, {}),
    "success": (quotas, {"quota": "memory", "by": "variant", "inputs": "case"}),
    "growth": (sizes, {}),
    "against": (repeats, {"x": "n", "y": "guest_ms", "by": "function"}),
    "compare": (instances, {"by": "letters"}),
    **{f"monitor_{kind}": (load, {}) for kind, (load, _, _) in MONITORED.items()},
}


def draw(kind: str, rt: Runtime, options: dict[str, Any]) -> Figure:
    """One kind from what a runtime has recorded."""
    if kind == "compare":
        fresh, kept = (rt.calls[rt.calls["plugin"] == name] for name in ("fresh", "kept"))
        drawn: Figure = jn.compare(fresh, kept, **options).plot()
        return drawn
    if (monitor := kind.removeprefix("monitor_")) != kind:
        (plugin,), (_, function, payload) = rt.plugins.values(), MONITORED[monitor]
        shown: Figure = plugin.monitor(function, payload, what=monitor).figure(monitor)
        return shown
    taken = jn.plots.FRAMES.get(kind, ("calls",))  # `against` takes any frame
    figure: Figure = getattr(jn.plots, kind)(*(getattr(rt, frame) for frame in taken), **options)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", choices=[*PICTURES, []], default=[], metavar="KIND")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    import matplotlib.style

    given.out.mkdir(parents=True, exist_ok=True)
    for kind in given.kinds or PICTURES:
        record, options = PICTURES[kind]
        with jn.Runtime() as rt:
            record(rt)
            for ground, style in GROUNDS.items():
                with matplotlib.style.context(style):
                    draw(kind, rt, options).savefig(given.out / f"{kind}-{ground}.png", dpi=DPI)
        print(f"{kind}: {len(rt.calls)} calls")


if __name__ == "__main__":
    main()
