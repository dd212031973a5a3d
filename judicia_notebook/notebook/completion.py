"""Tab completion for the arguments of ``%plugin``.

Knows `commands`, the shared runtime's names and IPython's matcher interface. It calls no plugin and changes nothing.

IPython's older ``complete_command`` hook leaves Jedi's Python names in the list, first (``%plugin call --`` offered
``--abs``). A matcher of our own runs before all others and suppresses them where it has something to offer; it
also sees ``r = %plugin ...``, and may say exactly which part of the line it replaces (``example:che``, ``checker.ch``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine.features import OPTIONAL
from judicia_notebook.experiments.monitors import monitor_names
from judicia_notebook.languages import SUFFIXES, languages
from judicia_notebook.notebook import commands, line_parser
from judicia_notebook.notebook.command import Argument, Command

if TYPE_CHECKING:
    from judicia_notebook.runtime.runtime import Runtime

_MAGIC = re.compile(r"\s*(?:[\w.,\[\]'\" ]+=\s*)?(%{0,2})plugin[ \t]+")
_CODE_FILES = (".wasm", *SUFFIXES)
_MOST_VARIABLES = 50
_PAYLOAD_MODULES = ("builtins", "datetime", "numpy", "__main__")


def install(shell: Any) -> Callable[[], None]:
    """Complete ``%plugin`` in this shell. The returned function takes it off again."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    def plugin_matcher(context: Any) -> dict[str, Any]:
        found = Completion(shell).of(context.full_text, context.cursor_line, context.cursor_position)
        if found is None or not found[1]:
            return {"completions": []}
        fragment, words = found
        return {
            "completions": [SimpleCompletion(text=word, type="param") for word in words],
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": True,
        }

    matcher = context_matcher(identifier="judicia_notebook.plugin", priority=100)(plugin_matcher)
    shell.Completer.custom_matchers.append(matcher)

    def remove() -> None:
        if matcher in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(matcher)

    return remove


class Completion:
    """The words that can come next on a ``%plugin`` line."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def of(self, text: str, row: int, column: int) -> tuple[str, list[str]] | None:
        """The part before the cursor to replace, and the words for it; None for a line of another magic."""
        before = text.split("\n")[row][:column]
        magic = _MAGIC.match(before)
        if magic is None or not self._is_ours(magic, text, row):
            return None
        try:
            pieces = line_parser.split(before[magic.end() :])
        except line_parser.LineError:
            return None
        if before[-1:].isspace():
            fragment, words = "", [piece.text for piece in pieces]
        else:
            fragment, words = before[magic.end() + pieces[-1].start :], [piece.text for piece in pieces[:-1]]
        candidates = self._candidates(words, fragment, cell=magic[1] == "%%")
        return fragment, [word for word in dict.fromkeys(candidates) if word.startswith(fragment)]

    def _is_ours(self, magic: re.Match[str], text: str, row: int) -> bool:
        percents = magic[1]
        assigned = "=" in magic[0]
        if percents == "%%":
            return not assigned and not any(line.strip() for line in text.split("\n")[:row])
        if percents == "%":
            return True
        return not assigned and bool(self._shell.automagic) and "plugin" not in self._shell.user_ns

    def _candidates(self, words: list[str], fragment: str, *, cell: bool) -> Iterable[str]:
        names = commands.cell_commands() if cell else commands.line_commands()
        if not words:
            return names
        if words[0] not in names or (words[0] == "run" and "--" in words):
            return ()
        command = commands.find(words[0], cell=cell)
        previous = command.option(words[-1])
        if previous is not None and previous.takes_value and previous.count != "*":
            return self._values(previous, words, fragment)
        if fragment.startswith("-"):
            return _options(command, words)
        argument = _next_positional(command, words[1:])
        return (self._values(argument, words, fragment) if argument else ()) or _options(command, words)

    def _values(self, argument: Argument, words: list[str], fragment: str) -> list[str]:
        if argument.choices:
            return list(argument.choices)
        offers: dict[str, Callable[[Runtime], list[str]]] = {
            "plugins": lambda runtime: list(runtime.plugins),
            "programs": _programs,
            "functions": _functions,
            "calls": lambda runtime: [*_functions(runtime), *_programs(runtime)],
            "sources": lambda _: _sources(fragment),
            "plugins_sources": lambda runtime: [*runtime.plugins, *_sources(fragment)],
            "capabilities": lambda runtime: _capabilities(runtime, words),
            "granted": lambda runtime: _granted(runtime, words),
            "variables": lambda _: self._variables(),
            "languages": lambda _: list(languages()),
            "features": lambda _: _features(fragment),
            "monitors": lambda _: _behind_commas(monitor_names(), fragment),
            "imports": lambda _: [*_presets(), *self._dicts()],
        }
        offer = offers.get(argument.completes)
        if offer is None:
            return []
        from judicia_notebook.runtime.runtime import get_runtime

        return offer(get_runtime())

    def _dicts(self) -> list[str]:
        """The user's variables that may be imports."""
        hidden = self._shell.user_ns_hidden
        named = self._shell.user_ns.items()
        return [
            name for name, value in named if isinstance(value, dict) and not name.startswith("_") and name not in hidden
        ]

    def _variables(self) -> list[str]:
        """The user's variables that may be a payload, the latest last."""
        hidden = self._shell.user_ns_hidden
        names = [
            name
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and name not in hidden and type(value).__module__ in _PAYLOAD_MODULES
            and not callable(value) and not isinstance(value, ModuleType)
        ]  # fmt: skip
        return names[-_MOST_VARIABLES:]


