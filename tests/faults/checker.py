"""Reads a history and names each invariant that it breaks, with the shortest witness. Does no I/O.

The invariants are those of docs/reliability/promises.md. `ResyncRequired` and `Gap` excuse what they announce: a hole
before their cursor on the subscription that got them, and what was acked before the log's last life was first heard of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.history import (
    Bookmark,
    Callback,
    Event,
    Gap,
    History,
    Message,
    Read,
    Record,
    Resync,
    Started,
    Write,
    moment,
)
from tests.faults.log import Log, Spot, Stream, streams_of

OTHERS_S = 0.25
"""How long another replica may take to hear of an event or a mutation."""
IN_PROGRESS = "in-progress"
ROOM_ENDED = "room-ended"


class Invariant(StrEnum):
    DURABLE = "I-1 durable"
    UNIQUE = "I-2 unique"
    ORDERED = "I-3 ordered"
    COMPLETE = "I-4 complete"
    CHAINED = "I-5 chained"
    RESUMABLE = "I-6 resumable"
    BOOKMARK = "I-7 bookmark"
    AGREED = "I-8 agreed"
    ENDED_IS_ENDED = "I-9 ended is ended"
    MONOTONE = "I-10 monotone"
    OWN_WRITES = "I-11 own writes"


@dataclass(frozen=True)
class Broken:
    """`witness`: the records that together show it, in the order of the story."""

    invariant: Invariant
    why: str
    witness: tuple[Record, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"{self.invariant}: {self.why}", *map(str, self.witness)))


def check(history: History) -> list[Broken]:
    """One for each invariant that is broken, with the shortest and then the earliest witness; empty for a clean history."""
    streams = streams_of(history)
    log = Log(streams)
    found = [*_durable(history, streams, log), *_unique(log), *_agreed(streams)]
    for stream in streams:
        found += _Walk(stream, log).broken()
    found += [*_ended_is_ended(history, streams), *_monotone(history), *_own_writes(history)]
    shortest: dict[Invariant, Broken] = {}
    for broken in sorted(found, key=lambda each: (len(each.witness), moment(each.witness[-1]))):
        shortest.setdefault(broken.invariant, broken)
    return [shortest[invariant] for invariant in Invariant if invariant in shortest]


def _durable(history: History, streams: Sequence[Stream], log: Log) -> Iterator[Broken]:
    logged = log.keys(streams)
    was_announced = any(isinstance(record, Resync) for record in history)
    excused_until = log.first_seen(streams) if was_announced else float("-inf")
    for record in history:
        if (
            not isinstance(record, Callback)
            or not record.is_acked
            or record.answered_at <= excused_until
        ):
            continue
        if record.key not in logged:
            yield Broken(Invariant.DURABLE, "acked, but not in the log", (record,))
    for stream in streams:
        for message in stream.messages:
            if (
                isinstance(message, Event)
                and log.spot(message.cursor) is None
                and not was_announced
            ):
                yield Broken(Invariant.DURABLE, "shown, but not in the log", (message,))


def _unique(log: Log) -> Iterator[Broken]:
    for generation in log.lives:
        first: dict[str, Event] = {}
        for event in generation:
            other = first.setdefault(event.key, event)
            if other.cursor != event.cursor:
                yield Broken(
                    Invariant.UNIQUE, "one callback, two entries in the log", (other, event)
                )


def _agreed(streams: Sequence[Stream]) -> Iterator[Broken]:
    first: dict[str, Event] = {}
    for stream in streams:
        for message in stream.messages:
            if isinstance(message, Event):
                other = first.setdefault(message.cursor, message)
                if (other.key, other.type, other.room) != (message.key, message.type, message.room):
                    yield Broken(Invariant.AGREED, "one cursor, two contents", (other, message))
                if not stream.wants(message):
                    yield Broken(
                        Invariant.AGREED, "shown against the filter", (stream.opened, message)
                    )


@dataclass
class _Walk:
    """Along one subscription. `told`: up to where everything that matches has been told; None where the log does not show it.
    `chain`: what the next event's `prev` must be."""

    stream: Stream
    log: Log
    last: Message | None = None
    started: Started | None = None
    told: Spot | None = None
    chain: str | None = None
    bookmark: tuple[Spot, Bookmark] | None = None
    seen: dict[str, Event] = field(default_factory=dict)
    ever: set[str] = field(default_factory=set)
    is_first: bool = True

    def __post_init__(self) -> None:
        # What comes too late is out of order, and not lost.
        self.ever = {
            message.cursor for message in self.stream.messages if isinstance(message, Event)
        }

    def broken(self) -> Iterator[Broken]:
        for message in self.stream.messages:
            yield from self._not_announced(message)
            match message:
                case Started():
                    yield from self._start(message)
                case Event():
                    yield from self._event(message)
                case Bookmark():
                    yield from self._mark(message)
                case Gap():
                    yield from self._chained(message)
                    self._go_on(message)
                case Resync():
                    self.bookmark = None
                    self._go_on(message)
            self.last = message

    def _not_announced(self, message: Message) -> Iterator[Broken]:
        if (
            isinstance(self.last, Started)
            and self.last.mode == "resync"
            and not isinstance(message, Resync)
        ):
            yield Broken(Invariant.RESUMABLE, "a resync that says no reason", (self.last, message))

    def _go_on(self, message: Started | Gap | Resync) -> None:
        self.told, self.chain = self.log.spot(message.cursor), message.cursor
        self.is_first = isinstance(message, Started)

    def _start(self, message: Started) -> Iterator[Broken]:
        opened = self.stream.opened
        self.started = message
        if message.mode == "resumed" and message.cursor != opened.after:
            yield Broken(Invariant.RESUMABLE, "resumed elsewhere than asked", (opened, message))
        if message.mode == "live" and opened.after is not None:
            yield Broken(Invariant.RESUMABLE, "the cursor was not looked at", (opened, message))
        self._go_on(message)

    def _event(self, event: Event) -> Iterator[Broken]:
        yield from self._chained(event)
        self.chain = event.cursor
        spot = self.log.spot(event.cursor)
        again, self.seen[event.cursor] = self.seen.get(event.cursor), event
        if again is not None:
            yield Broken(Invariant.UNIQUE, "shown twice on one subscription", (again, event))
        elif spot is not None:
            yield from self._placed(event, spot)
        if spot is not None and (again is None or self.told is None):
            self.told = spot
        self.is_first = False

    def _placed(self, event: Event, spot: Spot) -> Iterator[Broken]:
        """An event that stands in the log and is new on this subscription."""
        assert self.last is not None
        if self.bookmark is not None and not _is_after(spot, self.bookmark[0]):
            yield Broken(Invariant.BOOKMARK, "at or before a bookmark", (self.bookmark[1], event))
        elif self.told is not None and self.log.is_other_life(self.told, spot):
            yield Broken(
                self._of_holes, "another life of the log, and nothing was said", (self.last, event)
            )
        elif self.told is not None and not _is_after(spot, self.told):
            yield Broken(
                Invariant.ORDERED, "an event from before the one before", (self.last, event)
            )
        elif self.told is not None:
            for missing in self._missing(self.told, spot):
                yield Broken(
                    self._of_holes,
                    "an event between these two was left out",
                    (self.last, missing, event),
                )
                break

    @property
    def _of_holes(self) -> Invariant:
        """Right behind the start of a resumed stream it is the resume that lost something."""
        is_resumed = self.is_first and self.started is not None and self.started.mode == "resumed"
        return Invariant.RESUMABLE if is_resumed else Invariant.COMPLETE

    def _missing(self, after: Spot, before: Spot) -> Iterator[Event]:
        for event in self.log.between(after, before):
            if self.stream.wants(event) and event.cursor not in self.ever:
                yield event

    def _mark(self, bookmark: Bookmark) -> Iterator[Broken]:
        spot = self.log.spot(bookmark.cursor)
        if spot is None:
            return
        if self.told is not None and not self.log.is_other_life(self.told, spot):
            for missing in self._missing(self.told, Spot(spot.generation, spot.index + 1)):
                yield Broken(
                    Invariant.BOOKMARK, "nothing may lie before it undelivered", (bookmark, missing)
                )
                break
        elif self.told is not None:
            yield Broken(
                self._of_holes,
                "another life of the log, and nothing was said",
                (self.last or bookmark, bookmark),
            )
        self.bookmark = spot, bookmark
        # Not before: a bookmark that goes back promises less, and breaks nothing.
        if self.told is None or _is_after(spot, self.told):
            self.told = spot

    def _chained(self, message: Event | Gap) -> Iterator[Broken]:
        if message.prev != self.chain:
            before = self.last or self.stream.opened
            yield Broken(Invariant.CHAINED, f"prev should be {self.chain}", (before, message))


