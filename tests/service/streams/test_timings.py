from gateway.service.log.timings import LogTimings
from gateway.service.streams.timings import StreamTimings

TIMINGS = StreamTimings()


def test_i7_a_bookmark_comes_at_least_every_15_s() -> None:
    assert TIMINGS.bookmark_s <= 15.0


def test_a_timeline_waits_for_at_least_one_read_of_the_log() -> None:
    assert TIMINGS.timeline_wait_s > LogTimings().block_ms / 1000
