"""The SDKs: the plugin of docs/sdk.md in each language, compiled from the page, called and compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.toolchains import SDK, clang, compile_c, compile_rust, compile_zig, run

PAGE = Path(__file__).parents[2] / "docs" / "sdk.md"
LANGUAGES = ["c", "cpp", "zig", "rust"]
COMPILERS: dict[str, Callable[[Path], Path]] = {
    "c": compile_c,
    "cpp": compile_c,
    "zig": compile_zig,
    "rust": compile_rust,
}
SUFFIXES = {"c": ".c", "cpp": ".cpp", "zig": ".zig", "rust": ".rs", "wat": ".wat"}
LARGEST = 2**63 - 1
# What the page tells in words: functions beside those that it shows.
BESIDE = {
    "zig": """
comptime {
    judicia.exports(.{ .ratio = ratio, .inside = inside, .panics = panics });
}
fn ratio(request: struct { a: f64, b: f64 }) f64 {
    return request.a / request.b;
}
fn inside(request: struct { pair: struct { a: i64, b: i64 } }) i64 {
    return request.pair.a + request.pair.b;
}
fn panics() void {
    @panic("it went boom at 7");
}
""",
    "rust": """
export!(ratio, inside, panics);
#[derive(Deserialize)]
struct Floats {
    a: f64,
    b: f64,
}
#[derive(Deserialize)]
struct Inside {
    pair: Pair,
}
fn ratio(request: Floats) -> Result<f64, Fail> {
    Ok(request.a / request.b)
}
fn inside(request: Inside) -> Result<i64, Fail> {
    Ok(request.pair.a + request.pair.b)
}
fn panics(_: judicia_guest::Anything) -> Result<(), Fail> {
    panic!("it went boom at {}", 7)
}
""",
}
BESIDE["c"] = BESIDE["cpp"] = """
JUDICIA_EXPORT(ratio) { jn_put_double(answer, jn_get_double(request, "a") / jn_get_double(request, "b")); }
JUDICIA_EXPORT(inside) {
    jn_value pair = jn_get(request, "pair");
    jn_put_int(answer, jn_get_int(pair, "a") + jn_get_int(pair, "b"));
}
JUDICIA_EXPORT(panics) { jn_abort("it went boom at %d", 7); }
"""


def printed(language: str) -> str:
    """The blocks of a language on the page, in their order: one source file."""
    return "".join(re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))


@pytest.fixture(scope="module", params=LANGUAGES)
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp(request.param) / f"greet{SUFFIXES[request.param]}"
    source.write_text(printed(request.param) + BESIDE[request.param], "utf-8")
    return COMPILERS[request.param](source)


@pytest.fixture
def greet(rt: jn.Runtime, module: Path) -> jn.Plugin:
    return rt.load(module)


def answers(plugin: jn.Plugin, *calls: tuple[str, Any]) -> list[Any]:
    """What each call answers, or the code and the message of its failure."""

    def one(function: str, payload: Any) -> Any:
        try:
            return plugin.call(function, payload)
        except jn.GuestError as failure:
            return (failure.code, failure.message)

    return [one(function, payload) for function, payload in calls]


def test_the_manifest_is_in_the_source(greet: jn.Plugin) -> None:
    assert (greet.manifest.name, greet.manifest.version, greet.manifest.capabilities) == ("greet", "1.0.0", ())


def test_every_language_gives_the_same_answers(greet: jn.Plugin) -> None:
    name = 'Ada "Ä" \\ \n \U0001f388'
    calls: list[tuple[str, Any]] = [
        ("hello", {"name": "Ada"}),
        ("hello", {}),
        ("hello", {"name": name, "more": [1, {"name": "x"}]}),
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": -(2**63), "b": LARGEST}),
        ("count", {"text": "to be  or\tnot\nto be "}),
        ("count", {"text": ""}),
    ]
    assert answers(greet, *calls) == [
        "Hello, Ada!",
        "Hello, world!",
        f"Hello, {name}!",
        {"sum": 3},
        {"sum": -1},
        {"words": 6, "longest": "not"},
        {"words": 0, "longest": ""},
    ]


def test_every_language_fails_with_the_same_code_and_names_the_field(greet: jn.Plugin) -> None:
    missing, overflow, *wrong = answers(
        greet,
        ("add", {"a": 1}),
        ("add", {"a": LARGEST, "b": 1}),
        ("add", {"a": 1.5, "b": 2}),
        ("add", {"a": 1, "b": "2"}),
        ("add", {"a": LARGEST + 1, "b": 2}),
        ("hello", {"name": 7}),
    )
    assert missing == ("bad_request", "missing field `b`")
    assert overflow == ("overflow", f"{LARGEST} + 1 is too large")
    assert [(code, message.partition(": ")[0]) for code, message in wrong] == [
        ("bad_request", f"field `{field}`") for field in ("a", "b", "a", "name")
    ]


def test_a_number_that_json_does_not_have_fails_the_call_but_is_null_in_rust(greet: jn.Plugin, module: Path) -> None:
    calls: list[tuple[str, Any]] = [("ratio", {"a": a, "b": b}) for a, b in ((1.0, 4.0), (0.0, 0.0), (-1.0, 0.0))]
    refused = ("failed", "the answer has a number that JSON does not have")
    said = None if "crate" in module.parts else refused
    assert answers(greet, *calls) == [0.25, said, said]


def test_a_field_inside_another_is_told_by_its_own_name(greet: jn.Plugin, module: Path) -> None:
    missing, wrong, right = answers(
        greet,
        ("inside", {"pair": {"a": 1}}),
        ("inside", {"pair": {"a": 1, "b": "x"}}),
        ("inside", {"pair": {"a": 1, "b": 2}}),
    )
    assert (missing, right) == (("bad_request", "missing field `b`"), 3)
    named = "pair" if "crate" in module.parts else "b"  # serde knows where a wrong value is, not in which field
    assert wrong[1].startswith(f"field `{named}`: ")


def test_the_text_of_a_panic_stands_in_the_trap(greet: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap) as caught:
        greet.call("panics")
    (said,) = [fact for fact in caught.value.facts if fact.startswith("It said: ")]
    assert "it went boom at 7" in said
    assert "it went boom at 7" in greet.logs["message"].iloc[-1]


@pytest.mark.parametrize("text", [b'{"a": 1,', b"{'a': 1}", b'{"a": 1, "b": 2}}', b"\xff", b'{"a": 01, "b": 2}'])
def test_what_is_no_json_is_refused(greet: jn.Plugin, text: bytes) -> None:
    with pytest.raises(jn.GuestError) as caught:
        greet.call_bytes("add", text)
    assert caught.value.code == "bad_request"
    assert caught.value.message.startswith("the request is not JSON: ")


def test_its_memory_stays_as_it_is(greet: jn.Plugin) -> None:
    def held(text: str) -> int | None:
        greet.call("count", {"text": text})
        answers(greet, ("add", {}))
        return greet.last.memory_peak_bytes if greet.last is not None else None

    texts = ["word " * n for n in range(0, 20_000, 200)]
    most = max(held(text) or 0 for text in texts)
    assert {held(text) for text in texts} == {most}


def test_it_imports_no_service_that_it_does_not_call(greet: jn.Plugin) -> None:
    services = {(one.module, one.name) for one in greet.imports}
    assert services - {("judicia:log", "write")} == {("judicia:host", "fail")}


def test_wat_greets_the_world(rt: jn.Runtime, tmp_path: Path) -> None:
    (tmp_path / "greet.wat").write_text(printed("wat"))
    p = rt.load(tmp_path / "greet.wat")
    assert [p.call("hello", payload) for payload in (None, {"name": "Ada"})] == ["Hello, world!"] * 2
    assert (p.manifest.name, p.manifest.version) == ("greet", "1.0.0")


def test_the_page_shows_what_the_crate_shows() -> None:
    """The README of the crate has the page's adder."""
    readme = (SDK / "rust" / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```rust\n(.*?)```", readme, re.DOTALL)
    for part in example.replace('"adder"', '"greet"').replace("export!(add);", "").split("\n\n"):
        assert part.strip() in printed("rust")


# --- with the C library, and in other ways ---------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_c_is_the_same_at_every_level(rt: jn.Runtime, tmp_path: Path, language: str, level: str) -> None:
    source = tmp_path / f"greet{SUFFIXES[language]}"
    source.write_text(printed(language))
    p = rt.load(compile_c(source, level=level))
    assert p.call("count", {"text": "a bc\\u0020 d"}) == {"words": 3, "longest": "bc\\u0020"}


def test_the_header_works_with_wasi_libc(rt: jn.Runtime, tmp_path: Path) -> None:
    if not Path("/usr/include/wasm32-wasi").is_dir():
        pytest.skip("no wasi-libc; enable: apt-get install wasi-libc libclang-rt-14-dev-wasm32")
    source, out = tmp_path / "greet.c", tmp_path / "greet.wasm"
    source.write_text("#include <assert.h>\n#include <ctype.h>\n" + printed("c") + UPPER)
    run([clang(), "--target=wasm32-wasi", "-mexec-model=reactor", "-Os", f"-I{SDK / 'c'}", "-o", out, source])
    p = rt.load(out)
    assert answers(p, ("upper", "abc"), ("add", {"a": 1, "b": 2}), ("upper", 1)) == [
        "ABC",
        {"sum": 3},
        ("bad_request", "expected text"),
    ]
    with pytest.raises(jn.GuestTrap, match=r"It said: Assertion failed: jn_kind_of\(request\) == JN_NULL"):
        p.call("nothing", 1)


UPPER = """
JUDICIA_EXPORT(nothing) { assert(jn_kind_of(request) == JN_NULL); }
JUDICIA_EXPORT(upper) {
    jn_text text = jn_string(request);
    char *copy = malloc(text.length + 1);
    for (size_t i = 0; i <= text.length; i++) copy[i] = (char)toupper(text.at[i]);
    jn_put_string(answer, copy);
    free(copy);
}
"""
MORE = """
#include "judicia.h"
JUDICIA_EXPORT(more) { jn_put_text(answer, jn_string(request)); }
"""


def test_a_plugin_of_two_files_has_one_allocator(rt: jn.Runtime, tmp_path: Path) -> None:
    (tmp_path / "greet.c").write_text(printed("c"))
    (tmp_path / "more.c").write_text(MORE)
    p = rt.load(compile_c(tmp_path / "greet.c", str(tmp_path / "more.c")))
    assert answers(p, ("more", "x"), ("hello", {"name": "y"})) == ["x", "Hello, y!"]
