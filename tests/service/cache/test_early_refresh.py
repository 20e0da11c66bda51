from gateway.core.caching import LIVE_ROOM
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.timings import CacheTimings

OLD_S = LIVE_ROOM.fresh_s
HOT_READS = CacheTimings().hot_reads


def test_an_answer_is_hot_once_it_was_asked_for_often_enough() -> None:
    counted = EarlyRefresh()
    assert [counted.should_refresh("a", 1.0, LIVE_ROOM, OLD_S) for _ in range(HOT_READS + 2)] == [
        False
    ] * HOT_READS + [True] * 2
    assert not counted.should_refresh("b", 1.0, LIVE_ROOM, OLD_S)


def test_a_new_answer_is_counted_anew() -> None:
    counted = EarlyRefresh()
    for _ in range(HOT_READS):
        counted.should_refresh("a", 1.0, LIVE_ROOM, OLD_S)
    assert not counted.should_refresh("a", 2.0, LIVE_ROOM, OLD_S)


def test_what_is_far_from_its_end_is_left_alone_however_hot() -> None:
    counted = EarlyRefresh()
    assert not any(counted.should_refresh("a", 1.0, LIVE_ROOM, 0.0) for _ in range(10 * HOT_READS))


def test_only_so_many_are_counted() -> None:
    counted = EarlyRefresh(CacheTimings(counted_keys=3))
    for key in range(9):
        counted.should_refresh(key, 1.0, LIVE_ROOM, 0.0)
    assert list(counted._reads) == [6, 7, 8]
