import grpc
import pytest
from google.rpc import error_details_pb2

from gateway.core import errors as core
from gateway.rpc.errors import STATUS, error_to_pb

# A second, handwritten table: a mistake in the code's table shows as a difference.
CONTRACT = {
    core.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    core.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    core.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    core.NotFound: grpc.StatusCode.NOT_FOUND,
    core.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    core.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    core.OutcomeUnknown: grpc.StatusCode.UNKNOWN,
    core.Throttled: grpc.StatusCode.RESOURCE_EXHAUSTED,
    core.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    core.CursorExpired: grpc.StatusCode.OUT_OF_RANGE,
    core.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    core.UpstreamUnavailable: grpc.StatusCode.UNAVAILABLE,
    core.UpstreamRejected: grpc.StatusCode.FAILED_PRECONDITION,
    core.Internal: grpc.StatusCode.INTERNAL,
}


@pytest.mark.parametrize("code", core.Code)
def test_every_error_has_a_grpc_status(code: core.Code) -> None:
    assert code in STATUS


@pytest.mark.parametrize("kind", core.GatewayError.__subclasses__())
def test_status_has_code_message_and_reason(kind: type[core.GatewayError]) -> None:
    status = error_to_pb(kind("what is wrong: what to do"))

    assert (status.code, status.message) == (CONTRACT[kind].value[0], "what is wrong: what to do")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        kind.default_reason.value,
        "rooms-gateway",
        {},
    )


def test_metadata_has_the_error_code_of_twilio() -> None:
    info = error_details_pb2.ErrorInfo()
    error_to_pb(
        core.AlreadyExists("the name is in use", twilio=core.TwilioFault(53113, 400))
    ).details[0].Unpack(info)

    assert dict(info.metadata) == {"twilio_code": "53113"}


def test_a_temporary_error_has_retry_info() -> None:
    _, detail = error_to_pb(core.Throttled("wait", retry_after_ms=1500)).details

    retry = error_details_pb2.RetryInfo()
    assert detail.Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_twilios_quota_is_a_quota_failure() -> None:
    _, detail = error_to_pb(core.QuotaExceeded("read quota is used up: retry later")).details

    failure = error_details_pb2.QuotaFailure()
    assert detail.Unpack(failure)
    assert [violation.subject for violation in failure.violations] == ["twilio"]


def test_unread_stream_has_its_last_cursor_in_the_metadata() -> None:
    status = error_to_pb(core.Unread("watch again", "c7"))

    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.reason, dict(info.metadata)) == (8, "THROTTLED", {"cursor": "c7"})
    assert len(status.details) == 1


def test_wrong_fields_are_a_bad_request_with_the_protos_names() -> None:
    error = core.InvalidArgument.at(("rules", 0, "idempotency_key"), "is empty; give `kind`")
    _, detail = error_to_pb(error).details

    bad_request = error_details_pb2.BadRequest()
    assert detail.Unpack(bad_request)
    [violation] = bad_request.field_violations
    assert (violation.field, violation.description, violation.reason) == (
        "rules[0].request_id",
        "rules[0].request_id is empty; give kind",
        "INVALID_INPUT",
    )
