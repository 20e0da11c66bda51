"""The errors of the gateway. Does no I/O.

    GatewayError
      InvalidArgument      a wrong argument
        MaxCostExceeded    a request that could need too much
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

A `Code` is a kind of error. A `Reason` says what happened, and is the same word on both
faces. Each face has one table from `Code` to its own codes. Errors with data that help
the caller are in `outcomes`.

Messages are safe to show: they hold no secret, no identity and no body. They name
fields as core does. Each face replaces these names by its own: see `GatewayError.text`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeVar

T = TypeVar("T")


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


class Reason(StrEnum):
    """What happened, in a word that programs may switch on.

    GraphQL's `MutationErrorCode` and gRPC's `ErrorInfo.reason` have these words.
    """

    INVALID_INPUT = "INVALID_INPUT"
    MAX_COST_EXCEEDED = "MAX_COST_EXCEEDED"
    NAME_TAKEN = "NAME_TAKEN"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    ROOM_NOT_FOUND = "ROOM_NOT_FOUND"
    PARTICIPANT_NOT_FOUND = "PARTICIPANT_NOT_FOUND"
    TRACK_NOT_FOUND = "TRACK_NOT_FOUND"
    RECORDING_NOT_FOUND = "RECORDING_NOT_FOUND"
    MEDIA_NOT_FOUND = "MEDIA_NOT_FOUND"
    TRANSCRIPTION_NOT_FOUND = "TRANSCRIPTION_NOT_FOUND"
    INSIGHTS_NOT_FOUND = "INSIGHTS_NOT_FOUND"
    NOT_FOUND = "NOT_FOUND"
    """Twilio does not say what it did not find."""
    ROOM_ALREADY_ENDED = "ROOM_ALREADY_ENDED"
    PARTICIPANT_ALREADY_LEFT = "PARTICIPANT_ALREADY_LEFT"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    THROTTLED = "THROTTLED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    INTERNAL = "INTERNAL"


MEANING: Final[Mapping[Reason, str]] = {
    Reason.INVALID_INPUT: "A field of the request has a wrong value.",
    Reason.MAX_COST_EXCEEDED: "The request could need too many points, or calls to Twilio.",
    Reason.NAME_TAKEN: "A room in progress has the `unique_name`.",
    Reason.IDEMPOTENCY_KEY_REUSED: (
        "The `idempotency_key` was used for another request of this caller."
    ),
    Reason.ROOM_NOT_FOUND: "There is no such room, or the caller may not see it.",
    Reason.PARTICIPANT_NOT_FOUND: (
        "The room has no such participant. An identity names connected participants only."
    ),
    Reason.TRACK_NOT_FOUND: "The participant has no such track.",
    Reason.RECORDING_NOT_FOUND: ("There is no such recording, or the caller may not see its room."),
    Reason.MEDIA_NOT_FOUND: "The recording has no media: it is not completed, or deleted.",
    Reason.TRANSCRIPTION_NOT_FOUND: "The room has no such transcription.",
    Reason.INSIGHTS_NOT_FOUND: "Insights has no such summary, or not yet.",
    Reason.NOT_FOUND: "Twilio does not say what it did not find.",
    Reason.ROOM_ALREADY_ENDED: "The room is no longer in progress.",
    Reason.PARTICIPANT_ALREADY_LEFT: "The participant is no longer connected.",
    Reason.FAILED_PRECONDITION: (
        "The state of the room or of the gateway does not allow the request."
    ),
    Reason.OUTCOME_UNKNOWN: (
        "The request was sent to Twilio, and the response was lost. The change may have been made."
    ),
    Reason.UNAUTHENTICATED: "The request has no credential, or an unknown one.",
    Reason.PERMISSION_DENIED: "The credential does not permit the request.",
    Reason.THROTTLED: "The caller has used its points, or has too much open at once.",
    Reason.QUOTA_EXCEEDED: "Twilio's limit, which all callers share, is used up.",
    Reason.CURSOR_EXPIRED: "What follows the cursor is no longer known.",
    Reason.DEADLINE_EXCEEDED: "The request took longer than its deadline.",
    Reason.UPSTREAM_UNAVAILABLE: "Twilio or Redis gave no usable response.",
    Reason.UPSTREAM_REJECTED: "Twilio refused for a reason that the caller cannot change.",
    Reason.INTERNAL: "The gateway has a bug.",
}
"""What each reason means, for the documentation of both faces."""

REASONS: Final[Mapping[Code, tuple[Reason, ...]]] = {
    Code.INVALID_ARGUMENT: (Reason.INVALID_INPUT, Reason.MAX_COST_EXCEEDED),
    Code.UNAUTHENTICATED: (Reason.UNAUTHENTICATED,),
    Code.PERMISSION_DENIED: (Reason.PERMISSION_DENIED,),
    Code.NOT_FOUND: (
        Reason.ROOM_NOT_FOUND,
        Reason.PARTICIPANT_NOT_FOUND,
        Reason.TRACK_NOT_FOUND,
        Reason.RECORDING_NOT_FOUND,
        Reason.MEDIA_NOT_FOUND,
        Reason.TRANSCRIPTION_NOT_FOUND,
        Reason.INSIGHTS_NOT_FOUND,
        Reason.NOT_FOUND,
    ),
    Code.ALREADY_EXISTS: (Reason.NAME_TAKEN, Reason.IDEMPOTENCY_KEY_REUSED),
    Code.FAILED_PRECONDITION: (
        Reason.ROOM_ALREADY_ENDED,
        Reason.PARTICIPANT_ALREADY_LEFT,
        Reason.FAILED_PRECONDITION,
    ),
    Code.OUTCOME_UNKNOWN: (Reason.OUTCOME_UNKNOWN,),
    Code.THROTTLED: (Reason.THROTTLED,),
    Code.QUOTA_EXCEEDED: (Reason.QUOTA_EXCEEDED,),
    Code.CURSOR_EXPIRED: (Reason.CURSOR_EXPIRED,),
    Code.DEADLINE_EXCEEDED: (Reason.DEADLINE_EXCEEDED,),
    Code.UPSTREAM_UNAVAILABLE: (Reason.UPSTREAM_UNAVAILABLE,),
    Code.UPSTREAM_REJECTED: (Reason.UPSTREAM_REJECTED,),
    Code.INTERNAL: (Reason.INTERNAL,),
}
"""The reasons that errors of each code have."""

Path = tuple[str | int, ...]
"""Where a field is: names, and indexes of lists. `("rules", 0, "kind")` is the field
`kind` of the first rule."""

NameOf = Callable[[str], str]
"""Returns a face's name of a field or of an enum's value, given core's name. That of a
value begins with its enum, as in `RoomStatus.IN_PROGRESS`."""

_NAME_IN_TEXT: Final = re.compile(r"`([a-z][a-z0-9_]*|[A-Z][A-Za-z]*\.[A-Z][A-Z0-9_]*)`")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field with a wrong value.

    `message` continues a sentence that begins with the field, as in "is 51; give a
    whole number from 1 to 50". Names of other fields stand in backticks, and so do
    values of enums. An empty path is the object itself.
    """

    path: Path
    message: str

    def text(self, name_of: NameOf) -> str:
        """Returns the sentence."""
        subject = path_text(self.path, name_of) or "the value"
        return f"{subject} {render(self.message, name_of)}"


