"""Access tokens, and what can be wrong with one."""

from datetime import datetime

import strawberry

from gateway.core import tokens as core
from gateway.gql.schema.types import view_of


@view_of(core.AccessToken)
@strawberry.type
class AccessToken:
    jwt: str
    identity: str
    room: str | None
    expire_time: datetime

    __repr__ = object.__repr__


@view_of(core.TokenFacts)
@strawberry.type
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


@strawberry.type
class TokenExplanation:
    is_valid: bool
    problem: core.Problem | None
    twilio_code: int | None
    sentence: str
    facts: TokenFacts

    __repr__ = object.__repr__
