from gateway.service.log.timings import LogTimings

TIMINGS = LogTimings()


def test_i17_a_lost_log_is_noticed_within_3_s_and_found_again_within_2() -> None:
    assert TIMINGS.lost_s <= 3.0
    assert TIMINGS.retry_s + TIMINGS.heartbeat_s < 2.0


def test_p6_a_reset_log_is_noticed_within_1_s() -> None:
    assert TIMINGS.check_s + TIMINGS.block_ms / 1000 < 1.0


def test_a_reader_reconnects_before_it_is_lost() -> None:
    assert TIMINGS.heartbeat_s < TIMINGS.reconnect_s < TIMINGS.lost_s - TIMINGS.heartbeat_s
