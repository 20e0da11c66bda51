from datetime import UTC, datetime

import pytest

from gateway.core.cursors import NO_TAG, LogPosition
from gateway.service.log.ring import Ring, RingEntry, is_contiguous, newest_contiguous
from gateway.service.log.timings import LogTimings
from gateway.store.eventlog import Entry, Head, Logged, Unreadable
from tests.service.conftest import event

EPOCH = "0123456789abcdef"
AT = datetime(2026, 11, 20, tzinfo=UTC)


def position(n: int, epoch: str = EPOCH) -> LogPosition:
    return LogPosition(epoch, n, NO_TAG if n == 0 else n.to_bytes(8, "big"))


def logged(n: int, *, epoch: str = EPOCH, prev_tag: bytes | None = None, size: int = 100) -> Logged:
    return Logged(position(n, epoch), event(), AT, size, prev_tag)


def unreadable(n: int) -> Unreadable:
    return Unreadable(position(n), None, AT, 100)


def ring_of(*entries: Entry, timings: LogTimings = LogTimings()) -> Ring:
    """A ring above n = 0. Each entry is read at the second of its number."""
    ring = Ring(position(0), timings)
    for entry in entries:
        ring.append(RingEntry(entry, f"c{entry.position.n}", float(entry.position.n)))
    return ring


def numbers(ring: Ring, after: int) -> list[int]:
    return [old.entry.position.n for old in ring.after(after)]


def test_an_empty_ring_stands_at_its_floor() -> None:
    ring = Ring(position(7))
    assert (ring.position, ring.after(7)) == (position(7), [])
    assert ring.holds(position(7))


def test_entries_are_kept_in_order_after_the_floor() -> None:
    ring = ring_of(*map(logged, (1, 2, 3)))
    assert ring.position == position(3)
    assert [numbers(ring, n) for n in (0, 1, 3)] == [[1, 2, 3], [2, 3], []]


def test_readable_entries_are_given_without_the_others() -> None:
    ring = ring_of(logged(1), unreadable(2), logged(3))
    assert [entry.position.n for entry in ring.readable_after(0)] == [1, 3]


@pytest.mark.parametrize("count", [4, 80])
def test_i16_the_oldest_entries_are_evicted_in_slices(count: int) -> None:
    ring = ring_of(*map(logged, range(1, 1_001)), timings=LogTimings(ring_entries=count))
    kept = numbers(ring, ring.floor.n)
    assert count <= len(kept) <= count + max(1, count // 40)
    assert kept == list(range(1_001 - len(kept), 1_001))
    assert ring.floor == position(kept[0] - 1)
    assert ring.holds(ring.floor)
    assert not ring.holds(position(0))


def test_i16_entries_are_evicted_by_bytes_too_but_never_the_newest() -> None:
    ring = ring_of(*map(logged, (1, 2, 3)), timings=LogTimings(ring_bytes=1))
    assert numbers(ring, ring.floor.n) == [3]


def test_a_position_is_held_only_with_its_epoch_and_tag() -> None:
    ring = ring_of(logged(1), logged(2))
    assert ring.holds(position(2))
    assert not ring.holds(position(2, "0" * 16))
    assert not ring.holds(LogPosition(EPOCH, 2, b"otherone"))
    assert not ring.holds(position(3))


def test_the_position_of_an_entry_is_known_while_the_ring_has_it() -> None:
    ring = ring_of(*map(logged, (1, 2, 3)))
    assert [ring.position_at(n) for n in (0, 1, 3, 4)] == [None, position(1), position(3), None]


def test_the_position_by_a_moment_is_that_of_the_last_entry_read_by_then() -> None:
    ring = ring_of(*map(logged, (1, 2, 3)))
    assert [ring.position_by(moment).n for moment in (0.5, 1.0, 2.9, 9.0)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], True),
        ([logged(2), logged(3)], True),
        ([logged(2, prev_tag=position(1).tag)], True),
        ([logged(3)], False),
        ([logged(2), logged(4)], False),
        ([logged(2, epoch="0" * 16)], False),
        ([logged(2, prev_tag=b"otherone")], False),
        ([logged(2), logged(3, prev_tag=b"otherone")], False),
    ],
    ids=[
        "nothing",
        "next numbers",
        "tag of the one before",
        "gap before",
        "gap within",
        "other epoch",
        "other tag before",
        "other tag within",
    ],
)
def test_contiguous_entries_have_the_next_numbers_of_one_log(
    entries: list[Entry], expected: bool
) -> None:
    assert is_contiguous(position(1), entries) is expected


def head(n: int, base: int = 0) -> Head:
    return Head(position(n), base, AT)


@pytest.mark.parametrize(
    ("entries", "head", "floor", "kept"),
    [
        ([], head(5), 5, []),
        ([logged(1), logged(2)], head(2), 0, [1, 2]),
        ([logged(4), logged(5), logged(6)], head(6), 4, [5, 6]),
        ([logged(2), logged(4), logged(5)], head(5), 4, [5]),
        ([logged(4), logged(5)], head(6), 6, []),
        ([logged(5, epoch="0" * 16)], head(5), 5, []),
    ],
    ids=[
        "nothing",
        "from the epoch's beginning",
        "the first gives the floor",
        "after a gap",
        "last one missing",
        "other epoch",
    ],
)
def test_the_newest_entries_are_taken_as_far_as_they_are_contiguous(
    entries: list[Entry], head: Head, floor: int, kept: list[int]
) -> None:
    found, newest = newest_contiguous(entries, head)
    assert (found.n, [entry.position.n for entry in newest]) == (floor, kept)
