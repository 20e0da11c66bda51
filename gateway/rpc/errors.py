"""Core errors as gRPC errors: a status code, and a google.rpc.Status with details for
programs.

https://google.aip.dev/193
"""

from collections.abc import Iterator
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.core.errors import Code, GatewayError, path_text
from gateway.rpc.names import name_of

DOMAIN: Final = "rooms-gateway"

STATUS: Final = {
    Code.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Code.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Code.OUTCOME_UNKNOWN: grpc.StatusCode.UNKNOWN,
    Code.THROTTLED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.CURSOR_EXPIRED: grpc.StatusCode.OUT_OF_RANGE,
    Code.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.UPSTREAM_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.UPSTREAM_REJECTED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
}


class StatusError(Exception):
    """An error of RPC that the core does not have, such as an unknown encoding."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status

    @classmethod
    def of(cls, code: grpc.StatusCode, message: str) -> "StatusError":
        return cls(status_pb2.Status(code=code.value[0], message=message))


def error_to_pb(error: GatewayError) -> status_pb2.Status:
    """Returns the status with its code, its message, and an ErrorInfo as the first
    detail.

    BadRequest follows for wrong fields, RetryInfo when the caller can retry later, and
    QuotaFailure for Twilio's quota.
    """
    number, _ = STATUS[error.code].value
    return status_pb2.Status(
        code=number,
        message=error.text(name_of),
        details=[_packed(part) for part in _details(error)],
    )


def _details(error: GatewayError) -> Iterator[Message]:
    metadata = error.metadata()
    if error.twilio is not None and error.twilio.code is not None:
        metadata["twilio_code"] = str(error.twilio.code)
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    if error.fields:
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field=path_text(field.path, name_of),
                    description=field.text(name_of),
                    reason=error.reason,
                )
                for field in error.fields
            ]
        )
    if error.retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        yield retry
    if error.code is Code.QUOTA_EXCEEDED:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject="twilio", description=error.text(name_of)
        )
        yield error_details_pb2.QuotaFailure(violations=[violation])


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
