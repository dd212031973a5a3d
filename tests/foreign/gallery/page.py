"""docs/gallery.md, written from what a tour saw. The numbers that no two runs share are told apart from all else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.foreign.gallery.fetching import ROOT, pins
from tests.foreign.gallery.visits import Attempt, Tour, Visit

PAGE = ROOT / "docs" / "gallery.md"

_HEAD = """# Gallery: other people's modules

Written by `tools/write_gallery.py`, which loads and runs every module here; `tests/foreign/test_gallery.py` does so
again and compares. Each module is as its authors published it on npm or PyPI, pinned by version and by the digest of
its bytes. None was compiled anew or patched. The {count} archives have {archives}, the modules in them {modules}.

```python
def copy(caller: jn.Caller, target: int, source: int, length: int) -> int:
    caller.memory.write(target, caller.memory.read(source, length))
    return target

p = rt.load("argon2.wasm", imports={{"a.a": copy, "a.b": lambda size: 0}})
p.raw("d")()                       # its start; Emscripten's optimizer gave these names
pointer = p.raw("f")(32)           # its allocator
p.memory.write(pointer, b"password")
p.policy.revoke("imports=a.a")     # takes effect at the next copy
```

## The modules

What runs does the work of the last column, with the answer that is known from elsewhere.

"""

_COST = """
## What it cost

CPU time of the load that compiles, and of the next one, which finds the module compiled; then all calls of its work
together, as the rows of `rt.calls` have them. On a machine with {processors}.

"""

_LOSS = """
## What breaks when one grant goes

The grant is revoked after the load, before the first call. A function given in `imports=` is granted to that plugin
alone, as `imports=module.name`.

"""

_REFUSED = """
## What does not run

"""

_WHERE = """
## Where they are from

"""

_COSTS = re.compile(re.escape(_COST.partition("{")[0].splitlines()[1]) + r".*?(?=\n## )", re.DOTALL)


def without_costs(page: str) -> str:
    """The page without the section whose numbers differ from run to run."""
    return _COSTS.sub("", page)


def write_page(tour: Tour, processors: str) -> str:
    """The page.

    Parameters
    ----------
    processors : str
        Such as ``"2 processors"``.
    """
    every: list[Visit | Attempt] = [*tour.visits, *tour.attempts]
    sizes = [one.size for one in every]
    head = _HEAD.format(
        count=len(pins()), archives=megabytes(sum(tour.archives.sizes.values())), modules=megabytes(sum(sizes))
    )
    parts = [
        head,
        _table(
            ("module", "toolchain", "size", "loads", "runs", "imports", "needs", "does"),
            [*map(_shown, tour.visits), *map(_shown_refusal, tour.attempts)],
        ),
        _COST.format(processors=processors),
        _table(
            ("module", "first load", "next load", "calls", "CPU time", "fuel", "memory"),
            [_cost(one) for one in tour.visits],
        ),
        _LOSS,
        _table(
            ("module", "revoked", "then"),
            [_loss(one) for one in tour.visits if one.exhibit.loss is not None],
        ),
        _REFUSED,
        _table(("module", "toolchain", "size", "the runtime says", "why"), [_attempt(one) for one in tour.attempts]),
        _WHERE,
        _table(
            ("module", "registry", "version", "file", "SHA-256"),
            sorted(map(_place, every)),
        ),
    ]
    return "".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _shown(one: Visit) -> tuple[str, ...]:
    exhibit = one.exhibit
    it = (f"`{exhibit.name}`", exhibit.toolchain, megabytes(one.size))
    return (*it, "yes", "yes", one.asks, exhibit.needs, exhibit.does)


def _shown_refusal(one: Attempt) -> tuple[str, ...]:
    refusal = one.refusal
    it = (f"`{refusal.name}`", refusal.toolchain, megabytes(one.size))
    return (*it, "yes" if one.loads else "no", "no", "", "", "[does not run](#what-does-not-run)")


def _cost(one: Visit) -> tuple[str, ...]:
    cost = one.cost
    return (
        f"`{one.exhibit.name}`",
        f"{cost.first_load_ms:.0f} ms",
        f"{cost.next_load_ms:.1f} ms",
        str(cost.calls),
        f"{cost.cpu_ms:.2f} ms",
        f"{cost.fuel:,}".replace(",", " "),
        megabytes(cost.memory),
    )


def _loss(one: Visit) -> tuple[str, ...]:
    loss = one.exhibit.loss
    return (f"`{one.exhibit.name}`", f"`{loss.grant}`", loss.meaning) if loss is not None else ()


def _attempt(one: Attempt) -> tuple[str, ...]:
    refusal = one.refusal
    return (f"`{refusal.name}`", refusal.toolchain, megabytes(one.size), _code(_gist(one)), refusal.why)


def _gist(one: Attempt) -> str:
    """The sentence that has the last of what the refusal has to say, after the error's class."""
    kind, colon, text = one.says.partition(": ")
    if not colon:
        return one.says
    sentences = re.split(r"(?<=\.)\s+|\n\s*", text)
    return f"{kind}: {next(sentence.strip() for sentence in sentences if one.refusal.says[-1] in sentence)}"


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _place(one: Visit | Attempt) -> tuple[str, ...]:
    module = one.exhibit.module if isinstance(one, Visit) else one.refusal.module
    registry, _, name = module.package.partition(" ")
    pin = pins()[module.package]
    version = pin.removeprefix(name).lstrip("@=")
    return (f"`{name}`", registry, version, f"`{module.member}`", f"`{module.digest[:16]}...`")


def summary(tour: Tour, seconds: float) -> str:
    """The size of what was fetched and the time that it all took, in one line."""
    archives = tour.archives
    return (
        f"{len(tour.visits)} modules ran, {len(tour.attempts)} did not; {len(archives.sizes)} archives of "
        f"{megabytes(sum(archives.sizes.values()))} fetched in {archives.seconds:.0f} s, all of it {seconds:.0f} s"
    )
