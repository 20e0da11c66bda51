import re
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr

from gateway.app.wiring import account_quota, build_gateway
from gateway.core.rooms import NewRoom
from gateway.settings.accounts import JwtIssuerSettings
from gateway.settings.environment import Settings
from tests.service.conftest import ACCOUNT, ADMIN, Site, running_sandbox, site

__all__ = ["running_sandbox", "site"]  # fixtures of the service's tests


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": SecretStr("token"),
        "gateway_public_url": HttpUrl("http://127.0.0.1:1"),
    }
    return Settings(**values | changes)


def issuer(jwks_url: str, audience: str) -> JwtIssuerSettings:
    return JwtIssuerSettings(
        issuer="https://login.example", audience=audience, jwks_url=HttpUrl(jwks_url)
    )


@pytest.mark.parametrize("quota", [80, 20, 2])
def test_i13_the_budget_stays_below_the_quota_in_every_second(quota: int) -> None:
    config = settings(gateway_read_quota=quota, gateway_write_quota=quota)
    budget = account_quota(config.accounts[0], config)
    for rate in (budget.read.shared, budget.write.shared):
        assert rate.burst + 1_000_000 / rate.interval_us <= quota


async def test_build_account_wires_every_use_case(site: Site) -> None:
    account = await site.replica()
    created = await account.rooms.create(ADMIN, NewRoom())
    status_callback = created.room.value.status_callback
    assert status_callback is not None
    address, _, mark = status_callback.partition("?key=")
    assert address == "http://127.0.0.1:1/callbacks/twilio"
    assert re.fullmatch(r"[0-9a-f]{32}#rc=5&rp=all&ct=1000&rt=2500", mark)


async def test_issuers_with_one_key_url_share_one_key_set(redis_url: str) -> None:
    shared, own = "https://login.example/jwks.json", "https://login.example/own.json"
    issuers = (issuer(shared, "a"), issuer(shared, "b"), issuer(own, "c"))
    async with build_gateway(settings(gateway_jwt_issuers=issuers), redis_url) as gateway:
        assert len(gateway.issuer_keys) == 2
