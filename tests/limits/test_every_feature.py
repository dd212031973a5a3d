"""Every quota that a guest can exceed holds for guests that do so by way of a feature which a load has switched on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import startup
from judicia_notebook.engine.features import OPTIONAL
from judicia_notebook.engine.settings import FULL
from judicia_notebook.policy.quotas import KINDS
from tests.limits.feature_guests import PARTS, WASM, bare_text_of
from tests.limits.test_every_quota import CASES
from tests.support.waiting import until

METERINGS = ("full", "epochs")


def load(rt: jn.Runtime, feature: str, metering: str = "full", **options: Any) -> jn.Plugin:
    return rt.load(
        WASM[feature],
        name=feature,
        features=feature,
        metering=metering,
        grant=["wall_clock"],
        isolate_compile=False,
        **options,
    )


def raised(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except jn.JudiciaError as error:
        return error
    return None


def test_every_feature_and_every_quota_is_tried() -> None:
    assert set(PARTS) == set(OPTIONAL)
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("metering", METERINGS)
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("feature", PARTS)
def test_the_quota_holds(rt: jn.Runtime, feature: str, kind: str, metering: str) -> None:
    case = CASES[kind]
    p = load(rt, feature, metering, instances=case.instances)
    assert p.call("echo", [1]) == [1]
    if (kind, metering) == ("fuel", "epochs"):
        with pytest.raises(jn.PolicyError, match="counts no fuel"):
            p.policy.set_quota(fuel=case.low)
        return
    p.policy.set_quota(**{kind: case.low})
    assert case.exceed(p, None)
    given: dict[str, Any] = {kind: None if kind == "fuel" else KINDS[kind].default}
    p.policy.set_quota(**given)
    assert p.call("echo", [1]) == [1]


@pytest.mark.parametrize("metering", METERINGS)
@pytest.mark.parametrize("feature", PARTS)
def test_the_stack_ends(rt: jn.Runtime, feature: str, metering: str) -> None:
    p = load(rt, feature, metering)
    with pytest.raises(jn.GuestTrap) as caught:
        p.raw("down")(0)
    assert caught.value.trap == "stack_overflow"
    assert p.call("echo", 1) == 1


@pytest.mark.parametrize("metering", METERINGS)
@pytest.mark.parametrize("feature", PARTS)
def test_a_cancel_ends_it(rt: jn.Runtime, feature: str, metering: str) -> None:
    p = load(rt, feature, metering, quota={"cpu": "20s", "wall": "20s"})
    errors: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: errors.append(p.attempt("spin").error))
    thread.start()
    until(lambda: p._deployment.is_busy)
    p.cancel_calls("enough")
    thread.join(30)
    assert [type(error) for error in errors] == [jn.Cancelled]


@pytest.mark.parametrize("feature", PARTS)
def test_it_can_be_profiled_and_traced(rt: jn.Runtime, feature: str) -> None:
    p = load(rt, feature, quota={"cpu": "300ms"})
    assert p.profile("spin", samples=5, seconds=1).guest_ms > 5
    assert "spin" in str(p.trace("spin"))
    rows = np.arange(2000, dtype="i4")
    assert (p.ufunc("use")(rows) == rows).all()


@pytest.mark.parametrize("feature", PARTS)
def test_without_metering_the_limits_of_time_hold_as_always(rt: jn.Runtime, feature: str) -> None:
    p = rt.load(bare_text_of(feature), name="p", features=feature, isolate_compile=False)
    assert p.bench("use", numbers=(3,), metering="none", repeats=1, warmup=0).metering == "none"
    for quota in ({"cpu": "50ms"}, {"wall": "50ms"}):
        with pytest.raises(jn.QuotaExceeded) as caught:
            p.bench("spin", numbers=(), metering="none", repeats=1, warmup=0, quota=quota)
        assert caught.value.quota in quota


def test_no_handler_of_exceptions_catches_what_ends_a_call(rt: jn.Runtime) -> None:
    """The guest writes behind its handler: were anything caught, its memory would say so."""
    p = load(rt, "exceptions", quota={"cpu": "30ms"})
    for quota in ({}, {"cpu": "10s", "fuel": 100_000}, {"cpu": "10s", "wall": "30ms"}):
        error = p.attempt("spin", quota=quota).error
        assert isinstance(error, jn.QuotaExceeded), error
    with pytest.raises(jn.GuestTrap) as caught:
        p.raw("throw")()
    assert caught.value.trap == "uncaught_exception"


@pytest.mark.parametrize("metering", METERINGS)
def test_exceptions_that_nobody_keeps_take_no_memory_and_count_twice_where_they_are_kept(
    rt: jn.Runtime, metering: str
) -> None:
    p = load(rt, "exceptions", metering, quota={"memory": "1MiB", "cpu": "20s", "wall": "60s"})
    assert p.raw("forget")() == 1
    assert p.calls["memory_peak_bytes"].max() == (2 + 2) * 65536, "two pages, and a page of exceptions, which is two"
    assert isinstance(raised(lambda: p.raw("deep_throws")(quota={"cpu": "50ms"})), jn.QuotaExceeded)
    error = p.attempt("grow").error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "memory"
    assert p.calls["memory_peak_bytes"].max() <= 1 << 20


def test_there_is_one_engine_for_each_set_and_one_ticker_for_all(rt: jn.Runtime) -> None:
    plugins = {feature: load(rt, feature, quota={"cpu": "50ms"}) for feature in PARTS}
    before = startup.describe_engines()
    assert {f"full+{feature}" for feature in PARTS} <= set(before)
    for feature in PARTS:
        assert load(rt, feature) is plugins[feature]
        assert rt.load(WASM[feature], name="other", features=[feature], isolate_compile=False).features == (feature,)
    assert set(startup.describe_engines()) == set(before)
    engines = [startup.get_engine(FULL.with_features(feature)) for feature in PARTS]
    assert len({engine.pointer for engine in engines}) == len({engine.key for engine in engines}) == len(PARTS)
    handles = [plugin.submit("spin") for plugin in plugins.values()]
    errors = [handle.exception(30) for handle in handles]
    assert [type(error) for error in errors] == [jn.QuotaExceeded] * len(PARTS), errors


def test_relaxed_simd_gives_the_same_bits_on_every_machine(rt: jn.Runtime) -> None:
    """Where the proposal leaves a choice, the engine makes the one that the specification calls deterministic."""
    p = rt.load(
        """(module
  (func (export "swizzle") (result i32) (i8x16.extract_lane_u 0
    (i8x16.relaxed_swizzle (v128.const i8x16 9 8 7 6 5 4 3 2 1 1 1 1 1 1 1 1) (i8x16.splat (i32.const 17)))))
  (func (export "truncate") (result i32) (i32x4.extract_lane 0
    (i32x4.relaxed_trunc_f32x4_s (f32x4.splat (f32.const nan)))))
  (func (export "fused") (result f64) (f64x2.extract_lane 0
    (f64x2.relaxed_madd (f64x2.splat (f64.const 0x1.0000000000001p0))
      (f64x2.splat (f64.const 0x1.0000000000001p0)) (f64x2.splat (f64.const -0x1.0000000000002p0)))))
  (func (export "least") (result f64) (f64x2.extract_lane 0
    (f64x2.relaxed_min (f64x2.splat (f64.const -0)) (f64x2.splat (f64.const 0)))))
  (func (export "dot") (result i32) (i16x8.extract_lane_s 0
    (i16x8.relaxed_dot_i8x16_i7x16_s (i8x16.splat (i32.const -128)) (i8x16.splat (i32.const 127))))))""",
        name="p",
        features="relaxed_simd",
        isolate_compile=False,
    )
    assert [p.raw(name)() for name in ("swizzle", "truncate", "dot")] == [0, 0, -32512]
    assert p.raw("fused")() == 2.0**-104
    assert str(p.raw("least")()) == "-0.0"


def test_wide_arithmetic_carries(rt: jn.Runtime) -> None:
    p = rt.load(
        """(module (func (export "high") (param i64 i64) (result i64) (local i64)
      (i64.mul_wide_u (local.get 0) (local.get 1)) (local.set 2) (drop) (local.get 2)))""",
        name="p",
        features="wide_arithmetic",
        isolate_compile=False,
    )
    assert p.raw("high")(-1, -1) in {2**64 - 2, -2}
