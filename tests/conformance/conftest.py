"""Runs the .mjs scripts of this folder: real npm clients, each in its own process."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.running import Gateway

HERE = Path(__file__).parent
LIMIT_S = 30

Node = Callable[..., Awaitable[Any]]


class RunNode(Protocol):
    async def __call__(
        self,
        script: str,
        *arguments: str,
        cwd: Path = HERE,
        environment: Mapping[str, str] | None = None,
    ) -> str: ...


@pytest.fixture
def run_node() -> RunNode:
    """Runs a script of this folder or its packages, and returns what it prints.

    Without Node or the packages, the test is skipped, or fails if GATEWAY_TEST_REQUIRES
    has "node".
    """
    program = shutil.which("node")
    if program is None or not (HERE / "node_modules").is_dir():
        missing = "needs Node, and `npm ci` in tests/conformance"
        if "node" in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
            pytest.fail(missing)
        pytest.skip(missing)

    async def run(
        script: str,
        *arguments: str,
        cwd: Path = HERE,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        process = await asyncio.create_subprocess_exec(
            program,
            HERE / script,
            *arguments,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(), LIMIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"{stdout.decode()}\n{stderr.decode()}"
        return stdout.decode()

    return run


@pytest.fixture
async def node(gateway: Gateway, run_node: RunNode) -> Node:
    """Runs a script with addresses of the gateway and returns its output, read as JSON.

    `await node("ws.mjs", "ws")` passes the address that the gateway printed as "ws".
    """

    async def run(script: str, *addresses: str, **environment: str) -> Any:
        urls = [gateway.ready[name] for name in addresses]
        environment["API_KEY"] = gateway.ready["api_key"]
        return json.loads(await run_node(script, *urls, environment=environment))

    return run
