"""Access tokens, with which clients join rooms, and what can be wrong with one. Does no
I/O.

https://www.twilio.com/docs/video/tutorials/user-identity-access-tokens
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import Room, RoomRef

IDENTITY_LIMIT: Final = 128  # https://www.twilio.com/docs/api/errors/53200
TTL_LIMIT_S: Final = 86_400  # https://www.twilio.com/docs/api/errors/20157
TTL_DEFAULT_S: Final = 14_400  # Twilio's default for a room's MaxParticipantDuration
TOKEN_LIMIT: Final = 8192
"""In characters. A token with the longest name and identity has about 3,000."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def identity_length(identity: str) -> int:
    """Returns the length as Twilio counts it: a double-byte character counts as two.

    Twilio does not document which characters these are. Here, every character outside
    ASCII counts twice. So no identity passes that would fail when a client joins with
    it.
    """
    return sum(1 if character.isascii() else 2 for character in identity)


def identity_flaw(identity: str) -> str | None:
    """Returns why Twilio would refuse the identity, and what to do, or None if it would
    not. The text continues "identity …", and does not contain the identity."""
    if not identity:
        return "is empty; give a name that no other participant of the room has"
    if (length := identity_length(identity)) > IDENTITY_LIMIT:
        return (
            f"has {length} characters, where those outside ASCII count twice; "
            f"give one with up to {IDENTITY_LIMIT}"
        )
    if _CONTROL.search(identity):
        return "holds a control character; remove it"
    return None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewToken:
    """The parameters of a new token. Raises InvalidArgument when one is out of range.

    A token without a room is valid for every room of the account. Without a ttl, it is
    valid for as long as a participant may stay in the room: a client needs a valid
    token to join, and to reconnect after a network failure.
    """

    identity: str
    room: RoomRef | None = None
    ttl_s: int | None = None

    def __post_init__(self) -> None:
        if flaw := identity_flaw(self.identity):
            raise InvalidArgument.at("identity", flaw)
        if self.ttl_s is not None and not 1 <= self.ttl_s <= TTL_LIMIT_S:
            raise InvalidArgument.at(
                "ttl_s", f"is {self.ttl_s} seconds; give 1 to {TTL_LIMIT_S}, which is a day"
            )

    def lifetime_s(self, room: Room | None) -> int:
        """Returns for how many seconds the token is valid. `room` is None unless the
        room is known to be in progress. Its longest stay is None if it is not known.

        Raises InvalidArgument when the token would be valid for longer than the longest
        stay. Twilio ends a stay after the room's MaxParticipantDuration; with a valid
        token, the participant could join for another one.
        """
        if room is None or room.max_participant_duration is None:
            return self.ttl_s or TTL_DEFAULT_S
        most = min(room.max_participant_duration, TTL_LIMIT_S)
        if self.ttl_s is None:
            return most
        if self.ttl_s > most:
            raise InvalidArgument.at(
                "ttl_s",
                f"is {self.ttl_s} seconds, but the longest stay in the room is {most}; "
                f"give at most {most}, or leave it out",
            )
        return self.ttl_s


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccessToken:
    """A new token. `room` is the name or SID in its grant; None means every room of the
    account."""

    jwt: str
    identity: str
    room: str | None
    expire_time: datetime


class Problem(StrEnum):
    """What is wrong with a token, in the order of the checks."""

    NOT_A_JWT = "NOT_A_JWT"
    WRONG_HEADER = "WRONG_HEADER"
    OTHER_ACCOUNT = "OTHER_ACCOUNT"
    OTHER_REGION = "OTHER_REGION"
    OTHER_API_KEY = "OTHER_API_KEY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    BAD_EXPIRY = "BAD_EXPIRY"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    NO_IDENTITY = "NO_IDENTITY"
    BAD_IDENTITY = "BAD_IDENTITY"
    NO_VIDEO_GRANT = "NO_VIDEO_GRANT"
    OTHER_ROOM = "OTHER_ROOM"


# Twilio's error code for such a token. https://www.twilio.com/docs/api/errors
TWILIO_CODE: Final[Mapping[Problem, int]] = {
    Problem.NOT_A_JWT: 20101,
    Problem.WRONG_HEADER: 20102,
    Problem.OTHER_ACCOUNT: 20103,
    # An API key belongs to one region. In another one, the issuer is unknown.
    Problem.OTHER_REGION: 20103,
    Problem.OTHER_API_KEY: 20103,
    Problem.BAD_SIGNATURE: 20107,
    Problem.BAD_EXPIRY: 20104,
    Problem.EXPIRED: 20104,
    Problem.NOT_YET_VALID: 20105,
    Problem.NO_IDENTITY: 20106,
    Problem.BAD_IDENTITY: 53200,
    Problem.NO_VIDEO_GRANT: 20106,
    Problem.OTHER_ROOM: 20106,
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenFacts:
    """The claims of a token. Each is None when it is absent or unreadable, and unproven
    unless `is_signed` is true.

    `is_signed` is None when another API key signed the token, so the signature cannot
    be verified. The identity is personal: only the caller that presented the token may
    see it.
    """

    api_key_sid: str | None = None
    account_sid: str | None = None
    region: str | None = None
    identity: str | None = None
    room: str | None = None
    begin_time: datetime | None = None
    expire_time: datetime | None = None
    is_signed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation:
    """Whether a token is valid now, and a sentence that says why not and what to do."""

    problem: Problem | None
    sentence: str
    facts: TokenFacts

    @property
    def is_valid(self) -> bool:
        return self.problem is None

    @property
    def twilio_code(self) -> int | None:
        return None if self.problem is None else TWILIO_CODE[self.problem]
