from gateway.core.caching import LIVE_ROOM_LIFETIME
from gateway.service.cache.timings import CacheTimings

TIMINGS = CacheTimings()


def test_p11_a_reader_outlives_the_lease_of_a_replica_that_died() -> None:
    default_deadline_s = 5
    assert TIMINGS.lease_ms / 1000 < default_deadline_s
    assert TIMINGS.first_pause_s <= TIMINGS.last_pause_s < TIMINGS.lease_ms / 1000


def test_i16_memory_holds_every_room_that_an_account_may_have_in_progress() -> None:
    rooms, bytes_per_room = 10_000, 1_600
    assert rooms * bytes_per_room <= TIMINGS.memory_bytes
    assert TIMINGS.counted_keys >= rooms


def test_a_value_is_refreshed_early_only_if_it_is_read_more_than_a_few_times_a_second() -> None:
    assert TIMINGS.hot_reads / LIVE_ROOM_LIFETIME.fresh_until_s >= 4
