"""`jn.check`: a call, a monitored call or a plugin is as expected, or an error says what is not.

- Each criterion reads what the host recorded: outcome, answer, the call's row, digest, policy, exact counts.
- What is no check is an error, too: nothing expected, a value that is none of its criterion's, a call that may still
  run, a criterion of a plugin asked of a call. So a check never passes because it was written wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from judicia_notebook.errors import InvalidCheck, JudiciaError
from judicia_notebook.experiments.checks import criteria
from judicia_notebook.experiments.checks.coverage import judge_coverage
from judicia_notebook.experiments.checks.criteria import NOTHING, OF_A_CALL, expect
from judicia_notebook.experiments.checks.hidden import judge_by, read_source
from judicia_notebook.experiments.checks.judging import judge
from judicia_notebook.experiments.checks.result import Checked, settle
from judicia_notebook.experiments.checks.rights import judge_rights, read_grants, read_quota
from judicia_notebook.experiments.monitoring.result import Monitored
from judicia_notebook.policy.quotas import Quota
from judicia_notebook.records.findings import Finding
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.source import Source
from judicia_notebook.text import printable
from judicia_notebook.units import format_names

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **OF_A_CALL,
    "coverage_at_least": criteria.read_coverage,
    "digest": criteria.read_digest,
    "grants_at_most": read_grants,
    "quota_at_most": read_quota,
    "by": read_source,
    "seed": criteria.read_count,
    "points": criteria.read_points,
}
_OF_A_PLUGIN: Final = frozenset({"grants_at_most", "quota_at_most", "digest", "by", "seed"})
_OF_A_MONITORING: Final = frozenset({"coverage_at_least", "digest"})


def check(
    subject: Outcome | Monitored | Plugin,
    *,
    outcome: str | Any = NOTHING,
    answer: Any = NOTHING,
    code: str | Any = NOTHING,
    denied: int | Any = NOTHING,
    host_calls_at_most: int | Any = NOTHING,
    fuel_at_most: int | Any = NOTHING,
    coverage_at_least: float | Mapping[str, float] | Any = NOTHING,
    digest: str | Any = NOTHING,
    grants_at_most: Iterable[str] | Any = NOTHING,
    quota_at_most: Quota | Mapping[str, Any] | Any = NOTHING,
    by: Source | Any = NOTHING,
    seed: int | Any = NOTHING,
    points: float = 1,
) -> Checked:
    """Check that a call or a plugin is as expected. In a notebook a card shows each criterion.

    Parameters
    ----------
    subject : Outcome, Monitored or Plugin
        What `Plugin.attempt` or `Plugin.monitor` gave, or a plugin as it is now.
    outcome : str
        How the call ended, a value of the column ``outcome``. ``ok`` unless it or a code is given, also for criteria
        that would hold of a call that failed.
    answer : JSON value, bytes or numbers
        The value of the call, compared as JSON: numbers by value, ``True`` is not 1.
    code : str
        The code of the plugin's own failure; the outcome is ``guest_error`` then.
    denied : int
        How many host calls the policy denied, exactly.
    host_calls_at_most, fuel_at_most : int
        Fuel that is not known meets no limit.
    coverage_at_least : float, or dict of str to float
        The share, above 0 and up to 1, of the instructions that a monitor saw run: of the whole module, or of each
        function that is named.
    digest : str
        SHA-256 of the module, or at least its first 12 digits: no other one was called.
    grants_at_most : list of str
        Every grant of the plugin is one of these, as it is written here: what a scope reaches is not compared.
    quota_at_most : Quota or dict
        Each of these limits is in force, and is no higher.
    by : path, bytes or text
        A plugin of checks, as `Runtime.load` takes it: the plugin passes each of its cases, which are not shown. See
        the page on checks for what it exports.
    seed : int
        What the plugin of checks is asked with; a random number unless said, which the result names.
    points : float
        What the check is worth; all of it or nothing.

    Returns
    -------
    Checked
        With ``points`` and ``findings``.

    Raises
    ------
    CheckFailed
        A criterion is not met. It is an AssertionError, which graders count.
    InvalidCheck
        Nothing is expected, a value is none of its criterion's, or the subject has no such criterion.
    PluginNotReady
        The plugin is unloaded.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     p = rt.load("example:specimen")
    ...     jn.check(p.attempt("echo", [1, 2]), answer=[1, 2], denied=0, points=2)
    ...     jn.check(p, grants_at_most=[], quota_at_most={"memory": "16MiB"})
    <Checked specimen.echo: passed, 2 of 2 points>
    <Checked specimen: passed, 1 of 1 point>
    """
    given = {
        "outcome": outcome,
        "answer": answer,
        "code": code,
        "denied": denied,
        "host_calls_at_most": host_calls_at_most,
        "fuel_at_most": fuel_at_most,
        "coverage_at_least": coverage_at_least,
        "digest": digest,
        "grants_at_most": grants_at_most,
        "quota_at_most": quota_at_most,
        "by": by,
        "seed": seed,
    }
    read = {name: _read(name, value) for name, value in given.items() if value is not NOTHING}
    worth = _read("points", points)
    if not {*read} - {"seed"}:
        raise InvalidCheck("Nothing is expected, so that this check would always pass.", hint=_AN_EXAMPLE)
    named, findings = _judge(subject, read)
    return settle(printable(named, 160), findings, worth)


_AN_EXAMPLE = 'Such as  jn.check(p.attempt("f", 1), answer=2)'


def _read(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except ValueError as error:
        raise _refusal(name, str(error)) from None
    except JudiciaError as error:  # an unknown capability, a size that is none
        raise _refusal(name, error.message) from None


def _refusal(name: str, text: str) -> InvalidCheck:
    return InvalidCheck(f"{name}: {text}{'' if text.endswith(('.', '?')) else '.'}", criterion=name)


def _judge(subject: Any, read: dict[str, Any]) -> tuple[str, list[Finding]]:
    """What was checked, and what was found."""
    match subject:
        case Plugin():
            _check_names(read, _OF_A_PLUGIN, "a plugin", "its calls have them: p.attempt(...)")
            subject._check_loaded()
            return _judge_plugin(subject, read)
        case Monitored():
            return _judge_monitored(subject, read)
        case Outcome():
            known = frozenset({*OF_A_CALL, "digest"})
            _check_names(read, known, "a call", "p.monitor(...) has coverage, a plugin has grants and quotas")
            return _judge_call(subject, read)
    raise InvalidCheck(
        f"A check is of what p.attempt(...) or p.monitor(...) gave, or of a plugin, not of {type(subject).__name__}.",
        hint=_AN_EXAMPLE,
    )


def _judge_plugin(subject: Plugin, read: dict[str, Any]) -> tuple[str, list[Finding]]:
    findings = [*_digest(subject.digest, read), *judge_rights(subject.policy, read)]
    if "by" not in read:
        if "seed" in read:
            raise InvalidCheck("seed: there is no plugin of checks that would be asked with it.", criterion="seed")
        return subject.name, findings
    seed, found = judge_by(subject, read["by"], read.get("seed"))
    return f"{subject.name}, seed={seed}", [*findings, *found]


def _judge_call(subject: Outcome, read: dict[str, Any]) -> tuple[str, list[Finding]]:
    record = subject.record
    if record is None and subject.error is None:
        raise InvalidCheck("This call has no row, so that nothing of it can be checked.", hint=_AN_EXAMPLE)
    findings = judge(_expected(read), subject)
    if record is None:
        return f"{getattr(subject.error, 'plugin', '')}" or "the call", findings
    return f"{record.plugin}.{record.function}", [*_digest(record.digest, read), *findings]


def _judge_monitored(subject: Monitored, read: dict[str, Any]) -> tuple[str, list[Finding]]:
    if subject.outcome is None:
        _check_names(read, _OF_A_MONITORING, "the calls of a block", "p.monitor(...) is of one call")
        if len(subject.plugins) != 1:
            raise InvalidCheck(f"{len(subject.plugins)} plugins were monitored, and a check is of one.")
        [named], [digest] = subject.plugins, subject.digests.values()
        findings = list(_digest(digest, read))
    else:
        known = frozenset({*OF_A_CALL, *_OF_A_MONITORING})
        _check_names(read, known, "a call", "a plugin has grants and quotas: jn.check(p, ...)")
        named, findings = _judge_call(subject.outcome, read)
    if "coverage_at_least" in read:
        findings = [*findings, *judge_coverage(subject, read["coverage_at_least"])]
    return named, findings


def _check_names(read: dict[str, Any], known: frozenset[str], of: str, instead: str) -> None:
    if strange := [name for name in read if name not in known]:
        raise InvalidCheck(f"{format_names(strange)}: {of} has no such criterion; {instead}.", criterion=strange[0])


def _expected(read: dict[str, Any]) -> criteria.Expected:
    try:
        return expect({name: read[name] for name in OF_A_CALL if name in read})
    except InvalidCheck as error:
        raise InvalidCheck(f"{error.criterion}: {error.message}.", criterion=error.criterion) from None


def _digest(given: str, read: dict[str, Any]) -> list[Finding]:
    if "digest" not in read:
        return []
    is_met = given.startswith(read["digest"])
    told = f"the module is {given[:12]}"
    return [Finding("digest", is_met, told if is_met else f"{told}, expected {read['digest'][:12]}")]