def _options(command: Command, words: list[str]) -> list[str]:
    """The options not given yet, in their long form."""
    free = [
        option
        for option in command.options
        if option.count == "append" or not any(word.partition("=")[0] in option.names for word in words)
    ]
    return [*(max(option.names, key=len) for option in free), "--help"]


def _next_positional(command: Command, words: list[str]) -> Argument | None:
    given, skip = 0, False
    for word in words:
        option = command.option(word)
        if skip:
            skip = False
        elif option is not None:
            skip = option.takes_value and option.count != "*"
        elif not word.startswith("-"):
            given += 1
    positionals = command.positionals
    if given < len(positionals):
        return positionals[given]
    return positionals[-1] if positionals and positionals[-1].count == "+" else None


def _programs(runtime: Runtime) -> list[str]:
    """The plugins that can be run."""
    return [name for name, plugin in runtime.plugins.items() if plugin.is_command]


def _functions(runtime: Runtime) -> list[str]:
    """All functions that can be typed; a guest may name one with spaces or control characters."""
    found = (f"{name}.{function}" for name, plugin in runtime.plugins.items() for function in plugin.functions)
    return [name for name in found if name.isprintable() and " " not in name]


def _presets() -> tuple[str, ...]:
    from judicia_notebook.runtime.presets import NAMES

    return NAMES


def _features(fragment: str) -> list[str]:
    """The features that can be switched on, behind those that are typed already."""
    return _behind_commas(OPTIONAL, fragment)


def _behind_commas(names: Iterable[str], fragment: str) -> list[str]:
    """Names behind those that are typed already, without these."""
    typed, comma, _ = fragment.rpartition(",")
    return [f"{typed}{comma}{name}" for name in names if name not in typed.split(",")]


def _sources(fragment: str) -> list[str]:
    """The bundled examples, and the folders and files that fit."""
    from judicia_notebook.runtime.source import examples

    return [*(f"example:{name}" for name in examples()), *_paths(fragment)]


def _paths(fragment: str) -> list[str]:
    """Folders and code files. The typed part stays as it is (``~``, escaped spaces); completion adds the rest."""
    typed = fragment.replace("\\ ", " ")
    folder, slash, start = typed.rpartition("/")
    try:
        entries = sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
        meant = [entry for entry in entries if entry.name.startswith(start) and (start or entry.name[0] != ".")]
        names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in meant]
    except (OSError, RuntimeError):
        return []
    return [fragment + name[len(start) :].replace(" ", "\\ ") for name in names if name.endswith(("/", *_CODE_FILES))]


def _capabilities(runtime: Runtime, words: list[str]) -> list[str]:
    """All capabilities, and imports by their names: first those the named plugin asks for, last those it has."""
    plugin = next((runtime.plugins[word] for word in words[1:] if word in runtime.plugins), None)
    if plugin is None:
        return list(CAPABILITIES)
    requests, state = plugin.requested, plugin.policy.state
    offers = plugin._code.offers.in_python(plugin.imports)
    imports = [offer.grant for offer in offers if not offer.is_allowed(state)]
    free = [capability for capability in CAPABILITIES if capability not in plugin.policy.grants]
    return [*requests, *imports, *free, *plugin.policy.grants]


def _granted(runtime: Runtime, words: list[str]) -> list[str]:
    plugin = next((runtime.plugins[word] for word in words[1:2] if word in runtime.plugins), None)
    return sorted({*plugin.policy.granted, *plugin.policy.grants}) if plugin else []
