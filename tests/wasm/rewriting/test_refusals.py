"""What is refused, and by which name: nothing is passed through that the walker does not know."""

from __future__ import annotations

import pytest

from judicia_notebook.errors import InvalidModule, RewriteError
from judicia_notebook.wasm.encoding import function_body, function_type, section
from judicia_notebook.wasm.rewriting.counters import BlockCounters
from judicia_notebook.wasm.rewriting.rewriter import Original, rewrite
from tests.wasm.rewriting.guests import validate


def module_of(code: str, *, bodies: int = 1) -> bytes:
    """A module with a type, two functions, a table, a memory, a tag, a global, and a segment of each kind.

    Its functions have a parameter and a local, both i32, and this code in hex, the last ``end`` included.
    """
    body = function_body([b"\1\x7f"], bytes.fromhex(code))
    body = bytes((body[0] - 1,)) + body[1:-1]  # without the end that `function_body` adds
    return b"".join(
        (
            b"\0asm\1\0\0\0",
            section(1, [function_type(["i32"], [])]),
            section(3, [b"\0"] * 2),
            section(4, [b"\x70\0\1"]),
            section(5, [b"\0\1"]),
            section(13, [b"\0\0"]),
            section(6, [b"\x7f\1\x41\0\x0b"]),
            section(9, [b"\1\0\0"]),
            b"\x0c\1\1",
            section(10, [body, function_body([], b"")][:bodies] + [function_body([], b"")] * (2 - bodies)),
            section(11, [b"\1\0"]),
        )
    )


def trusted(wasm: bytes) -> Original:
    """Without a validator behind it: the walker is a wall of its own."""
    return Original.validated(wasm, lambda _: None)


BEYOND = {
    "i64.store in memory 1": ("4100 4200 37 43 01 00 0b", "memory 1 of 1 in i64.store", 4),
    "i64.store, padded": ("4100 4200 37 c300 8100 00 0b", "memory 1 of 1 in i64.store", 4),
    "v128.load": ("4100 fd00 44 01 00 1a 0b", "memory 1 of 1 in v128.load", 2),
    "v128.load8_lane": ("4100 fd0c" + "00" * 16 + "fd54 40 02 00 00 1a 0b", "memory 2 of 1 in v128.load8_lane", 20),
    "memory.size": ("3f01 1a 0b", "memory 1 of 1 in memory.size", 0),
    "memory.grow": ("4100 40 8100 1a 0b", "memory 1 of 1 in memory.grow", 2),
    "memory.copy to": ("410041004100 fc0a 01 00 0b", "memory 1 of 1 in memory.copy", 6),
    "memory.copy from": ("410041004100 fc0a 00 01 0b", "memory 1 of 1 in memory.copy", 6),
    "memory.fill": ("410041004100 fc0b 01 0b", "memory 1 of 1 in memory.fill", 6),
    "memory.init": ("410041004100 fc08 00 01 0b", "memory 1 of 1 in memory.init", 6),
    "its segment": ("410041004100 fc08 01 00 0b", "data 1 of 1 in memory.init", 6),
    "data.drop": ("fc09 01 0b", "data 1 of 1 in data.drop", 0),
    "call": ("4100 1002 0b", "function 2 of 2 in call", 2),
    "return_call": ("4100 1202 0b", "function 2 of 2 in return_call", 2),
    "call_indirect": ("41004100 11 01 00 0b", "type 1 of 1 in call_indirect", 4),
    "its table": ("41004100 11 00 01 0b", "table 1 of 1 in call_indirect", 4),
    "ref.func": ("d202 1a 0b", "function 2 of 2 in ref.func", 0),
    "global.set": ("4100 2401 0b", "global 1 of 1 in global.set", 2),
    "local.get": ("2002 1a 0b", "local 2 of 2", 0),
    "local.tee, padded": ("4100 22 8200 1a 0b", "local 2 of 2", 2),
    "table.get": ("4100 2501 1a 0b", "table 1 of 1 in table.get", 2),
    "elem.drop": ("fc0d 01 0b", "element 1 of 1 in elem.drop", 0),
    "throw": ("4100 0801 0b", "tag 1 of 1 in throw", 2),
    "try_table": ("1f40 01 00 01 00 0b 0b", "tag 1 of 1 in try_table", 0),
    "a block's type": ("02 01 0b 0b", "type 1 of 1 in block", 0),
    "its type, padded": ("03 8180 00 0b 0b", "type 1 of 1 in loop", 0),
    "its result": ("02 63 05 d005 0b 1a 0b", "type 5 of 1 in block", 0),
    "ref.null": ("d0 01 1a 0b", "type 1 of 1 in ref.null", 0),
    "select": ("d070 d070 4100 1c 01 63 07 1a 0b", "type 7 of 1 in select", 6),
    "br": ("0c 01 0b", "label 1 of 1", 0),
    "br_if": ("4100 0d 02 0b", "label 2 of 1", 2),
    "br_table": ("4100 0e 01 00 01 0b", "label 1 of 1", 2),
    "br_table, padded": ("4100 0e 8100 8000 8100 0b", "label 1 of 1", 2),
    "a clause": ("1f40 01 02 01 0b 0b", "label 1 of 1", 0),
    "in dead code": ("00 4100 4200 37 43 01 00 0b", "memory 1 of 1 in i64.store", 5),
}
UNKNOWN = {
    "0xff": ("ff 0b", "the instruction ff 0b, which is unknown", 0),
    "0xfc 0x20": ("fc20 0b", "the instruction fc 20 0b, which is unknown", 0),
    "0xfd 154": ("fd9a01 0b", "the instruction fd 9a 01 0b, which is unknown", 0),
    "memory.discard": ("41004100 fc12 00 0b", "the instruction fc 12 00 0b, which is unknown", 4),
    "suspend": ("e2 00 0b", "the instruction e2 00 0b, which is unknown", 0),
    "an atomic": ("4100 fe10 02 00 1a 0b", "i32.atomic.load (threads: ", 2),
    "try": ("0640 0b 0b", "try (legacy_exceptions: ", 0),
    "catch_all": ("0240 19 0b 0b", "catch_all (legacy_exceptions: ", 2),
    "a cut memarg": ("4100 28 80", "the instruction 28 80, which is unknown", 2),
    "a cut table": ("4100 0e 7f 00 00 0b", "malformed", 2),
    "a cut number": ("43 00 00 0b", "the instruction 43 00 00 0b, which is unknown", 0),
    "a clause of a kind": ("1f40 01 04 00 0b 0b", "a clause is of the unknown kind 4", 0),
    "a type": ("02 41 0b 0b", "a block's type is the unknown type 0x41", 0),
    "else alone": ("0240 05 0b 0b", "an else without an if", 2),
    "code behind the end": ("0b 01 0b", "goes on behind its end", 2),
    "a plain instruction behind the end": ("0b 01", "has no end, or goes on behind it", 2),
    "no end": ("0240 0b", "has no end, or goes on behind it", 3),
}


