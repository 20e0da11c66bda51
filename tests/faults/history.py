"""A history: what clients observed. It is the checker's only input.

Times are seconds of one monotonic clock, that of the process in which all clients run.
Only `save` and `load` do I/O.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Transport = Literal["ws", "sse", "grpc"]


class _Record(msgspec.Struct, frozen=True, tag_field="is", tag=str.lower):
    pass


class Callback(_Record, frozen=True):
    """One delivery of a callback.

    `key` identifies the signed fields: all deliveries of one callback, and its event,
    have the same key. `status` is None if no response came.
    """

    key: str
    replica: str
    status: int | None
    sent_at: float
    answered_at: float

    @property
    def is_acked(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Opened(_Record, frozen=True):
    """A subscription was opened.

    A reference subscription has no filter and shows the checker the order of the log.
    The last one of a history resumes from the start of the log after all faults.
    """

    stream: int
    client: str
    replica: str
    transport: Transport
    at: float
    room: str | None = None
    types: tuple[str, ...] | None = None
    after: str | None = None
    is_reference: bool = False


class Started(_Record, frozen=True):
    stream: int
    at: float
    cursor: str
    mode: Literal["live", "resumed", "resync"]


class Event(_Record, frozen=True):
    """An event was received.

    `key` is as in `Callback`; `type` is Twilio's name for it.
    """

    stream: int
    at: float
    cursor: str
    prev: str | None
    key: str
    type: str
    room: str


class Bookmark(_Record, frozen=True):
    stream: int
    at: float
    cursor: str


class Gap(_Record, frozen=True):
    stream: int
    at: float
    cursor: str
    prev: str | None


class Resync(_Record, frozen=True):
    stream: int
    at: float
    cursor: str
    reason: str


class Read(_Record, frozen=True):
    """A room in the response to a query: by SID, by name, or in the list of live rooms.

    `status` is Twilio's status, or None if the room was not found. Failed reads are not
    recorded.
    """

    client: str
    replica: str
    room: str
    how: Literal["sid", "name", "list"]
    started_at: float
    ended_at: float
    status: str | None
    fetched_at: float | None = None
    """When Twilio answered, by the gateway's clock: the age of the data."""
    is_stale: bool = False


class Write(_Record, frozen=True):
    """A mutation that succeeded. `status` is the room's status in its response."""

    client: str
    replica: str
    room: str
    started_at: float
    ended_at: float
    status: str


class Fault(_Record, frozen=True):
    """A fault that was injected. It helps a reader; the checker does not use it."""

    description: str
    at: float


Message = Started | Event | Bookmark | Gap | Resync
Record = Callback | Opened | Message | Read | Write | Fault
History = Sequence[Record]

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def time_of(record: Record) -> float:
    match record:
        case Callback():
            return record.sent_at
        case Read() | Write():
            return record.started_at
        case _:
            return record.at


def dumps(history: Iterable[Record]) -> bytes:
    """Returns the records as JSON lines."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in history)


def loads(lines: bytes) -> list[Record]:
    return [_decoder.decode(line) for line in lines.splitlines()]


def save(history: Iterable[Record], path: Path) -> None:
    path.write_bytes(dumps(history))


def load(path: Path) -> list[Record]:
    return loads(path.read_bytes())
