"""A small piece of real work for each module, with an answer that is known from elsewhere."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from tests.foreign.gallery.guest import Guest

# Rust ----------------------------------------------------------------------------------------------------------------


def format_json(guest: Guest) -> Any:
    """dprint's plugin ABI, version 4: everything passes through one shared buffer."""

    def send(data: bytes) -> None:
        guest.call("clear_shared_bytes", len(data))
        guest.plugin.memory.write(guest.call("get_shared_bytes_ptr"), data)

    def format_text(text: bytes) -> str:
        send(b"a.json")
        guest.call("set_file_path")
        send(text)
        outcome = guest.call("format", 1)
        length = guest.call("get_formatted_text" if outcome == 1 else "get_error_text")
        return guest.read(guest.call("get_shared_bytes_ptr"), length).decode()

    send(json.dumps({"global": {}, "plugin": {}}).encode())
    guest.call("register_config", 1)
    return [format_text(b'{"b":[1,2,  3],"a":null}'), format_text(b'{"b":').splitlines()[0]]


def parse_mappings(guest: Guest) -> Any:
    """Two mappings of a source map, in base 64 VLQ: 0,0 -> 0,0 and 0,9 -> 0,9."""

    def parse(mappings: bytes) -> int:
        return int(guest.call("parse_mappings", guest.put("allocate_mappings", mappings)))

    parsed = parse(b"AAAA,SAASA")
    guest.call("by_generated_location", parsed)
    generated_and_original = [(row[0], row[1], row[6], row[7]) for row in guest.notes]
    return [generated_and_original, parse(b"!"), guest.call("get_last_error")]


def screen_of_terminal(guest: Guest) -> Any:
    screen = guest.call("create", 3, 20, 0)
    output = b"hello\x1b[2;3Hthere\x1b[31m!"
    guest.call("process", screen, guest.put("wasm_alloc", output), len(output))
    return guest.packed(guest.call("screen_contents", screen), high_is_pointer=True).decode()


def tokens_of_ini(guest: Guest) -> Any:
    """Triples of kind, begin and end: a key, its value, a section, a key, its value. And a place for an externref."""
    text = b"root=true\n[*.py]\nindent_size=4\n"
    pointer = guest.call("__wbindgen_malloc", len(text), 1)
    guest.plugin.memory.write(pointer, text)
    array, count, *_ = guest.call("parse_to_uint32array", pointer, len(text))
    numbers = guest.words(array, count)
    tokens = [text[begin:end].decode() for begin, end in zip(numbers[1::3], numbers[2::3], strict=True)]
    return [tokens, guest.call("__externref_table_alloc")]


# AssemblyScript ------------------------------------------------------------------------------------------------------


def sha256_of_abc(guest: Guest) -> Any:
    places = guest.plugin.globals
    guest.plugin.memory.write(int(places["input"]), b"abc")
    guest.call("digest", 3)
    return guest.read(int(places["output"]), 32).hex()


def murmur3_of_hello(guest: Guest) -> Any:
    text = guest.call("__pin", guest.call("__new", 5, 0))
    guest.plugin.memory.write(text, b"hello")
    return f"{guest.call('hash32', text, 0) & 0xFFFFFFFF:08x}"


# C and C++ -----------------------------------------------------------------------------------------------------------


def zstd_there_and_back(guest: Guest) -> Any:
    """Emscripten's optimizer renamed the exports: g is the start, m compresses, p and r decompress, s allocates."""
    data = b"the same words again and again, " * 200
    guest.call("g")
    source, room = guest.put("s", data), guest.call("i", len(data))
    target = guest.call("s", room)
    size = guest.call("m", target, room, source, len(data), 3)
    frame = guest.read(target, size)
    back = guest.call("s", len(data))
    length = guest.call("r", back, len(data), target, size)
    return [frame[:4].hex(), size < 100, guest.read(back, length) == data]


def argon2id_of_rfc_9106(guest: Guest) -> Any:
    """The test vector of RFC 9106, section 5.3. Renamed exports: d starts, f allocates, l hashes."""
    guest.call("d")
    secret, associated = guest.put("f", b"\3" * 8), guest.put("f", b"\4" * 12)
    password, salt = guest.put("f", b"\1" * 32), guest.put("f", b"\2" * 16)
    tag, encoded = guest.put("f", bytes(32)), guest.put("f", bytes(500))
    error = guest.call("l", 3, 32, 4, password, 32, salt, 16, tag, 32, encoded, 500, 2, secret, 8, associated, 12, 0x13)
    return [error, guest.read(tag, 32).hex()]


