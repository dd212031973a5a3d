"""Feeds the gate whole and broken texts, in a child process: ``gate_fuzz TEXTS LIBRARY...``.

Each library is one build of gate.c. All of them must say the same of each text, and of JSON what the oracle says. Each
text stands in memory of exactly its size, so that AddressSanitizer sees a look beside it.
"""

from __future__ import annotations

import ctypes
import itertools
import random
import sys
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_size_t, c_uint64, c_void_p

from tests.support.json_oracle import NAMES, NO_MEMORY, SEED, STOPPED, Writer, shape_of

FIELDS = ("verdict", "offset", "values", "keys", "depth", "hard", "doubtful")
PIECE = 64 << 10


class Limits(ctypes.Structure):
    _fields_ = [("depth", c_uint64), ("values", c_uint64), ("digits", c_uint64), ("seed", c_uint64 * 4)]


class Report(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in FIELDS]


class Gate:
    """One build."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.gate, self.begin, self.go_on, self.end = (
            library[name] for name in ("jc_gate", "jc_gate_begin", "jc_gate_go_on", "jc_gate_end")
        )
        text = (c_void_p, c_size_t, POINTER(Limits))
        self.gate.argtypes = (*text, c_void_p, c_void_p, POINTER(Report))
        self.begin.restype, self.begin.argtypes = c_void_p, text
        self.go_on.argtypes, self.end.argtypes = (c_void_p, c_uint64, POINTER(Report)), (c_void_p,)

    def whole(self, at: int, length: int, limits: Limits) -> tuple[int, ...]:
        """The report of one pass."""
        report = Report()
        assert self.gate(at, length, limits, None, None, report) == report.verdict
        return tuple(getattr(report, name) for name in FIELDS)

    def paused(self, at: int, length: int, limits: Limits, looks: int) -> tuple[int, ...]:
        """The report of a pass that pauses after so many looks, or is given up after a hundred times."""
        report, pass_ = Report(), self.begin(at, length, limits)
        for _ in range(100):
            if self.go_on(pass_, looks, report) != STOPPED:
                break
        self.end(pass_)
        return tuple(getattr(report, name) for name in FIELDS)


def texts(random_: random.Random) -> Iterator[bytes]:
    """JSON, broken JSON, long JSON, and bytes that only look like some."""
    writer = Writer(random_)
    while True:
        text = b" " * random_.randrange(70) + writer.text(random_.randrange(6)).encode()
        yield text
        yield writer.broken(text)
        yield bytes(random_.choices(b'[]{}",:\\0e.-u \xff', k=random_.randrange(200)))
        if random_.random() < 0.1:
            times = random_.randrange(1, 1 + 200_000 // len(text))
            yield b"[" + b",".join([text] * times) + b"]"
            yield writer.broken(text * times)[random_.randrange(len(text)) :]


def compare(gates: list[Gate], text: bytes, limits: Limits, looks: int) -> None:
    """One text: every build, whole and in pieces, and the oracle."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = c_void_p, (c_size_t,), (c_void_p,)
    at = libc.malloc(len(text) or 1)
    ctypes.memmove(at, text, len(text))
    found = {gate.whole(at, len(text), limits) for gate in gates}
    found |= {gate.paused(at, len(text), limits, looks) for gate in gates}
    libc.free(at)
    (said,) = found
    report = dict(zip(FIELDS, said, strict=True))
    try:
        shape = shape_of(text)
    except (ValueError, RecursionError):
        return
    assert report["verdict"] == shape.verdict(limits.depth, limits.values, limits.digits), text
    if report["verdict"] in {0, 4, 5}:
        assert {name: report[name] for name in NAMES} == {name: getattr(shape, name) for name in NAMES}, text


def object_of(thousands: int) -> bytes:
    """An object of so many keys, put together so that Python needs no large memory of its own."""
    parts = (b",".join(b'"%x":1' % (1000 * part + number) for number in range(1000)) for part in range(thousands))
    return b"{" + b",".join(parts) + b"}"


def check_scarcity(gates: list[Gate]) -> None:
    """Where the allocator gives no more than a megabyte, a larger need is a verdict and no crash."""
    needy = (object_of(70), b"[" * 300_000, object_of(20))
    limits = Limits(1 << 40, 1 << 40, 400, SEED)
    for gate, (text, expected) in itertools.product(gates, zip(needy, (NO_MEMORY, NO_MEMORY, 0), strict=True)):
        at = ctypes.cast(c_char_p(text), c_void_p).value or 0
        assert gate.whole(at, len(text), limits)[0] == expected
        assert gate.paused(at, len(text), limits, 3)[0] == expected


def main(many: int, *paths: str) -> None:
    gates = list(map(Gate, paths))
    if not many:
        check_scarcity(gates)
        return
    random_ = random.Random(many)
    for text in itertools.islice(texts(random_), many):
        most = (random_.choice([128, 128, 3, 1 << 40]), random_.choice([500_000, 500_000, 30, 2000]), 400)
        compare(gates, text, Limits(*most, SEED), random_.randrange(1, 3))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