def _is_after(spot: Spot, other: Spot) -> bool:
    return (spot.generation, spot.index) > (other.generation, other.index)


def _ended_is_ended(history: History, streams: Sequence[Stream]) -> Iterator[Broken]:
    ends: dict[str, list[tuple[str, Event]]] = {}
    for stream in streams:
        for message in stream.messages:
            if isinstance(message, Event) and message.type == ROOM_ENDED:
                ends.setdefault(message.room, []).append((stream.opened.replica, message))
    for read in history:
        if isinstance(read, Read) and read.status == IN_PROGRESS:
            for replica, ended in ends.get(read.room, ()):
                if read.started_at > _known_at(read, replica, ended.at):
                    yield Broken(
                        Invariant.ENDED_IS_ENDED,
                        "in progress after its end was shown",
                        (ended, read),
                    )
                    break


def _known_at(read: Read, replica: str, at: float) -> float:
    """From when on the read's replica must show what `replica` told at that moment."""
    if read.replica == replica:
        return at
    return float("inf") if read.is_stale else at + OTHERS_S


def _monotone(history: History) -> Iterator[Broken]:
    """Per client, replica and room. Of one client only, whose reads follow one another."""
    newest: dict[tuple[str, str, str], Read] = {}
    for read in sorted(
        (record for record in history if isinstance(record, Read)), key=lambda read: read.started_at
    ):
        if read.status is None:
            continue
        key = (read.client, read.replica, read.room)
        before = newest.get(key)
        if before is not None and before.ended_at <= read.started_at:
            if before.status != IN_PROGRESS and read.status == IN_PROGRESS:
                yield Broken(Invariant.MONOTONE, "the status went back", (before, read))
            elif _goes_back(before, read):
                yield Broken(Invariant.MONOTONE, "the version went back", (before, read))
        newest[key] = read


def _goes_back(before: Read, read: Read) -> bool:
    if before.fetched_at is None or read.fetched_at is None or before.how != read.how:
        return False
    return read.fetched_at < before.fetched_at


def _own_writes(history: History) -> Iterator[Broken]:
    writes: dict[str, list[Write]] = {}
    for record in history:
        if isinstance(record, Write):
            writes.setdefault(record.room, []).append(record)
    for read in history:
        if isinstance(read, Read):
            for write in writes.get(read.room, ()):
                if not _shows(read, write) and read.started_at > _known_at(
                    read, write.replica, write.ended_at
                ):
                    yield Broken(
                        Invariant.OWN_WRITES, "a read does not show what was written", (write, read)
                    )
                    break


def _shows(read: Read, write: Write) -> bool:
    if write.status != IN_PROGRESS:
        return read.status != IN_PROGRESS
    # By name and in lists it is not found any more once somebody has ended it.
    return read.status is not None or read.how != "sid"
