"""Wakes up the tasks that wait for new entries of the log."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from gateway.core.rooms import RoomSid


class Notifier:
    """Wakes up one task when something about its room was logged.

    A notification while the task waits first calls `on_notify`, if it is set. If that
    returns True, it has done the work, and the task stays asleep: waking it up costs
    more than most of the work that it would do.
    """

    __slots__ = ("_is_notified", "_waiting", "on_notify", "room_sid")

    def __init__(self, room_sid: RoomSid | None) -> None:
        self.room_sid = room_sid
        self.on_notify: Callable[[], bool] | None = None
        self._is_notified = False
        self._waiting: asyncio.Future[None] | None = None

    def clear(self) -> None:
        """Forgets earlier notifications. Call it before reading, so that none is
        missed."""
        self._is_notified = False

    def notify(self) -> None:
        is_waiting = self._waiting is not None and not self._waiting.done()
        if is_waiting and self.on_notify is not None and self.on_notify():
            return
        self._is_notified = True
        self._wake_up()

    async def wait(self, timeout_s: float) -> bool:
        """Waits for a notification since `clear`. Returns False after the timeout."""
        if not self._is_notified:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(timeout_s, self._wake_up)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return self._is_notified

    def _wake_up(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Notifiers:
    """The notifiers of one account, by room."""

    def __init__(self) -> None:
        self._by_room: dict[RoomSid | None, set[Notifier]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_room.values()))

    @contextmanager
    def register(self, room_sid: RoomSid | None) -> Iterator[Notifier]:
        """A notifier for one room, or with None for all rooms."""
        notifier = Notifier(room_sid)
        notifiers = self._by_room.setdefault(room_sid, set())
        notifiers.add(notifier)
        try:
            yield notifier
        finally:
            notifiers.discard(notifier)
            if not notifiers:
                self._by_room.pop(room_sid, None)

    def notify(self, rooms: Iterable[RoomSid]) -> None:
        """Notifies for these rooms, and those that wait for all rooms."""
        for room_sid in (*rooms, None):
            for notifier in self._by_room.get(room_sid, ()):
                notifier.notify()

    def notify_all(self) -> None:
        for notifiers in self._by_room.values():
            for notifier in notifiers:
                notifier.notify()
