import pytest

from gateway.core.errors import Code, GatewayError, QuotaExceeded, TwilioFault

KINDS = GatewayError.__subclasses__()


def test_every_code_has_exactly_one_error() -> None:
    assert sorted(kind.code for kind in KINDS) == sorted(Code)


@pytest.mark.parametrize("code", Code)
def test_a_code_is_its_own_name(code: Code) -> None:
    assert code == code.name


def test_only_temporary_errors_are_retryable() -> None:
    retryable = {kind.code for kind in KINDS if kind.is_retryable}

    assert retryable == {
        Code.THROTTLED,
        Code.QUOTA_EXCEEDED,
        Code.DEADLINE_EXCEEDED,
        Code.UPSTREAM_UNAVAILABLE,
    }


def test_an_error_holds_its_message_and_twilios_error() -> None:
    fault = TwilioFault(20429, 429)
    error = QuotaExceeded("wait", retry_after_ms=1000, twilio=fault)

    assert (str(error), error.message, error.retry_after_ms, error.twilio) == (
        "wait",
        "wait",
        1000,
        fault,
    )


def test_an_error_may_hold_a_message_only() -> None:
    error = QuotaExceeded("wait")

    assert (error.retry_after_ms, error.twilio) == (None, None)
