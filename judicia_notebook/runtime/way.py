"""The way that most calls take: nothing about them is special, and the core makes each alone (``core/walk.c``).

A `Way` has what all calls of one function have in common. It hands the core a request, and gets the answer; meanwhile
Python has made no object for the call. Where that does not go, because no instance is idle, or the guest fails, or a
service or another thread asks about the call, Python's half of it is made, a `Call`, and goes on from there.
"""

from __future__ import annotations

import struct
import threading
import weakref
from ctypes import addressof
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.context import collected, current_call, labels_in_force
from judicia_notebook.engine import interrupts, safety
from judicia_notebook.engine.abi import has_allocator
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.builtin import abandon, publish, walk
from judicia_notebook.engine.core.functions import FAILED, NOT_TAKEN
from judicia_notebook.engine.core.structs import WayKind
from judicia_notebook.engine.core_rows import CoreRows
from judicia_notebook.engine.entry import enclosing, forget_way, make_halves
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.engine.slots import layout
from judicia_notebook.errors import CallError, JudiciaError
from judicia_notebook.records.record import CallKey
from judicia_notebook.reporting.interrupts import interrupted
from judicia_notebook.runtime.call import MAKING_FRAMES, Call
from judicia_notebook.runtime.exports import RAW_ABI
from judicia_notebook.runtime.half import Half
from judicia_notebook.runtime.observation import limits_in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.policy.budget import CappedBudget
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.runtime.target import RunningCall, Target
    from judicia_notebook.wasm.info import FuncType

_TYPES = {"i32": "i", "i64": "l", "f32": "f", "f64": "d"}
_MOST_NUMBERS = 16
_MOST_KEYS = 64
_LOST = ("host_failure", "RuntimeError: Python did not go on with the call")
_PAIR = struct.Struct("=qQ")  # place and version of a jc_key
_MAIN = threading.main_thread().ident
_ways: dict[int, weakref.ref[Way]] = {}


class _Key:
    """What a call's row says beyond numbers, and where the table of calls has it."""

    __slots__ = ("__weakref__", "budget", "fields", "outcome", "pointer", "way", "who")

    def __init__(
        self,
        way: Way,
        who: tuple[str, str],
        outcome: tuple[str, str] = ("ok", ""),
        budget: CappedBudget | None = None,
    ) -> None:
        self.way = way
        self.budget = budget
        self.who = who  # the thread's name, and its labels
        self.outcome = outcome  # and the error's text
        own = None if budget is None else budget.live.own
        self.fields = structs.Key(-1, 0, id(self), None if own is None else own.pointer)
        self.pointer = addressof(self.fields)
        self.renew()

    def renew(self) -> None:
        """Find its place in the table as it is now, under the policy as it is now.

        Raises
        ------
        ResourceExhausted
            In a forked child.
        """
        safety.check_process()  # in a forked child the table's lock may be held for ever
        version = self.way.limits.version  # before the state: a change in between makes this key old
        parts = self.way.parts(self.who, self.outcome, self.budget)
        # In one step: two threads may renew it, and neither may pair its version with the other's place.
        _PAIR.pack_into(self.fields, 0, self.way.rows.place(parts), version)


def _exchange_key(key: _Key) -> None:
    key.renew()


def _attend(way: int, given: int, instance: int) -> None:
    found = _ways.get(way)
    if found is not None and (known := found()) is not None:
        known.target.instances.attend(given, instance)


functions.give(_exchange_key, _attend)


def kind_of(function: FuncType, abi: str) -> WayKind | None:
    """What the core gives to such a function; None where it does not make its calls."""
    if abi != RAW_ABI:
        return WayKind.TAKES_REQUEST
    most = max(len(function.params), len(function.results))
    return WayKind.TAKES_NUMBERS if most <= _MOST_NUMBERS else None


class NotTaken(NamedTuple):
    """Nothing has happened: the call is to be made in Python, under this number; 0 for the next one."""

    call_id: int


