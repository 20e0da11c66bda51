"""A scenario whose rooms send their callbacks to the running gateway."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from gateway.sandbox import Account
from gateway.twilio.callbacks import CONNECTION_OVERRIDES
from tests.running import Gateway, new_name
from tests.sandbox.conftest import Api, Reply
from tests.sandbox.scenario import Scenario, create, create_scenario, join, listed

PAUSE_S = 0.05
"""The pause before a retry after a 429. Twilio counts its quota per second."""


class RetryingApi(Api):
    """Retries requests beyond the quota, which the whole test session shares."""

    async def _send(self, method: str, path: str, **options: Any) -> Reply:
        while True:
            reply = await super()._send(method, path, **options)
            if reply.status != 429:
                return reply
            await asyncio.sleep(PAUSE_S)


@dataclass(frozen=True, slots=True)
class FlowScenario(Scenario):
    """A scenario with objects that a test may change.

    `spare` is a room to complete, `guest` a participant to disconnect and `deletable` a
    recording to delete. `new` is an unused room name.
    """

    name: str
    spare: str
    guest: str
    deletable: str
    new: str
    callbacks: str


async def create_flow_scenario(gateway: Gateway) -> FlowScenario:
    name, callbacks = new_name(), gateway.ready["callbacks"] + CONNECTION_OVERRIDES
    account = Account(gateway.account_sid, gateway.auth_token)
    api = RetryingApi(gateway.http, gateway.ready["twilio"]["base_url"], account)
    scenario = await create_scenario(api, name, StatusCallback=callbacks)
    guest = await join(api, scenario.room, "Guest")
    deletable = (await listed(api, f"/v1/Rooms/{scenario.ended}/Recordings"))[0]["sid"]
    return FlowScenario(
        **asdict(scenario),
        name=name,
        spare=await create(api, StatusCallback=callbacks),
        guest=guest["sid"],
        deletable=deletable,
        new=f"{name}-new",
        callbacks=callbacks,
    )
