from gateway.service.upstream.timings import CallLimits, UpstreamTimings
from gateway.store.limiter import PERMIT_TTL_MS
from gateway.twilio.client import MAX_CONNECTIONS


def test_a_call_ends_before_its_permit_expires() -> None:
    timings = UpstreamTimings()
    assert max(timings.read_s, timings.write_s, timings.probe_s) * 1000 < PERMIT_TTL_MS


def test_every_call_that_may_be_in_flight_has_a_connection() -> None:
    limits = CallLimits()
    assert limits.reads + limits.writes + limits.insights_reads <= MAX_CONNECTIONS
