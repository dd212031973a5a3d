"""A service is added by its folder and a line in the registry; every service has its part of ABI.md and of the SDK."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.host.ownership import Owners
from judicia_notebook.host.registry import Entry, added, make_services
from judicia_notebook.languages.wat import compile_wat
from tests.support.services import offered

DICE = '''
"""``judicia:dice``: throws, from the runtime's random bytes, and how often each plugin threw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from judicia_notebook.host.dispatcher import Operation, ServiceError
from judicia_notebook.host.scope import CallScope


class Throw(msgspec.Struct, forbid_unknown_fields=True):
    """How many sides."""

    sides: Annotated[int, msgspec.Meta(ge=1)]


class DiceService:
    module = "judicia:dice"
    left = "throws"
    given = "loaded dice"

    def __init__(self) -> None:
        self.thrown: Counter[str] = Counter()
        self.told: list[str] = []

    def operations(self) -> Iterable[Operation]:
        yield Operation(
            "throw", self.throw, capability="random", request=Throw, target=lambda request: f"d{request.sides}"
        )

    def throw(self, scope: CallScope, request: Throw) -> dict[str, int]:
        if request.sides > 100:
            raise ServiceError("not_found", f"there is no die of {request.sides} sides")
        self.thrown[scope.plugin] += 1
        return {"side": 1 + self.thrown[scope.plugin] % request.sides}

    def connect(self, recorder: Any, deliver: Any) -> None:
        self.told.append("connect")

    def plugin_loaded(self, plugin: Any) -> None:
        self.told.append(f"loaded {plugin.name}")

    def plugin_unloaded(self, plugin: Any) -> None:
        self.told.append(f"unloaded {plugin.name}")

    def adopt(self, plugin: str, digest: str) -> None:
        self.told.append(f"adopt {plugin} {digest[:12]}")

    def kept(self) -> Iterator[str]:
        if self.thrown:
            yield f"throws of {len(self.thrown)} plugin"

    def forget(self) -> None:
        self.thrown.clear()

    def close(self) -> None:
        self.told.append("close")
