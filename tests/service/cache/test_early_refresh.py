import pytest

from gateway.core.caching import LIVE_ROOM
from gateway.service.cache import early_refresh as early_refresh
from gateway.service.cache.early_refresh import HOT, EarlyRefresh

OLD_S = LIVE_ROOM.fresh_s


def test_an_answer_is_hot_once_it_was_asked_for_often_enough() -> None:
    counted = EarlyRefresh()
    assert [counted.should_refresh("a", 1.0, LIVE_ROOM, OLD_S) for _ in range(HOT + 2)] == [
        False
    ] * HOT + [True] * 2
    assert not counted.should_refresh("b", 1.0, LIVE_ROOM, OLD_S)


def test_a_new_answer_is_counted_anew() -> None:
    counted = EarlyRefresh()
    for _ in range(HOT):
        counted.should_refresh("a", 1.0, LIVE_ROOM, OLD_S)
    assert not counted.should_refresh("a", 2.0, LIVE_ROOM, OLD_S)


def test_what_is_far_from_its_end_is_left_alone_however_hot() -> None:
    counted = EarlyRefresh()
    assert not any(counted.should_refresh("a", 1.0, LIVE_ROOM, 0.0) for _ in range(10 * HOT))


def test_only_so_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_refresh, "LIMIT", 3)
    counted = EarlyRefresh()
    for key in range(9):
        counted.should_refresh(key, 1.0, LIVE_ROOM, 0.0)
    assert list(counted._asked) == [6, 7, 8]
