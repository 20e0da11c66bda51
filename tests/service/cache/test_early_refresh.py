from gateway.core.caching import LIVE_ROOM_LIFETIME
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.timings import CacheTimings

EXPIRING_S = LIVE_ROOM_LIFETIME.fresh_until_s
HOT_READS = CacheTimings().hot_reads


def test_a_value_is_refreshed_early_once_it_was_read_often_enough() -> None:
    refresh = EarlyRefresh(rand=lambda: 1.0)
    assert [
        refresh.should_refresh("a", 1.0, LIVE_ROOM_LIFETIME, EXPIRING_S)
        for _ in range(HOT_READS + 2)
    ] == [False] * HOT_READS + [True] * 2
    assert not refresh.should_refresh("b", 1.0, LIVE_ROOM_LIFETIME, EXPIRING_S)


def test_a_fetch_resets_the_count() -> None:
    refresh = EarlyRefresh(rand=lambda: 1.0)
    for _ in range(HOT_READS):
        refresh.should_refresh("a", 1.0, LIVE_ROOM_LIFETIME, EXPIRING_S)
    assert not refresh.should_refresh("a", 2.0, LIVE_ROOM_LIFETIME, EXPIRING_S)


def test_a_value_that_stays_fresh_for_long_is_not_refreshed_however_often_it_is_read() -> None:
    refresh = EarlyRefresh(rand=lambda: 0.0)
    assert not any(
        refresh.should_refresh("a", 1.0, LIVE_ROOM_LIFETIME, 0.0) for _ in range(10 * HOT_READS)
    )


def test_i16_reads_are_counted_for_the_keys_that_were_read_last() -> None:
    refresh = EarlyRefresh(CacheTimings(counted_keys=3))
    for key in range(9):
        refresh.should_refresh(key, 1.0, LIVE_ROOM_LIFETIME, 0.0)
    assert list(refresh._reads) == [6, 7, 8]
