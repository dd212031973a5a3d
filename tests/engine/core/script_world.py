"""A runtime with a scripted guest, an honest plugin beside it, and the model: each step must come out as foretold."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import Operation
from tests.engine.core.script_model import Cut, Done, Guest, Limits, Model, Prediction
from tests.engine.core.scripted_guest import COUNTING, PAGE, PAGES, WAT, Program, Short, configuration
from tests.support.waiting import PATIENCE, until

NAME, OTHER = "guest", "other"
SHORT_CPU = "30ms"
NOT_READY = "not ready"
ENDED = {"cancelled", NOT_READY}
SURVIVED = {"ok", "guest_error", "quota_payload"}
HARMLESS = {"answer", "raise", "other"}
"""Deeds that touch no other call, and make none of the same plugin."""
ENDING = {"cancel", "unload", "close"}
"""Deeds that end the call they are done in."""
INTEGERS = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True, repr=False)
class Deed(Short):
    """What the host's service does when it is asked for it."""

    kind: str = "answer"
    number: int = 0
    what: str = ""


@dataclass(frozen=True, repr=False)
class Make(Short):
    """A call: its export, the size of its request (by which a program is chosen), its own limits."""

    how: str = "bytes"
    size: int = 0
    own: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, repr=False)
class Step(Short):
    """One thing to do, or some calls at once."""

    kind: str = "call"
    calls: tuple[Make, ...] = ()
    what: str = ""
    number: int = 0


@dataclass(frozen=True, repr=False)
class Scenario(Short):
    """A script, how the guest is loaded, and what happens then."""

    programs: tuple[Program, ...]
    deeds: tuple[Deed, ...]
    instances: int | str
    steps: tuple[Step, ...]


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    n: int = 0


@dataclass
class Made:
    """A call that was made and how it ended."""

    make: Make
    request: bytes
    limits: Limits
    value: Any = None
    error: BaseException | None = None
    record: Any = None
    others: set[str] = field(default_factory=set)

    @property
    def outcome(self) -> str:
        if isinstance(self.error, jn.PluginNotReady | jn.ResourceExhausted):
            return NOT_READY
        return str(self.error.outcome) if isinstance(self.error, jn.CallError) else "ok"


