"""How many requests this account may still send to Twilio."""

from datetime import datetime

import strawberry
from strawberry import Info

from gateway.core.limits import quota as core
from gateway.core.limits.fairness import Priority
from gateway.gql.schema.context import Context
from gateway.gql.schema.types import build_view, view_of


@view_of(core.RequestClassQuota)
@strawberry.type
class RequestClassQuota:
    request_class: Priority
    per_second: float
    burst: int
    remaining: int
    waiting: int
    retry_after_ms: int | None
    reset_time: datetime


@strawberry.type
class TwilioQuota:
    id: strawberry.ID = strawberry.field(
        description="The account's SID, a colon and `quota`. `node` does not find it."
    )
    source: core.QuotaSource
    replicas: int
    in_flight: int
    concurrency_limit: int
    classes: list[RequestClassQuota]


async def quota(info: Info[Context, None]) -> TwilioQuota | None:
    account = info.context.account
    status = await account.quota.status(info.context.caller)
    return build_view(TwilioQuota, status, id=strawberry.ID(f"{account.sid}:quota"))
