"""The checker accepts clean histories and finds each injected violation."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.faults.checker import Invariant, Violation, find_violations
from tests.faults.history import (
    Bookmark,
    Callback,
    Event,
    Gap,
    Opened,
    Read,
    Record,
    Resync,
    Started,
    Transport,
    Write,
)
from tests.faults.log import Log, streams_of
from tests.faults.model import ENDED, clean_history

replace: Callable[..., Any] = msgspec.structs.replace
Records = list[Record]
LATER = 1_000.0

SEEDS_WITHOUT_LOSS = (2, 4, 8, 10, 14)
"""Histories that neither lose the log nor have a `Gap`."""
SEEDS_WITH_LOSS = (1, 5, 7, 11, 13)


def streams_of_client(history: Records, name: str) -> set[int]:
    return {
        record.stream for record in history if isinstance(record, Opened) and record.client == name
    }


def event_runs(history: Records, name: str, length: int) -> list[list[Event]]:
    """Returns all runs of consecutive events on one of the client's subscriptions.

    The message before each run is an event too.
    """
    runs = []
    for stream in streams_of_client(history, name):
        stream_records = [record for record in history if getattr(record, "stream", None) == stream]
        for begin in range(1, len(stream_records) - length + 1):
            run = stream_records[begin : begin + length]
            if all(
                isinstance(record, Event) for record in stream_records[begin - 1 : begin + length]
            ):
                runs.append([record for record in run if isinstance(record, Event)])
    return runs


def random_run(history: Records, rng: random.Random, length: int, name: str = "all") -> list[Event]:
    return rng.choice(event_runs(history, name, length))


def replace_record(history: Records, old: Record, *new: Record) -> None:
    at = next(index for index, record in enumerate(history) if record is old)
    history[at : at + 1] = new


def remove_event(history: Records, event: Event) -> None:
    """Removes the event, and repairs the `prev` of the next message."""
    at = next(index for index, record in enumerate(history) if record is event)
    for record in history[at + 1 :]:
        if getattr(record, "stream", None) == event.stream and isinstance(record, Event | Gap):
            replace_record(history, record, replace(record, prev=event.prev))
            break
    history.remove(event)


def lost_event(history: Records, rng: random.Random) -> None:
    remove_event(history, random_run(history, rng, 2)[0])


def duplicate_event(history: Records, rng: random.Random) -> None:
    [event] = random_run(history, rng, 1)
    replace_record(history, event, event, replace(event, prev=event.cursor))


def swapped_events(history: Records, rng: random.Random) -> None:
    one, two, three = random_run(history, rng, 3)
    replace_record(history, one, replace(two, prev=one.prev))
    replace_record(history, two, replace(one, prev=two.cursor))
    replace_record(history, three, replace(three, prev=one.cursor))


def wrong_prev(history: Records, rng: random.Random) -> None:
    one, two = random_run(history, rng, 2)
    replace_record(history, two, replace(two, prev=one.prev))


def bookmark_too_far(history: Records, rng: random.Random) -> None:
    one, two = random_run(history, rng, 2)
    replace_record(history, one, one, Bookmark(one.stream, one.at, two.cursor))


def bookmark_after_lost_event(history: Records, rng: random.Random) -> None:
    one = [
        record
        for record in history
        if isinstance(record, Event) and record.stream in streams_of_client(history, "again")
    ][-1]
    history.append(Bookmark(one.stream, LATER, one.cursor))
    history.remove(one)


def resume_with_missing_event(history: Records, rng: random.Random) -> None:
    for stream in sorted(streams_of_client(history, "all") | streams_of_client(history, "again")):
        start, *rest = [
            record
            for record in history
            if isinstance(record, Started | Event) and record.stream == stream
        ]
        if (
            isinstance(start, Started)
            and start.mode == "resumed"
            and len(rest) > 1
            and isinstance(rest[0], Event)
        ):
            remove_event(history, rest[0])
            return
    raise AssertionError("no subscription resumed")


def resume_from_other_cursor(history: Records, rng: random.Random) -> None:
    """Makes a stream start at another cursor than requested, with a correct `prev`."""
    opened = rng.choice(
        [record for record in history if isinstance(record, Opened) and record.after is not None]
    )
    start = next(
        record
        for record in history
        if isinstance(record, Started) and record.stream == opened.stream
    )
    replace_record(
        history,
        opened,
        replace(opened, after=next(r.cursor for r in history if isinstance(r, Started)) + "0"),
    )
    assert start.mode == "resumed"


def acknowledged_callback_not_logged(history: Records, rng: random.Random) -> None:
    history.append(Callback("participant-connected RM0 lost", "a", 204, LATER, LATER + 0.01))


def acknowledged_callback_lost(history: Records, rng: random.Random) -> None:
    """Removes the event from every subscription."""
    acked = {record.key for record in history if isinstance(record, Callback) and record.is_acked}
    lost = rng.choice([event for [event] in event_runs(history, "final", 1) if event.key in acked])
    for record in [
        record for record in history if isinstance(record, Event) and record.cursor == lost.cursor
    ]:
        remove_event(history, record)


def callback_logged_twice(history: Records, rng: random.Random) -> None:
    one, last = random_run(history, rng, 1, "final")[0], event_runs(history, "final", 1)[-1][0]
    history.append(replace(one, at=LATER, cursor="second", prev=last.cursor))


def cursor_with_two_contents(history: Records, rng: random.Random) -> None:
    [event] = random_run(history, rng, 1)
    replace_record(history, event, replace(event, key="other"))


def event_outside_filter(history: Records, rng: random.Random) -> None:
    stream = rng.choice(sorted(streams_of_client(history, "all")))
    opened = next(
        record for record in history if isinstance(record, Opened) and record.stream == stream
    )
    replace_record(history, opened, replace(opened, types=(ENDED,)))


def read(
    replica: str, status: str | None, at: float, client: str = "client", **options: Any
) -> Read:
    return Read(
        client, replica, "RM99", options.pop("how", "sid"), at, at + 0.01, status, **options
    )


def end_room(history: Records, replica: str = "a", transport: Transport = "ws") -> Event:
    """Appends the end of a room to the log and to a subscription on the replica."""
    last = [
        record
        for record in history
        if isinstance(record, Event) and record.stream in streams_of_client(history, "final")
    ][-1]
    end = Event(last.stream, LATER, "end", last.cursor, "end RM99", ENDED, "RM99")
    end_event = Event(9_999, LATER, "end", last.cursor, "end RM99", ENDED, "RM99")
    history += [
        end,
        Opened(9_999, "c", replica, transport, LATER, "RM99"),
        Started(9_999, LATER, last.cursor, "live"),
        end_event,
    ]
    return end_event


def ended_room_in_progress(history: Records, rng: random.Random) -> None:
    end_room(history)
    history.append(read("a", "in-progress", LATER + 0.001))


def ended_room_in_progress_on_other_replica(history: Records, rng: random.Random) -> None:
    end_room(history)
    history.append(read("b", "in-progress", LATER + 0.3, how="list"))


def status_reverts(history: Records, rng: random.Random) -> None:
    history += [read("a", "completed", LATER), read("a", "in-progress", LATER + 1)]


def older_version(history: Records, rng: random.Random) -> None:
    history += [
        read("a", "in-progress", LATER, fetched_at=LATER),
        read("a", "in-progress", LATER + 1, fetched_at=LATER - 1),
    ]


def own_write_not_visible(history: Records, rng: random.Random) -> None:
    history += [
        Write("client", "a", "RM99", LATER, LATER + 1, "in-progress"),
        read("a", None, LATER + 1.001),
    ]


def own_end_not_visible_on_other_replica(history: Records, rng: random.Random) -> None:
    history += [
        Write("client", "a", "RM99", LATER, LATER + 1, "completed"),
        read("b", "in-progress", LATER + 1.3),
    ]


VIOLATIONS: list[tuple[Callable[[Records, random.Random], None], set[Invariant]]] = [
    (lost_event, {Invariant.COMPLETE}),
    (duplicate_event, {Invariant.UNIQUE}),
    (swapped_events, {Invariant.ORDERED}),
    (wrong_prev, {Invariant.CHAINED}),
    (bookmark_too_far, {Invariant.BOOKMARK}),
    (bookmark_after_lost_event, {Invariant.BOOKMARK}),
    (resume_with_missing_event, {Invariant.RESUMABLE}),
    (resume_from_other_cursor, {Invariant.RESUMABLE}),
    (acknowledged_callback_not_logged, {Invariant.DURABLE}),
    (acknowledged_callback_lost, {Invariant.DURABLE}),
    (callback_logged_twice, {Invariant.UNIQUE}),
    (cursor_with_two_contents, {Invariant.AGREED}),
    (event_outside_filter, {Invariant.AGREED}),
    (ended_room_in_progress, {Invariant.ENDED_IS_ENDED}),
    (ended_room_in_progress_on_other_replica, {Invariant.ENDED_IS_ENDED}),
    (status_reverts, {Invariant.MONOTONE}),
    (older_version, {Invariant.MONOTONE}),
    (own_write_not_visible, {Invariant.OWN_WRITES}),
    (own_end_not_visible_on_other_replica, {Invariant.OWN_WRITES}),
]


@pytest.mark.parametrize("seed", range(50))
def test_clean_history_has_no_violations(seed: int) -> None:
    assert [str(violation) for violation in find_violations(clean_history(seed))] == []


def test_clean_histories_contain_every_kind_of_record() -> None:
    kinds = {type(record) for seed in range(50) for record in clean_history(seed)}
    assert kinds == {Bookmark, Callback, Event, Gap, Opened, Read, Resync, Started, Write}


@pytest.mark.parametrize("seed", SEEDS_WITHOUT_LOSS)
@pytest.mark.parametrize(
    ("inject", "expected"), VIOLATIONS, ids=[inject.__name__ for inject, _ in VIOLATIONS]
)
def test_injected_violation_is_found(
    inject: Callable[[Records, random.Random], None], expected: set[Invariant], seed: int
) -> None:
    history = clean_history(seed)
    inject(history, random.Random(seed))
    violations = find_violations(history)
    assert {violation.invariant for violation in violations} == expected, "\n".join(
        map(str, violations)
    )
    assert all(1 <= len(violation.witness) <= 3 for violation in violations)


def history_with_lost_log(seed: int, mode: str) -> tuple[Records, Resync]:
    """Returns a history whose log was wiped, and a resync that announces it.

    With mode "live", the resync is on an open subscription. With "resync", it is on one
    that was opened with an old cursor. Its stream is 0 if the history has none.
    """
    history = clean_history(seed)
    log = Log(streams_of(history))
    for stream in sorted(streams_of_client(history, "all") | streams_of_client(history, "again")):
        stream_records = [record for record in history if getattr(record, "stream", None) == stream]
        for index, record in enumerate(stream_records[:-1]):
            started = stream_records[index - 1]
            is_resumed = isinstance(started, Started) and started.mode == "resync"
            # An event must follow the resync, and the position before it must be known.
            is_known = is_resumed or (
                isinstance(started, Event) and log.position_of(started.cursor) is not None
            )
            if (
                isinstance(record, Resync)
                and isinstance(stream_records[index + 1], Event)
                and is_resumed == (mode == "resync")
            ):
                if not is_known:
                    continue
                return history, record
    return history, Resync(0, 0.0, "", "")


@pytest.mark.parametrize(
    ("mode", "expected"), [("live", Invariant.COMPLETE), ("resync", Invariant.RESUMABLE)]
)
def test_unannounced_loss_of_the_log_is_found(mode: str, expected: Invariant) -> None:
    count = 0
    for seed in range(1, 200, 2):
        history, resync = history_with_lost_log(seed, mode)
        if resync.stream:
            count += 1
            at = history.index(resync)
            event = next(
                record
                for record in history[at:]
                if isinstance(record, Event) and record.stream == resync.stream
            )
            before = [
                record
                for record in history[:at]
                if getattr(record, "stream", None) == resync.stream
            ][-1]
            replace_record(history, event, replace(event, prev=getattr(before, "cursor", None)))
            history.remove(resync)
            assert [violation.invariant for violation in find_violations(history)] == [expected]
    assert count >= 5


def test_announced_loss_is_excused() -> None:
    """A callback from before the wipe is lost, and every subscription had a resync."""
    for seed in SEEDS_WITH_LOSS:
        history = clean_history(seed)
        final = {
            record.key
            for record in history
            if isinstance(record, Event) and record.stream in streams_of_client(history, "final")
        }
        acked = {
            record.key for record in history if isinstance(record, Callback) and record.is_acked
        }
        assert acked - final
        assert find_violations(history) == []
        without_resyncs = [record for record in history if not isinstance(record, Resync)]
        assert Invariant.DURABLE in {
            violation.invariant for violation in find_violations(without_resyncs)
        }


def test_gap_excuses_the_missing_events_before_it() -> None:
    history = clean_history(2)
    one, two = random_run(history, random.Random(2), 2)
    replace_record(history, one, Gap(one.stream, one.at, one.cursor, one.prev))
    replace_record(history, two, replace(two, prev=one.cursor))
    assert find_violations(history) == []


def test_other_replicas_have_a_grace_period_and_stale_reads_are_excused() -> None:
    history = clean_history(2)
    end_room(history)
    history += [
        read("b", "in-progress", LATER + 0.2, "one"),
        read("b", "in-progress", LATER + 9, "two", is_stale=True),
        read("a", "completed", LATER + 9, "three"),
    ]
    assert find_violations(history) == []


def test_witness_is_the_shortest_and_then_the_earliest() -> None:
    history = clean_history(4)
    one, two = random_run(history, random.Random(4), 2)
    replace_record(history, two, replace(two, prev="x"))
    history += [
        read("a", "completed", LATER),
        read("a", "in-progress", LATER + 1),
        read("a", "in-progress", LATER + 2),
    ]
    chained, monotone = find_violations(history)
    assert chained.invariant is Invariant.CHAINED
    assert chained.witness == (one, replace(two, prev="x"))
    assert [record.started_at for record in monotone.witness if isinstance(record, Read)] == [
        LATER,
        LATER + 1,
    ]


def test_violation_prints_its_reason_and_witness() -> None:
    callback = Callback("key", "a", 204, 1.0, 2.0)
    [first, second] = str(
        Violation(Invariant.DURABLE, "acknowledged, but not in the log", (callback,))
    ).splitlines()
    assert first == "I-1 durable: acknowledged, but not in the log"
    assert "Callback(key='key'" in second
