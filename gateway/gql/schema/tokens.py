"""Access tokens. Both operations are mutations: by GET, a token would stand in a URL, and so in histories and logs.

Mutations are refused by GET, and no client or proxy caches their answers.
"""

from datetime import datetime, timedelta

import strawberry
from strawberry import UNSET, Info

from gateway.core import tokens as core
from gateway.core.rooms import RoomRef
from gateway.core.tokens import NewToken
from gateway.gql.schema.context import Context
from gateway.gql.schema.inputs import asked, given
from gateway.gql.schema.types import shows, view


@shows(core.AccessToken)
@strawberry.type(
    description="A key to a room, for one identity. Without a room it opens every room of the account."
)
class AccessToken:
    jwt: str
    identity: str
    room: str | None = strawberry.field(description="The name or SID in its grant.")
    expires_at: datetime

    __repr__ = object.__repr__


@shows(core.TokenFacts)
@strawberry.type(
    description="What can be read in a token: its own word only, unless it is signed. `isSigned` is null when another API "
    "key made it, so that nobody here can tell."
)
class TokenFacts:
    api_key_sid: strawberry.ID | None
    account_sid: strawberry.ID | None
    region: str | None
    identity: str | None
    room: str | None
    begins_at: datetime | None
    expires_at: datetime | None
    is_signed: bool | None

    __repr__ = object.__repr__


@strawberry.type(
    description="Whether a token opens the door now, and if not, a sentence that says why and what to do."
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


async def mint_access_token(
    info: Info[Context, None],
    identity: str,
    room: strawberry.ID | None = UNSET,
    ttl: timedelta | None = UNSET,
) -> AccessToken:
    named, lifetime = given(room), given(ttl)
    new = asked(
        NewToken,
        identity=identity,
        room=None if named is None else RoomRef.of(named),
        ttl_s=None if lifetime is None else int(lifetime.total_seconds()),
    )
    return view(AccessToken, await info.context.account.tokens.mint(info.context.caller, new))


async def explain_token(
    info: Info[Context, None], token: str, room: strawberry.ID | None = UNSET
) -> TokenExplanation:
    named = given(room)
    ref = None if named is None else RoomRef.of(named)
    return view(
        TokenExplanation, await info.context.account.tokens.explain(info.context.caller, token, ref)
    )
