"""The log as a history shows it: the lives it had, and the place of each cursor. Does no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.history import Bookmark, Event, History, Message, Opened, Resync, Started

TRIMMED = "trimmed"
BEGINNING = -1
"""The index of a life's first cursor, where no entry stands."""


@dataclass(frozen=True)
class Stream:
    opened: Opened
    messages: Sequence[Message]

    def wants(self, event: Event) -> bool:
        opened = self.opened
        return (opened.room is None or event.room == opened.room) and (
            opened.types is None or event.type in opened.types
        )


def streams_of(history: History) -> list[Stream]:
    """In the order in which they were opened, their messages as they came."""
    opened = {record.stream: record for record in history if isinstance(record, Opened)}
    messages: dict[int, list[Message]] = {stream: [] for stream in opened}
    for record in history:
        if isinstance(record, Message):
            messages[record.stream].append(record)
    return [Stream(opened[number], messages[number]) for number in opened]


@dataclass(frozen=True)
class Spot:
    """Where a cursor stands: in which life of the log, and as its how many-eth entry."""

    generation: int
    index: int


class Log:
    """The lives of a log, each a run of entries that one reference subscription saw between two announcements.

    A later reference is believed about what follows its own beginning; what an earlier one saw before that stays known.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        lives: list[tuple[str, list[Event]]] = []
        trims: set[str] = set()
        for stream in streams:
            if stream.opened.is_reference:
                trims |= {
                    each.cursor
                    for each in stream.messages
                    if isinstance(each, Resync) and each.reason == TRIMMED
                }
                for begin, run in _runs(stream):
                    _join(lives, begin, run)
        self.lives = [run for _, run in lives]
        # Not another life: only what the reference could be told has a hole before it.
        self._goes_on = [begin in trims for begin, _ in lives]
        self.final = _final(streams)
        self._spots: dict[str, Spot] = {}
        for generation, (begin, run) in enumerate(lives):
            self._spots.setdefault(begin, Spot(generation, BEGINNING))
            for index, event in enumerate(run):
                self._spots.setdefault(event.cursor, Spot(generation, index))

    def spot(self, cursor: str) -> Spot | None:
        return self._spots.get(cursor)

    def is_other_life(self, one: Spot, two: Spot) -> bool:
        return one.generation > two.generation or not all(
            self._goes_on[one.generation + 1 : two.generation + 1]
        )

    def between(self, after: Spot, before: Spot) -> Iterator[Event]:
        """What is known to stand strictly between the two."""
        for generation in range(after.generation, before.generation + 1):
            run = self.lives[generation]
            first = after.index + 1 if generation == after.generation else 0
            yield from run[first : before.index if generation == before.generation else len(run)]

    def keys(self, streams: Sequence[Stream]) -> set[str]:
        """What the final reference shows, and what stands where it begins."""
        found = {message.key for message in self.final if isinstance(message, Event)}
        if self.final:
            begin = self.final[0].cursor
            shown = (
                message
                for stream in streams
                for message in stream.messages
                if message.cursor == begin
            )
            found |= {message.key for message in shown if isinstance(message, Event)}
        return found

    def first_seen(self, streams: Sequence[Stream]) -> float:
        """When anybody first heard of the last life's part that the final reference shows. What was acked before may have
        been lost with an earlier life, if that was announced."""
        if not self.final:
            return float("inf")
        known = {message.cursor for message in self.final}
        return min(
            message.at
            for stream in streams
            for message in stream.messages
            if message.cursor in known
        )


def _runs(stream: Stream) -> Iterator[tuple[str, list[Event]]]:
    begin, run = "", list[Event]()
    for message in stream.messages:
        if isinstance(message, Event):
            run.append(message)
        elif isinstance(message, Started | Resync):
            if begin:
                yield begin, run
            begin, run = message.cursor, []
    if begin:
        yield begin, run


def _join(lives: list[tuple[str, list[Event]]], begin: str, run: list[Event]) -> None:
    for generation, (known_begin, known) in enumerate(lives):
        if known_begin == begin:
            if len(run) >= len(known):
                lives[generation] = (known_begin, run)
            return
        positions: Mapping[str, int] = {event.cursor: index for index, event in enumerate(known)}
        if begin in positions:
            cut = positions[begin] + 1
            if len(known) - cut <= len(run):
                lives[generation] = (known_begin, known[:cut] + run)
            return
    lives.append((begin, run))


def _final(streams: Sequence[Stream]) -> Sequence[Message]:
    """The messages of the last reference since its last announcement, its beginning first."""
    references = [stream for stream in streams if stream.opened.is_reference and stream.messages]
    if not references:
        return ()
    messages = [message for message in references[-1].messages if not isinstance(message, Bookmark)]
    last = max(
        index for index, message in enumerate(messages) if isinstance(message, Started | Resync)
    )
    return messages[last:]
