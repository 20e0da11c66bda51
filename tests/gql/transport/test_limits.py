"""Timings that must fit together."""

from gateway.gql.transport.limits import Timings
from gateway.http.tcp_connection import USER_TIMEOUT_MS

TIMINGS = Timings()


def test_comments_keep_a_proxy_with_a_timeout_of_15_s_from_closing_a_quiet_stream() -> None:
    assert TIMINGS.sse_heartbeat_s + 2 * TIMINGS.sse_check_s <= 15


def test_p9_a_quiet_stream_to_a_dead_client_ends_within_45_s() -> None:
    detected_s = TIMINGS.sse_heartbeat_s + 2 * TIMINGS.sse_check_s
    assert detected_s + USER_TIMEOUT_MS / 1000 <= 45
