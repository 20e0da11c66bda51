import asyncio
import gc
import socket
import weakref
from asyncio import selector_events
from collections.abc import Iterator

import pytest

from gateway import heap


class Pieces(asyncio.Protocol):
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.has_ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.sizes.append(len(data))

    def eof_received(self) -> None:
        self.has_ended.set()


@pytest.fixture
def _collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def test_connections_are_read_in_pieces_that_leave_no_holes_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selector_events._SelectorTransport, "max_size", 256 * 1024)  # type: ignore[attr-defined]
    heap.read_in_pieces()
    ours, theirs = socket.socketpair()
    with theirs:
        loop, pieces = asyncio.get_running_loop(), Pieces()
        transport, _ = await loop.connect_accepted_socket(lambda: pieces, ours)
        theirs.setblocking(False)
        await loop.sock_sendall(theirs, bytes(3 * heap.READ_BYTES))
        theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(5):
            await pieces.has_ended.wait()
        transport.close()
    assert sum(pieces.sizes) == 3 * heap.READ_BYTES
    assert max(pieces.sizes) <= heap.READ_BYTES


@pytest.mark.parametrize("who_closes", ["we", "they"])
async def test_nothing_of_a_closed_connection_waits_for_the_collector(
    monkeypatch: pytest.MonkeyPatch, who_closes: str
) -> None:
    kind = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    monkeypatch.setattr(kind, "_call_connection_lost", kind._call_connection_lost)
    heap.let_go_of_closed_connections()
    ours, theirs = socket.socketpair()
    loop, pieces = asyncio.get_running_loop(), Pieces()
    transport, _ = await loop.connect_accepted_socket(lambda: pieces, ours)
    transport.write(b"x")
    is_there = weakref.ref(transport)
    gc.collect()
    gc.disable()
    try:
        if who_closes == "we":
            transport.close()
        del transport
        theirs.close()
        async with asyncio.timeout(5):
            while is_there() is not None:  # noqa: ASYNC110 - its end is what is waited for
                await asyncio.sleep(0)
    finally:
        gc.enable()


@pytest.mark.usefixtures("_collector_as_before")
def test_what_is_there_at_the_start_is_not_looked_through_again() -> None:
    here = [object()]
    heap.collect_little_by_little()
    heap.keep_all()
    assert not any(each is here for each in gc.get_objects())
    assert gc.get_freeze_count() > 0
    # What comes later is, in time.
    later = [here]
    assert any(each is later for each in gc.get_objects())
