"""Compares values with whole and broken texts, in a child process: ``exact_fuzz TEXTS LIBRARY...``.

Each library is one build of exact.c, python.c and gate.c. What one of them proves, Python's own reader must say too.
The texts are bytes objects in memory of exactly their size, so that AddressSanitizer sees a look beside them.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import random
import sys
from typing import Any

from judicia_notebook.engine.core import builtin
from tests.engine.core.exact_oracle import reads_as
from tests.engine.core.gate_fuzz import texts
from tests.support.json_oracle import Writer


def value_of(text: bytes) -> Any:
    """What the text says, or nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def main(many: int, *paths: str) -> None:
    builds = []
    for path in paths:
        library = ctypes.PyDLL(path)
        assert builtin.bind(library)
        builds.append(builtin.make("is_exact", library=library))
    random_ = random.Random(many)
    writer, proofs = Writer(random_), 0
    for text in itertools.islice(texts(random_), many):
        value = value_of(text)
        if value is None:
            continue
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=random_.random() < 0.5).encode("utf-8", "replace")
        for each in (plain, text, writer.broken(plain), plain[: random_.randrange(len(plain))]):
            for is_exact in builds:
                if is_exact(each, value, 128):
                    assert reads_as(each, value), each
                    proofs += 1
    assert proofs > many // 2


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
