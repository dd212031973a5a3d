"""One call as a story, as strace tells a program's: entered, host calls, denials, grows, log lines, left.

A step inside another step stands below it, further in: a log line of a host call, or the call of another plugin that it
led to. Times count from the moment the call left its queue. Texts may come from a guest: they
are cut and made printable, and escaped on their way into HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.records.captures import THE_CALL
from judicia_notebook.records.columns import Columns
from judicia_notebook.records.record import CALLS
from judicia_notebook.records.rows import EVENTS, HOST_CALLS, LOGS, SAMPLES
from judicia_notebook.text import INERT_CLASSES, printable
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    from judicia_notebook.records.captures import Captured
    from judicia_notebook.records.columns import Array
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.records.recorder import Recorder

MOST_STEPS, FIRST_STEPS = 400, 300
_TEXT_LIMIT = 200
_DEEPEST = 20
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a call.

    Attributes
    ----------
    at_ms : float
        Since the outermost call left its queue.
    depth : int
        How many steps it is inside of.
    kind : str
        ``enter``, ``host``, ``denied``, ``grow``, ``grow_refused``, ``log``, ``answer`` or ``cut``.
    text : str
    took_ms : float or None
        Its duration, where it took time.
    """

    at_ms: float
    depth: int
    kind: str
    text: str
    took_ms: float | None = None

    def line(self) -> str:
        """The step as strace would write it."""
        took = f" <{format_time(self.took_ms / 1e3)}>" if self.took_ms is not None else ""
        return f"{self.at_ms:9.3f}  {_INDENT * self.depth}{self.text}{took}"


@dataclass(frozen=True, slots=True)
class Trace:
    """The story of one call.

    Attributes
    ----------
    record : CallRecord
    steps : tuple of Step
        In the order of time; of very many, the first and the last.
    captured : bool
        Whether the payloads were kept.
    """

    record: CallRecord
    steps: tuple[Step, ...]
    captured: bool = False

    def text(self) -> str:
        """The story, a line for each step."""
        return "\n".join([self._head(), f"{'ms':>9}", *(step.line() for step in self.steps), *self._foot()])

    def _head(self) -> str:
        record = self.record
        parts = [f"{record.plugin}.{record.function}", f"call {record.call_id}"]
        if record.instance_id is not None:
            parts.append(f"instance {record.instance_id}, its call {record.instance_call}")
        if record.queue_ms >= 0.1:
            parts.append(f"{format_time(record.queue_ms / 1e3)} in the queue before")
        return " · ".join([*parts, f"{record.started:%Y-%m-%d %H:%M:%S} UTC"])

    def _foot(self) -> list[str]:
        if self.captured or not (self.record.bytes_in or self.record.host_calls):
            return []
        return ["Payloads are recorded only where you ask for them: with rt.capture_payloads(): ..."]

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Trace of {self.record.plugin}.{self.record.function}, {len(self.steps)} steps>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if cycle else self.text())

    def _repr_html_(self) -> str:
        cell = "text-align: left; vertical-align: top; padding: 0 12px 0 0; background: transparent"
        number = f"{cell}; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums"
        rows = "".join(
            f'<tr style="background: transparent"><td style="{number}">{step.at_ms:.3f}</td>'
            f'<td style="{cell}; padding-left: {step.depth * 1.5:g}em; white-space: pre-wrap">{_marked(step)}</td>'
            f'<td style="{number}">{"" if step.took_ms is None else f"{step.took_ms:.3f}"}</td></tr>'
            for step in self.steps
        )
        heads = ("at, ms", "what", "took, ms")
        head = "".join(f'<th scope="col" style="{number if "ms" in title else cell}">{title}</th>' for title in heads)
        foot = "".join(f"<div>{html.escape(line)}</div>" for line in self._foot())
        return (
            f'<div class="judicia-trace {INERT_CLASSES}"><div><strong>{html.escape(self._head())}</strong></div>'
            '<table style="border-collapse: collapse; font-family: var(--jp-code-font-family, monospace);'
            f' font-size: 12px"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{foot}</div>'
        )


def _marked(step: Step) -> str:
    text = html.escape(step.text)
    return f"<strong>{text}</strong>" if step.kind in {"denied", "grow_refused"} else text


