"""Checks a history against the invariants and returns a witness for each broken one.

The invariants are those of docs/reliability/promises.md. `ResyncRequired` and `Gap`
excuse what they announce:

- a hole before their cursor, on the subscription that received them;
- callbacks that were acknowledged before a client first saw the log's last epoch.

Does no I/O.
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
    time_of,
)
from tests.faults.log import Log, Position, Stream, streams_of

PROPAGATION_S = 0.25
"""Within this time another replica shows an event or a mutation (I-9, I-11)."""
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
class Violation:
    """A broken invariant. `witness` has the records that prove it, in order of time."""

    invariant: Invariant
    reason: str
    witness: tuple[Record, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"{self.invariant}: {self.reason}", *map(str, self.witness)))


def find_violations(history: History) -> list[Violation]:
    """Returns one violation for each broken invariant, in the order of `Invariant`.

    Of several violations of an invariant, the one with the shortest witness is
    returned, and of those the earliest.
    """
    streams = streams_of(history)
    log = Log(streams)
    violations = [*_durable(history, streams, log), *_unique(log), *_agreed(streams)]
    for stream in streams:
        violations += _StreamChecker(stream, log).violations()
    violations += [*_ended_is_ended(history, streams), *_monotone(history), *_own_writes(history)]
    shortest: dict[Invariant, Violation] = {}
    violations.sort(key=lambda found: (len(found.witness), time_of(found.witness[-1])))
    for violation in violations:
        shortest.setdefault(violation.invariant, violation)
    return [shortest[invariant] for invariant in Invariant if invariant in shortest]


def _durable(history: History, streams: Sequence[Stream], log: Log) -> Iterator[Violation]:
    logged = log.keys(streams)
    was_announced = any(isinstance(record, Resync) for record in history)
    excused_until = log.first_seen_at(streams) if was_announced else float("-inf")
    for record in history:
        if (
            not isinstance(record, Callback)
            or not record.is_acked
            or record.answered_at <= excused_until
        ):
            continue
        if record.key not in logged:
            yield Violation(Invariant.DURABLE, "acknowledged, but not in the log", (record,))
    for stream in streams:
        for message in stream.messages:
            if (
                isinstance(message, Event)
                and log.position_of(message.cursor) is None
                and not was_announced
            ):
                yield Violation(Invariant.DURABLE, "delivered, but not in the log", (message,))


def _unique(log: Log) -> Iterator[Violation]:
    for segment in log.segments:
        first: dict[str, Event] = {}
        for event in segment:
            other = first.setdefault(event.key, event)
            if other.cursor != event.cursor:
                yield Violation(
                    Invariant.UNIQUE, "one callback has two entries in the log", (other, event)
                )


def _agreed(streams: Sequence[Stream]) -> Iterator[Violation]:
    first: dict[str, Event] = {}
    for stream in streams:
        for message in stream.messages:
            if isinstance(message, Event):
                other = first.setdefault(message.cursor, message)
                if (other.key, other.type, other.room) != (message.key, message.type, message.room):
                    yield Violation(
                        Invariant.AGREED, "one cursor has two contents", (other, message)
                    )
                if not stream.matches(message):
                    yield Violation(
                        Invariant.AGREED,
                        "delivered although the filter excludes it",
                        (stream.opened, message),
                    )


@dataclass
class _StreamChecker:
    """Checks the messages of one subscription, in order.

    Every matching event up to `delivered` was delivered or announced as missing. It is
    None where the log does not show the position. The next event's `prev` must be
    `expected_prev`.
    """

    stream: Stream
    log: Log
    last: Message | None = None
    started: Started | None = None
    delivered: Position | None = None
    expected_prev: str | None = None
    bookmark: tuple[Position, Bookmark] | None = None
    delivered_by_cursor: dict[str, Event] = field(default_factory=dict)
    all_cursors: set[str] = field(default_factory=set)
    is_first: bool = True

    def __post_init__(self) -> None:
        # An event that arrives later is out of order, but not missing.
        self.all_cursors = {
            message.cursor for message in self.stream.messages if isinstance(message, Event)
        }

    def violations(self) -> Iterator[Violation]:
        for message in self.stream.messages:
            yield from self._check_resync_announced(message)
            match message:
                case Started():
                    yield from self._check_start(message)
                case Event():
                    yield from self._check_event(message)
                case Bookmark():
                    yield from self._check_bookmark(message)
                case Gap():
                    yield from self._check_chain(message)
                    self._continue_from(message)
                case Resync():
                    self.bookmark = None
                    self._continue_from(message)
            self.last = message

    def _check_resync_announced(self, message: Message) -> Iterator[Violation]:
        if (
            isinstance(self.last, Started)
            and self.last.mode == "resync"
            and not isinstance(message, Resync)
        ):
            yield Violation(
                Invariant.RESUMABLE,
                "a stream that starts with a resync gives no reason",
                (self.last, message),
            )

    def _continue_from(self, message: Started | Gap | Resync) -> None:
        self.delivered, self.expected_prev = self.log.position_of(message.cursor), message.cursor
        self.is_first = isinstance(message, Started)

    def _check_start(self, message: Started) -> Iterator[Violation]:
        opened = self.stream.opened
        self.started = message
        if message.mode == "resumed" and message.cursor != opened.after:
            yield Violation(
                Invariant.RESUMABLE,
                "resumed after another cursor than requested",
                (opened, message),
            )
        if message.mode == "live" and opened.after is not None:
            yield Violation(
                Invariant.RESUMABLE, "the requested cursor was ignored", (opened, message)
            )
        self._continue_from(message)

    def _check_event(self, event: Event) -> Iterator[Violation]:
        yield from self._check_chain(event)
        self.expected_prev = event.cursor
        position = self.log.position_of(event.cursor)
        duplicate, self.delivered_by_cursor[event.cursor] = (
            self.delivered_by_cursor.get(event.cursor),
            event,
        )
        if duplicate is not None:
            yield Violation(
                Invariant.UNIQUE, "delivered twice on one subscription", (duplicate, event)
            )
        elif position is not None:
            yield from self._check_position(event, position)
        if position is not None and (duplicate is None or self.delivered is None):
            self.delivered = position
        self.is_first = False

    def _check_position(self, event: Event, position: Position) -> Iterator[Violation]:
        """Checks an event that is in the log and is new on this subscription."""
        assert self.last is not None
        if self.bookmark is not None and not _is_after(position, self.bookmark[0]):
            yield Violation(
                Invariant.BOOKMARK,
                "delivered after a bookmark that covers it",
                (self.bookmark[1], event),
            )
        elif self.delivered is not None and self.log.crosses_epochs(self.delivered, position):
            yield Violation(
                self._broken_by_hole,
                "the log has a new epoch, but no resync was announced",
                (self.last, event),
            )
        elif self.delivered is not None and not _is_after(position, self.delivered):
            yield Violation(
                Invariant.ORDERED,
                "delivered after an event that follows it in the log",
                (self.last, event),
            )
        elif self.delivered is not None:
            for missing in self._missing_between(self.delivered, position):
                yield Violation(
                    self._broken_by_hole,
                    "a matching event between these two was not delivered",
                    (self.last, missing, event),
                )
                break

    @property
    def _broken_by_hole(self) -> Invariant:
        """A hole right after the start of a resumed stream was made by the resume."""
        is_resumed = self.is_first and self.started is not None and self.started.mode == "resumed"
        return Invariant.RESUMABLE if is_resumed else Invariant.COMPLETE

    def _missing_between(self, after: Position, before: Position) -> Iterator[Event]:
        for event in self.log.between(after, before):
            if self.stream.matches(event) and event.cursor not in self.all_cursors:
                yield event

    def _check_bookmark(self, bookmark: Bookmark) -> Iterator[Violation]:
        position = self.log.position_of(bookmark.cursor)
        if position is None:
            return
        if self.delivered is not None and not self.log.crosses_epochs(self.delivered, position):
            for missing in self._missing_between(
                self.delivered, Position(position.segment, position.index + 1)
            ):
                yield Violation(
                    Invariant.BOOKMARK,
                    "a matching event before the bookmark was not delivered",
                    (bookmark, missing),
                )
                break
        elif self.delivered is not None:
            yield Violation(
                self._broken_by_hole,
                "the log has a new epoch, but no resync was announced",
                (self.last or bookmark, bookmark),
            )
        self.bookmark = position, bookmark
        # A bookmark that goes back promises less, and breaks no invariant.
        if self.delivered is None or _is_after(position, self.delivered):
            self.delivered = position

    def _check_chain(self, message: Event | Gap) -> Iterator[Violation]:
        if message.prev != self.expected_prev:
            before = self.last or self.stream.opened
            yield Violation(
                Invariant.CHAINED, f"prev should be {self.expected_prev}", (before, message)
            )


def _is_after(position: Position, other: Position) -> bool:
    return (position.segment, position.index) > (other.segment, other.index)


def _ended_is_ended(history: History, streams: Sequence[Stream]) -> Iterator[Violation]:
    ends: dict[str, list[tuple[str, Event]]] = {}
    for stream in streams:
        for message in stream.messages:
            if isinstance(message, Event) and message.type == ROOM_ENDED:
                ends.setdefault(message.room, []).append((stream.opened.replica, message))
    for read in history:
        if isinstance(read, Read) and read.status == IN_PROGRESS:
            for replica, end in ends.get(read.room, ()):
                if read.started_at > _visible_from(read, replica, end.at):
                    yield Violation(
                        Invariant.ENDED_IS_ENDED,
                        "read as in progress after its end was delivered",
                        (end, read),
                    )
                    break


def _visible_from(read: Read, replica: str, at: float) -> float:
    """Returns the time from which the read must show what `replica` showed at `at`."""
    if read.replica == replica:
        return at
    return float("inf") if read.is_stale else at + PROPAGATION_S


def _monotone(history: History) -> Iterator[Violation]:
    """Compares reads by one client on one replica of one room.

    Reads that overlap in time are not compared.
    """
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
                yield Violation(Invariant.MONOTONE, "the status went back", (before, read))
            elif _is_older(before, read):
                yield Violation(Invariant.MONOTONE, "the version went back", (before, read))
        newest[key] = read


def _is_older(before: Read, read: Read) -> bool:
    if before.fetched_at is None or read.fetched_at is None or before.how != read.how:
        return False
    return read.fetched_at < before.fetched_at


def _own_writes(history: History) -> Iterator[Violation]:
    writes: dict[str, list[Write]] = {}
    for record in history:
        if isinstance(record, Write):
            writes.setdefault(record.room, []).append(record)
    for read in history:
        if isinstance(read, Read):
            for write in writes.get(read.room, ()):
                if not _shows(read, write) and read.started_at > _visible_from(
                    read, write.replica, write.ended_at
                ):
                    yield Violation(
                        Invariant.OWN_WRITES, "a read does not show an earlier write", (write, read)
                    )
                    break


def _shows(read: Read, write: Write) -> bool:
    if write.status != IN_PROGRESS:
        return read.status != IN_PROGRESS
    # After another client has ended the room, names and lists do not find it.
    return read.status is not None or read.how != "sid"