class Reading(NamedTuple):
    """How the value of an answer is made.

    Parameters
    ----------
    quick : callable
        ``quick(way, answer, call_id)``: of an ordinary answer. Where it raises, `finish` is asked.
    finish : callable
        ``finish(call, answer)``: of any, once Python's half of the call is made. What it raises ends the call.
    """

    quick: Callable[[Way, bytes | None, int], Any]
    finish: Callable[[Call, bytes | None], Any]


class Way:
    """The calls of one function that the core makes alone.

    Parameters
    ----------
    target : Target
        Its code's instances serve these calls, no other code's.
    kind : WayKind
    origin : str
        By which way the calls are made, for the rows.
    place : int
        Of the function among those of the code.

    Attributes
    ----------
    pack : callable
        Packs arguments as the core takes them; see `slots.layout`.
    halves : dict
        Python's halves of calls that have one, by their numbers.
    """

    def __init__(self, target: Target, kind: WayKind, origin: str, place: int) -> None:
        subject, rows = target.subject, target.platform.recorder.calls
        function = target.code.functions[subject.function]
        if not isinstance(rows, CoreRows):
            raise TypeError("the core does not write this table of calls")
        params, results = (
            "".join(map(_TYPES.__getitem__, part)) if kind is WayKind.TAKES_NUMBERS else ""
            for part in (function.params, function.results)
        )
        name = subject.function.encode()
        self.pack = layout(function.params, signed=True).pack
        self.target = target
        self.pool = target.instances
        self.origin = origin
        self.policy = target.policy
        self.rows: CoreRows[CallKey] = rows
        self.where = f"{subject.plugin}.{subject.function}"
        self.halves: dict[int, Half] = {}
        self._live = target.policy.live.plugin  # the core has its pointer
        self.limits = structs.Limits.from_address(self._live.pointer)
        self._keys: dict[tuple[str, str], _Key] = {}
        self._budgets: dict[int, CappedBudget] = {}  # of calls that have limits of their own, by their numbers
        self._recorder = target.platform.recorder
        self._next_call_id = self._recorder.next_call_id
        self._captures = self._recorder.captures
        self.pointer: int = functions.way_new(
            target.instances.pointer,
            self._live.pointer,
            rows.pointer,
            target.code.linkage.number,
            place,
            name,
            len(name),
            kind,
            params.encode(),
            results.encode(),
            _template(target),
        )
        if not self.pointer:
            raise MemoryError
        _ways[self.pointer] = weakref.ref(self)
        known = weakref.ref(self)
        make_halves(self.pointer, partial(_half_of, known), partial(_sandbox_of, known))
        self._remains = leave(self, partial(_free, self.pointer))
        self._lost = _Key(self, ("", ""), _LOST)

    def parts(self, who: tuple[str, str], outcome: tuple[str, str], budget: CappedBudget | None) -> CallKey:
        """The part of a row that is no number, under the policy as it is now."""
        state = self.policy.state
        limits = limits_in_force(state.limits if budget is None else budget.limits)
        return CallKey(self.target.subject, self.origin, *who, limits, state.version, *outcome)

    def _new_key(self, who: tuple[str, str]) -> _Key:
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        key = self._keys[who] = _Key(self, who)
        self._lost.renew()
        return key

    # The walk -----------------------------------------------------------------------------------------------

    def go(
        self,
        request: bytes,
        began: int = 0,
        reading: Reading | None = None,
        positions: list[int] | None = None,
        budget: CappedBudget | None = None,
    ) -> Any:
        """Call the function.

        Parameters
        ----------
        request : bytes
            As the guest gets it, or numbers as `pack_numbers` packs them.
        began : int
            When writing it began (``perf_counter_ns``); 0 where that took no time.
        reading : Reading, optional
            Of an answer in bytes; none for numbers.
        positions : list, optional
            Gets the position of the row.
        budget : CappedBudget, optional
            Where the call has limits of its own.

        Returns
        -------
        Any
            One number, a tuple of several, None, or what `reading` made; `NotTaken` where nothing has happened.

        Raises
        ------
        CallError
        KeyboardInterrupt
            Or what else a signal handler raised.
        """
        if self._captures.limit:
            return NotTaken(0)
        who = (threading.current_thread().name, labels_in_force())
        call_id = self._next_call_id()
        key = _Key(self, who, budget=budget) if budget is not None else self._keys.get(who) or self._new_key(who)
        passing, signals, is_final = None, -1, False
        if threading.get_ident() == _MAIN:
            signals = functions.signals_seen()  # first: what comes behind it moves the count, and a tick sees that
            passing = interrupts.Passing(self)
        try:
            if passing is not None:
                interrupts.enter_passing(passing)
            if budget is not None:
                self._budgets[call_id] = budget
            value = walk(self.pointer, request, call_id, current_call.get(), signals, began, key.pointer)
            if value is NOT_TAKEN:
                value = NotTaken(call_id)
            elif reading is not None or positions is not None or value is FAILED or call_id in self.halves:
                value = self._end(value, call_id, key, passing, reading, positions)
            else:
                collected(self._recorder, call_id)
        except BaseException as error:
            # Where the call is Python's by now this does nothing. Otherwise Python failed: for want of frames, perhaps,
            # so the core is asked at once.
            abandon(self.pointer, call_id, self._lost.pointer)
            self.halves.pop(call_id, None)
            is_final = not isinstance(error, JudiciaError)
            raise
        finally:
            if budget is not None:
                self._budgets.pop(call_id, None)
            if passing is not None:
                self._leave(passing, is_final)
        return value

    def _leave(self, passing: interrupts.Passing, is_final: bool) -> None:
        """Raise what a signal handler raised meanwhile, unless the call has ended with it."""
        interrupts.leave_passing(passing)
        if passing.interrupted is None:
            return
        if is_final:
            passing.interrupted = None  # its traceback holds this frame
        else:
            raise interrupted(passing.take(), f"{self.where} was interrupted as it ended.")

    def _end(
        self,
        answer: Any,
        call_id: int,
        key: _Key,
        passing: interrupts.Passing | None,
        reading: Reading | None,
        positions: list[int] | None,
    ) -> Any:
        """The value of an answer; the row is written then. Or what ended the call instead, by Python's half of it."""
        made = self.halves.pop(call_id, None) if self.halves else None
        if reading is None and answer is not FAILED and (made is None or not self._is_there(call_id)):
            collected(self._recorder, call_id)  # numbers: the core wrote the row, also where its half was asked for
            if positions is not None:
                positions.append(self._position_of(call_id))
            return answer
        value = answer
        # A half that is held to the policy of former code has that in its row.
        is_ordinary = made is None or (made.scope.is_plain and made.scope.policy is self.policy)
        is_ordinary = is_ordinary and answer is not FAILED
        if is_ordinary and reading is not None:
            try:
                value = reading.quick(self, answer, call_id)
            except (ValueError, MemoryError, CallError):
                is_ordinary = False
        if not is_ordinary:
            return self._go_on(answer, self._half(call_id, made, passing, reading), positions)
        if made is not None:
            made.scope.part()
        while (position := publish(self.pointer, call_id, key.pointer)) == -1:
            key.renew()
        if positions is not None:
            positions.append(position)
        collected(self._recorder, call_id)
        return value

    def _position_of(self, call_id: int) -> int:
        """The position of a row that the core has just written; -1 where it was dropped since."""
        position = self.pool.last
        while (record := self._recorder.call_at(position)) is not None and record.call_id != call_id:
            position -= 1  # another thread's call ended behind it
        return -1 if record is None else position

    def _go_on(self, answer: Any, made: Half, positions: list[int] | None) -> Any:
        """Have Python's half of the call end it."""
        value = made.conclude() if answer is FAILED else made.resume(answer)
        if positions is not None:
            positions.append(made.record_position)
        return value

    def _is_there(self, call_id: int) -> bool:
        """Whether the core has the call, which has no row then."""
        return bool(functions.walk_find(self.pointer, call_id))

    def budget_of(self, call_id: int) -> Policy | CappedBudget:
        """Where the limits of a call are looked up."""
        return self._budgets.get(call_id, self.policy) if self._budgets else self.policy

    def look(self, call_id: int) -> None:
        """Look at the time of a call that the core has ended, on its thread.

        Raises
        ------
        CallError
            It is over. Python's half of the call finds out which.
        """
        pointer = functions.walk_find(self.pointer, call_id)
        if pointer and functions.look_at_time(pointer):
            raise CallError("its time is over")

    # Python's half ------------------------------------------------------------------------------------------

    def _half(
        self, call_id: int, made: Half | None, passing: interrupts.Passing | None, reading: Reading | None
    ) -> Half:
        """Python's half of a call that the core cannot end; on its thread."""
        safety.check_headroom(MAKING_FRAMES)
        made = made or self._make(call_id)
        pointer = functions.walk_find(self.pointer, call_id)
        if pointer:
            made.fill(pointer)
        if reading is not None:
            made.finish = reading.finish
        if passing is not None and passing.interrupted is not None:
            made.scope.interrupt(passing.interrupted)
        return made

    def _make(self, call_id: int) -> Half:
        adopt = partial(functions.walk_adopt, self.pointer)
        return Half(self.target, self.budget_of(call_id), self.origin, call_id, adopt)

    def half_inside(self, pointer: int) -> Half:
        """Python's half of a call whose guest asks for a service; on its thread."""
        fields = structs.Call.from_address(pointer)
        made = self.halves.get(fields.id)
        if made is None:
            made = self.halves.setdefault(fields.id, self._make(fields.id))
        fields.half = 1  # also where another thread has just made it, and is about to say so
        scope = made.scope
        if scope.pointer != pointer or scope.outer is None:
            made.fill(pointer)
            scope.outer = enclosing()
        interrupts.note_half(scope)
        return made

    def half_from_outside(self, call_id: int, token: int) -> Half | None:
        """Python's half of a call that another thread is in; None where it is over.

        The half stands in `halves` before the core is asked to hold the call back: so its own thread finds it.
        """
        made = self.halves.get(call_id)
        if made is None:
            made = self.halves.setdefault(call_id, self._make(call_id))
        pointer = functions.walk_halve(self.target.instances.pointer, call_id)
        if not pointer:
            self.halves.pop(call_id, None)
            return None
        if not made.scope.pointer:
            made.fill(pointer, token)
        return made