'''
GUEST = compile_wat(
    '(func (export "throw") (param i32 i32) (result i64) (call $judicia:dice.throw (local.get 0) (local.get 1)))'
).encode()
SDK = Path(jn.__file__).parent / "sdk"
CRATE = SDK / "rust" / "src"


@pytest.fixture
def dice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service, offered by runtimes that are made from now on."""
    folder = tmp_path / "dice_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(DICE)
    monkeypatch.syspath_prepend(tmp_path)
    service = importlib.import_module("dice_of_a_test").DiceService
    with added("dice", Entry("dice for everybody", lambda _: service())):
        yield
    del sys.modules["dice_of_a_test"]


def load(rt: jn.Runtime, *grants: str, **options: Any) -> jn.Plugin:
    return rt.load(GUEST, name="guest", grant=grants, **options)


def of(rt: jn.Runtime) -> Any:
    """What Python code has of the service."""
    return getattr(rt.host, "dice")  # noqa: B009  # no type says that it is there


def rows(rt: jn.Runtime) -> list[tuple[Any, ...]]:
    columns = ["plugin", "function", "capability", "target", "decision"]
    return list(rt.host_calls[columns].itertuples(index=False, name=None))


@pytest.mark.usefixtures("dice")
def test_it_answers_whoever_is_granted_it_and_leaves_a_row() -> None:
    with jn.Runtime() as rt:
        p = load(rt, "random")
        assert [p.call("throw", {"sides": 6}) for _ in range(2)] == [{"ok": {"side": 2}}, {"ok": {"side": 3}}]
        assert p.call("throw", {"sides": 101})["error"] == {
            "code": "not_found",
            "message": "there is no die of 101 sides",
        }
        row = ("guest", "judicia:dice throw", "random")
        assert rows(rt) == [(*row, "d6", "allowed"), (*row, "d6", "allowed"), (*row, "d101", "failed")]
        assert of(rt).thrown == {"guest": 2}


@pytest.mark.usefixtures("dice")
def test_it_is_denied_as_every_service_is() -> None:
    with jn.Runtime() as rt:
        p = load(rt)
        assert p.call("throw", {"sides": 6})["error"] == {
            "code": "capability_denied",
            "message": "judicia:dice throw needs the capability random",
        }
        p.policy.on_denied = "trap"
        with pytest.raises(jn.CapabilityDenied) as denial:
            p.call("throw", {"sides": 6})
        assert (denial.value.capability, denial.value.host_function) == ("random", "judicia:dice throw")
        assert rt.host_calls["decision"].tolist() == ["denied", "denied"]
        assert not of(rt).thrown


@pytest.mark.usefixtures("dice")
def test_its_bad_requests_name_their_field() -> None:
    with jn.Runtime() as rt:
        error = load(rt, "random").call("throw", {"sides": 0})["error"]
        assert (error["code"], "`sides`" in error["message"]) == ("bad_request", True)


@pytest.mark.usefixtures("dice")
def test_an_inspection_lists_it() -> None:
    with jn.Runtime() as rt:
        found = rt.inspect(GUEST)
        assert [(one.module, one.name, one.capability, one.known) for one in found.imports] == [
            ("judicia:dice", "throw", "random", True)
        ]
        assert "judicia:dice throw  (random)" in str(found)
        assert found.capabilities == ("random",)


@pytest.mark.usefixtures("dice")
def test_it_is_told_of_the_life_of_its_runtime() -> None:
    with jn.Runtime() as rt:
        p, service = load(rt, "random"), of(rt)
        p.call("throw", {"sides": 6})
        waiting = rt.reset()
        assert "throws of 1 plugin" in waiting.removed
        assert "loaded dice, limits." in waiting.stays
        assert "throws, recorded rows." in rt.clear().stays
        p = load(rt, "random")
        rt.host.adopt("guest")
        rt.reset(confirm=True)
        assert not service.thrown
    life = ["loaded guest", "unloaded guest"]
    assert service.told == ["connect", *life, life[0], f"adopt guest {p.digest[:12]}", life[1], "close"]


def test_a_runtime_without_its_line_does_not_offer_it(rt: jn.Runtime, dice: None) -> None:
    assert not hasattr(rt.host, "dice")
    assert rt.inspect(GUEST).imports[0].known is False
    with pytest.raises(jn.UnknownImport, match="judicia:dice"):
        load(rt)


def test_the_line_goes_with_the_block() -> None:
    with offered(Operation("ask", lambda *_: None)), jn.Runtime() as inside:
        assert inside.inspect(guest_of("test", "ask")).imports[0].known
    with jn.Runtime() as after:
        assert not after.inspect(guest_of("test", "ask")).imports[0].known


def guest_of(module: str, name: str) -> bytes:
    return compile_wat(
        f'(func (export "f") (result i64) (call $judicia:{module}.{name} (i32.const 0) (i32.const 0)))'
    ).encode()


def test_no_line_takes_the_place_of_another() -> None:
    with pytest.raises(ValueError, match="a service files already"), added("files", Entry("", lambda _: None)):
        pass


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        ((Operation("a", print), Operation("a", print)), "two host functions judicia:test a"),
        ((Operation("a", print, capability="everything"),), "takes everything, no capability"),
    ],
)
def test_what_a_service_offers_is_one_of_its_name_and_can_be_granted(
    operations: tuple[Operation, ...], says: str
) -> None:
    with offered(*operations), pytest.raises(ValueError, match=says):
        jn.Runtime()


# --- what is written of services -------------------------------------------------------------------------------------


FUNCTIONS = [
    (service.module, operation)
    for service in make_services(owners=Owners(Path)).values()
    for operation in service.operations()
]


@pytest.mark.parametrize(("module", "operation"), FUNCTIONS, ids=[f"{module} {one.name}" for module, one in FUNCTIONS])
def test_every_host_function_has_its_row_in_the_abi_and_its_line_in_the_sdk(module: str, operation: Operation) -> None:
    page = (SDK / "ABI.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{module}` `{operation.name}` \|(.*)\|(.*)\| (.*) \|$", page, re.MULTILINE)
    asked, _, capability = row
    assert capability == (f"`{operation.capability}`" if operation.capability else "none")
    needed = asked.partition("(")[0]
    for field in msgspec.structs.fields(operation.request):
        named = f"`{field.encode_name}`"
        assert named in asked, named
        if field.required:
            assert named in needed, named
    files = [path for path in CRATE.glob("*.rs") if f"{module} {operation.name}" in declared(path)]
    assert len(files) == 1
    assert {function.partition(" ")[0] for function in declared(files[0])} == {module}, "a file of its own"


def declared(file: Path) -> list[str]:
    """The host functions that a file of the crate imports."""
    found = re.findall(r'^imports!\("(.*)": (.*)\);$', file.read_text("utf-8"), re.MULTILINE)
    return [f"{module} {name}" for module, names in found for name in names.split(", ")]


def test_what_the_files_of_the_crate_share_names_no_service() -> None:
    assert "judicia:" not in (CRATE / "host.rs").read_text("utf-8")
