"""The gallery: modules that nobody here wrote do their work here, and lose what their grants gave when one goes.

The table is in tests/foreign/gallery. Each module is visited once, for all tests; the published archives are fetched by
name and version, and the digest of what is in them is pinned.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.wasm.rewriting.counters import BlockCounters
from judicia_notebook.wasm.rewriting.rewriter import Original, rewrite
from tests.foreign.gallery import fetching
from tests.foreign.gallery.exhibits import EXHIBITS, REFUSALS, Exhibit, Refusal, outcome_of
from tests.foreign.gallery.fetching import Archives, UnfetchedError, fetch
from tests.foreign.gallery.page import PAGE, summary, without_costs, write_page
from tests.foreign.gallery.visits import Attempt, Tour, Visit, attempt, visit
from tests.support.parallel import GALLERY
from tests.wasm.rewriting.guests import all_instruments, validate

MOST_FETCHED = 40_000_000  # bytes
WITH_LOSS = [exhibit for exhibit in EXHIBITS if exhibit.loss is not None]
ALL: list[Exhibit | Refusal] = [*EXHIBITS, *REFUSALS]
NOT_REWRITTEN = {"@node-rs/crc32-wasm32-wasi": "threads", "numcodecs-wasm-zstd": "component"}
REWRITTEN = [each for each in ALL if each.name not in NOT_REWRITTEN]
WITH_IMPORTS = [exhibit for exhibit in EXHIBITS if exhibit.imports is not None]


def name_of(which: Exhibit | Refusal) -> str:
    return which.name


@pytest.fixture(scope="module")
def start() -> float:
    return time.monotonic()


@pytest.fixture(scope="module")
def archives(start: float) -> Iterator[Archives]:
    """What was fetched, in a folder that compiled modules go to, too: nothing of it is kept."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUDICIA_NOTEBOOK_CACHE", str(Path(name, "modules")))
        try:
            yield fetch(Path(name))
        except UnfetchedError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def visit_of(archives: Archives) -> Callable[[Exhibit], Visit]:
    return cache(lambda exhibit: visit(exhibit, archives.folder))


@pytest.fixture(scope="module")
def attempt_of(archives: Archives) -> Callable[[Refusal], Attempt]:
    return cache(lambda refusal: attempt(refusal, archives.folder))


# --- what runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=name_of)
def test_a_module_does_its_work_as_published(exhibit: Exhibit, visit_of: Callable[[Exhibit], Visit]) -> None:
    seen = visit_of(exhibit)
    assert seen.answer == exhibit.answer
    assert seen.cost.calls > 0
    assert seen.cost.fuel > 0
    assert seen.cost.memory >= 1 << 16


@pytest.mark.parametrize("which", REWRITTEN, ids=name_of)
def test_a_module_comes_back_byte_for_byte_and_takes_counters(which: Exhibit | Refusal, archives: Archives) -> None:
    original = Original.validated(which.module.take_out(archives.folder), validate)
    wasm = original.module.data
    assert rewrite(original, []).wasm == wasm
    validate(rewrite(original, all_instruments() if len(wasm) < 1 << 20 else [BlockCounters()]).wasm)


def test_what_the_engine_does_not_take_is_not_rewritten_either(archives: Archives) -> None:
    refused = {each.name: each.module.take_out(archives.folder) for each in REFUSALS if each.name in NOT_REWRITTEN}
    assert set(refused) == set(NOT_REWRITTEN)
    for name, wasm in refused.items():
        with pytest.raises(Exception, match=NOT_REWRITTEN[name]):
            rewrite(Original.validated(wasm, validate), [])


@pytest.mark.parametrize("exhibit", WITH_IMPORTS, ids=name_of)
def test_without_what_it_needs_it_is_refused_by_the_name_of_an_import(exhibit: Exhibit, archives: Archives) -> None:
    options = {key: value for key, value in exhibit.options.items() if key != "imports"}
    with jn.Runtime() as rt, pytest.raises(jn.UnknownImport) as refused:
        rt.load(exhibit.module.take_out(archives.folder), **options)
    with jn.Runtime() as rt:
        names = {item.name for item in exhibit.load(rt, exhibit.module.take_out(archives.folder)).plugin.imports}
    assert any(name in str(refused.value) for name in names)