def evaluate_javascript(guest: Guest) -> Any:
    """QuickJS; its exports are renamed: K and N make a runtime and a context, pa evaluates, oa writes as JSON."""
    guest.call("u")
    context = guest.call("N", guest.call("K"), 0)

    def text(data: bytes) -> int:
        pointer: int = guest.call("v", len(data) + 1)
        guest.plugin.memory.write(pointer, data + b"\0")
        return pointer

    def evaluate(code: bytes) -> str:
        value = guest.call("pa", context, text(code), len(code), text(b"cell.js"), 0, 0)
        error = guest.call("na", context, value)
        return str(guest.plugin.memory.text(guest.call("oa", context, error or value)))

    thrown = json.loads(evaluate(b"throw new TypeError('no')"))
    return [evaluate(b"[1,2,3].map(x => x * x)"), evaluate(b"Date.now()"), f"{thrown['name']}: {thrown['message']}"]


def find_with_oniguruma(guest: Guest) -> Any:
    """The first match of two patterns, with its groups: the second matches, at 2 to 4, its groups at 2 and at 3."""
    guest.call("__wasm_call_ctors")
    constants = dict(guest.notes)
    option, syntax = int(constants["ONIG_OPTION_CAPTURE_GROUP"]), int(constants["ONIG_SYNTAX_DEFAULT"])

    def scanner(*patterns: bytes) -> int:
        pointers = struct.pack(f"<{len(patterns)}I", *(guest.put("omalloc", pattern) for pattern in patterns))
        lengths = struct.pack(f"<{len(patterns)}I", *map(len, patterns))
        arrays = guest.put("omalloc", pointers), guest.put("omalloc", lengths)
        return int(guest.call("createOnigScanner", *arrays, len(patterns), option, syntax))

    text = b"  12 abc"
    match = guest.call(
        "findNextOnigScannerMatch",
        scanner(rb"[a-z]+", rb"(\d)(\d+)"),
        1,
        guest.put("omalloc", text),
        len(text),
        0,
        option,
    )
    refused = scanner(b"ab(")
    return [guest.words(match, 8), refused, guest.plugin.memory.text(guest.call("getLastOnigError"))]


def start_lua(guest: Guest) -> Any:
    guest.call("__wasm_call_ctors")
    return guest.call("luaL_newstate")


