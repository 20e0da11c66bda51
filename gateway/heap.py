"""How this process uses memory: the defaults of Python, asyncio and the C library suit programs that run for a minute."""

import ctypes
import gc
from asyncio import selector_events
from contextlib import suppress
from typing import Any

# What asyncio reads from a connection at once. It asks for that much memory before each read and then gives back all but what
# came, which is mostly less than a kilobyte. With its own 256 KiB, memory that is in use lies scattered between holes too small
# for the next read, and the process grows by some 1.4 kB a room though it holds on to nothing; and where the C library maps so
# large a piece anew each time, a read costs 15 µs instead of 2.
READ_BYTES = 16 * 1024
# `_write_ready` since Python 3.12.
_OWN_METHODS = frozenset({"_read_ready_cb", "_write_ready"})
# https://sourceware.org/git/?p=glibc.git;a=blob;f=malloc/malloc.h
_M_ARENA_MAX = -8
# Everything stands still while the collector looks: about a microsecond for each old object that it looks at, so 40 ms and more
# for all that the caches hold. No valid request leaves cycles behind, so there is little to find: it looks at few of the youngest
# at a time, and at all of them only after 200 × 2 × 1,750 new ones. What a refused document leaves (some 400 objects,
# graphql-core's own) is taken for old by then and waits for that; steps of 2,000 would spare it, but P14 was missed in the
# one run with them. https://docs.python.org/3/library/gc.html#gc.set_threshold
_COLLECTED_AFTER = (200, 2, 1_750)


def read_in_pieces() -> None:
    """Has every connection of this process read READ_BYTES at once. asyncio has no other place to say so."""
    selector_events._SelectorTransport.max_size = READ_BYTES  # type: ignore[attr-defined]


def let_go_of_closed_connections() -> None:
    """Has a closed connection freed at once. Its transport holds a method of its own, and so itself: it would wait for the
    collector, and what lies around it in memory with it. There were more of these than of all else that the collector found."""
    transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    lose = transport._call_connection_lost

    def lose_and_let_go(self: Any, error: Exception | None) -> None:
        lose(self, error)
        for name in _OWN_METHODS & vars(self).keys():
            setattr(self, name, _done)

    transport._call_connection_lost = lose_and_let_go


def _done() -> None:
    pass


def share_one_arena() -> None:
    """Has all threads allocate from one arena, where the C library is glibc. gRPC's threads would fill one each, with holes;
    they seldom allocate at the same time, so they need not wait for each other."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def collect_little_by_little() -> None:
    """Keeps the pauses for garbage short."""
    gc.set_threshold(*_COLLECTED_AFTER)


def keep_all() -> None:
    """What is here now stays for good: it is not looked through again."""
    gc.collect()
    gc.freeze()
