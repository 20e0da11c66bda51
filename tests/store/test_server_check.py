import asyncio
import re
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import pytest

import gateway.store
from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, free_port
from gateway.store.server_check import check_server
from tests.store.samples import ACCOUNT

# Each message is one sentence, and comes well before an operator loses patience.
LIMIT_S = 5


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer() as server:
        yield server


@pytest.fixture
async def admin(server: EmbeddedServer) -> AsyncIterator[Connections]:
    connections = Connections(server.url)
    yield connections
    await connections.aclose()


async def refusal(url: str, *, check_eviction: bool = True) -> str:
    connections = Connections(url)
    try:
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(FailedPrecondition) as refused:
                await check_server(connections, [ACCOUNT], check_eviction=check_eviction)
    finally:
        await connections.aclose()
    return refused.value.message


async def as_user(admin: Connections, url: str, *rules: str) -> str:
    """Returns the URL for a user with these rules."""
    await admin.commands.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", *rules)
    return url.replace("unix://", "unix://app:secret@")


async def test_usual_server_is_accepted_and_left_as_it_was(admin: Connections) -> None:
    await check_server(admin, [ACCOUNT], check_eviction=True)
    assert await admin.commands.dbsize() == 0


async def test_refused_info_says_why_it_is_needed_and_how_to_go_on(
    server: EmbeddedServer, admin: Connections
) -> None:
    url = await as_user(admin, server.url, "~rg:*", "+@all", "-@dangerous")
    message = await refusal(url)
    assert message == (
        "the Redis user of GATEWAY_REDIS_URL may not run INFO, which shows whether Redis may evict "
        'the event log: allow it ("ACL SETUSER … +info"), or go on without this check with '
        "GATEWAY_ALLOW_EVICTION=1"
    )
    without_info = Connections(url)
    await check_server(without_info, [ACCOUNT], check_eviction=False)
    await without_info.aclose()


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (("~rg:*", "+@all", "-xadd", "-zadd"), "may not run XADD, ZADD"),
        (("~rg:*", "+@all", "-xread"), "may not run XREAD"),
        (("~rg:*", "+@all", "-@scripting"), "may not run EVALSHA"),
        (("~rg:*", "+@read", "+info"), "may not run EVALSHA"),
        (("~other:*", "+@all"), "may not access the keys that begin with rg:"),
    ],
)
async def test_refused_command_is_named(
    server: EmbeddedServer, admin: Connections, rules: tuple[str, ...], named: str
) -> None:
    assert named in await refusal(await as_user(admin, server.url, *rules))


async def test_wrong_login_is_named_without_the_password(
    server: EmbeddedServer, admin: Connections
) -> None:
    url = await as_user(admin, server.url, "~rg:*", "+@all")
    for wrong in (url.replace("secret", "canary"), url.replace("app:", "canary:")):
        message = await refusal(wrong)
        assert message.startswith("Redis refused the user name or the password of GATEWAY_REDIS_")
        assert "canary" not in message
    await admin.commands.config_set("requirepass", "secret")
    try:
        assert "requires a password, and GATEWAY_REDIS_URL has none" in await refusal(server.url)
    finally:
        await admin.commands.config_set("requirepass", "")


@pytest.mark.parametrize("check_eviction", [True, False])
async def test_read_only_replica_is_named(
    server: EmbeddedServer, admin: Connections, *, check_eviction: bool
) -> None:
    await admin.commands.replicaof("127.0.0.1", 1)
    try:
        message = await refusal(server.url, check_eviction=check_eviction)
    finally:
        await admin.commands.replicaof("NO", "ONE")
    assert message.startswith("GATEWAY_REDIS_URL names a read-only replica: name the master")


async def test_missing_database_and_missing_tls_are_named(server: EmbeddedServer) -> None:
    assert "names a database that Redis does not have" in await refusal(f"{server.url}?db=99")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"-ERR unknown command\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        assert "does not speak TLS" in await refusal(f"rediss://127.0.0.1:{port}")


async def test_full_server_is_unavailable_and_says_so(admin: Connections) -> None:
    await admin.commands.config_set("maxmemory", "1")
    try:
        with pytest.raises(UpstreamUnavailable, match="out of memory"):
            await check_server(admin, [ACCOUNT], check_eviction=True)
    finally:
        await admin.commands.config_set("maxmemory", "0")


async def test_server_that_is_away_is_unavailable() -> None:
    away = Connections(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(UpstreamUnavailable, match=r"^Redis did not reply: check the address"):
        await check_server(away, [ACCOUNT], check_eviction=True)


def test_probe_tries_every_command_that_is_sent() -> None:
    folder = Path(str(resources.files(gateway.store)))
    probe = (folder / "scripts/probe.lua").read_text()
    tried = set(re.findall(r"\{'([A-Z]+)'", probe))
    sent = {
        name
        for script in folder.glob("scripts/*.lua")
        for name in re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", script.read_text())
    } | {
        name
        for module in folder.glob("*.py")
        for name in re.findall(r'\("([A-Z]{3,})(?: [A-Z]+)?",|key, "([A-Z]+)",', module.read_text())
        for name in name
        if name
    }
    assert {"XADD", "XREAD", "SPOP", "XINFO"} <= sent
    assert sent - {"INFO", "EVALSHA", "EVAL"} <= tried