def tell(recorder: Recorder, call_id: int) -> Trace:
    """The story of a call that ended.

    Raises
    ------
    LookupError
        There is no row of it: it is still running, or was dropped since.
    """
    position = _position(recorder, call_id)
    record = recorder.call_at(position) if position is not None else None
    if record is None:
        raise LookupError(f"call {call_id} has no row: it has not ended yet, or its row was dropped since")
    told = list(_Tables(recorder).story(record, record.started_ms, 0))
    steps = [step for step in told if isinstance(step, Step)]
    left_out = len(steps) - MOST_STEPS + sum(part.steps for part in told if isinstance(part, _LeftOut))
    if left_out > 0:
        last = MOST_STEPS - FIRST_STEPS
        cut = Step(steps[FIRST_STEPS].at_ms, 1, "cut", f"… {format_count(left_out)} more steps")
        steps[FIRST_STEPS:-last] = [cut]
    return Trace(record, tuple(steps), captured=bool(recorder.captures.of(call_id)))


def _position(recorder: Recorder, call_id: int) -> int | None:
    """Where the row of a call is in its table."""
    import numpy as np

    end = recorder.calls.end
    runs = recorder.calls.rows(stop=end)
    ids = Columns(CALLS.layout, runs, ("call_id",))["call_id"]
    [found] = np.nonzero(ids == call_id)
    return end - len(ids) + int(found[-1]) if len(found) else None


class _LeftOut(NamedTuple):
    """Steps that nobody will see: more than `MOST_STEPS` others stand before them, and behind them."""

    steps: int


_HOST, _SAMPLE, _LOG, _CALL = range(4)


class _Events(NamedTuple):
    """The events of one call in the order of time, of equal ones the longest first.

    Attributes
    ----------
    source : array
        Which table each is from.
    row : array
        Its place there.
    """

    at_ns: Array
    took_ns: Array
    source: Array
    row: Array

    def stretches(self) -> Iterator[range | int]:
        """The places of those to tell; between them how many are left out.

        Nothing is left out within `MOST_STEPS` of either end of a stretch without calls, and what follows a gap is not
        inside of anything in it. So whatever stands around it, the gap is in the middle of the story.
        """
        import numpy as np

        count = len(self.at_ns)
        ends = np.maximum.accumulate(np.where(self.source == _CALL, self.at_ns, self.at_ns + self.took_ns))
        apart = np.append(True, self.at_ns[1:] >= ends[:-1]).nonzero()[0] if count else ends
        begin = 0
        for call in [*(self.source == _CALL).nonzero()[0].tolist(), count]:
            before = apart[: np.searchsorted(apart, call - MOST_STEPS, side="right")]
            gap, again = begin + MOST_STEPS, int(before[-1]) if len(before) else 0
            if again > gap:
                yield range(begin, gap)
                yield again - gap
                begin = again
            yield range(begin, min(call + 1, count))
            begin = call + 1