def path_text(path: Path, name_of: NameOf) -> str:
    """Returns the path as text, such as `rules[0].kind`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{name_of(part)}" if text else name_of(part)
    return text


def render(message: str, name_of: NameOf) -> str:
    """Returns the message with the face's own names instead of core's, without
    backticks."""
    return _NAME_IN_TEXT.sub(lambda match: name_of(match[1]), message)


def core_name(name: str) -> str:
    """Returns the name of a field, or that of a value without its enum: core's own
    `NameOf`."""
    return name.rpartition(".")[2]


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
    says that Twilio cannot have received the request, so that nothing was done. Names
    of fields stand in backticks in `message`. `fields` are the wrong fields, if the
    error is about some.
    """

    code: ClassVar[Code]
    default_reason: ClassVar[Reason]
    is_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        reason: Reason | None = None,
        fields: tuple[FieldViolation, ...] = (),
        retry_after_ms: int | None = None,
        twilio: TwilioFault | None = None,
        is_unsent: bool = False,
    ) -> None:
        super().__init__(message)
        self._message = message
        self.reason = reason or self.default_reason
        self.fields = fields
        self.retry_after_ms = retry_after_ms
        self.twilio = twilio
        self.is_unsent = is_unsent

    @property
    def message(self) -> str:
        """The message with core's names of fields, for logs and command lines."""
        return self.text(core_name)

    def text(self, name_of: NameOf) -> str:
        """Returns the message with a face's own names of fields."""
        if self.fields:
            return "; also, ".join(field.text(name_of) for field in self.fields)
        return render(self._message, name_of)

    def metadata(self) -> dict[str, str]:
        """Returns what helps the caller, by name, besides the message."""
        return {}

    def __str__(self) -> str:
        return self.message


class InvalidArgument(GatewayError):
    code = Code.INVALID_ARGUMENT
    default_reason = Reason.INVALID_INPUT

    @classmethod
    def at(cls, path: str | Path, message: str) -> "InvalidArgument":
        """Returns the error of one field. `message` is a `FieldViolation`'s."""
        path = (path,) if isinstance(path, str) else path
        return cls(message, fields=(FieldViolation(path, message),))


