"""The checker is checked: it is silent about what is right, and names what is wrong. Each bug is planted into a clean history."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.faults.checker import Broken, Invariant, check
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
from tests.faults.model import ENDED, clean

change: Callable[..., Any] = msgspec.structs.replace
Story = list[Record]
LATER = 1_000.0

QUIET_SEEDS = (2, 4, 8, 10, 14)
"""Without a wipe and without gaps."""
WIPED_SEEDS = (1, 5, 7, 11, 13)


def of_client(story: Story, name: str) -> set[int]:
    return {
        record.stream for record in story if isinstance(record, Opened) and record.client == name
    }


def runs(story: Story, name: str, length: int) -> list[list[Event]]:
    """So many events that came one right after the other on one subscription of the client, not its first."""
    found = []
    for stream in of_client(story, name):
        mine = [record for record in story if getattr(record, "stream", None) == stream]
        for begin in range(1, len(mine) - length + 1):
            run = mine[begin : begin + length]
            if all(isinstance(record, Event) for record in mine[begin - 1 : begin + length]):
                found.append([record for record in run if isinstance(record, Event)])
    return found


def a_run(story: Story, rng: random.Random, length: int, name: str = "all") -> list[Event]:
    return rng.choice(runs(story, name, length))


def put(story: Story, old: Record, *new: Record) -> None:
    at = next(index for index, record in enumerate(story) if record is old)
    story[at : at + 1] = new


def leave_out(story: Story, event: Event) -> None:
    """The event is lost on its subscription, and the next one's `prev` hides it."""
    at = next(index for index, record in enumerate(story) if record is event)
    for record in story[at + 1 :]:
        if getattr(record, "stream", None) == event.stream and isinstance(record, Event | Gap):
            put(story, record, change(record, prev=event.prev))
            break
    story.remove(event)


def a_lost_event(story: Story, rng: random.Random) -> None:
    leave_out(story, a_run(story, rng, 2)[0])


def a_doubled_event(story: Story, rng: random.Random) -> None:
    [event] = a_run(story, rng, 1)
    put(story, event, event, change(event, prev=event.cursor))


def swapped_events(story: Story, rng: random.Random) -> None:
    one, two, three = a_run(story, rng, 3)
    put(story, one, change(two, prev=one.prev))
    put(story, two, change(one, prev=two.cursor))
    put(story, three, change(three, prev=one.cursor))


def a_wrong_prev(story: Story, rng: random.Random) -> None:
    one, two = a_run(story, rng, 2)
    put(story, two, change(two, prev=one.prev))


def a_bookmark_too_far(story: Story, rng: random.Random) -> None:
    one, two = a_run(story, rng, 2)
    put(story, one, one, Bookmark(one.stream, one.at, two.cursor))


def a_bookmark_over_a_lost_event(story: Story, rng: random.Random) -> None:
    one = [
        record
        for record in story
        if isinstance(record, Event) and record.stream in of_client(story, "again")
    ][-1]
    story.append(Bookmark(one.stream, LATER, one.cursor))
    story.remove(one)


def a_resume_with_a_hole(story: Story, rng: random.Random) -> None:
    for stream in sorted(of_client(story, "all") | of_client(story, "again")):
        start, *rest = [
            record
            for record in story
            if isinstance(record, Started | Event) and record.stream == stream
        ]
        if (
            isinstance(start, Started)
            and start.mode == "resumed"
            and len(rest) > 1
            and isinstance(rest[0], Event)
        ):
            leave_out(story, rest[0])
            return
    raise AssertionError("nobody resumed")


def a_resume_from_elsewhere(story: Story, rng: random.Random) -> None:
    """The hole is hidden from `prev` by a start that is not where the client was."""
    opened = rng.choice(
        [record for record in story if isinstance(record, Opened) and record.after is not None]
    )
    start = next(
        record for record in story if isinstance(record, Started) and record.stream == opened.stream
    )
    put(
        story,
        opened,
        change(opened, after=next(r.cursor for r in story if isinstance(r, Started)) + "0"),
    )
    assert start.mode == "resumed"


def an_acked_callback_that_is_not_in_the_log(story: Story, rng: random.Random) -> None:
    story.append(Callback("participant-connected RM0 lost", "a", 204, LATER, LATER + 0.01))


def an_acked_callback_that_is_lost_again(story: Story, rng: random.Random) -> None:
    """Nobody is shown it."""
    acked = {record.key for record in story if isinstance(record, Callback) and record.is_acked}
    lost = rng.choice([event for [event] in runs(story, "final", 1) if event.key in acked])
    for record in [
        each for each in story if isinstance(each, Event) and each.cursor == lost.cursor
    ]:
        leave_out(story, record)


