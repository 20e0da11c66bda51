"""Runs the .mjs scripts beside this file: real clients of npm, each in a process of its own."""

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
    """`await node("ws.mjs", "ws")` runs a script with the gateway's address of that name; its output, read as JSON.

    Skips without Node and the packages, unless GATEWAY_TEST_INSISTS says that they must be there.
    """
    program = shutil.which("node")
    if program is None or not (HERE / "node_modules").is_dir():
        missing = "needs Node, and `npm ci` in tests/conformance"
        if "node" in os.environ.get("GATEWAY_TEST_INSISTS", ""):
            pytest.fail(missing)
        pytest.skip(missing)

    async def run(script: str, *addresses: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            program, HERE / script, *(gateway.ready[name] for name in addresses),
            env={**os.environ, "API_KEY": gateway.ready["api_key"]},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, problems = await asyncio.wait_for(process.communicate(), LIMIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, problems.decode()
        return json.loads(out)

    return run