@pytest.mark.parametrize(("code", "said", "at"), [*BEYOND.values(), *UNKNOWN.values()], ids=[*BEYOND, *UNKNOWN])
@pytest.mark.parametrize("counts", [False, True])
def test_it_is_refused_by_name_with_the_function_and_the_byte(code: str, said: str, at: int, counts: bool) -> None:
    wasm = module_of(code)
    start = wasm.index(bytes.fromhex(code))
    with pytest.raises(RewriteError) as raised:
        rewrite(trusted(wasm), [BlockCounters()] if counts else [])
    assert said in str(raised.value)
    assert raised.value.function == 0
    assert "function 0 " in str(raised.value)
    assert raised.value.offset == start + at


# Threads are on in Wasmtime by default: the walker alone refuses them.
@pytest.mark.parametrize("code", [code for code, _, _ in [*BEYOND.values(), *UNKNOWN.values()] if "fe10" not in code])
def test_wasmtime_refuses_it_before_it_is_read(code: str) -> None:
    with pytest.raises(Exception) as raised:
        Original.validated(module_of(code), validate)
    assert type(raised.value).__module__.startswith("wasmtime")


def test_i64_store_1_would_have_been_valid_once_there_is_a_second_memory() -> None:
    """What the first probe did: the rewritten module was valid, and the guest wrote into the counters."""
    code, _, _ = BEYOND["i64.store in memory 1"]
    wasm = module_of(code)
    with pytest.raises(Exception, match="unknown memory 1"):
        validate(wasm)
    validate(wasm.replace(section(5, [b"\0\1"]), section(5, [b"\0\1", b"\0\1"])))


def test_there_is_no_original_without_a_validator() -> None:
    with pytest.raises(TypeError, match="validated"):
        Original()
    with pytest.raises(TypeError):
        Original.validated(b"\0asm\1\0\0\0")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="may change"):
        Original.validated(bytearray(b"\0asm\1\0\0\0"), validate)  # type: ignore[arg-type]


def test_what_the_validator_says_is_said() -> None:
    def refuse(_: bytes) -> None:
        raise InvalidModule("no")

    with pytest.raises(InvalidModule, match="no"):
        Original.validated(b"\0asm\1\0\0\0", refuse)


def test_valid_code_of_that_module_is_rewritten() -> None:
    code = "4100 4200 37 4300 00  4100 41 80ff 7f 36 02 00  fc0d 00 fc09 00 4100 1001 0b"
    wasm = module_of(code)
    assert len(rewrite(Original.validated(wasm, validate), [BlockCounters()]).wasm) > len(wasm)
