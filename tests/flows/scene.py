"""A stage at the running gateway's Twilio, with the gateway as its audience."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from gateway.sandbox import Account
from gateway.twilio.callbacks import CONNECTION_OVERRIDES
from tests.running import Gateway, new_name
from tests.sandbox.conftest import Api, Reply
from tests.sandbox.scenario import Scenario, create, create_scenario, join, listed

PAUSE_S = 0.05
"""Twilio counts its quota by the second."""


class PatientApi(Api):
    """Tries again what is over the quota, which the whole session shares."""

    async def _send(self, method: str, path: str, **more: Any) -> Reply:
        while True:
            reply = await super()._send(method, path, **more)
            if reply.status != 429:
                return reply
            await asyncio.sleep(PAUSE_S)


@dataclass(frozen=True, slots=True)
class Scene(Scenario):
    """A stage, and what there is on it to spend: a room to end, a guest to send out, a second recording to delete."""

    name: str
    spare: str
    guest: str
    taken: str
    new: str
    callbacks: str


async def set_the_scene(gateway: Gateway) -> Scene:
    """Its rooms report to the gateway, as those that it makes."""
    name, callbacks = new_name(), gateway.ready["callbacks"] + CONNECTION_OVERRIDES
    account = Account(gateway.account_sid, gateway.auth_token)
    api = PatientApi(gateway.http, gateway.ready["twilio"]["base_url"], account)
    stage = await create_scenario(api, name, StatusCallback=callbacks)
    guest = await join(api, stage.room, "Guest")
    taken = (await listed(api, f"/v1/Rooms/{stage.ended}/Recordings"))[0]["sid"]
    return Scene(
        **asdict(stage),
        name=name,
        spare=await create(api, StatusCallback=callbacks),
        guest=guest["sid"],
        taken=taken,
        new=f"{name}-new",
        callbacks=callbacks,
    )
