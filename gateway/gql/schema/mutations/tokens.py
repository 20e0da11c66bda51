"""Minting and explaining access tokens. Both are mutations.

A query may be sent by GET, and a token in a URL ends up in histories and logs. A
mutation must be sent by POST, and no client or proxy caches its response.
"""

import strawberry
from strawberry import UNSET, Info

from gateway.core.tokens import NewToken
from gateway.gql.schema.context import Context
from gateway.gql.schema.inputs import build_core
from gateway.gql.schema.mutations.errors import MutationError, expected_outcomes
from gateway.gql.schema.refs import RoomRef, optional_ref
from gateway.gql.schema.tokens import AccessToken, TokenExplanation
from gateway.gql.schema.types import build_view


@strawberry.input(description="Whom an access token lets into which room.")
class MintAccessTokenInput:
    identity: str
    room: RoomRef | None = UNSET
    ttl_seconds: int | None = UNSET


@strawberry.type(description="The outcome of `mintAccessToken`.")
class MintAccessTokenPayload:
    access_token: AccessToken | None = strawberry.field(
        default=None, description="The new token. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why there is no token. Empty on success."
    )


@expected_outcomes(MintAccessTokenPayload)
async def mint_access_token(
    info: Info[Context, None],
    input: MintAccessTokenInput,  # noqa: A002
) -> MintAccessTokenPayload | None:
    new_token = build_core(
        NewToken,
        identity=input.identity,
        room=optional_ref(input.room, "room"),
        ttl_s=input.ttl_seconds,
    )
    token = await info.context.account.tokens.mint(info.context.caller, new_token)
    return MintAccessTokenPayload(access_token=build_view(AccessToken, token))


@strawberry.input(description="The token to explain.")
class ExplainTokenInput:
    token: str
    room: RoomRef | None = strawberry.field(
        default=UNSET,
    )


@strawberry.type(description="The outcome of `explainToken`.")
class ExplainTokenPayload:
    explanation: TokenExplanation | None = strawberry.field(
        default=None, description="The explanation. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why there is no explanation. Empty on success."
    )


@expected_outcomes(ExplainTokenPayload)
async def explain_token(
    info: Info[Context, None],
    input: ExplainTokenInput,  # noqa: A002
) -> ExplainTokenPayload | None:
    explanation = await info.context.account.tokens.explain(
        info.context.caller, input.token, optional_ref(input.room, "room")
    )
    return ExplainTokenPayload(explanation=build_view(TokenExplanation, explanation))
