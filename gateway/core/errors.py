"""The errors of the gateway. Does no I/O.

    GatewayError
      InvalidArgument      a wrong argument
      Unauthenticated      no credential, or an unknown one
      PermissionDenied     a known caller without the permission
      NotFound
      AlreadyExists
      FailedPrecondition   a valid request in a state that does not allow it
      OutcomeUnknown       a write was sent, and its response was lost
      Throttled            a limit of the caller
        Unread             a stream whose messages were not read
      QuotaExceeded        the limit of Twilio, shared by all callers
      CursorExpired        the events or the page after a cursor are gone
      DeadlineExceeded
      UpstreamUnavailable  Twilio or Redis gave no usable response
      UpstreamRejected     Twilio refused for a reason that the caller cannot change
      Internal             a bug

Each face has one table from `Code` to its own codes. Messages are safe to show: they
hold no secret, no identity and no body.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    THROTTLED = "THROTTLED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """Twilio's error: its code (branch on this one), HTTP status, and documentation
    page."""

    code: int | None
    status: int
    more_info: str | None = None


class GatewayError(Exception):
    """Any error that a caller may receive.

    `is_retryable` says whether the same call may succeed later, unchanged. `is_unsent`
    says that Twilio cannot have received the request, so that nothing was done.
    """

    code: ClassVar[Code]
    is_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after_ms: int | None = None,
        twilio: TwilioFault | None = None,
        is_unsent: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.twilio = twilio
        self.is_unsent = is_unsent


class InvalidArgument(GatewayError):
    code = Code.INVALID_ARGUMENT


class Unauthenticated(GatewayError):
    code = Code.UNAUTHENTICATED


class PermissionDenied(GatewayError):
    code = Code.PERMISSION_DENIED


class NotFound(GatewayError):
    code = Code.NOT_FOUND


class AlreadyExists(GatewayError):
    code = Code.ALREADY_EXISTS


class FailedPrecondition(GatewayError):
    code = Code.FAILED_PRECONDITION


class OutcomeUnknown(GatewayError):
    code = Code.OUTCOME_UNKNOWN


class Throttled(GatewayError):
    code = Code.THROTTLED
    is_retryable = True


class Unread(Throttled):
    """`cursor` is that of the last message that was sent, if it has one: resume after
    it."""

    def __init__(self, message: str, cursor: str | None) -> None:
        super().__init__(message)
        self.cursor = cursor


class QuotaExceeded(GatewayError):
    code = Code.QUOTA_EXCEEDED
    is_retryable = True


class CursorExpired(GatewayError):
    code = Code.CURSOR_EXPIRED


class DeadlineExceeded(GatewayError):
    code = Code.DEADLINE_EXCEEDED
    is_retryable = True


class UpstreamUnavailable(GatewayError):
    code = Code.UPSTREAM_UNAVAILABLE
    is_retryable = True


class UpstreamRejected(GatewayError):
    code = Code.UPSTREAM_REJECTED


class Internal(GatewayError):
    code = Code.INTERNAL
