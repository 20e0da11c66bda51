"""The event log as a history shows it: its segments and the position of each cursor.

Does no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.history import Bookmark, Event, History, Message, Opened, Resync, Started

TRIMMED = "trimmed"
START = -1
"""The index of the cursor before a segment's first entry."""


@dataclass(frozen=True)
class Stream:
    """A subscription and all messages that it received."""

    opened: Opened
    messages: Sequence[Message]

    def matches(self, event: Event) -> bool:
        opened = self.opened
        return (opened.room is None or event.room == opened.room) and (
            opened.types is None or event.type in opened.types
        )


def streams_of(history: History) -> list[Stream]:
    """Returns the subscriptions in order of opening, messages in order of arrival."""
    opened = {record.stream: record for record in history if isinstance(record, Opened)}
    messages: dict[int, list[Message]] = {stream: [] for stream in opened}
    for record in history:
        if isinstance(record, Message):
            messages[record.stream].append(record)
    return [Stream(opened[number], messages[number]) for number in opened]


@dataclass(frozen=True)
class Position:
    """The segment that a cursor is in, and the index of its entry there."""

    segment: int
    index: int


class Log:
    """The segments of a log, merged from all reference subscriptions.

    A segment is a run of entries that a reference received without a resync in between.
    A segment usually is one epoch; after a trim, two segments belong to one epoch.
    A later reference replaces what follows its own start. Entries before its start stay
    as an earlier reference showed them.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        segments: list[tuple[str, list[Event]]] = []
        trimmed_cursors: set[str] = set()
        for stream in streams:
            if stream.opened.is_reference:
                trimmed_cursors |= {
                    message.cursor
                    for message in stream.messages
                    if isinstance(message, Resync) and message.reason == TRIMMED
                }
                for start, events in _runs(stream):
                    _merge(segments, start, events)
        self.segments = [events for _, events in segments]
        # After a trim the epoch is the same: entries between the segments are missing.
        self._continues = [start in trimmed_cursors for start, _ in segments]
        self.final = _final(streams)
        self._positions: dict[str, Position] = {}
        for segment, (start, events) in enumerate(segments):
            self._positions.setdefault(start, Position(segment, START))
            for index, event in enumerate(events):
                self._positions.setdefault(event.cursor, Position(segment, index))

    def position_of(self, cursor: str) -> Position | None:
        return self._positions.get(cursor)

    def crosses_epochs(self, one: Position, two: Position) -> bool:
        """Whether the two positions are in different epochs, or out of order."""
        return one.segment > two.segment or not all(
            self._continues[one.segment + 1 : two.segment + 1]
        )

    def between(self, after: Position, before: Position) -> Iterator[Event]:
        """Yields the known entries strictly between two positions."""
        for segment in range(after.segment, before.segment + 1):
            events = self.segments[segment]
            first = after.index + 1 if segment == after.segment else 0
            yield from events[first : before.index if segment == before.segment else len(events)]

    def keys(self, streams: Sequence[Stream]) -> set[str]:
        """Returns the keys of the final reference's entries and of its start."""
        keys = {message.key for message in self.final if isinstance(message, Event)}
        if self.final:
            start = self.final[0].cursor
            messages = (
                message
                for stream in streams
                for message in stream.messages
                if message.cursor == start
            )
            keys |= {message.key for message in messages if isinstance(message, Event)}
        return keys

    def first_seen_at(self, streams: Sequence[Stream]) -> float:
        """Returns when a client first saw a cursor that the final reference has.

        A callback that was acknowledged earlier may have been lost with an earlier
        epoch, if that loss was announced.
        """
        if not self.final:
            return float("inf")
        known_events = {message.cursor for message in self.final}
        return min(
            message.at
            for stream in streams
            for message in stream.messages
            if message.cursor in known_events
        )


def _runs(stream: Stream) -> Iterator[tuple[str, list[Event]]]:
    start, events = "", list[Event]()
    for message in stream.messages:
        if isinstance(message, Event):
            events.append(message)
        elif isinstance(message, Started | Resync):
            if start:
                yield start, events
            start, events = message.cursor, []
    if start:
        yield start, events


def _merge(segments: list[tuple[str, list[Event]]], start: str, events: list[Event]) -> None:
    for segment, (known_start, known_events) in enumerate(segments):
        if known_start == start:
            if len(events) >= len(known_events):
                segments[segment] = (known_start, events)
            return
        positions: Mapping[str, int] = {
            event.cursor: index for index, event in enumerate(known_events)
        }
        if start in positions:
            cut = positions[start] + 1
            if len(known_events) - cut <= len(events):
                segments[segment] = (known_start, known_events[:cut] + events)
            return
    segments.append((start, events))


def _final(streams: Sequence[Stream]) -> Sequence[Message]:
    """Returns the last reference's messages from its last start or resync on."""
    references = [stream for stream in streams if stream.opened.is_reference and stream.messages]
    if not references:
        return ()
    messages = [message for message in references[-1].messages if not isinstance(message, Bookmark)]
    last = max(
        index for index, message in enumerate(messages) if isinstance(message, Started | Resync)
    )
    return messages[last:]