def a_callback_that_is_logged_twice(story: Story, rng: random.Random) -> None:
    one, last = a_run(story, rng, 1, "final")[0], runs(story, "final", 1)[-1][0]
    story.append(change(one, at=LATER, cursor="again", prev=last.cursor))


def two_contents_of_one_cursor(story: Story, rng: random.Random) -> None:
    [event] = a_run(story, rng, 1)
    put(story, event, change(event, key="another"))


def an_event_against_the_filter(story: Story, rng: random.Random) -> None:
    stream = rng.choice(sorted(of_client(story, "all")))
    opened = next(
        record for record in story if isinstance(record, Opened) and record.stream == stream
    )
    put(story, opened, change(opened, types=(ENDED,)))


def read(
    replica: str, status: str | None, at: float, client: str = "somebody", **more: Any
) -> Read:
    return Read(client, replica, "RM99", more.pop("how", "sid"), at, at + 0.01, status, **more)


def ended(story: Story, replica: str = "a", transport: Transport = "ws") -> Event:
    """The log goes on with the end of a room, and one subscription on the replica shows it."""
    last = [
        record
        for record in story
        if isinstance(record, Event) and record.stream in of_client(story, "final")
    ][-1]
    end = Event(last.stream, LATER, "end", last.cursor, "end RM99", ENDED, "RM99")
    shown = Event(9_999, LATER, "end", last.cursor, "end RM99", ENDED, "RM99")
    story += [
        end,
        Opened(9_999, "c", replica, transport, LATER, "RM99"),
        Started(9_999, LATER, last.cursor, "live"),
        shown,
    ]
    return shown


def an_ended_room_shown_live(story: Story, rng: random.Random) -> None:
    ended(story)
    story.append(read("a", "in-progress", LATER + 0.001))


def an_ended_room_shown_live_elsewhere(story: Story, rng: random.Random) -> None:
    ended(story)
    story.append(read("b", "in-progress", LATER + 0.3, how="list"))


def a_status_that_goes_back(story: Story, rng: random.Random) -> None:
    story += [read("a", "completed", LATER), read("a", "in-progress", LATER + 1)]


def a_version_that_goes_back(story: Story, rng: random.Random) -> None:
    story += [
        read("a", "in-progress", LATER, fetched_at=LATER),
        read("a", "in-progress", LATER + 1, fetched_at=LATER - 1),
    ]


def an_own_write_not_seen(story: Story, rng: random.Random) -> None:
    story += [
        Write("somebody", "a", "RM99", LATER, LATER + 1, "in-progress"),
        read("a", None, LATER + 1.001),
    ]


def an_own_end_not_seen_elsewhere(story: Story, rng: random.Random) -> None:
    story += [
        Write("somebody", "a", "RM99", LATER, LATER + 1, "completed"),
        read("b", "in-progress", LATER + 1.3),
    ]


BUGS: list[tuple[Callable[[Story, random.Random], None], set[Invariant]]] = [
    (a_lost_event, {Invariant.COMPLETE}),
    (a_doubled_event, {Invariant.UNIQUE}),
    (swapped_events, {Invariant.ORDERED}),
    (a_wrong_prev, {Invariant.CHAINED}),
    (a_bookmark_too_far, {Invariant.BOOKMARK}),
    (a_bookmark_over_a_lost_event, {Invariant.BOOKMARK}),
    (a_resume_with_a_hole, {Invariant.RESUMABLE}),
    (a_resume_from_elsewhere, {Invariant.RESUMABLE}),
    (an_acked_callback_that_is_not_in_the_log, {Invariant.DURABLE}),
    (an_acked_callback_that_is_lost_again, {Invariant.DURABLE}),
    (a_callback_that_is_logged_twice, {Invariant.UNIQUE}),
    (two_contents_of_one_cursor, {Invariant.AGREED}),
    (an_event_against_the_filter, {Invariant.AGREED}),
    (an_ended_room_shown_live, {Invariant.ENDED_IS_ENDED}),
    (an_ended_room_shown_live_elsewhere, {Invariant.ENDED_IS_ENDED}),
    (a_status_that_goes_back, {Invariant.MONOTONE}),
    (a_version_that_goes_back, {Invariant.MONOTONE}),
    (an_own_write_not_seen, {Invariant.OWN_WRITES}),
    (an_own_end_not_seen_elsewhere, {Invariant.OWN_WRITES}),
]


@pytest.mark.parametrize("seed", range(50))
def test_clean_history_has_no_violations(seed: int) -> None:
    assert [str(broken) for broken in check(clean(seed))] == []


