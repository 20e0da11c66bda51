"""A small model of a correct gateway.

The checker must find no violation in its histories. Does no I/O.
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.history import (
    Bookmark,
    Callback,
    Event,
    Gap,
    Message,
    Opened,
    Read,
    Record,
    Resync,
    Started,
    Transport,
    Write,
)

REPLICAS = ("a", "b", "c")
TRANSPORTS: tuple[Transport, ...] = ("ws", "sse", "grpc")
ROOMS = tuple(f"RM{number}" for number in range(6))
JOINED, ENDED, CHANGED = "participant-connected", "room-ended", "room-changed"


@dataclass(frozen=True)
class Entry:
    cursor: str
    key: str
    type: str
    room: str


@dataclass
class Client:
    """A subscriber that has handled the first `position` entries of epoch `epoch`."""

    name: str
    room: str | None
    types: tuple[str, ...] | None
    is_reference: bool = False
    stream: int = 0
    replica: str = "a"
    epoch: int = 0
    position: int = 0
    prev: str = ""
    cursor: str | None = None

    def matches(self, entry: Entry) -> bool:
        return (self.room is None or entry.room == self.room) and (
            self.types is None or entry.type in self.types
        )


@dataclass
class Model:
    seed: int
    history: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._now = 0.0
        self._epochs: list[list[Entry]] = [[]]
        self._streams = 0
        self._events = 0
        self._ended: set[str] = set()
        self._clients = [
            Client("reference", None, None, is_reference=True),
            Client("all", None, None),
            Client("again", None, None),
            Client("room", ROOMS[0], None),
            Client("ends", None, (ENDED,)),
        ]

    def run(self, steps: int = 250) -> list[Record]:
        for client in self._clients:
            self._open(client)
        actions = (
            [self._callback] * 8
            + [self._deliver] * 10
            + [self._bookmark] * 2
            + [self._reconnect] * 2
            + [self._read] * 6
            + [self._write]
            + ([self._gap] if self.seed % 3 == 0 else [])
        )
        lost_at = self._rng.randrange(steps) if self.seed % 2 else None
        for step in range(steps):
            self._rng.choice(actions)()
            if step == lost_at:
                self._lose_log()
        for client in self._clients:
            self._deliver_to(client, len(self._log))
        last = Client(
            "final",
            None,
            None,
            is_reference=True,
            epoch=len(self._epochs) - 1,
            cursor=self._start_cursor(),
        )
        self._open(last)
        self._deliver_to(last, len(self._log))
        return self.history

    @property
    def _log(self) -> list[Entry]:
        return self._epochs[-1]

    def _start_cursor(self, epoch: int = -1) -> str:
        return f"{len(self._epochs) - 1 if epoch < 0 else epoch}:begin"

    def _tick(self) -> float:
        self._now += self._rng.uniform(0.001, 0.1)
        return self._now

    def _parse_cursor(self, cursor: str) -> tuple[int, int]:
        epoch, _, index = cursor.partition(":")
        return int(epoch), 0 if index == "begin" else int(index) + 1

    def _cursor_at(self, position: int) -> str:
        return self._log[position - 1].cursor if position else self._start_cursor()

    def _append(self, key: str, type_: str, room: str) -> None:
        if all(entry.key != key for entry in self._log):
            self._log.append(Entry(f"{len(self._epochs) - 1}:{len(self._log)}", key, type_, room))

    def _callback(self) -> None:
        """Delivers a callback once or twice, with a rejection or a lost response.

        A callback whose response is lost is in the log, and is delivered again.
        """
        room = self._rng.choice(ROOMS)
        type_ = ENDED if self._rng.random() < 0.05 else JOINED
        self._events += 1
        key = f"{type_} {room} {self._events}"
        for status in self._rng.choice([(204,), (204, 204), (503, 204), (None, 204), (503,)]):
            sent_at = self._tick()
            if status != 503:
                self._append(key, type_, room)
                if type_ == ENDED:
                    self._ended.add(room)
            self.history.append(
                Callback(key, self._rng.choice(REPLICAS), status, sent_at, self._tick())
            )

    def _open(self, client: Client) -> None:
        self._streams += 1
        client.stream, client.replica = self._streams, self._rng.choice(REPLICAS)
        transport = self._rng.choice(TRANSPORTS)
        self.history.append(
            Opened(
                client.stream,
                client.name,
                client.replica,
                transport,
                self._tick(),
                client.room,
                client.types,
                client.cursor,
                client.is_reference,
            )
        )
        if client.cursor is None:
            client.epoch, client.position = len(self._epochs) - 1, len(self._log)
            client.cursor = self._cursor_at(client.position)
            self._send(client, Started(client.stream, self._tick(), client.cursor, "live"))
        elif self._parse_cursor(client.cursor)[0] == len(self._epochs) - 1:
            client.epoch, client.position = self._parse_cursor(client.cursor)
            self._send(client, Started(client.stream, self._tick(), client.cursor, "resumed"))
        else:
            head = self._cursor_at(len(self._log))
            self._send(client, Started(client.stream, self._tick(), head, "resync"))
            self._resync(client)

    def _send(self, client: Client, message: Message) -> None:
        self.history.append(message)
        client.cursor = message.cursor
        if not isinstance(message, Bookmark):
            client.prev = message.cursor

    def _resync(self, client: Client) -> None:
        client.epoch, client.position = len(self._epochs) - 1, len(self._log)
        self._send(
            client, Resync(client.stream, self._tick(), self._cursor_at(client.position), "epoch")
        )

    def _deliver_to(self, client: Client, count: int) -> None:
        if client.epoch != len(self._epochs) - 1:
            self._resync(client)
        for entry in self._log[client.position : client.position + count]:
            client.position += 1
            if client.matches(entry):
                event = Event(
                    client.stream,
                    self._tick(),
                    entry.cursor,
                    client.prev,
                    entry.key,
                    entry.type,
                    entry.room,
                )
                self._send(client, event)

    def _deliver(self) -> None:
        self._deliver_to(self._rng.choice(self._clients), self._rng.randint(1, 6))

    def _bookmark(self) -> None:
        client = self._rng.choice(self._clients)
        if client.epoch == len(self._epochs) - 1:
            self._send(
                client, Bookmark(client.stream, self._tick(), self._cursor_at(client.position))
            )

    def _reconnect(self) -> None:
        self._open(self._rng.choice(self._clients[1:]))

    def _gap(self) -> None:
        client = self._rng.choice(self._clients[1:])
        if client.epoch == len(self._epochs) - 1:
            client.position = min(client.position + 2, len(self._log))
            self._send(
                client,
                Gap(client.stream, self._tick(), self._cursor_at(client.position), client.prev),
            )

    def _lose_log(self) -> None:
        self._epochs.append([])
        # Connected clients get the resync before the next callback is acknowledged.
        # The others get it when they reconnect.
        for client in self._clients[:2]:
            self._resync(client)

    def _read(self) -> None:
        room, started_at = self._rng.choice(ROOMS), self._tick()
        status = "completed" if room in self._ended else "in-progress"
        how: Literal["sid", "name", "list"] = self._rng.choice(("sid", "name", "list"))
        visible_status = status if how == "sid" or status == "in-progress" else None
        self.history.append(
            Read(
                "reader",
                self._rng.choice(REPLICAS),
                room,
                how,
                started_at,
                self._tick(),
                visible_status,
                started_at,
            )
        )

    def _write(self) -> None:
        room, started_at = self._rng.choice(ROOMS), self._tick()
        if room not in self._ended:
            self._ended.add(room)
            self._append(f"{CHANGED} {room}", CHANGED, room)
            self.history.append(
                Write(
                    "reader",
                    self._rng.choice(REPLICAS),
                    room,
                    started_at,
                    self._tick(),
                    "completed",
                )
            )


def clean_history(seed: int) -> list[Record]:
    return Model(seed).run()
