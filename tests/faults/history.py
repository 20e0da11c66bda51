"""What clients saw, as they wrote it down: the only thing the checker reads. Does no I/O but that of `save` and `load`.

Moments are seconds of one monotonic clock, that of the process in which all clients run.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Transport = Literal["ws", "sse", "grpc"]


class _Record(msgspec.Struct, frozen=True, tag_field="is", tag=str.lower):
    pass


class Callback(_Record, frozen=True):
    """One delivery of a callback. `key` stands for its signed fields: the same for every delivery of it, and for its event.
    `status` is None when no answer came."""

    key: str
    replica: str
    status: int | None
    sent_at: float
    answered_at: float

    @property
    def is_acked(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Opened(_Record, frozen=True):
    """A subscription. `is_reference`: it has no filter, and shows the checker the order of the log; the last one of a history
    is a full resume, made when everything was over."""

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
    """`key` as in Callback. `type` is Twilio's word."""

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
    """A room as a query showed it. `how`: by SID, by name, or in a list of the rooms in progress. `status` is Twilio's word, or
    None when there was no such room. Reads that failed are not written down."""

    client: str
    replica: str
    room: str
    how: Literal["sid", "name", "list"]
    started_at: float
    ended_at: float
    status: str | None
    fetched_at: float | None = None
    """When Twilio said so, by the gateway's clock; what is shown is as old as that."""
    is_stale: bool = False


class Write(_Record, frozen=True):
    """A mutation that was answered. `status`: the room's as the answer said."""

    client: str
    replica: str
    room: str
    started_at: float
    ended_at: float
    status: str


class Fault(_Record, frozen=True):
    """What the nemesis did. The checker excuses nothing by it; it is for the reader of a witness."""

    what: str
    at: float


Message = Started | Event | Bookmark | Gap | Resync
Record = Callback | Opened | Message | Read | Write | Fault
History = Sequence[Record]

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def moment(record: Record) -> float:
    match record:
        case Callback():
            return record.sent_at
        case Read() | Write():
            return record.started_at
        case _:
            return record.at


def dumps(history: Iterable[Record]) -> bytes:
    """As JSON lines."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in history)


def loads(lines: bytes) -> list[Record]:
    return [_decoder.decode(line) for line in lines.splitlines()]


def save(history: Iterable[Record], path: Path) -> None:
    path.write_bytes(dumps(history))


def load(path: Path) -> list[Record]:
    return loads(path.read_bytes())
