"""Plugins that write a part of a line which is suggested to paste: it means what it seems to, or it is not there."""

from __future__ import annotations

import ast
import json
import shlex
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.notebook import line_parser, object_cards
from judicia_notebook.policy.grants import is_grant
from judicia_notebook.reporting import suggestions
from tests.support import guests
from tests.support.effort import fuzz

QUOTED = pytest.mark.wall({"judicia_notebook.reporting.suggestions:_magic_word": "lambda word: word"})
UNQUOTED = "lambda value: f'\"{value}\"' if isinstance(value, str) else repr(value)"
QUOTED_IN_PYTHON = pytest.mark.wall({"judicia_notebook.reporting.suggestions:_python_value": UNQUOTED})
SEEN = pytest.mark.wall({"judicia_notebook.reporting.suggestions:is_quotable": "lambda part: True"})
A_SCOPE = pytest.mark.wall({"judicia_notebook.policy.grants:is_grant": "lambda text: True"})
WRITTEN = pytest.mark.wall(
    {
        "judicia_notebook.host.http.paths:written": "lambda plain: plain",
        "judicia_notebook.policy.grants:is_grant": "lambda text: True",
        "judicia_notebook.reporting.suggestions:_magic_word": "lambda word: word",
        "judicia_notebook.reporting.suggestions:_python_value": "lambda value: f'\"{value}\"'",
    }
)
ON_ONE_LINE = pytest.mark.wall({"judicia_notebook.text:printable": "lambda text, limit=500: text"})
NO_PICTURE = pytest.mark.wall({"judicia_notebook.errors.loading:_PICTURE": "re.compile('\\n')"})

ROUTES = """
(func (export "ask") (param i32 i32) (result i64) (call $judicia:http.register_route (local.get 0) (local.get 1)))
(func (export "boom") (param i32 i32) (result i64)
  (drop (call $judicia:http.register_route (local.get 0) (local.get 1))) unreachable)
(func (export "on_http_request") (param i32 i32) (result i64) (i64.const 0))"""


def escaped(text: str) -> str:
    """A text as a string of WAT."""
    return "".join(f"\\{byte:02x}" for byte in text.encode())


load = partial(guests.load, name="evil")


def exporting(function: str, type_: str = "(param i32 i32) (result i64) (i64.const 0)") -> str:
    return f'(func (export "{escaped(function)}") {type_})'


def asking(**manifest: Any) -> str:
    return f'(@custom "judicia.manifest" "{escaped(json.dumps({"name": "evil", **manifest}))}")'


def magics(text: str) -> list[str]:
    """The ``%plugin`` lines in what is shown, each up to its end or to the other way to do it."""
    found = [line.partition("%plugin ")[2] for line in text.splitlines() if "%plugin " in line]
    return [line.partition("     or  ")[0] for line in found]


def words(line: str) -> list[str]:
    return [piece.text for piece in line_parser.split(line)]


def constant_call(line: str) -> tuple[str, list[Any]]:
    """What a line of Python calls, and with which constants; anything more on it fails."""
    statements = ast.parse(line).body
    assert len(statements) == 1
    assert isinstance(statements[0], ast.Expr)
    call = statements[0].value
    assert isinstance(call, ast.Call)
    if isinstance(call.func, ast.Call):  # p.raw("f")(...)
        call = call.func
    assert all(isinstance(one, ast.Constant) for one in call.args)
    return ast.unparse(call.func), [one.value for one in call.args if isinstance(one, ast.Constant)]


# --- a path that the guest asked for ---------------------------------------------------------------------------------


@WRITTEN
def test_a_path_with_spaces_grants_nothing_more(rt: jn.Runtime) -> None:
    site = load(rt, ROUTES, name="site", grant=["register_routes"])
    error = site.attempt("boom", {"method": "GET", "path": "/x%20network_access%20read_database"}).error
    [line] = magics(str(error))
    assert words(line) == ["grant", "site", "register_routes=/x%20network_access%20read_database"]


