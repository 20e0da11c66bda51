"""Runs the .mjs scripts of this folder: real npm clients, each in its own process."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import Gateway

HERE = Path(__file__).parent
LIMIT_S = 30

Node = Callable[..., Awaitable[Any]]


@pytest.fixture
async def node(gateway: Gateway) -> Node:
    """Runs a script with addresses of the gateway and returns its output, read as JSON.

    `await node("ws.mjs", "ws")` passes the address that the gateway printed as "ws".
    Without Node or the packages, the test is skipped, or fails if GATEWAY_TEST_REQUIRES
    has "node".
    """
    program = shutil.which("node")
    if program is None or not (HERE / "node_modules").is_dir():
        missing = "needs Node, and `npm ci` in tests/conformance"
        if "node" in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
            pytest.fail(missing)
        pytest.skip(missing)

    async def run(script: str, *addresses: str, **environment: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            program,
            HERE / script,
            *(gateway.ready[name] for name in addresses),
            env={**os.environ, "API_KEY": gateway.ready["api_key"], **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(), LIMIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, stderr.decode()
        return json.loads(stdout)

    return run
