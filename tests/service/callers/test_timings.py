from gateway.service.callers.jwks import TIMEOUT_S
from gateway.service.callers.timings import CallerTimings


def test_a_credential_of_a_stream_is_checked_every_minute() -> None:
    assert CallerTimings().revalidate_s == 60


def test_the_keys_of_an_issuer_are_read_several_times_before_they_expire() -> None:
    timings = CallerTimings()
    assert 10 * (TIMEOUT_S + timings.jwks_retry_s) < timings.jwks_max_age_s
