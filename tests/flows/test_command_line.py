"""The command line as a person or an orchestrator runs it: whole processes."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.running import RESPONSE_TIMEOUT_S, Gateway, running, take

WATCH = "subscription { roomEvents { __typename cursor } }"


async def run(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def test_the_ready_file_has_everything_a_client_needs(gateway: Gateway) -> None:
    assert set(gateway.ready) == {
        *("graphql", "ws", "sse", "grpc", "callbacks", "console", "redis"),
        *("sandbox", "api_key", "twilio", "pid"),
    }
    assert set(gateway.ready["twilio"]) == {"base_url", "account_sid", "auth_token"}
    assert gateway.ready["pid"] == gateway.process.pid


async def test_health_and_readiness_are_ok(gateway: Gateway) -> None:
    base = gateway.ready["graphql"].removesuffix("/graphql")
    for path in ("/healthz", "/readyz"):
        async with gateway.http.get(base + path) as reply:
            assert reply.status == 200


async def test_stop_ends_open_streams_within_two_seconds(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as gateway,
        gateway.websocket() as socket,
        gateway.subscribe_sse(WATCH) as by_sse,
    ):
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
        await take(by_sse, 1)
        started = time.monotonic()
        os.kill(gateway.process.pid, signal.SIGTERM)
        async with (
            asyncio.timeout(2),
            asyncio.TaskGroup() as tasks,
        ):  # promised, whatever the machine
            stopped = tasks.create_task(gateway.process.wait())
            while not socket.closed:
                await socket.receive()
        assert stopped.result() == 0
        assert socket.close_code == 1001
        print(f"stopped in {time.monotonic() - started:.2f} s")


async def test_dev_has_simulated_users(tmp_path: Path) -> None:
    async with running(tmp_path, ("dev",)) as gateway, gateway.subscribe_sse(WATCH) as messages:
        taken = await take(messages, 4)
    assert taken[0][1]["__typename"] == "StreamStarted"


async def test_serve_names_the_missing_variables() -> None:
    code, _, err = await run("serve")
    assert code == 2
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "GATEWAY_PUBLIC_URL"):
        assert name in err


async def test_serve_does_not_start_without_keys_and_issuers() -> None:
    environment = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "1" * 32,
        "GATEWAY_PUBLIC_URL": "https://rooms.example",
    }
    code, _, err = await run("serve", **environment)
    assert code == 2
    assert "GATEWAY_API_KEYS" in err
    assert "1" * 32 not in err


async def test_serve_accepts_a_created_key(gateway: Gateway, tmp_path: Path) -> None:
    _, out, _ = await run("keys", "create", "tests")
    created = json.loads(out)
    environment = {
        "PATH": os.environ["PATH"],
        "TWILIO_ACCOUNT_SID": gateway.account_sid,
        "TWILIO_AUTH_TOKEN": gateway.auth_token,
        "TWILIO_VIDEO_BASE_URL": gateway.ready["twilio"]["base_url"],
        "GATEWAY_PUBLIC_URL": "https://rooms.example",
        "GATEWAY_API_KEYS": json.dumps([created["row"]]),
        "GATEWAY_DATA_DIR": str(tmp_path / "data"),
    }
    arguments = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
    room = await gateway.create_room()
    async with running(tmp_path, arguments, environment) as served:
        headers = {"X-API-Key": created["api_key"]}
        body = {
            "query": "query($r: ID!) { room(ref: {sid: $r}) { sid } }",
            "variables": {"r": room["sid"]},
        }
        async with served.http.post(served.ready["graphql"], json=body, headers=headers) as reply:
            assert (await reply.json(content_type=None))["data"]["room"] == {"sid": room["sid"]}


async def test_schema_is_printed() -> None:
    code, out, _ = await run("schema")
    assert code == 0
    assert "type Subscription" in out