class _Tables:
    """The recorder's tables, read once, with the rows of each call found by its number."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        end = recorder.calls.end
        runs = recorder.calls.rows(stop=end)
        self._calls = Columns(CALLS.layout, runs, ("call_id", "parent_call_id"))
        self._first = end - len(self._calls)
        self._host = Columns(HOST_CALLS.layout, recorder.host_calls.rows(), HOST_CALLS.layout.names)
        self._samples = Columns(SAMPLES.layout, recorder.samples.rows(), SAMPLES.layout.names)
        self._logs = Columns(LOGS.layout, recorder.logs.rows(), LOGS.layout.names)
        self._host_rows = _Index(self._host["call_id"])
        self._sample_rows = _Index(self._samples["call_id"])
        self._log_rows = _Index(self._logs["call_id"])
        self._inner_calls = _Index(self._calls["parent_call_id"])

    def story(self, record: CallRecord, begin_ms: float, depth: int) -> Iterator[Step | _LeftOut]:
        """The steps of one call and of the calls within it."""
        said = self._recorder.captures.of(record.call_id)
        at_ms = record.started_ms - begin_ms
        yield Step(at_ms, depth, "enter", _entered(record, said.get((THE_CALL, "request"))))
        events, calls = self._events(record)
        inside: list[int] = []  # when the steps end that this one may be in
        for stretch in events.stretches():
            if isinstance(stretch, int):
                yield _LeftOut(stretch)
                inside.clear()
                continue
            for place in stretch:
                at_ns, took_ns = int(events.at_ns[place]), int(events.took_ns[place])
                source, row = int(events.source[place]), int(events.row[place])
                while inside and at_ns >= inside[-1]:
                    inside.pop()
                level = depth + 1 + len(inside)
                if source == _CALL:
                    if level < _DEEPEST:
                        yield from self.story(calls[row], begin_ms, level)
                    continue
                kind, text = self._told(source, row, said)
                yield Step(at_ns / 1e6 - begin_ms, level, kind, text, took_ns / 1e6 if took_ns else None)
                if took_ns:
                    inside.append(at_ns + took_ns)
        left_ms = at_ms + record.wall_ms
        yield Step(left_ms, depth, "answer", _answered(record, said.get((THE_CALL, "answer"))), record.wall_ms)

    def _events(self, record: CallRecord) -> tuple[_Events, list[CallRecord]]:
        """What happened in a call, and the records of the calls that it led to."""
        import numpy as np

        host, logs = self._host_rows.of(record.call_id), self._log_rows.of(record.call_id)
        grows = self._sample_rows.of(record.call_id)
        grows = grows[self._samples["event"][grows] != _TICK]
        inner = [self._recorder.call_at(self._first + int(row)) for row in self._inner_calls.of(record.call_id)]
        calls = [call for call in inner if call is not None]
        began = np.array([round(call.started_ms * 1e6) for call in calls], np.int64)
        took = np.array([round(call.wall_ms * 1e6) for call in calls], np.int64)
        at_ns = np.concatenate(
            [self._host["at_ns"][host], self._samples["at_ns"][grows], self._logs["at_ns"][logs], began]
        )
        took_ns = np.concatenate(
            [self._host["wall_ns"][host], np.zeros(len(grows), np.int64), np.zeros(len(logs), np.int64), took]
        )
        row = np.concatenate([host, grows, logs, np.arange(len(calls))])
        source = np.repeat([_HOST, _SAMPLE, _LOG, _CALL], [len(host), len(grows), len(logs), len(calls)])
        order = np.lexsort((-took_ns, at_ns))
        return _Events(at_ns[order], took_ns[order], source[order], row[order]), calls

    def _told(self, source: int, row: int, said: dict[tuple[int, str], Captured]) -> tuple[str, str]:
        """The kind and the text of a step."""
        if source == _HOST:
            return self._told_host_call(row, said)
        if source == _LOG:
            key = self._logs.key_of(row)
            return "log", f"{key.stream} {key.level}: {printable(key.message, _TEXT_LIMIT)}"
        event = EVENTS[self._samples["event"][row]]
        what = "memory grew to" if event == "grow" else "MEMORY REFUSED, it stays at"
        return event, f"{what} {format_size(int(self._samples['memory_bytes'][row]))}"

    def _told_host_call(self, row: int, said: dict[tuple[int, str], Captured]) -> tuple[str, str]:
        rows = self._host
        key, place = rows.key_of(row), int(rows["seq"][row])
        given = _payload(said.get((place, "request")), int(rows["bytes_in"][row]), key.target)
        if key.decision == "allowed":
            got = _payload(said.get((place, "answer")), int(rows["bytes_out"][row]), "")
            text = f"{key.function}({given}) = {got or '0'}"
        else:
            why = f" {key.capability}" if key.decision == "denied" else ""
            detail = f": {printable(key.detail, _TEXT_LIMIT)}" if key.detail else ""
            text = f"{key.function}({given}) = {key.decision.upper()}{why}{detail}"
        return "denied" if key.decision == "denied" else "host", printable(text, 2 * _TEXT_LIMIT)


class _Index:
    """Where the rows of a call are: a story of many calls asks for each."""

    def __init__(self, ids: Array) -> None:
        self._order = ids.argsort(kind="stable")
        self._ids = ids[self._order]

    def of(self, call_id: int) -> Array:
        """Its rows, in the order of the table."""
        first, last = self._ids.searchsorted(call_id), self._ids.searchsorted(call_id, side="right")
        found: Array = self._order[first:last]
        return found


_TICK = EVENTS.index("tick")


def _entered(record: CallRecord, request: Captured | None) -> str:
    memory = f", {format_size(record.memory_bytes)} of memory" if record.memory_bytes is not None else ""
    origin = f" by {record.origin}" if record.origin != "user" else ""
    return f"{record.plugin}.{record.function}({_payload(request, record.bytes_in, '')}){origin}{memory}"


def _answered(record: CallRecord, answer: Captured | None) -> str:
    said = _payload(answer, record.bytes_out, "")
    parts = [f"{record.outcome}{f' {said}' if said else ''}", f"{format_time(record.cpu_ms / 1e3)} cpu"]
    if record.fuel is not None:
        parts.append(f"{format_count(record.fuel)} fuel")
    if record.memory_peak_bytes is not None:
        parts.append(format_size(record.memory_peak_bytes))
    if record.error:
        parts.append(record.error)
    return f"{record.plugin}.{record.function} = {' · '.join(parts)}"


def _payload(captured: Captured | None, size: int, otherwise: str) -> str:
    """A payload cut short, or its subject and size."""
    if captured is None:
        return ", ".join(
            part for part in (printable(otherwise, _TEXT_LIMIT), format_size(size) if size else "") if part
        )
    text = printable(captured.data.decode("utf-8", "replace"), len(captured.data))
    return f"{text}… ({format_size(captured.size)})" if captured.size > len(captured.data) else text
