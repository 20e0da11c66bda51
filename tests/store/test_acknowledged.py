from gateway.core.cursors import LogPosition
from gateway.store.acknowledged import LIMIT, Acknowledged

EPOCH, OTHER = "0" * 16, "1" * 16


def position(n: int, tag: bytes = b"one", epoch: str = EPOCH) -> LogPosition:
    return LogPosition(epoch, n, tag)


def acknowledged(*positions: LogPosition) -> Acknowledged:
    found = Acknowledged()
    for each in positions:
        found.add(each)
    return found


def test_nothing_acknowledged_is_consistent_with_any_log() -> None:
    assert Acknowledged().is_consistent(position(9), position)
    assert Acknowledged().newest_after(position(0)) is None


def test_an_append_that_is_read_back_is_consistent_and_forgotten() -> None:
    appends = acknowledged(position(5))
    assert appends.is_consistent(position(6), position)
    assert appends.is_consistent(position(6), lambda n: position(n, b"other"))


def test_an_append_whose_number_has_another_entry_is_lost() -> None:
    assert not acknowledged(position(5)).is_consistent(position(6), lambda n: position(n, b"two"))


def test_an_append_that_was_not_read_yet_is_not_judged() -> None:
    appends = acknowledged(position(5))
    assert appends.is_consistent(position(4), lambda n: position(n, b"two"))
    assert appends.newest_after(position(4)) == position(5)
    assert appends.newest_after(position(5)) is None
    assert not appends.is_consistent(position(5), lambda n: position(n, b"two"))


def test_an_entry_that_was_evicted_from_memory_is_not_judged() -> None:
    assert acknowledged(position(5)).is_consistent(position(6), lambda n: None)


def test_one_number_acknowledged_for_two_appends_is_a_loss() -> None:
    appends = acknowledged(position(5), position(5, b"two"))
    assert not appends.is_consistent(position(4), position)
    appends.reset(OTHER)
    assert appends.is_consistent(position(4), position)


def test_a_repeated_acknowledgement_is_no_conflict() -> None:
    assert acknowledged(position(5), position(5)).is_consistent(position(6), position)


def test_appends_of_other_epochs_are_not_judged_and_forgotten_by_a_reset() -> None:
    appends = acknowledged(position(5), position(6, epoch=OTHER))
    assert appends.is_consistent(position(9, epoch=OTHER), lambda n: position(n, epoch=OTHER))
    appends.reset(OTHER)
    assert appends.newest_after(position(4)) is None


def test_i16_a_limited_number_is_remembered() -> None:
    appends = acknowledged(*(position(n) for n in range(LIMIT + 2)))
    assert appends.newest_after(position(0)) == position(LIMIT + 1)
    assert len(appends._unread) == LIMIT
