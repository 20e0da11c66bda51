"""Access tokens, and what can be wrong with one."""

from datetime import datetime

import strawberry

from gateway.core import tokens as core
from gateway.gql.schema.types import view_of


@view_of(core.AccessToken)
@strawberry.type(
    description="A key to a room, for one identity. Without a room it opens every room of the "
    "account."
)
class AccessToken:
    jwt: str
    identity: str
    room: str | None = strawberry.field(description="The name or SID in its grant.")
    expire_time: datetime

    __repr__ = object.__repr__


@view_of(core.TokenFacts)
@strawberry.type(
    description="What can be read in a token: its own word only, unless it is signed. `isSigned` "
    "is null when another API key made it, so that nobody here can tell."
)
class TokenFacts:
    api_key_sid: strawberry.ID | None
    account_sid: strawberry.ID | None
    region: str | None
    identity: str | None
    room: str | None
    begin_time: datetime | None
    expire_time: datetime | None
    is_signed: bool | None

    __repr__ = object.__repr__


@strawberry.type(
    description="Whether a token opens the door now, and if not, a sentence that says why and "
    "what to do."
)
class TokenExplanation:
    is_valid: bool
    problem: core.Problem | None
    twilio_code: int | None = strawberry.field(
        description="With which Twilio refuses such a token."
    )
    sentence: str
    facts: TokenFacts

    __repr__ = object.__repr__