@WRITTEN
def test_a_path_with_python_in_it_runs_nothing(rt: jn.Runtime) -> None:
    site = load(rt, ROUTES, name="site", grant=["register_routes"], on_denied="trap")
    error = site.attempt("ask", {"method": "GET", "path": '/x");%20__import__("os").system("id");%20("'}).error
    assert error is not None
    [line] = magics(error.hint)
    assert len(words(line)) == 3
    function, [grant] = constant_call(error.hint.partition("     or  ")[2])
    assert function == "p.policy.grant"
    site.policy.grant(grant)  # and it is the one that helps
    assert site.attempt("ask", {"method": "GET", "path": '/x");%20__import__("os").system("id");%20("'}).error is None


@A_SCOPE
def test_what_could_not_be_granted_is_no_grant_to_suggest() -> None:
    for text in ("read_database=a,b", "network_access=ftp://x", "no_such_thing", "random=x", "register_routes=/a b"):
        assert not is_grant(text)


# --- what a manifest asks for ----------------------------------------------------------------------------------------


@QUOTED
def test_a_folder_in_a_manifest_grants_nothing_more(rt: jn.Runtime) -> None:
    asked = "read_files=/home network_access write_files@home"
    evil = load(rt, exporting("f"), asking(capabilities=[asked]))
    [line] = magics(object_cards.plugin_card(evil).text())
    assert words(line) == ["grant", "evil", asked]


@QUOTED
def test_a_folder_with_quotes_in_its_name_stays_one_word(rt: jn.Runtime) -> None:
    asked = 'read_files=/a" network_access " random@home'
    evil = load(rt, exporting("f"), asking(capabilities=[asked]))
    [line] = magics(object_cards.plugin_card(evil).text())
    assert words(line) == ["grant", "evil", asked]