def _half_of(way: weakref.ref[Way], pointer: int) -> CallScope:
    found = way()
    if found is None:
        raise RuntimeError("a call of a function that is gone")
    return found.half_inside(pointer).scope


def _sandbox_of(way: weakref.ref[Way], box: int) -> Sandbox:
    found = way()
    if found is None:
        raise RuntimeError("a call of a function that is gone")
    return found.target.instances.instance_of(box, found.target.code).sandbox


def _template(target: Target) -> structs.Template | None:
    """What the core makes instances from for one call each; None where making one takes a call of Python's, too."""
    code, platform = target.code, target.platform
    if "on_initialize" in code.callable or code.linkage.has_supplies:
        return None
    return code.linkage.template(
        platform.pool,
        platform.samples,
        has_allocator=has_allocator(code.linkage.export_types),
        is_reactor=code.is_reactor,
    )


def _free(pointer: int) -> None:
    forget_way(pointer)
    _ways.pop(pointer, None)
    functions.way_free(pointer)


def running_calls(target: Target) -> tuple[RunningCall, ...]:
    """The plugin's calls that run or wait, the oldest first. Those that the core makes alone get Python's half."""
    found: dict[int, RunningCall] = dict(target.activity.running)
    for instances in (target.instances, *target.activity.apart):
        for walker in instances.walkers():
            reference = _ways.get(walker.way)
            way = reference() if reference is not None else None
            is_ours = way is not None and way.target.instances is instances  # or its memory is another's by now
            if way is not None and is_ours and (half := way.half_from_outside(walker.id, walker.token)) is not None:
                found.setdefault(walker.id, half)
    return tuple(found[call_id] for call_id in sorted(found))
