"""Rust's symbols in backtraces. What is expected was written down from the RFC's grammar and compared with c++filt."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.wasm.rust_symbols import demangle
from tests.support.effort import fuzz

V0 = {
    "_RNvCs1234_7mycrate3foo": "mycrate::foo",
    "_RNvNtCs1234_7mycrate3foo3bar": "mycrate::foo::bar",
    "_RINvCs1234_7mycrate3foomE": "mycrate::foo::<u32>",
    "_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_": "mycrate::main::{closure#0}",
    "_RNvMCs4fqI2P2rA04_7mycrateNtB2_3Foo3bar": "<mycrate::Foo>::bar",
    "_RNvXCs4fqI2P2rA04_7mycrateNtB2_3FooNtB2_5Trait3bar": "<mycrate::Foo as mycrate::Trait>::bar",
    "_RNvMs0_NtCs9ltgdHTiPiY_4core5sliceSRe4iterCslWKjbRFJPpS_3foo": "<[&str]>::iter",
    "_RNvCs1234_7mycrateu8gdel_5qa": "mycrate::gödel",
    "_RINvMNtCs1_4core6optionINtB3_6OptionjE3mapbNCNvCs2_1a1b0E": "<core::option::Option<usize>>::map"
    "::<bool, a::b::{closure#0}>",
    "_RINvC1a1bFEuE": "a::b::<fn()>",
    "_RINvC1a1bFG_RL0_eEuE": "a::b::<for<'a> fn(&'a str)>",
    "_RINvC1a1bDNtC1c1dEL_E": "a::b::<dyn c::d>",
    "_RINvC1a1bTmjERhQtPxOyE": "a::b::<(u32, usize), &u8, &mut u16, *const i64, *mut u64>",
    "_RINvC1a1bKj7b_Kan80_Kb1_Kc41_E": "a::b::<123, -128, true, 'A'>",
    "_RINvC1a1bFUKCEuE": 'a::b::<unsafe extern "C" fn()>',
    "_RNvC6_123foo3bar.llvm.9876": "123foo::bar",
}
LEGACY = {
    "_ZN7checker5parse17h0123456789abcdefE": "checker::parse",
    "_ZN7checker5parse17h0123456789abcdefE.llvm.1234": "checker::parse",
    "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE": (
        "<Test + 'static as foo::Bar<Test>>::bar"
    ),
}
NOT_SYMBOLS = ["main", "", "_R", "_RNvC", "_RB_", "_RNvB_3foo", "_R9NvC1a1b", "_ZN", "_ZN3E", "_RNvC1a1b!", "_RNvCs__9"]


@pytest.mark.parametrize(("symbol", "name"), [*V0.items(), *LEGACY.items()])
def test_a_symbol_is_shown_as_its_author_wrote_it(symbol: str, name: str) -> None:
    assert demangle(symbol) == name


@pytest.mark.parametrize("symbol", NOT_SYMBOLS)
def test_what_is_no_symbol_is_shown_as_it_stands(symbol: str) -> None:
    assert demangle(symbol) == symbol


def doubling(times: int) -> str:
    """A symbol with a list of pairs, each of which is the one before twice, by reference."""
    before = "INvC1a1b"
    pairs, place = "TuuE", len(before)
    for _ in range(times):
        reference = f"B{_base62(place)}"
        place = len(before) + len(pairs)
        pairs += f"T{reference}{reference}E"
    return f"_R{before}{pairs}E"


def test_a_short_symbol_for_an_endless_text_is_shown_as_it_stands() -> None:
    assert (
        demangle(doubling(2)) == "a::b::<((), ()), (((), ()), ((), ())), ((((), ()), ((), ())), (((), ()), ((), ())))>"
    )
    began = time.perf_counter()
    for bomb in (doubling(40), f"_RINvC1a1b{'S' * 900}uE"):
        assert demangle(bomb) == bomb
    assert time.perf_counter() - began < 5


def _base62(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if number == 0:
        return "_"
    number -= 1
    text = digits[number % 62]
    while number := number // 62:
        text = digits[number % 62] + text
    return f"{text}_"


@fuzz(500, database=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="RNvCTSBIXYMEsGLFUKDpn_0123abu", max_size=300).map("_R".__add__),
        st.text(alphabet="0123456789$.abEuLTGT_", max_size=200).map("_ZN".__add__),
        st.tuples(st.sampled_from(sorted(V0)), st.integers(2, 60), st.text("BKLpSTRs0123_E", max_size=4)).map(
            lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
        ),
    )
)
def test_whatever_a_guest_calls_its_functions_is_answered_soon_and_in_bounds(symbol: str) -> None:
    began = time.perf_counter()
    assert len(demangle(symbol)) <= max(len(symbol), 2000)
    assert time.perf_counter() - began < 5