def png_of_four_pixels() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\xff\x00\x00\xff\x00\xff\x00\xff", b"\x00\x00\xff\xff\x09\x09\x09\x80")
    head = struct.pack(">IIBBBBB", 2, 2, 8, 6, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def decode_png(guest: Guest) -> Any:
    image = png_of_four_pixels()
    source, result = guest.put("malloc", image), guest.call("malloc", 12)
    error = guest.call("lodepng_decode32", result, result + 4, result + 8, source, len(image))
    pixels, width, height = guest.words(result, 3)
    return [error, width, height, guest.read(pixels, 16).hex(" ", 4)]


def read_grammar(guest: Guest) -> Any:
    """The grammar's TSLanguage: its ABI, and the names that it gives to the parts of a JSON document."""
    guest.call("__wasm_apply_data_relocs")
    language = guest.words(guest.call("tree_sitter_json"), 15)
    version, symbols, names = language[0], language[1], language[14]
    return [version, [guest.plugin.memory.text(name) for name in guest.words(names, symbols)][15:21]]


def versions_of_grammars(guest: Guest) -> Any:
    """The newest and the oldest ABI of grammars that its parser takes, and whether it makes a parser."""
    guest.call("__wasm_apply_data_relocs")
    guest.call("__wasm_call_ctors")
    buffer = guest.call("ts_init")
    newest, oldest = guest.words(buffer, 2)
    guest.call("ts_parser_new_wasm")
    return [newest, oldest, guest.words(buffer)[0] > 0]


def lay_out_graph(guest: Guest) -> Any:
    """Where Graphviz puts the nodes of a chain of three, in inches."""

    def text(data: bytes) -> int:
        return guest.put("malloc", data + b"\0")

    length = guest.call("malloc", 4)
    drawn = guest.call("graphviz_render", text(b"digraph { a -> b; b -> c }"), text(b"plain"), text(b"dot"), length)
    lines = guest.read(drawn, guest.words(length)[0]).decode().splitlines()
    return [" ".join(line.split()[1:4]) for line in lines if line.startswith("node")]


def solve_for_a_byte(guest: Guest) -> Any:
    """Which byte below 16, times 3, is 15? Boolector reads the question from its standard input."""
    question = (
        b"(set-logic QF_BV)(declare-const x (_ BitVec 8))(assert (= (bvmul x #x03) #x0f))"
        b"(assert (bvult x #x10))(check-sat)(get-value (x))(exit)"
    )
    done = guest.plugin.run(["--smt2", "-m"], question)
    return [done.returncode, done.stdout.decode().splitlines()[1]]


def run_micropython(guest: Guest) -> Any:
    """Its exceptions are those of WebAssembly: a ZeroDivisionError is thrown and caught in the guest."""
    program = (
        "import host\n"
        "try: 1 // 0\n"
        "except ZeroDivisionError as error: print('caught:', error)\n"
        "try: print(sum(range(1000)), host.call('double', '21'))\n"
        "except RuntimeError as error: print('RuntimeError:', error)\n"
    )
    done = guest.plugin.run(["-c", program])
    return [done.returncode, done.stdout.decode().splitlines()]


# Go, TinyGo and Zig --------------------------------------------------------------------------------------------------


def redact(guest: Guest) -> Any:
    settings = b'{"salt":"pepper"}'
    guest.call("init_config", guest.put("allocate", settings), len(settings))

    def redacted(line: bytes) -> str:
        return guest.packed(guest.call("redact", guest.put("allocate", line), len(line)), high_is_pointer=True).decode()

    return [redacted(b"user=ann password=hunter2 ok"), redacted(b"card 4111 1111 1111 1111 paid")]


def validate_plate(guest: Guest) -> Any:
    """1 would be right for a plate of France."""
    plate, country = b"AB-123-CD", b"FR"
    return guest.call("validate", guest.put("alloc", plate), len(plate), guest.put("alloc", country), len(country))


def format_go(guest: Guest) -> Any:
    def formatted(source: bytes) -> str:
        guest.put("alloc", source)
        guest.call("format")
        text = guest.read(guest.call("output_ptr"), guest.call("output_len")).decode()
        guest.call("dispose")
        return text

    return [formatted(b"package main\nfunc  main( ){\nprintln( 1+1 )\n}\n"), formatted(b"package")]


def render_markdown(guest: Guest) -> Any:
    """The first chunks come through the import while the guest renders, the last as the answer."""
    text = b"# Hi *there*\n" + b"- a\n- b\n\n" * 100
    place = guest.call("allocMem", len(text))
    guest.plugin.memory.write(place & 0xFFFFFFFF, text)
    rest = guest.packed(guest.call("render", place, 0, 512, 0, 0), high_is_pointer=False)
    html = b"".join(guest.notes) + rest
    return [html[:24].decode(), html.count(b"<li>"), len(guest.notes) > 1]


def answer_of_terminal(guest: Guest) -> Any:
    """Asked where its cursor is, the terminal answers; an unknown mode it reports to its log."""
    terminal = guest.call("ghostty_terminal_new", 10, 3)

    def write(data: bytes) -> None:
        pointer = guest.put("ghostty_wasm_alloc_u8_array", data)
        guest.call("ghostty_terminal_write", terminal, pointer, len(data))

    write(b"hi\x1b[2;3Hthere\x1b[6n")
    buffer = guest.call("ghostty_wasm_alloc_u8_array", 64)
    said = guest.read(buffer, guest.call("ghostty_terminal_read_response", terminal, buffer, 64))
    write(b"\x1b[?9999h")
    return [said.decode(), guest.notes]


# By hand -------------------------------------------------------------------------------------------------------------


def xxhash_of_abc(guest: Guest) -> Any:
    guest.plugin.memory.write(0, b"abc")
    return [f"{guest.call('xxh32', 0, 3, 0) & 0xFFFFFFFF:08x}", f"{guest.call('xxh64', 0, 3, 0) & (1 << 64) - 1:016x}"]
