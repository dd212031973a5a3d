"""Queues, what they share, and the registry of plugins: the mechanism alone, with letters, without any service."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

import judicia_notebook as jn
from judicia_notebook.host.delivery.broker import Broker, Parked
from judicia_notebook.host.delivery.plugin_registry import MOST_NOTES, PluginRegistry, Registration
from judicia_notebook.host.delivery.queue import FATES, LONGEST_PAUSE, Failure, Fate, Queue
from judicia_notebook.policy.bounds import Bounds
from judicia_notebook.policy.policy import Policy
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.wasm.manifest import Manifest
from tests.support.waiting import PATIENCE, until

REFUSED = Failure("refused")


@dataclass(eq=False)
class Letter:
    text: str
    size: int = 1
    fates: Counter[str] = field(default_factory=Counter)

    def became(self, fate: Fate, count: int = 1) -> None:
        self.fates[fate] += count


class Envelope(NamedTuple):
    published: Letter


class ParkedLetter(Parked[Letter]):
    @property
    def _title(self) -> str:
        return self.published.text


@dataclass
class Limits:
    queue: int = 1000
    attempts: int = 3
    retry_delay: float = 0.001
    parked: int = 1000
    history: int = 1000
    history_bytes: int = 1 << 20


class House:
    """It answers each attempt with the next of `answers`, and takes the letter where there is none left."""

    def __init__(self, post: Post, name: str, *answers: Failure | BaseException | None) -> None:
        self.name = name
        self.answers: list[Failure | BaseException | None] = list(answers)
        self.attempts: list[str] = []
        self.reported: list[str] = []
        self.is_granted = True
        self.entered, self.opened = threading.Event(), threading.Event()
        self.opened.set()
        self.post = post
        self.queue: Queue[Envelope] = post.broker.queue_to(self)
        post.houses.append(self)

    def may_receive(self, _: Envelope) -> bool:
        return self.is_granted

    def attempt(self, delivery: Envelope) -> Failure | None:
        self.attempts.append(delivery.published.text)
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def park(self, delivery: Envelope, attempts: int, failure: Failure) -> None:
        self.post.broker.park(ParkedLetter(delivery.published, self.name, attempts, failure))

    def after_parking(self, failure: Failure) -> None:
        assert is_free(self.post.broker.changed)
        self.reported.append(failure.text)

    def revoke(self) -> None:
        with self.post.broker.changed:
            self.is_granted = False
            self.queue.sift()


def is_free(lock: Any) -> bool:
    """Whether another thread gets the lock while this one asks."""
    got: list[bool] = []

    def take() -> None:
        if lock.acquire(timeout=PATIENCE):
            lock.release()
            got.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join(PATIENCE)
    return got == [True]


class Post:
    """A service with nothing of its own."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.queue_bytes = 1000
        self.houses: list[House] = []
        self.broker: Broker[Letter, ParkedLetter] = Broker(
            "letters",
            "judicia-letter",
            20,
            limits=lambda: self.limits,
            queues=lambda: [house.queue for house in self.houses],
            queue_bytes=lambda: self.queue_bytes,
        )

    def send(self, *texts: str, size: int = 1) -> list[Letter]:
        letters = [Letter(text, size) for text in texts]
        with self.broker.changed:
            for letter in letters:
                self.broker.keep(letter)
                for house in self.houses:
                    house.queue.put(Envelope(letter))
        return letters

    def flush(self) -> None:
        self.broker.flush(PATIENCE)

    def again(self, parked: ParkedLetter) -> tuple[Queue[Envelope], Envelope]:
        house = next(house for house in self.houses if house.name == parked.receiver)
        if not house.is_granted:
            raise jn.PolicyError(f"{house.name} may not receive letters.")
        return house.queue, Envelope(parked.published)

    def replay(self, *parked: ParkedLetter) -> int:
        return self.broker.replay(parked, self.again)

    def parked(self) -> list[str]:
        with self.broker.changed:
            return [one.published.text for one in self.broker.parked.all()]


@pytest.fixture
def post() -> Iterator[Post]:
    office = Post()
    yield office
    for house in office.houses:
        house.opened.set()
    office.broker.close(PATIENCE)


# --- order, retries, pauses -------------------------------------------------------------------------------------------


def test_a_failed_attempt_is_repeated_before_the_next_delivery_gets_its_turn(post: Post) -> None:
    house = House(post, "house", REFUSED, REFUSED, None, REFUSED)
    post.send("a", "b", "c")
    post.flush()
    assert house.attempts == ["a", "a", "a", "b", "b", "c"]
    assert house.queue.counts == {"delivered": 3, "parked": 0, "dropped": 0, "revoked": 0, "retried": 3}


