"""Schemas of payloads read for people, and ``%plugin help``: whatever a plugin says of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import judicia_notebook as jn
from judicia_notebook.notebook import object_cards, schemas
from tests.support.guests import wat

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

NASTY = "<img src=x onerror=hacked()>\x1b[31m\u202e"
DEEP: dict[str, Any] = {}
for _ in range(200):
    DEEP = {"type": "object", "properties": {"a": DEEP}, "required": ["a"], "anyOf": [DEEP]}


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}, {"a": "x"}),
        ({"properties": {"a": {"const": 7}}, "required": ["a"]}, {"a": 7}),
        ({"properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]}, {"a": 3}),
        ({"properties": {"a": {"type": ["null", "string"]}}, "required": ["a"]}, {"a": ""}),
        ({"properties": {"a": {"type": "string", "default": "z"}}, "required": ["a"]}, {"a": "z"}),
        ({"properties": {"a": {"examples": [[1]]}}, "required": ["a"]}, {"a": [1]}),
        ({"properties": {"a": {"oneOf": [{"type": "boolean"}]}}, "required": ["a"]}, {"a": False}),
        (
            {"properties": {"a": {"properties": {"b": {"enum": [1]}}, "required": ["b"]}}, "required": ["a"]},
            {"a": {"b": 1}},
        ),
        ({"properties": {"b": {"default": 1}, "c": {}}}, None),
    ],
)
def test_a_sample_has_what_the_schema_needs(schema: dict[str, Any], sample: Any) -> None:
    text = schemas.sample(schema)
    assert (json.loads(text) if text else None) == sample


def test_a_sample_may_have_what_has_a_default_as_well() -> None:
    schema = {"properties": {"b": {"default": 1}, "c": {}, "a": {"type": "number"}}, "required": ["a"]}
    assert json.loads(schemas.sample(schema, optional=True)) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    "schema",
    [
        None, True, [], "x", 7, {}, {"properties": []}, {"properties": {"a": 1}, "required": 5},
        {"properties": {"a": None}, "required": ["a", "b", 3, None]},
        {"properties": {"a": {"enum": []}}, "required": ["a"]},
        {"properties": {"a": {"enum": 5, "type": {}, "minimum": "x", "anyOf": {}}}, "required": ["a"]},
        {"properties": {NASTY: {"description": NASTY, "default": NASTY, "enum": [NASTY] * 1000}}, "required": [NASTY]},
        {"properties": {"a": {"default": "x" * 100_000}}, "required": ["a"]},
        {"properties": {str(n): {"default": n} for n in range(9000)}, "required": [str(n) for n in range(9000)]},
        DEEP,
    ],
)  # fmt: skip
def test_no_schema_makes_help_fail_or_long(schema: Any) -> None:
    fields, sample = schemas.fields(schema), schemas.sample(schema, optional=True)
    assert len(sample) <= schemas.SAMPLE_LIMIT
    assert len(fields) <= schemas.MOST_FIELDS
    said = "".join(f"{field.name}{field.kind}{field.about}" for field in fields) + sample
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert all(len(field.kind) <= 310 and len(field.about) <= 310 for field in fields)


def test_help_of_a_function_is_inert() -> None:
    echo = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
    request = {"properties": {NASTY: {"description": NASTY, "enum": [NASTY]}}, "required": [NASTY]}
    manifest = {"name": "evil", "functions": {"echo": {"description": NASTY, "request": request}}}
    with jn.Runtime() as runtime:
        plugin = runtime.load(wat(echo), manifest=manifest)
        for card in (object_cards.function_card(plugin, "echo"), object_cards.functions_card(plugin)):
            assert "<img" not in card.html()
            assert "\x1b" not in card.text() + card.html()


def test_plugin_help_shows_a_function_a_plugin_and_a_command(kernel: Kernel) -> None:
    kernel.run("%plugin load example:specimen")
    reply = kernel.run("%plugin help specimen.call_host")
    shown = reply.shown[0]["text/plain"]
    assert "specimen.call_host · Calls a service" in shown
    assert 'service   needed    one of "clock", "random", "log"' in shown
    assert '%plugin call specimen.call_host {"service": "clock"}' in shown
    assert "sleep" in kernel.run("%plugin help specimen").shown[0]["text/plain"]
    assert "Load a plugin into its sandbox" in kernel.run("%plugin help load").stdout
    assert "%plugin COMMAND --help" in kernel.run("%plugin help").stdout
    assert "A function, a plugin" in kernel.run("%plugin help --help").stdout.replace("a function", "A function")
    assert "Did you mean 'call_host'?" in kernel.run("%plugin help specimen.call_hots").output
    assert "%plugin help specimen.call_host" in kernel.complete("%plugin help specimen.call")
