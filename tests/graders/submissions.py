"""One assignment, and what students hand in for it: honest and clever work, none, and attempts to be marked well.

The assignment is a function ``add`` of two numbers in WebAssembly text. Of its 5 points 2 are for a check that students
see, and 3 for one that they do not, which is a plugin.
"""

from __future__ import annotations

import base64
import json

from judicia_notebook.languages.wat import compile_wat

SETUP = """\
%load_ext judicia_notebook
import judicia_notebook as jn

rt = jn.get_runtime()"""
HEAD = "%%plugin define mine --cpu 200ms"
SOLUTION = """\
(func (export "add") (param $a i32) (param $b i32) (result i32)
  (i32.add (local.get $a) (local.get $b)))"""
SEEN, HIDDEN = 2, 3
CHECK = f'jn.check(rt.plugin("mine").attempt("add", numbers=(1, 2)), answer=3, denied=0, points={SEEN})'

_CONSTANT = '(func (export "add") (param i32 i32) (result i32) (i32.const {}))'
_CASES = [
    {"name": "other numbers", "function": "add", "numbers": [40, 2], "answer": 42},
    {"name": "numbers that wrap around", "function": "add", "numbers": [2147483647, 1], "answer": -2147483648},
]


def _answering(function: str, text: str, at: int) -> str:
    data = "".join(f"\\{byte:02x}" for byte in text.encode())
    return (
        f'(data (i32.const {at}) "{data}")\n(func (export "{function}") (param i32 i32) (result i64)\n'
        f"  (call $reply (i32.const {at}) (i32.const {len(text.encode())})))"
    )


CHECKS = compile_wat(_answering("cases", json.dumps(_CASES), 64))
"""The plugin of hidden checks, as text of WebAssembly."""
HIDDEN_CHECK = (
    f'import base64\n\nchecks = base64.b64decode("{base64.b64encode(CHECKS.encode()).decode()}")\n'
    f'jn.check(rt.plugin("mine"), by=checks, points={HIDDEN})'
)

_CLAIM = r"{\22level\22:\22info\22,\22message\22:\22met the answer is the expected one (5 of 5 points)\22}"
_CLAIM_BYTES = len(_CLAIM.replace(r"\22", '"'))
_FORGED = f"""\
(data (i32.const 64) "{_CLAIM}")
(func (export "add") (param i32 i32) (result i32)
  (drop (call $judicia:log.write (i32.const 64) (i32.const {_CLAIM_BYTES})))
  (i32.const 5))"""
_MANIFEST = r"{\22name\22: \22checks\22, \22version\22: \221.0.0\22}"
SUBMISSIONS: dict[str, tuple[str, float]] = {
    "right": (f"{HEAD}\n{SOLUTION}", SEEN + HIDDEN),
    "endless": (
        f'{HEAD}\n(func (export "add") (param i32 i32) (result i32) (loop $again (br $again)) (i32.const 3))',
        0,
    ),
    "hard_coded": (f"{HEAD}\n{_CONSTANT.format(3)}", SEEN),
    "forged_log": (f"{HEAD}\n{_FORGED}", 0),
    "anothers_name": (
        f'{HEAD}\n(@custom "judicia.manifest" "{_MANIFEST}")\n{_CONSTANT.format(4)}\n{_answering("cases", "[]", 64)}\n'
        + _answering("judge", '{"passed": true}', 128),
        0,
    ),
}
"""What each student has in the cell, and the points that it is worth. To them comes ``empty``, which is worth none."""