class World:
    """What a scenario happens in. `close` takes part in the test: it counts what must add up."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.limits = Limits()
        self.done: dict[int, list[Done]] = defaultdict(list)
        self.guests: dict[int, Guest] = {}
        self.dead: set[int] = set()
        self.outcomes: dict[int, str] = {}
        self.failures: list[BaseException] = []
        self.numbers = 0
        self.others_calls = 0
        self.here = threading.local()
        self.quiet = self.closed = self.loaded = self.leaving = self.other_stopped = False
        self.threads: list[threading.Thread] = []
        self.rt = jn.Runtime()
        self.other = self.rt.load(COUNTING, name=OTHER)
        self.load()

    def load(self) -> None:
        """Load the scripted guest, or load it again."""
        again = self.loaded
        self.plugin = self.rt.load(
            WAT,
            name=NAME,
            config=configuration(self.scenario.programs),
            instances=self.scenario.instances,  # type: ignore[arg-type]
            quota=None if again else {"wall": "60s", "cpu": "20s", **vars(self.limits)},
        )
        self.loaded = True

    # Steps --------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Do a step and check what came of it."""
        if self.closed:
            return
        if not self.loaded:
            self.limits = Limits()
            self.load()
        match step.kind:
            case "call":
                self.call(step.calls[0])
            case "together":
                self.call_together(step.calls)
            case "cancel":
                self.cancel(step.calls[0], step.number / 1e6)
            case "unload meanwhile":
                self.unload_meanwhile(step.calls[0], step.number / 1e6)
            case "limit":
                self.limit(step.what, step.number)
            case "reload":
                self.load()
            case "unload":
                self.unload()
        self.settle()

    def settle(self) -> None:
        """Wait for what was begun on other threads, and see that nobody else was touched."""
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self.threads.clear()
        if self.failures:
            raise self.failures[0]
        if self.closed:
            return
        if not self.loaded:
            until(lambda: self.rt._platform.pool.used == (PAGE * 2 if self.others_calls else 0))
        self.ask_other(b"still there")
        calls = self.other.raw("calls")()
        assert calls == self.others_calls or self.other_stopped
        self.others_calls, self.other_stopped = calls, False

    def ask_other(self, request: bytes) -> None:
        """Call the plugin beside it. From a host call of a call that is stopped, it may be stopped with that."""
        self.others_calls += 1
        try:
            assert self.other.call_bytes("echo", request) == request
        except jn.Cancelled:
            assert self.serving
            self.other_stopped = True

    def rest(self) -> None:
        """The next call works, and the guest's account of the calls before is the model's."""
        if self.loaded and not self.closed:
            self.call(Make("rest"))
            self.call(Make("digest"))

    def limit(self, kind: str, number: int) -> None:
        self.plugin.policy.set_quota(jn.Quota(**{kind: number}))
        self.limits = replace(self.limits, **{kind: number})

    def unload(self) -> None:
        self.loaded = False
        self.plugin.unload()

    # Calls --------------------------------------------------------------------------------------------------

    def request(self, make: Make) -> bytes:
        """Bytes that no other call has; JSON, where it has to be."""
        self.numbers += 1
        if make.how != "json":
            return (b"%06d/" % self.numbers * (make.size // 7 + 1))[: make.size]
        size = make.size - 2 if make.size > 2 else 8 + make.size - 2
        return b'"' + (b"%06d/" % self.numbers * (size // 7 + 1))[:size] + b'"'

    def begin(self, make: Make) -> Made:
        own = dict(make.own)
        return Made(make, self.request(make), self.limits, others={"quota_cpu"} if "cpu" in own else set())

    def call(self, make: Make, others: frozenset[str] | set[str] = frozenset()) -> Made:
        """Make a call on this thread and check it."""
        made = self.begin(make)
        made.others |= others | ({"cancelled"} if self.serving else set())
        plugin, quota = self.plugin, {kind: SHORT_CPU if kind == "cpu" else most for kind, most in make.own} or None
        try:
            if make.how == "json":
                made.value = plugin.call("run", msgspec.json.decode(made.request), quota=quota)
            elif make.how in {"act", "digest"}:
                numbers = (make.size,) if make.how == "act" else ()
                made.value = plugin.raw(make.how)(*numbers, quota=quota) & 0xFFFFFFFFFFFFFFFF
            else:
                made.value = plugin.call_bytes("rest" if make.how == "rest" else "run", made.request, quota=quota)
            made.record = plugin.last
        except jn.JudiciaError as error:
            made.error = error
            made.record = getattr(error, "record", None)
        self.check(made)
        return made

    def submit(self, make: Make) -> tuple[Made, Any]:
        made = self.begin(replace(make, how="json"))
        quota = {kind: SHORT_CPU if kind == "cpu" else most for kind, most in make.own} or None
        return made, self.plugin.submit("run", msgspec.json.decode(made.request), quota=quota)

    def collect(self, made: Made, handle: Any) -> None:
        made.error = handle.exception(PATIENCE)
        made.record = handle.record
        if made.error is None:
            made.value = handle.result()

    def call_together(self, makes: Sequence[Make]) -> None:
        """Make calls in the background, all at once; deeds that would touch other calls are none meanwhile."""
        self.quiet = True
        begun = [self.submit(make) for make in makes]
        for made, handle in begun:
            self.collect(made, handle)
        self.quiet = False
        for made in sorted((made for made, _ in begun), key=lambda made: made.record.started_ms if made.record else 0):
            self.check(made)

    def cancel(self, make: Make, seconds: float) -> None:
        """Cancel a call from this thread after a moment."""
        made, handle = self.submit(make)
        time.sleep(seconds)
        handle.cancel()
        self.collect(made, handle)
        made.others |= {"cancelled"}
        self.check(made)

    def unload_meanwhile(self, make: Make, seconds: float) -> None:
        self.leaving = True  # a load at the same moment keeps the limits or not, as the two happen to fall
        made, handle = self.submit(make)
        time.sleep(seconds)
        self.unload()
        self.collect(made, handle)
        self.leaving = False
        made.others |= ENDED
        self.check(made)

    # What the host's service does ---------------------------------------------------------------------------

    def serve(self, scope: Any, ask: Ask) -> Any:
        """Answer the guest; what was done is kept for the model."""
        deed = self.scenario.deeds[ask.n % len(self.scenario.deeds)]
        nested = self.serving
        leaves = self.leaving or not self.loaded
        if ((self.quiet or nested) and deed.kind not in HARMLESS) or (deed.kind == "reload" and leaves):
            deed = Deed(number=1)
        answer: Any = None
        self.here.serving = nested + 1
        try:
            answer = getattr(self, f"deed_{deed.kind.replace(' ', '_')}")(deed, scope)
        except BaseException as error:
            self.failures.append(error)
            raise
        finally:
            self.here.serving = nested
            how = "raised" if deed.kind == "raise" else "ended" if deed.kind in ENDING else "answered"
            others = frozenset({"cancelled"} if deed.kind.endswith("soon") else ())
            self.done[scope.call_id].append(Done(ask.n, answer, self.limits, how, others))
        if deed.kind == "raise":
            raise RuntimeError("a deed")
        return answer

    def deed_answer(self, deed: Deed, _scope: Any) -> str:
        self.numbers += 1
        return (f"{self.numbers:06d}," * (deed.number // 7 + 1))[: deed.number]

    def deed_raise(self, _deed: Deed, _scope: Any) -> None:
        """`serve` raises, once this is kept."""

    def deed_limit(self, deed: Deed, _scope: Any) -> None:
        self.limit(deed.what, deed.number)

    def deed_cancel(self, _deed: Deed, scope: Any) -> None:
        scope.cancel("a deed")

    def deed_cancel_soon(self, deed: Deed, scope: Any) -> None:
        self.soon(deed, lambda: scope.cancel("a deed"))

    def deed_other(self, deed: Deed, _scope: Any) -> None:
        with self.lock:
            self.ask_other(b"%06d" % self.numbers * deed.number)

    def deed_again(self, deed: Deed, _scope: Any) -> None:
        self.call(Make(deed.what, deed.number))

    def deed_unload(self, _deed: Deed, _scope: Any) -> None:
        self.unload()

    def deed_unload_soon(self, deed: Deed, _scope: Any) -> None:
        self.loaded = False
        self.soon(deed, self.plugin.unload)

    def deed_reload(self, _deed: Deed, _scope: Any) -> None:
        self.load()

    def deed_close(self, _deed: Deed, _scope: Any) -> None:
        self.closed, self.loaded = True, False
        self.rt.close()

    lock = threading.Lock()

    @property
    def serving(self) -> int:
        """How many host calls this thread is in."""
        return int(getattr(self.here, "serving", 0))

    def soon(self, deed: Deed, work: Callable[[], object]) -> None:
        """Do it on another thread, after as many microseconds as the deed says."""

        def later() -> None:
            time.sleep(deed.number / 1e6)
            work()

        thread = threading.Thread(target=later, name="deed")
        self.threads.append(thread)
        thread.start()

    # What must be -------------------------------------------------------------------------------------------

    def check(self, made: Made) -> None:
        """Hold a call that ended against the model."""
        if self.failures:
            raise self.failures[0]
        outcome, record = made.outcome, made.record
        if outcome == NOT_READY:
            assert record is None
            reentered = self.serving and self.scenario.instances == 1
            assert reentered or not self.loaded or NOT_READY in made.others, made.error
            return
        assert record is not None, made
        assert record.call_id not in self.outcomes, "two calls with one record"
        self.outcomes[record.call_id] = outcome
        assert record.outcome == outcome
        number = record.instance_id
        most = made.limits.under(dict(made.make.own)).memory
        if (
            number is None
            and outcome == "quota_memory"
            and any(len(kept.memory) > most for kept in self.guests.values())
        ):
            assert record.host_calls == 0  # refused at the entry of a kept instance, which the row does not name
            return
        assert number not in self.dead, f"instance {number} was broken and serves again"
        new = number not in self.guests
        if record.memory_bytes is not None:  # it was entered
            assert new is (record.instance_call == 1), record
        guest = self.guests.pop(number, None) or Guest(self.scenario.programs)
        predicted, cut = self.predict(made, guest, made_new=number is None or new)
        allowed = predicted.others | made.others
        if cut or (outcome != predicted.outcome and outcome in allowed):
            assert outcome in allowed, (outcome, predicted, made.error, "the service was asked less often")
            kept = predicted.kept and not cut
        else:
            assert outcome == predicted.outcome, (outcome, predicted, made.error)
            assert made.value == predicted.value, self.difference(made.value, predicted.value)
            self.check_record(record, predicted, made)
            kept = predicted.kept
        if number is not None:
            if kept and self.scenario.instances != "fresh":
                self.guests[number] = guest
            else:
                self.dead.add(number)

    def predict(self, made: Made, guest: Guest, *, made_new: bool) -> tuple[Prediction, bool]:
        own: dict[str, Any] = dict(made.make.own)
        limits = made.limits.under(own)
        if made.make.how != "act" and len(made.request) > limits.payload:
            return Prediction("quota_payload", kept=True), False
        if made_new and limits.memory < PAGES * PAGE:
            return Prediction("quota_memory"), False
        model = Model(guest, made.limits, own, self.done[made.record.call_id])
        export = {"bytes": "run", "json": "run"}.get(made.make.how, made.make.how)
        try:
            predicted = model.predict(export, b"" if export == "rest" else made.request, lambda answer: answer)
        except Cut:
            return Prediction("cut", others=model.others), True
        assert not model.done or predicted.outcome != made.outcome, "the service was asked more often"
        if predicted.outcome == "ok":
            predicted = self.decoded(made.make, predicted)
        return predicted, False

    @staticmethod
    def decoded(make: Make, predicted: Prediction) -> Prediction:
        """What the caller gets of the answer."""
        answer = predicted.value
        if make.how != "json" or answer is None:
            return replace(predicted, value=b"" if answer is None and make.how != "json" else answer)
        try:
            value = msgspec.json.decode(answer)
        except (ValueError, RecursionError):
            return replace(predicted, outcome="abi_violation", value=None)
        if isinstance(value, float) or (isinstance(value, int) and value not in INTEGERS):
            return replace(predicted, outcome="abi_violation", value=None)
        return replace(predicted, value=value)

    @staticmethod
    def difference(found: Any, expected: Any) -> str:
        """Two values, shortened to where they differ."""
        if not isinstance(found, bytes | str) or type(found) is not type(expected):
            return f"{found!r:.200} instead of {expected!r:.200}"
        at = next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), -1)
        return (
            f"{len(found)} long instead of {len(expected)}; at {at}: {found[at : at + 20]!r} instead of"
            f" {expected[at : at + 20]!r}"
        )

    def check_record(self, record: Any, predicted: Prediction, made: Made) -> None:
        assert record.host_calls == predicted.host_calls, (record, predicted)
        if predicted.outcome == "ok" and made.make.how in {"bytes", "json"}:
            assert record.bytes_out == predicted.answer_bytes
            assert record.bytes_in == len(made.request)
        if predicted.memory_bytes is not None and record.memory_peak_bytes is not None:
            assert record.memory_peak_bytes == predicted.memory_bytes, (record, predicted)

    # The end ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Unload everything; the memory is back, and there is a row for each call and for no other."""
        try:
            self.settle()
            self.rt.clear()
            until(lambda: self.rt._platform.pool.used == 0)
            calls = self.rt.calls
            calls = calls[(calls["plugin"] == NAME) & (calls["origin"] == "user")]
            assert dict(zip(calls["call_id"], calls["outcome"], strict=True)) == self.outcomes
        finally:
            self.rt.close()


def play(scenario: Scenario, holder: list[World]) -> None:
    """Make a world, and let the scenario happen in it; `holder` tells the host's service which world is now."""
    world = World(scenario)
    holder[:] = [world]
    try:
        for step in scenario.steps:
            world.do(step)
            world.rest()
    except BaseException:
        world.rt.close()
        raise
    world.close()


def service(holder: list[World]) -> Operation:
    """The host function of ``judicia:test``."""

    def serve(scope: Any, ask: Ask) -> Any:
        return holder[0].serve(scope, ask)

    return Operation("do", serve, request=Ask)