class MaxCostExceeded(InvalidArgument):
    """`figures` says what the request could need and what is allowed, by core's names:
    `points` and `points_allowed`, or also `calls` to Twilio and `calls_allowed`."""

    default_reason = Reason.MAX_COST_EXCEEDED

    def __init__(self, message: str, figures: Mapping[str, int]) -> None:
        super().__init__(message)
        self.figures = figures

    def metadata(self) -> dict[str, str]:
        return {name: str(figure) for name, figure in self.figures.items()}


@contextmanager
def below(*path: str | int) -> Iterator[None]:
    """Adds the path of an object to the fields of an InvalidArgument about it."""
    try:
        yield
    except InvalidArgument as error:
        error.fields = tuple(
            FieldViolation((*path, *field.path), field.message) for field in error.fields
        )
        raise


class Violations:
    """Collects the wrong fields of an object, so that one error names them all."""

    def __init__(self) -> None:
        self._fields: list[FieldViolation] = []

    @contextmanager
    def collect(self, *path: str | int) -> Iterator[None]:
        """Collects the fields of an InvalidArgument that the block raises. `path` is
        where they are. One that is about no field is raised."""
        try:
            with below(*path):
                yield
        except InvalidArgument as error:
            if not error.fields:
                raise
            self._fields += error.fields

    def build(self, cls: type[T], values: Mapping[str, Any]) -> T:
        """Returns the dataclass with these values.

        Raises InvalidArgument with the fields that were collected, and with those that
        the dataclass itself refuses. It cannot check values without a required one.
        """
        if not self._fields:
            return cls(**values)
        required = {
            each.name
            for each in fields(cls)  # type: ignore[arg-type]  # typing has no dataclass type
            if each.default is MISSING and each.default_factory is MISSING
        }
        if required <= values.keys():
            try:
                cls(**values)
            except InvalidArgument as error:
                # An object that seems empty may only lack what is wrong.
                self._fields += (each for each in error.fields if each.path)
        raise self._error()

    def raise_any(self) -> None:
        """Raises InvalidArgument with all collected fields, if there are any."""
        if self._fields:
            raise self._error()

    def _error(self) -> InvalidArgument:
        return InvalidArgument("wrong fields", fields=tuple(self._fields))


class Unauthenticated(GatewayError):
    code = Code.UNAUTHENTICATED
    default_reason = Reason.UNAUTHENTICATED


class PermissionDenied(GatewayError):
    code = Code.PERMISSION_DENIED
    default_reason = Reason.PERMISSION_DENIED


class NotFound(GatewayError):
    code = Code.NOT_FOUND
    default_reason = Reason.NOT_FOUND


class AlreadyExists(GatewayError):
    code = Code.ALREADY_EXISTS
    default_reason = Reason.NAME_TAKEN


class FailedPrecondition(GatewayError):
    code = Code.FAILED_PRECONDITION
    default_reason = Reason.FAILED_PRECONDITION


class OutcomeUnknown(GatewayError):
    """`retry_with` is the idempotency key with which a retry is safe, or None."""

    code = Code.OUTCOME_UNKNOWN
    default_reason = Reason.OUTCOME_UNKNOWN

    def __init__(
        self, message: str, *, twilio: TwilioFault | None = None, retry_with: str | None = None
    ) -> None:
        super().__init__(message, twilio=twilio)
        self.retry_with = retry_with

    def metadata(self) -> dict[str, str]:
        return {} if self.retry_with is None else {"retry_with": self.retry_with}


class Throttled(GatewayError):
    code = Code.THROTTLED
    default_reason = Reason.THROTTLED
    is_retryable = True


class Unread(Throttled):
    """`cursor` is that of the last message that was sent, if it has one: resume after
    it."""

    def __init__(self, message: str, cursor: str | None) -> None:
        super().__init__(message)
        self.cursor = cursor

    def metadata(self) -> dict[str, str]:
        return {} if self.cursor is None else {"cursor": self.cursor}


class QuotaExceeded(GatewayError):
    code = Code.QUOTA_EXCEEDED
    default_reason = Reason.QUOTA_EXCEEDED
    is_retryable = True


class CursorExpired(GatewayError):
    code = Code.CURSOR_EXPIRED
    default_reason = Reason.CURSOR_EXPIRED


class DeadlineExceeded(GatewayError):
    code = Code.DEADLINE_EXCEEDED
    default_reason = Reason.DEADLINE_EXCEEDED
    is_retryable = True


class UpstreamUnavailable(GatewayError):
    code = Code.UPSTREAM_UNAVAILABLE
    default_reason = Reason.UPSTREAM_UNAVAILABLE
    is_retryable = True


class UpstreamRejected(GatewayError):
    code = Code.UPSTREAM_REJECTED
    default_reason = Reason.UPSTREAM_REJECTED


class Internal(GatewayError):
    code = Code.INTERNAL
    default_reason = Reason.INTERNAL