@pytest.mark.parametrize("exhibit", WITH_LOSS, ids=name_of)
def test_what_breaks_when_a_grant_goes(exhibit: Exhibit, visit_of: Callable[[Exhibit], Visit]) -> None:
    seen, loss = visit_of(exhibit), exhibit.loss
    assert loss is not None
    assert loss.breaks in seen.loss
    assert seen.loss != repr(exhibit.answer)
    kind, _, scope = loss.grant.partition("=")
    if kind == "imports":
        function = scope.replace(".", " ", 1)
        assert function in seen.denied
        assert loss.work is not None or function in seen.served  # before
    else:
        assert seen.denied


def test_a_grant_that_goes_between_two_calls_counts_from_the_next_one(archives: Archives) -> None:
    (exhibit,) = (one for one in EXHIBITS if one.name == "ghostty-web")
    with jn.Runtime() as rt:
        guest = exhibit.load(rt, exhibit.module.take_out(archives.folder))
        guest.plugin.initialize()
        assert exhibit.work(guest) == exhibit.answer
        guest.plugin.policy.revoke("imports=env.log")
        with pytest.raises(jn.CapabilityDenied) as denied:
            exhibit.work(guest)
        assert "imports=env.log" in str(denied.value)
        guest.plugin.policy.grant("imports=env.log")
        guest.notes.clear()
        guest.plugin.initialize()
        assert exhibit.work(guest) == exhibit.answer
        decisions = rt.host_calls["decision"].tolist()
    assert decisions == ["allowed", "denied", "allowed"]


def test_a_module_with_other_bytes_is_not_taken(archives: Archives) -> None:
    module = EXHIBITS[0].module
    other = type(module)(module.package, module.member, "0" * 64)
    with pytest.raises(ValueError, match=module.digest):
        other.take_out(archives.folder)


# --- what does not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=name_of)
def test_what_does_not_run_is_told_why(refusal: Refusal, attempt_of: Callable[[Refusal], Attempt]) -> None:
    seen = attempt_of(refusal)
    assert [part for part in refusal.says if part not in seen.says] == []
    assert seen.loads == (refusal.work is not None)


# --- the table and the page ------------------------------------------------------------------------------------------


def test_the_table_names_every_package_that_is_pinned_and_no_other() -> None:
    shown = [exhibit.module.package for exhibit in EXHIBITS] + [refusal.module.package for refusal in REFUSALS]
    assert sorted(shown) == sorted(fetching.pins())
    for requirement in fetching.pins().values():
        assert re.search(r"(@|==)\d+(\.\d+)+[a-z0-9.]*$", requirement)  # exactly one version
    assert "devDependencies" not in json.loads(fetching.MANIFEST.read_text("utf-8"))


def test_fifteen_modules_run_and_five_lose_a_grant() -> None:
    assert len(EXHIBITS) >= 15
    assert len({exhibit.loss.breaks for exhibit in WITH_LOSS if exhibit.loss}) >= 3
    assert len(WITH_LOSS) >= 5
    assert len(REFUSALS) >= 3


def test_the_page_says_what_the_runs_said(
    archives: Archives,
    start: float,
    visit_of: Callable[[Exhibit], Visit],
    attempt_of: Callable[[Refusal], Attempt],
    request: pytest.FixtureRequest,
) -> None:
    seen = Tour(tuple(map(visit_of, EXHIBITS)), tuple(map(attempt_of, REFUSALS)), archives)
    request.node.user_properties.append((GALLERY, summary(seen, time.monotonic() - start)))
    assert sum(archives.sizes.values()) < MOST_FETCHED
    expected = without_costs(write_page(seen, "2 processors")).splitlines()
    page = without_costs(PAGE.read_text("utf-8")).splitlines()
    assert [line for line in page if line not in expected] == []
    assert page == expected, "python tools/write_gallery.py writes it"


def test_an_answer_is_told_apart_from_an_error() -> None:
    def fail() -> None:
        raise jn.PolicyError("there is no such grant")

    assert outcome_of(lambda: 1) == "1"
    assert outcome_of(fail).startswith("PolicyError: there is no such grant")
