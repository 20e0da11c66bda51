"""The one tree of errors.

    GatewayError
      InvalidArgument      the caller's words are off
      Unauthenticated      no credential, or one that is not known
      PermissionDenied     a known caller, who may not
      NotFound
      AlreadyExists
      FailedPrecondition   right words at the wrong time
      OutcomeUnknown       a write was sent and its answer lost
      Throttled            the caller's own limit
        Unread             a stream whose messages were not read
      QuotaExceeded        Twilio's limit, shared by all callers
      CursorExpired        a page's place in the log is gone
      DeadlineExceeded
      UpstreamUnavailable  Twilio, or Redis, gave no usable answer
      UpstreamRejected     Twilio refused for a reason the caller cannot mend
      Internal             a bug

Each face has one table from `Code` to its own words. Messages are safe to show: they hold no secret, no identity, no body.
Does no I/O.
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
    """What Twilio said: its error code (switch on this one), its HTTP status, its page about the code."""

    code: int | None
    status: int
    more_info: str | None = None


class GatewayError(Exception):
    """Any failure a caller may see. `is_retryable` says whether the same call may succeed later unchanged; `is_unsent`, that
    Twilio cannot have seen the request: nothing was done."""

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
    """`cursor`: that of the last message that was sent, if it has one. Resume after it."""

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
