"""The rooms of the house: what lies in the package's root, and that no two modules need each other."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn

PACKAGE = Path(jn.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
LOOSE = {"__init__", "__main__", "pytest_plugin", "diagnosis", "text", "units", "context", "capabilities"}


def tools() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    return found


@pytest.fixture(scope="module")
def contracts() -> list[dict[str, Any]]:
    settings = tools()["importlinter"]
    assert settings["exclude_type_checking_imports"] is False
    return list(settings["contracts"])


@pytest.fixture(scope="module")
def imports(contracts: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What each module imports, for its types as well, without the exceptions that the contract of the layers names."""
    grimp = pytest.importorskip("grimp", reason="no import-linter; enable: python -m pip install import-linter")
    graph = grimp.build_graph("judicia_notebook", exclude_type_checking_imports=False, cache_dir=None)
    found = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    [layers] = [contract for contract in contracts if contract["id"] == "layers"]
    for exception in layers["ignore_imports"]:
        importer, _, imported = exception.partition(" -> ")
        found[importer].discard(imported)
    return found


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that reach each other."""
    reached = {module: reach(imports, module) for module in imports}
    found: list[set[str]] = []
    for module in sorted(imports):
        circle = {other for other in reached[module] if module in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def reach(imports: dict[str, set[str]], start: str) -> set[str]:
    """What a module imports, and what that imports, and so on."""
    found: set[str] = set()
    left = [start]
    while left:
        for imported in imports[left.pop()] - found:
            found.add(imported)
            left.append(imported)
    return found


def test_the_root_holds_eight_modules() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_every_folder_is_a_room_of_the_contract(contracts: list[dict[str, Any]]) -> None:
    [layers] = [contract for contract in contracts if contract["id"] == "layers"]
    named = {name.strip() for line in layers["layers"] for name in line.split("|")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert named == rooms | (LOOSE - {"__init__"})


def test_no_two_modules_need_each_other(imports: dict[str, set[str]]) -> None:
    assert circles(imports) == []


def test_only_names_of_plugins_and_runtimes_are_private_and_used_elsewhere() -> None:
    insiders = tools()["ruff"]["lint"]["flake8-self"]["extend-ignore-names"]
    with jn.Runtime() as rt:
        plugin = rt.load("example:specimen")
        assert [name for name in insiders if not (hasattr(plugin, name) or hasattr(rt, name))] == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