def test_each_pause_is_four_times_as_long_as_the_one_before_up_to_a_minute(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def wait_for(predicate: Callable[[], bool], seconds: float) -> bool:
        pauses.append(seconds)
        return predicate()

    house = House(post, "house", *[REFUSED] * 6)
    post.limits = Limits(attempts=2000, retry_delay=0.5)
    monkeypatch.setattr(post.broker.changed, "wait_for", wait_for)
    post.send("a")
    until(lambda: house.queue.counts["delivered"])
    assert pauses == [0.5, 2.0, 8.0, 32.0, LONGEST_PAUSE, LONGEST_PAUSE]


def test_the_pause_of_a_great_many_attempts_is_a_number_too(post: Post) -> None:
    House(post, "house", *[REFUSED] * 1100)
    post.limits = Limits(attempts=2000, retry_delay=0)
    (letter,) = post.send("a")
    post.flush()
    assert letter.fates == {"delivered": 1}


def test_no_receiver_waits_for_another_and_none_has_two_deliveries_at_once(post: Post) -> None:
    slow, swift = House(post, "slow"), House(post, "swift")
    slow.opened.clear()
    letters = post.send("a", "b")
    assert slow.entered.wait(PATIENCE)
    until(lambda: letters[1].fates["delivered"])
    assert (slow.attempts, slow.queue.queued, swift.attempts) == (["a"], 1, ["a", "b"])
    with pytest.raises(TimeoutError, match=r"After 0\.01 s there are still letters for slow \(2\)\."):
        post.broker.flush(0.01)
    slow.opened.set()
    post.flush()
    assert slow.attempts == ["a", "b"]


# --- parking and replay -----------------------------------------------------------------------------------------------


def test_the_last_failed_attempt_parks_the_delivery_and_reports_it_without_the_lock(post: Post) -> None:
    house = House(post, "house", REFUSED, REFUSED, Failure("no such street"))
    letter, _ = post.send("a", "b")
    post.flush()
    (parked,) = post.broker.parked.all()
    assert repr(parked) == "<Parked a for house after 3 attempts: no such street>"
    assert (parked.published, house.attempts, letter.fates) == (letter, ["a", "a", "a", "b"], {"parked": 1})
    until(lambda: house.reported)
    assert house.reported == ["no such street"]


def test_a_final_failure_parks_after_one_attempt(post: Post) -> None:
    house = House(post, "house", Failure("cancelled", is_final=True))
    post.send("a", "b")
    post.flush()
    assert (house.attempts, post.parked()) == (["a", "b"], ["a"])


def test_a_replay_delivers_once_what_was_parked(post: Post) -> None:
    house = House(post, "house", *[REFUSED] * 3)
    (letter,) = post.send("a")
    post.flush()
    (parked,) = post.broker.parked.all()
    assert post.replay(parked, parked) == 1
    post.flush()
    assert (house.attempts, letter.fates, post.parked()) == (["a"] * 4, {"delivered": 1, "parked": 0}, [])
    assert post.replay(parked) == post.replay() == 0


def test_a_replay_that_is_refused_leaves_everything_parked_until_it_is_granted(post: Post) -> None:
    post.limits.attempts = 1
    first, second = House(post, "first", REFUSED), House(post, "second", REFUSED)
    post.send("a")
    post.flush()
    second.revoke()
    with pytest.raises(jn.PolicyError, match="second may not receive"):
        post.replay()
    assert (post.parked(), first.attempts) == (["a", "a"], ["a"])
    second.is_granted = True
    assert post.replay() == 2
    post.flush()
    assert (post.parked(), first.attempts, second.attempts) == ([], ["a", "a"], ["a", "a"])


def test_what_finds_no_room_in_a_replay_stays_parked(post: Post) -> None:
    post.limits.attempts = 1
    house = House(post, "house", *[REFUSED] * 3)
    post.send("a", "b", "c")
    post.flush()
    house.opened.clear()
    house.entered.clear()
    post.send("x")
    assert house.entered.wait(PATIENCE)
    post.limits.queue = 2
    assert post.replay() == 2
    assert post.parked() == ["c"]
    house.opened.set()
    post.flush()
    assert house.attempts == ["a", "b", "c", "x", "a", "b"]


# --- revoking ---------------------------------------------------------------------------------------------------------


def test_a_revoke_takes_back_what_waits_and_ends_the_pause_of_what_failed(post: Post) -> None:
    post.limits.retry_delay = 3600
    house = House(post, "house", REFUSED)
    letters = post.send("a", "b")
    until(lambda: house.queue.counts["retried"])
    house.revoke()
    post.flush()
    assert [letter.fates for letter in letters] == [{"revoked": 1}] * 2
    assert (house.attempts, post.parked()) == (["a"], [])


def test_an_attempt_that_a_revoke_made_fail_counts_as_revoked_and_is_not_parked(post: Post) -> None:
    post.limits.attempts = 1
    house = House(post, "house", REFUSED)
    house.opened.clear()
    (letter,) = post.send("a")
    assert house.entered.wait(PATIENCE)
    house.revoke()
    house.opened.set()
    post.flush()
    assert (letter.fates, post.parked(), house.reported) == ({"revoked": 1}, [], [])


# --- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "most_bytes"), [(2, 1000), (1000, 25)])
def test_a_full_queue_drops_and_counts_what_comes(post: Post, most: int, most_bytes: int) -> None:
    house = House(post, "house")
    house.opened.clear()
    post.send("a", size=10)
    assert house.entered.wait(PATIENCE)
    post.limits.queue, post.queue_bytes = most, most_bytes
    letters = post.send("b", "c", "d", size=10)
    assert house.queue.queued == 2
    assert [dict(letter.fates) for letter in letters] == [{}, {}, {"dropped": 1}]
    house.opened.set()
    post.flush()
    letters = post.send("e", "f", size=10)  # what was delivered or dropped takes no room
    post.flush()
    assert house.attempts == ["a", "b", "c", "e", "f"]


def test_history_and_parked_deliveries_have_room_together_and_the_oldest_go(post: Post) -> None:
    post.limits = Limits(attempts=1, history_bytes=100, parked=2)
    House(post, "house", *[Failure("x" * 10)] * 3)
    post.send("a", "b", "c", size=20)
    post.flush()
    history, parked = post.broker.history, post.broker.parked
    assert (parked.bytes, history.bytes, parked.dropped) == (60, 40, 1)
    assert [one.published.text for one in parked.all()] == [one.text for one in history.all()] == ["b", "c"]
    post.limits.history_bytes = 30
    with post.broker.changed:
        post.broker.trim()
    assert (parked.bytes, history.bytes) == (30, 0)
    post.broker.forget()
    assert (list(post.broker.summary()), parked.dropped, history.dropped) == ([], 0, 0)


# --- lost threads, and the end ----------------------------------------------------------------------------------------


def test_an_exception_that_ends_the_thread_parks_the_delivery_and_the_rest_arrives(post: Post) -> None:
    house = House(post, "house", SystemExit())
    letters = post.send("a", "b", "c")
    post.flush()
    assert house.attempts == ["a", "b", "c"]
    assert [letter.fates for letter in letters] == [{"parked": 1}, {"delivered": 1}, {"delivered": 1}]
    assert post.broker.parked.all()[0].error == "its thread was ended from outside: SystemExit"


@pytest.mark.parametrize("step", ["_next", "_is_wanted", "_settle", "_pause"])
def test_a_thread_that_ends_at_any_step_loses_no_delivery(
    post: Post, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    house = House(post, "house", REFUSED)
    real, raised = getattr(house.queue, step), threading.Event()

    def raise_once(*arguments: Any) -> Any:
        if not raised.is_set():
            raised.set()
            raise MemoryError
        return real(*arguments)

    monkeypatch.setattr(house.queue, step, raise_once)
    letters = post.send("a", "b", "c")
    post.flush()
    assert raised.is_set()
    assert [sum(letter.fates.values()) for letter in letters] == [1, 1, 1]
    assert house.queue.quiet


def test_whatever_is_under_way_closing_leaves_each_delivery_with_one_fate() -> None:
    office = Post()
    houses = [House(office, "failing", *[REFUSED] * 50), House(office, "taking"), House(office, "pausing", REFUSED)]
    office.limits.retry_delay = 3600
    letters: list[Letter] = []
    begun = threading.Event()

    def send() -> None:
        for number in range(200):
            letters.extend(office.send(str(number)))
            begun.set()

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    assert begun.wait(PATIENCE)
    office.broker.close(PATIENCE)
    for sender in senders:
        sender.join(PATIENCE)
    assert len(letters) == 600
    assert {sum(letter.fates.values()) for letter in letters} == {len(houses)}
    for house in houses:
        assert sum(house.queue.counts[fate] for fate in FATES) == 600
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        office.replay()


def test_closing_waits_for_the_attempt_that_runs_and_not_for_the_one_it_is_called_from() -> None:
    office, closed = Post(), threading.Event()
    running = House(office, "running")
    running.opened.clear()
    letter, waiting = office.send("a", "b")
    assert running.entered.wait(PATIENCE)

    def close() -> None:
        office.broker.close(PATIENCE)
        closed.set()

    closing = threading.Thread(target=close)
    closing.start()
    until(lambda: waiting.fates == {"dropped": 1})
    assert not closed.wait(0.05)
    running.opened.set()
    assert closed.wait(PATIENCE)
    closing.join(PATIENCE)
    assert letter.fates == {"delivered": 1}

    class Closing(House):
        def attempt(self, delivery: Envelope) -> Failure | None:
            self.post.broker.close(PATIENCE)
            return super().attempt(delivery)

    office = Post()
    house = Closing(office, "closing")
    office.send("a")
    assert house.entered.wait(PATIENCE / 2)  # long before `close` gives up waiting for itself


# --- the registry -----------------------------------------------------------------------------------------------------


class Plugin:
    def __init__(self, digest: str = "1", functions: tuple[str, ...] = ("on_letter",)) -> None:
        self.name, self.claimed, self.digest, self.functions = "p", "", digest, functions
        self.policy = Policy("p", Recorder(), bounds=Bounds(jn.Quota()))
        self.manifest = Manifest("p")


class Register:
    """A registry whose members are the registrations."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.left: list[Registration[str]] = []
        self.told: list[str] = []
        self.plugins: PluginRegistry[str, Registration[str]] = PluginRegistry(
            "on_letter", self.lock, lambda one: one, self.left.append, self._tell
        )

    def _tell(self, name: str) -> None:
        assert is_free(self.lock)
        self.told.append(name)

    def admit(self, plugin: Plugin, *wishes: str) -> Registration[str]:
        self.plugins.admit(plugin, lambda: wishes)
        found = self.plugins.get("p")
        assert found is not None
        return found


def test_what_the_code_added_stays_with_that_code_alone() -> None:
    register, plugin = Register(), Plugin("1")
    known = register.admit(plugin, "a", "b")
    known.wishes.append("added")
    assert register.admit(plugin, "b", "c") is known
    assert known.wishes == ["b", "c", "added"]
    assert register.admit(plugin, "added").wishes == ["added"]
    known.wishes.append("of version 1")
    plugin.digest = "2"
    assert register.admit(plugin, "b").wishes == ["b"]
    assert register.left == []


def test_another_plugin_under_the_name_takes_the_place_and_the_old_one_has_no_say() -> None:
    register, old, new = Register(), Plugin(), Plugin()
    first = register.admit(old, "a")
    first.wishes.append("added")
    second = register.admit(new, "a")
    assert (register.left, second.wishes, list(register.plugins)) == ([first], ["a"], [second])
    assert register.plugins.current("p", old.policy) is None
    assert register.plugins.current("p", new.policy) is second
    register.plugins.leave(old)
    assert register.plugins.get("p") is second
    old.policy.grant("file_storage")
    assert register.told == []
    register.plugins.leave(new)
    assert (register.left, list(register.plugins)) == ([first, second], [])


def test_a_plugin_without_the_hook_is_not_there_also_if_it_once_had_it() -> None:
    register, plugin = Register(), Plugin()
    known = register.admit(plugin, "a")
    plugin.functions = ()
    register.plugins.admit(plugin, lambda: pytest.fail("a manifest without a hook was read"))
    assert (register.plugins.get("p"), register.left) == (None, [known])


def test_a_denial_is_the_first_one_once_until_the_policy_changes() -> None:
    register, plugin = Register(), Plugin()
    register.admit(plugin)
    is_first = register.plugins.is_first_denial
    assert [is_first("p", "a"), is_first("p", "a"), is_first("p", "b"), is_first("q", "a")] == [True, False, True, True]
    plugin.policy.grant("file_storage")
    assert register.told == ["p"]
    assert [is_first("p", "a"), is_first("q", "a")] == [True, False]
    assert sum(is_first("p", number) for number in range(MOST_NOTES + 10)) == MOST_NOTES - 2
    register.plugins.forget_denials()
    assert is_first("p", "a")


def test_a_registry_keeps_no_plugin_alive() -> None:
    register, plugin = Register(), Plugin()
    known, gone = register.admit(plugin), weakref.ref(plugin)
    assert known.plugin is plugin
    del plugin
    gc.collect()
    assert gone() is None
    assert known.plugin is None
    with register.lock:
        register.plugins.clear()
    assert register.left == [known]
