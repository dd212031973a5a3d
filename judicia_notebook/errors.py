"""Every error the package raises, as one tree.

::

    JudiciaError
     |- LoadError            a file that cannot become a plugin
     |   |- InvalidModule    not a WebAssembly module, truncated, too large
     |   |- ManifestError    what the plugin says of itself is wrong
     |   |- AbiMismatch      exports that do not fit the ABI
     |   |- UnknownImport    it asks for something this runtime does not offer
     |   `- CompileError     the engine refused it
     |       `- CompileLimit it would cost too much to compile
     |- PolicyError          an unknown capability, a bad scope, unit or number, above the ceiling
     |- PluginNotReady       unloaded, failed to initialize, re-entered
     |- InvalidPayload       what you want to send has no JSON form, or a number does not fit its type
     |- NoSuchPlugin, NoSuchFunction, NoSuchExample
     |- ResourceExhausted    no instance slot, memory for all instances used up, closed or forked runtime
     `- CallError            a call that a plugin, a limit or a person ended; carries .record .plugin .function
         |- GuestError       the plugin reported failure itself
         |- GuestTrap        unreachable, out of bounds, division by zero, ...
         |- QuotaExceeded    a limit in force was reached
         |- CapabilityDenied a host call without its grant, under on_denied="trap"
         |- HostFailure      a service or a Python callback of ours raised
         |- AbiViolation     a bad pointer, length, UTF-8 or JSON from the guest
         `- Cancelled        by .cancel(), the panel or unload

Errors are data: each class names its fields, and `describe` alone turns them into sentences. In a notebook an error of
this tree shows as those two or three lines; any other error is a bug of ours and keeps its traceback.

As data they travel: every error pickles and copies with all its fields, so that a process pool, joblib or a Dask
cluster hands it over whole. An object that belongs to one process says what to do instead, see `stays_in_process`.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from judicia_notebook.reporting import suggestions, tracebacks
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_quantity, parse_size, parse_time

if TYPE_CHECKING:
    from judicia_notebook.records.record import CallRecord


class JudiciaError(Exception):
    """The base of all errors of this package."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(describe(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {describe(self)[0]}>"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: these sentences, and where the user's own code was."""
        first, *rest = describe(self)
        return tracebacks.render(self, [f"{type(self).__name__}: {first}", *rest])

    # By default pickle makes an exception anew from its `args`; the classes below take other arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: _portable(value) for name, value in vars(self).items()}
        if self.__cause__ is not None:
            state["__cause__"] = _portable_cause(self.__cause__)
        return _revived, (type(self), self.args), state


def _revived(kind: type[JudiciaError], arguments: tuple[Any, ...]) -> JudiciaError:
    return kind.__new__(kind, *arguments)


def _portable(value: Any) -> Any:
    """The value, or its repr where it cannot leave this process."""
    try:
        pickle.dumps(value)
    except Exception:  # whatever a value's own code raises
        return printable(repr(value))
    return value


def _portable_cause(cause: BaseException) -> BaseException:
    """An exception that unpickles, too: many exceptions pickle and cannot be made again."""
    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301  # our own bytes of a moment ago
    except Exception:
        return RuntimeError(printable(f"{type(cause).__name__}: {cause}"))
    return cause


_MOST_WRITTEN, _LAST_LINES = 4000, 10  # characters looked at, lines shown, of what a command wrote
C = TypeVar("C", bound=type)


def stays_in_process(instead: str) -> Callable[[C], C]:
    """Decorate a class whose objects are part of this process: pickling or copying one says what to do instead.

    Parameters
    ----------
    instead : str
        A sentence, which may hold a line to type.
    """

    def decorate(kind: C) -> C:
        def refuse(_self: object, _protocol: object) -> NoReturn:
            raise TypeError(f"A {kind.__name__} cannot be pickled or copied: it is part of this process. {instead}")

        kind.__reduce_ex__ = refuse  # type: ignore[method-assign, assignment]
        return kind

    return decorate


