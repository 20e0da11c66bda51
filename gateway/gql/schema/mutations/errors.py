"""The errors that a caller of a mutation should expect, as data. Does no I/O.

Other errors stay GraphQL errors: missing rights, limits, failures of Twilio or of the
gateway. A caller handles these in one place for all operations.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import wraps
from typing import Any, Final, TypeVar

import strawberry
from strawberry import Info

from gateway.core import errors as core
from gateway.core import outcomes
from gateway.core.errors import GatewayError, Path, Reason
from gateway.gql.schema.context import Context
from gateway.gql.schema.names import graphql_name
from gateway.gql.schema.participants import Participant
from gateway.gql.schema.rooms import Room

Input = TypeVar("Input")
Payload = TypeVar("Payload")


def _meaning(reason: Reason) -> str:
    return core.render(core.MEANING[reason], lambda name: f"`{graphql_name(name)}`")


def _value(reason: Reason) -> Any:
    return strawberry.enum_value(reason.value, description=_meaning(reason))


@strawberry.enum(
    description="What happened. gRPC has the same words in `google.rpc.ErrorInfo.reason`."
)
class MutationErrorCode(Enum):
    INVALID_INPUT = _value(Reason.INVALID_INPUT)
    NAME_TAKEN = _value(Reason.NAME_TAKEN)
    IDEMPOTENCY_KEY_REUSED = _value(Reason.IDEMPOTENCY_KEY_REUSED)
    ROOM_NOT_FOUND = _value(Reason.ROOM_NOT_FOUND)
    PARTICIPANT_NOT_FOUND = _value(Reason.PARTICIPANT_NOT_FOUND)
    RECORDING_NOT_FOUND = _value(Reason.RECORDING_NOT_FOUND)
    TRANSCRIPTION_NOT_FOUND = _value(Reason.TRANSCRIPTION_NOT_FOUND)
    ROOM_ALREADY_ENDED = _value(Reason.ROOM_ALREADY_ENDED)
    PARTICIPANT_ALREADY_LEFT = _value(Reason.PARTICIPANT_ALREADY_LEFT)
    FAILED_PRECONDITION = _value(Reason.FAILED_PRECONDITION)
    OUTCOME_UNKNOWN = _value(Reason.OUTCOME_UNKNOWN)


@strawberry.interface(description="An error that a caller of a mutation should expect.")
class MutationError:
    code: MutationErrorCode = strawberry.field(description="What happened. Switch on this.")
    message: str = strawberry.field(
        description="What is wrong and what to do, in English, for developers."
    )
    field: list[str] | None = strawberry.field(
        description="The path below `input` of the field at fault: names, and indexes of lists. "
        "Null when no field is at fault."
    )


@strawberry.type(description=_meaning(Reason.INVALID_INPUT))
class InvalidInput(MutationError):
    pass


@strawberry.type(description=_meaning(Reason.NAME_TAKEN))
class NameTaken(MutationError):
    room: Room | None = strawberry.field(
        default=None, description="The room that has the name. Null if it could not be read."
    )


@strawberry.type(description=_meaning(Reason.IDEMPOTENCY_KEY_REUSED))
class IdempotencyKeyReused(MutationError):
    room: Room | None = strawberry.field(
        default=None, description="The room of that request. Null if it is not known."
    )


@strawberry.type(description=_meaning(Reason.ROOM_NOT_FOUND))
class RoomNotFound(MutationError):
    pass


@strawberry.type(description=_meaning(Reason.PARTICIPANT_NOT_FOUND))
class ParticipantNotFound(MutationError):
    pass


@strawberry.type(description=_meaning(Reason.RECORDING_NOT_FOUND))
class RecordingNotFound(MutationError):
    pass


@strawberry.type(description=_meaning(Reason.TRANSCRIPTION_NOT_FOUND))
class TranscriptionNotFound(MutationError):
    pass


@strawberry.type(description=_meaning(Reason.ROOM_ALREADY_ENDED))
class RoomAlreadyEnded(MutationError):
    room: Room | None = strawberry.field(
        default=None, description="The room with its end. Null if it could not be read."
    )


@strawberry.type(description=_meaning(Reason.PARTICIPANT_ALREADY_LEFT))
class ParticipantAlreadyLeft(MutationError):
    participant: Participant | None = strawberry.field(
        default=None, description="The participant, which has left. Null if it could not be read."
    )


@strawberry.type(description=_meaning(Reason.FAILED_PRECONDITION))
class PreconditionFailed(MutationError):
    twilio_code: int | None = strawberry.field(
        default=None,
        description="Twilio's error code. Null if the gateway itself refused the request.",
    )


@strawberry.type(description=_meaning(Reason.OUTCOME_UNKNOWN))
class OutcomeUnknown(MutationError):
    retry_with: str | None = strawberry.field(
        default=None,
        description="The `idempotencyKey` to send again: a retry with it makes the change at most "
        "once. Null when no retry is safe: read the state first.",
    )


ERROR_TYPES: Final[Mapping[Reason, type[MutationError]]] = {
    Reason.INVALID_INPUT: InvalidInput,
    Reason.NAME_TAKEN: NameTaken,
    Reason.IDEMPOTENCY_KEY_REUSED: IdempotencyKeyReused,
    Reason.ROOM_NOT_FOUND: RoomNotFound,
    Reason.PARTICIPANT_NOT_FOUND: ParticipantNotFound,
    Reason.RECORDING_NOT_FOUND: RecordingNotFound,
    Reason.TRANSCRIPTION_NOT_FOUND: TranscriptionNotFound,
    Reason.ROOM_ALREADY_ENDED: RoomAlreadyEnded,
    Reason.PARTICIPANT_ALREADY_LEFT: ParticipantAlreadyLeft,
    Reason.FAILED_PRECONDITION: PreconditionFailed,
    Reason.OUTCOME_UNKNOWN: OutcomeUnknown,
}
"""The type of each reason that is data."""
# The field at fault, if the input has it.
_FIELDS: Final[Mapping[Reason, str]] = {
    Reason.NAME_TAKEN: "unique_name",
    Reason.IDEMPOTENCY_KEY_REUSED: "idempotency_key",
    Reason.ROOM_NOT_FOUND: "room",
    Reason.ROOM_ALREADY_ENDED: "room",
    Reason.PARTICIPANT_NOT_FOUND: "participant",
    Reason.PARTICIPANT_ALREADY_LEFT: "participant",
    Reason.RECORDING_NOT_FOUND: "recording",
    Reason.TRANSCRIPTION_NOT_FOUND: "transcription",
}


def expected_outcomes(
    payload: Callable[..., Payload],
) -> Callable[
    [Callable[[Info[Context, None], Input], Awaitable[Payload | None]]],
    Callable[[Info[Context, None], Input], Awaitable[Payload | None]],
]:
    """Returns a decorator of mutations: an expected error becomes a payload."""

    def decorate(
        resolver: Callable[[Info[Context, None], Input], Awaitable[Payload | None]],
    ) -> Callable[[Info[Context, None], Input], Awaitable[Payload | None]]:
        @wraps(resolver)
        async def mutation(info: Info[Context, None], input: Input) -> Payload | None:  # noqa: A002
            try:
                return await resolver(info, input)
            except GatewayError as error:
                errors = mutation_errors(error, input)
                if not errors:
                    raise
                return payload(errors=errors)

        return mutation

    return decorate


def mutation_errors(error: GatewayError, input_: object) -> list[MutationError]:
    """Returns the error as data, or nothing for an error that is none of these.

    An error about several fields becomes one error for each.
    """
    if error.reason not in ERROR_TYPES:
        return []
    if isinstance(error, core.InvalidArgument) and error.fields:
        return [
            InvalidInput(
                code=MutationErrorCode.INVALID_INPUT,
                message=each.text(graphql_name),
                field=_path(each.path),
            )
            for each in error.fields
        ]
    at_fault = _FIELDS.get(error.reason)
    return [
        ERROR_TYPES[error.reason](
            code=MutationErrorCode[error.reason.name],
            message=error.text(graphql_name),
            field=[graphql_name(at_fault)] if at_fault and hasattr(input_, at_fault) else None,
            **_details(error),
        )
    ]


def _details(error: GatewayError) -> dict[str, Any]:
    """The fields that the type of the error has besides those of MutationError."""
    match error:
        case outcomes.NameTaken() | outcomes.IdempotencyKeyReused() | outcomes.RoomAlreadyEnded():
            return {"room": Room.from_optional(error.room)}
        case outcomes.ParticipantAlreadyLeft():
            return {"participant": Participant.from_optional(error.participant)}
        case core.OutcomeUnknown():
            return {"retry_with": error.retry_with}
        case core.FailedPrecondition(reason=Reason.FAILED_PRECONDITION):
            return {"twilio_code": None if error.twilio is None else error.twilio.code}
        case _:
            return {}


def _path(path: Path) -> list[str] | None:
    return [str(part) if isinstance(part, int) else graphql_name(part) for part in path] or None
