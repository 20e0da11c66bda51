"""The caller, and the gateway that answers it. Fetches nothing."""

from importlib.metadata import version

import strawberry
from strawberry import Info

from gateway.core.callers import Scope
from gateway.gql.schema import enums as enums  # registers the enums before any type uses one
from gateway.gql.schema.context import Context


@strawberry.type(description="The caller: the API key or the token of this request.")
class Viewer:
    id: strawberry.ID = strawberry.field(
        description="The id of the API key, or a digest of the token's issuer and subject. "
        "Callers with one id share a limit of points. `node` does not find it."
    )
    scopes: list[Scope] = strawberry.field(description="What the caller may do.")
    rooms: list[str] | None = strawberry.field(
        description="The SIDs and unique names of the rooms that the caller may see. Null when it "
        "may see every room of the account."
    )
    points_limit: int = strawberry.field(
        description="The most points that the caller can spend in a minute, over all replicas."
    )
    points_left: int | None = strawberry.field(
        description="The points that are left, after the most that this operation can cost was "
        "taken. Null when they are not known."
    )


@strawberry.type(description="The gateway that answers this request.")
class GatewayInfo:
    version: str = strawberry.field(description="The release of the gateway, such as `0.1.0`.")


def viewer(info: Info[Context, None]) -> Viewer | None:
    caller, balance = info.context.caller, info.context.charge.balance
    return Viewer(
        id=strawberry.ID(caller.id),
        scopes=sorted(caller.scopes),
        rooms=None if caller.grants is None else sorted(caller.grants),
        points_limit=caller.limit,
        points_left=None if balance is None else balance.remaining,
    )


def gateway() -> GatewayInfo | None:
    return GatewayInfo(version=version("rooms-gateway"))