def test_clean_histories_contain_every_kind_of_record() -> None:
    kinds = {type(record) for seed in range(50) for record in clean(seed)}
    assert kinds == {Bookmark, Callback, Event, Gap, Opened, Read, Resync, Started, Write}


@pytest.mark.parametrize("seed", QUIET_SEEDS)
@pytest.mark.parametrize(("bug", "expected"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_injected_violation_is_found(
    bug: Callable[[Story, random.Random], None], expected: set[Invariant], seed: int
) -> None:
    story = clean(seed)
    bug(story, random.Random(seed))
    found = check(story)
    assert {broken.invariant for broken in found} == expected, "\n".join(map(str, found))
    assert all(1 <= len(broken.witness) <= 3 for broken in found)


def wiped(seed: int, mode: str) -> tuple[Story, Resync]:
    """A history whose log was wiped, and the word of it to somebody who was there (`live`) or came back (`resync`)."""
    story = clean(seed)
    log = Log(streams_of(story))
    for stream in sorted(of_client(story, "all") | of_client(story, "again")):
        mine = [record for record in story if getattr(record, "stream", None) == stream]
        for index, record in enumerate(mine[:-1]):
            started = mine[index - 1]
            is_back = isinstance(started, Started) and started.mode == "resync"
            # Something must have been shown on either side of it, and the log of before be known to the checker.
            is_known = is_back or (
                isinstance(started, Event) and log.spot(started.cursor) is not None
            )
            if (
                isinstance(record, Resync)
                and isinstance(mine[index + 1], Event)
                and is_back == (mode == "resync")
            ):
                if not is_known:
                    continue
                return story, record
    return story, Resync(0, 0.0, "", "")


@pytest.mark.parametrize(
    ("mode", "named"), [("live", Invariant.COMPLETE), ("resync", Invariant.RESUMABLE)]
)
def test_unannounced_loss_of_the_log_is_found(mode: str, named: Invariant) -> None:
    tried = 0
    for seed in range(1, 200, 2):
        story, word = wiped(seed, mode)
        if word.stream:
            tried += 1
            at = story.index(word)
            event = next(
                each
                for each in story[at:]
                if isinstance(each, Event) and each.stream == word.stream
            )
            before = [each for each in story[:at] if getattr(each, "stream", None) == word.stream][
                -1
            ]
            put(story, event, change(event, prev=getattr(before, "cursor", None)))
            story.remove(word)
            assert [broken.invariant for broken in check(story)] == [named]
    assert tried >= 5


def test_announced_loss_is_excused() -> None:
    """A callback acked before the wipe is gone, and everybody was told."""
    for seed in WIPED_SEEDS:
        story = clean(seed)
        final = {
            record.key
            for record in story
            if isinstance(record, Event) and record.stream in of_client(story, "final")
        }
        acked = {record.key for record in story if isinstance(record, Callback) and record.is_acked}
        assert acked - final
        assert check(story) == []
        unsaid = [record for record in story if not isinstance(record, Resync)]
        assert Invariant.DURABLE in {broken.invariant for broken in check(unsaid)}


def test_gap_excuses_the_missing_events_before_it() -> None:
    story = clean(2)
    one, two = a_run(story, random.Random(2), 2)
    put(story, one, Gap(one.stream, one.at, one.cursor, one.prev))
    put(story, two, change(two, prev=one.cursor))
    assert check(story) == []


def test_other_replicas_have_a_grace_period_and_stale_reads_are_excused() -> None:
    story = clean(2)
    ended(story)
    story += [
        read("b", "in-progress", LATER + 0.2, "one"),
        read("b", "in-progress", LATER + 9, "two", is_stale=True),
        read("a", "completed", LATER + 9, "three"),
    ]
    assert check(story) == []


def test_witness_is_the_shortest_and_then_the_earliest() -> None:
    story = clean(4)
    one, two = a_run(story, random.Random(4), 2)
    put(story, two, change(two, prev="x"))
    story += [
        read("a", "completed", LATER),
        read("a", "in-progress", LATER + 1),
        read("a", "in-progress", LATER + 2),
    ]
    chained, monotone = check(story)
    assert chained.invariant is Invariant.CHAINED
    assert chained.witness == (one, change(two, prev="x"))
    assert [record.started_at for record in monotone.witness if isinstance(record, Read)] == [
        LATER,
        LATER + 1,
    ]


def test_violation_prints_its_reason_and_witness() -> None:
    callback = Callback("key", "a", 204, 1.0, 2.0)
    [first, second] = str(
        Broken(Invariant.DURABLE, "acked, but not in the log", (callback,))
    ).splitlines()
    assert first == "I-1 durable: acked, but not in the log"
    assert "Callback(key='key'" in second
