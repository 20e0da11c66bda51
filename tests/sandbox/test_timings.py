import aiohttp

from gateway.sandbox import Sandbox, Timings
from tests.sandbox.conftest import Api


async def test_drip_interval_is_configurable(session: aiohttp.ClientSession) -> None:
    async with Sandbox(timings=Timings(drip_interval_s=0.0)) as sandbox:
        api = Api(session, sandbox.url, sandbox.accounts[0])
        await api.control("POST", "/faults", {"answer": "drip"})

        assert (await api.get("/v1/Rooms")).body["rooms"] == []