class LoadError(JudiciaError):
    """A file that cannot become a plugin. Nothing of it was run."""

    def __init__(self, message: str, *, source: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.source = source


class InvalidModule(LoadError):
    """Not a WebAssembly module, truncated, malformed or too large."""


class ManifestError(LoadError):
    """The manifest is not what `judicia_notebook.wasm.manifest` describes; the message names the field."""


class AbiMismatch(LoadError):
    """The exports do not fit the ABI the file was loaded with."""


class UnknownImport(LoadError):
    """The module imports something this runtime does not offer.

    Attributes
    ----------
    module, name, kind : str
        What it imports.
    known : tuple of str
        The modules this runtime offers.
    others : tuple of (module, name, kind)
        Its other imports that are not offered.
    """

    def __init__(
        self,
        module: str,
        name: str,
        *,
        kind: str = "func",
        known: Iterable[str] = (),
        others: Iterable[tuple[str, str, str]] = (),
        hint: str = "",
    ) -> None:
        super().__init__(f"imports {module}.{name}", hint=hint)
        self.others = tuple(others)
        self.module = module
        self.name = name
        self.kind = kind
        self.known = tuple(known)


class CompileError(LoadError):
    """The engine refused the module."""


class CompileLimit(CompileError):
    """Compiling the module would cost more than is allowed."""


class PolicyError(JudiciaError):
    """An unknown capability, a bad scope, unit or number, or a quota above the runtime's ceiling."""


class PluginNotReady(JudiciaError):
    """The plugin is unloaded, failed to initialize, or is being called from its own host call."""


class InvalidPayload(JudiciaError, ValueError):
    """What you want to send has no JSON form, or a number does not fit its parameter. The plugin was not entered."""


class NoSuchPlugin(JudiciaError):
    """No plugin of that name is loaded."""


class NoSuchFunction(JudiciaError):
    """The plugin exports no such function."""


class NoSuchExample(JudiciaError):
    """No bundled example has that name."""


class ResourceExhausted(JudiciaError):
    """The runtime is closed or forked, or what all plugins share is used up."""


class CallError(JudiciaError):
    """A call that a plugin, a limit or a person ended.

    Attributes
    ----------
    plugin, function : str
    record : CallRecord or None
        The row of `Runtime.calls` for this call.
    facts : tuple of str
        Sentences on what came before the end: what the guest said last, the memory it was refused, whose limit it was.
    stdout, stderr : bytes
        What a WASI command (`Plugin.run`) had written when it was ended.
    row : int or None
        The row that a call over columns (`Plugin.ufunc`) was in, from 0.
    rows_before : numpy.ndarray, tuple of numpy.ndarray or None
        The results of the rows before that one, flat; a tuple where the function has several.
    """

    outcome = "failed"
    row: int | None = None
    rows_before: Any = None
    facts: tuple[str, ...] = ()
    stdout = stderr = b""

    def __init__(self, message: str = "", *, plugin: str = "", function: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plugin = plugin
        self.function = function
        self.record: CallRecord | None = None
        self.state_lost = False

    @property
    def where(self) -> str:
        """``plugin.function``"""
        return f"{self.plugin}.{self.function}"


class GuestError(CallError):
    """The plugin reported failure itself, through ``judicia:host fail``."""

    outcome = "guest_error"

    def __init__(self, message: str, *, code: str, data: Any = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.code = code
        self.data = data


class GuestTrap(CallError):
    """The plugin did something WebAssembly forbids, and was stopped on the spot.

    Attributes
    ----------
    trap : str
        The kind, such as ``unreachable`` or ``out_of_bounds_memory``.
    backtrace : tuple of str
        Function names, innermost first.
    """

    outcome = "trap"

    def __init__(self, *, trap: str, backtrace: Sequence[str] = (), **where: Any) -> None:
        super().__init__(trap, **where)
        self.trap = trap
        self.backtrace = tuple(backtrace)


class QuotaExceeded(CallError):
    """A limit in force was reached.

    Attributes
    ----------
    quota : str
        ``cpu``, ``wall``, ``memory``, ``fuel``, ``payload``, ``answer``, ``host_calls``, ...
    limit, used : float
        In `unit`: ``s``, ``bytes``, or what is counted (``fuel``, ``host calls``).
    ceiling : float or None
        What the runtime allows at most; None where it has no ceiling of this kind.
    """

    def __init__(
        self,
        *,
        quota: str,
        limit: float,
        used: float,
        unit: str,
        per_call: bool = False,
        ceiling: float | None = None,
        **where: Any,
    ) -> None:
        super().__init__(quota, **where)
        self.quota = quota
        self.limit = limit
        self.used = used
        self.unit = unit
        self.per_call = per_call
        self.ceiling = ceiling

    @property
    def outcome(self) -> str:  # type: ignore[override]  # depends on which quota it was
        return f"quota_{self.quota}"


class CapabilityDenied(CallError):
    """A host call without its grant ended the call, because ``on_denied="trap"``.

    Attributes
    ----------
    capability, scope : str
        What it lacked. The scope may be what the guest wrote.
    host_function : str
        What it called.
    """

    outcome = "denied"

    def __init__(
        self, *, capability: str, scope: str = "", host_function: str = "", grantable: bool = True, **where: Any
    ) -> None:
        super().__init__(capability, **where)
        if grantable:
            self.hint = suggestions.to_grant(self.plugin, capability + (f"={scope}" if scope else ""))
        self.capability = capability
        self.scope = scope
        self.host_function = host_function


class HostFailure(CallError):
    """A service or a Python callback of ours raised; ``__cause__`` is that exception. The guest is not resumed."""

    outcome = "host_failure"


class AbiViolation(CallError):
    """The guest broke the ABI: a bad pointer, length, UTF-8 or JSON."""

    outcome = "abi_violation"


class Cancelled(CallError):
    """Ended by ``.cancel()``, the panel or an unload."""

    outcome = "cancelled"


_LONGEST = 2500
"""Characters of a line; what a guest wrote in it has been cut before."""


def describe(error: JudiciaError) -> list[str]:
    """The sentences for an error: what happened first, then what to do about it."""
    if isinstance(error, CallError):
        first, *rest = _describe_call(error)
        first = _with_facts(first, error.facts)
    elif isinstance(error, LoadError):
        first, *rest = _describe_load(error)
    else:
        first, rest = printable(error.message, 1000), []
    hints = [f"  {line}" for line in error.hint.split("\n") if line]
    written = _written(error) if isinstance(error, CallError) else []
    return [printable(line, _LONGEST) for line in (first, *rest, *hints, *written)]


def _with_facts(sentence: str, facts: Sequence[str]) -> str:
    """A line that ends with the facts; the guest's own words may end without a full stop."""
    if facts and not sentence.endswith((".", "!", "?")):
        sentence += "."
    return " ".join([sentence, *(printable(fact) for fact in facts)])


def refused_memory(error: QuotaExceeded) -> tuple[str, list[str]]:
    """The fact that a memory quota refused a call more, and the lines that say how to allow it."""
    wanted, limit = format_quantity(error.used, "bytes"), format_quantity(error.limit, "bytes")
    facts = " ".join([f"Its memory quota of {limit} refused it {wanted}.", *error.facts])
    more = error.hint.splitlines() or [line.strip() for line in _allow_more(error)]
    return facts, more


def _written(error: CallError) -> list[str]:
    """The last lines that a command wrote before it was ended."""
    end = error.stdout[-_MOST_WRITTEN:].decode("utf-8", "replace").splitlines()
    if not end:
        return []
    if b"\0" in error.stdout[-_MOST_WRITTEN:]:
        return [f"  It had written {format_count(len(error.stdout))} bytes that are no text: error.stdout"]
    lines = end[-_LAST_LINES:]
    cut = len(lines) < len(end) or len(error.stdout) > _MOST_WRITTEN
    return [
        f"  It had written{' (all of it: error.stdout), in the end' if cut else ''}:",
        *(f"    {printable(line, 200)}" for line in lines),
    ]


def _describe_call(error: CallError) -> list[str]:
    where = printable(error.where, 160)
    match error:
        case GuestError():
            return [f"{where} failed: {printable(error.code, 80)}: {printable(error.message)}"]
        case GuestTrap():
            return [f"{where} stopped at {_trap(error)}.{_lost(error)}"]
        case QuotaExceeded():
            return [f"{where} {_used(error)}.", *_allow_more(error)]
        case CapabilityDenied():
            return [f"{where} needs {error.capability} for {error.host_function}."]
        case HostFailure():
            return [f"{where} was ended by an error of the host: {printable(error.message)}.{_lost(error)}"]
        case AbiViolation():
            return [f"{where} broke the ABI: {printable(error.message)}.{_lost(error)}"]
        case _:
            return [f"{where} was cancelled{': ' + printable(error.message) if error.message else ''}.{_lost(error)}"]


# An assembler draws the place in the source below what is wrong. Any other line after the first would pass for a hint.
_PICTURE = re.compile(r"\n(?=[ \d]*(?:\||-->)|\Z)")


def _describe_load(error: LoadError) -> list[str]:
    if isinstance(error, UnknownImport):
        return [_unknown_import(error)]
    first, *rest = [printable(line, 1000) for line in _PICTURE.split(error.message)]
    return [f"{printable(error.source) + ': ' if error.source else ''}{first}", *rest]


_NAMED_IMPORTS = 8


def _unknown_import(error: UnknownImport) -> str:
    source = printable(error.source) or "the module"
    more, few = len(error.others), error.others[:_NAMED_IMPORTS]
    rest = ", ".join(_import(*names) for names in few) + (f", ... {more - len(few)} more" if more > len(few) else "")
    also = f" Nor does it offer {more} more that it imports: {rest}." if more else ""
    return (
        f"{source} imports {_import(error.module, error.name, error.kind)}, which this runtime does not offer.{also}"
        f" Known modules: {', '.join(error.known)}"
    )


def _import(module: str, name: str, kind: str) -> str:
    return printable(f"{module}.{name}", 160) + ("" if kind == "func" else f" (a {kind})")


def _lost(error: CallError) -> str:
    return " Its instance was replaced; its state is lost." if error.state_lost else ""


def _trap(error: GuestTrap) -> str:
    runs = [(name, len(list(run))) for name, run in itertools.groupby(error.backtrace)]
    shown = [printable(name, 80) + (f" (x{count})" if count > 1 else "") for name, count in runs[:6]]
    frames = " <- ".join(shown)
    more = " <- ..." if len(runs) > 6 else ""
    return f"`{error.trap.replace('_', ' ')}`" + (f" in {frames}{more}" if frames else "")


_QUOTA_NOUNS = {"cpu": "CPU", "wall": "wall time", "memory": "memory"}
_HAPPENED = {
    "log": "wrote {used} of log, more than its limit of {limit},",
    "answer": "answered {used}, more than its limit of {limit},",
    "json_values": "answered JSON of {used} or more, above its limit of {limit},",
    "payload": "was given {used} of payload, more than its limit of {limit},",
}


def _used(error: QuotaExceeded) -> str:
    if error.quota in _HAPPENED:
        used, limit = format_quantity(error.used, error.unit), format_quantity(error.limit, error.unit)
        if used == limit:  # the next byte after a round number
            used = f"{format_count(error.used)} {error.unit}"
        return f"{_HAPPENED[error.quota].format(used=used, limit=limit)} and was stopped"
    noun = _QUOTA_NOUNS.get(error.quota, error.quota.replace("_", " ") if error.unit in ("s", "bytes") else "")
    used, limit = format_quantity(error.used, error.unit), format_quantity(error.limit, error.unit)
    verb = "asked for" if error.unit == "bytes" else "used"
    if error.unit not in ("s", "bytes"):
        used = used.removesuffix(f" {error.unit}")
    amount = f"{verb} {used} of {limit}" + (f" {noun}" if noun else "")
    return f"{amount} and was stopped"


def _typed(value: float, unit: str, *, exact: bool = False) -> str:
    """A limit as a user would type it; where it must be `exact` and rounding would change it, in full."""
    if unit not in ("s", "bytes"):
        return str(round(value))
    text = format_quantity(value, unit).replace(" ", "")
    if exact and (parse_time(text) if unit == "s" else parse_size(text)) != value:
        return f"{value!r}s" if unit == "s" else f"{round(value)}B"
    return text


def _allow_more(error: QuotaExceeded) -> list[str]:
    at_the_ceiling = error.ceiling is not None and error.limit >= error.ceiling
    value = _next_limit(error)
    if error.ceiling is not None and not at_the_ceiling:
        value = min(value, error.ceiling)
    text = _typed(value, error.unit)
    if error.ceiling is not None and not at_the_ceiling and value >= error.ceiling:
        text = _typed(value, error.unit, exact=True)  # a rounded one might lie above
    number = error.unit not in ("s", "bytes")
    kinds = {error.quota: round(value) if number else text}
    if at_the_ceiling:
        quota = suggestions.python("jn.Quota", **kinds)
        return _indented("That is the runtime's ceiling. To raise it:  ", f"jn.Runtime(ceiling={quota})")
    if error.per_call:
        way = "run" if error.function == "_start" else "call"
        return _indented("To allow more:  ", f"p.{way}(..., quota={suggestions.python('jn.Quota', **kinds)})")
    line = suggestions.magic("quota", error.plugin, **{error.quota: text})
    return _indented("To allow more:  ", line, suggestions.python("p.policy.set_quota", **kinds))


def _indented(what: str, *lines: str) -> list[str]:
    return [f"  {text}"] if (text := suggestions.hint(what, *lines)) else []


def _next_limit(error: QuotaExceeded) -> float:
    """A limit that would have let this much through, as a round number."""
    if error.unit == "bytes":
        wanted = 1 << 10
        while wanted <= max(error.used, error.limit):
            wanted <<= 1
        return wanted
    wanted_value = max(error.limit * 4, error.used * 1.5)
    return float(f"{wanted_value:.1g}") if wanted_value else 1.0