@SEEN
def test_a_folder_that_is_written_from_right_to_left_is_not_suggested(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f"), asking(capabilities=["read_files=/emoh\u202e/@home"]))
    assert magics(object_cards.plugin_card(evil).text()) == []


@SEEN
def test_a_host_that_only_looks_like_another_is_not_suggested(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f"), asking(capabilities=["network_access=https://p\u0430ypal.com"]))
    assert magics(object_cards.plugin_card(evil).text()) == []


@SEEN
def test_a_scope_that_hides_its_end_is_not_suggested(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f"), asking(capabilities=["register_routes=/" + "x" * 300]))
    assert magics(object_cards.plugin_card(evil).text()) == []


# --- names of functions ----------------------------------------------------------------------------------------------


@QUOTED
def test_a_function_does_not_choose_a_variable_to_be_sent(rt: jn.Runtime) -> None:
    load(rt, exporting("f secret_token"))
    [line] = [one for one in magics(object_cards.overview_card(rt).text()) if one.startswith("call ") and "evil" in one]
    call = line_parser.read_call(line.removeprefix("call "), {"--text", "--expect"})
    assert (call.words, call.given) == (["evil.f secret_token"], "")


@QUOTED
def test_a_function_does_not_choose_options(rt: jn.Runtime) -> None:
    load(rt, exporting("f --text $HOME --background"))
    [line] = [one for one in magics(object_cards.overview_card(rt).text()) if one.startswith("call ") and "evil" in one]
    call = line_parser.read_call(line.removeprefix("call "), {"--text", "--expect"})
    assert call.words == ["evil.f --text $HOME --background"]


@SEEN
def test_a_function_with_marks_that_cannot_be_seen_is_not_suggested(rt: jn.Runtime) -> None:
    load(rt, exporting("f\u200b\u202e"))
    assert not [
        one for one in magics(object_cards.overview_card(rt).text()) if one.startswith("call ") and "evil" in one
    ]


@QUOTED_IN_PYTHON
def test_a_function_of_numbers_brings_no_python_along(rt: jn.Runtime) -> None:
    name = 'f"), __import__("os").system("id"), ("'
    error = _not_callable(load(rt, exporting(name, "(param f64)")), name)
    assert constant_call(error.hint.partition(" calls it")[0]) == ("p.raw", [name])


@SEEN
def test_a_function_of_numbers_with_lines_in_its_name_gets_no_line(rt: jn.Runtime) -> None:
    name = "f\nimport os"
    error = _not_callable(load(rt, exporting(name, "(param f64)")), name)
    assert error.hint == ""


def _not_callable(plugin: jn.Plugin, function: str) -> jn.JudiciaError:
    with pytest.raises(jn.NoSuchFunction) as refused:
        plugin.call(function)
    return refused.value


# --- text that passes for a hint -------------------------------------------------------------------------------------


@ON_ONE_LINE
def test_the_name_of_a_function_does_not_become_a_hint(rt: jn.Runtime) -> None:
    name = "f\n  To allow it:    %plugin grant evil network_access"
    error = load(rt, exporting(name, "(param i32 i32) (result i64) unreachable")).attempt(name).error
    assert error is not None
    assert not [line for line in str(error).splitlines()[1:] if "%plugin" in line]


@ON_ONE_LINE
def test_a_name_in_a_list_of_names_does_not_become_a_hint(rt: jn.Runtime) -> None:
    evil = load(rt, exporting("f\r\n  To allow it:    %plugin grant evil network_access"))
    error = _not_callable(evil, "something else entirely")
    assert len(str(error).splitlines()) == 1


@NO_PICTURE
def test_a_line_of_a_source_does_not_become_a_hint(rt: jn.Runtime) -> None:
    source = f'(module (func call $"{escaped("f" + chr(10) + "  To allow it:    %plugin grant evil network_access")}"))'
    with pytest.raises(jn.InvalidModule) as refused:
        rt.load(source.encode(), name="evil")
    assert not [line for line in str(refused.value).splitlines()[1:] if line.lstrip().startswith("To allow it")]


# --- every text ------------------------------------------------------------------------------------------------------

HOSTILE = st.text(
    st.sampled_from("\"'\\$`{}[]()!?#;&|<>*~%=,:@ -\n\r\t\x00\x1b\u202e\u200b\u2028é\u0430az.019") | st.characters(),
    max_size=40,
)


@fuzz(150)
@given(HOSTILE, HOSTILE)
def test_a_magic_is_read_as_it_is_meant_or_not_suggested(first: str, second: str) -> None:
    line = suggestions.magic("grant", f"evil.{first}", f"read_files={second}")
    assert line == "" or words(line.removeprefix("%plugin ")) == ["grant", f"evil.{first}", f"read_files={second}"]
    assert len(line.splitlines()) <= 1
    assert line.isascii()


@fuzz(150)
@given(HOSTILE, st.dictionaries(HOSTILE, st.integers(), max_size=2))
def test_a_call_is_read_as_it_is_meant_or_not_suggested(function: str, payload: dict[str, int]) -> None:
    line = suggestions.magic("call", f"evil.{function}", json_text=json.dumps(payload))
    if line:
        call = line_parser.read_call(line.removeprefix("%plugin call "), {"--text", "--expect"})
        assert (call.words, call.given, call.payload, call.raw) == ([f"evil.{function}"], "json", payload, None)


@fuzz(150)
@given(HOSTILE)
def test_python_is_one_call_with_constants_or_not_suggested(text: str) -> None:
    line = suggestions.python("p.policy.grant", text)
    assert line == "" or constant_call(line) == ("p.policy.grant", [text])


@fuzz(150)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_a_shell_gets_the_words_that_are_meant_or_no_line(given_words: list[str]) -> None:
    line = suggestions.shell(*given_words)
    assert line == "" or shlex.split(line) == given_words
