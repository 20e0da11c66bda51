"""Examples: shell commands and Python programs run against a real gateway, GraphQL
documents fit the schema, and the rest can be parsed.

A block is run unless its first line says `no-test`: ```` ```sh no-test ````. A
`json output` or `text output` block shows what the block before it prints. In text, `…`
stands for anything, together with the word that it ends; of JSON, the shape counts. A
`stream` block is stopped once its output is there.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from graphql import build_schema, parse, validate
from grpc_status import rpc_status

from gateway.core.errors import GatewayError, PermissionDenied, Throttled, UpstreamUnavailable
from gateway.gql.execution.graphql_core import print_schema
from gateway.rpc.errors import error_to_pb
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_service_pb2_grpc import (
    RoomServiceServicer,
    add_RoomServiceServicer_to_server,
)
from gateway.settings.accounts import read_accounts
from gateway.store.embedded import free_port
from tests.docs.pages import PAGES, ROOT, Block, Page, blocks
from tests.running import Gateway, new_name, running

LIMIT_S = 30
_SCHEMA = build_schema(print_schema())
_BIN = Path(sys.executable).parent
_FIRST_MESSAGE = "data: …"


@pytest.fixture(scope="module")
async def dev(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """`rooms-gateway dev` as `make dev` starts it: with simulated users."""
    folder = tmp_path_factory.mktemp("dev")
    environment = os.environ | {"GATEWAY_DOCUMENTS": str(ROOT / "schema/operations")}
    with (folder / "printed").open("wb") as printed:
        async with running(folder, ("dev",), environment, printed.fileno()) as gateway:
            gateway.ready["printed"] = printed.name
            yield gateway


class PageRunner:
    """Runs the blocks of a page in order, with the variables that earlier ones set."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self._state = folder / "state"
        self._state.touch()
        self._addresses = _addresses_of(gateway)
        self._environment = os.environ | {
            "API_KEY": gateway.ready["api_key"],
            "TWILIO_ACCOUNT_SID": gateway.account_sid,
            "TWILIO_AUTH_TOKEN": gateway.auth_token,
            "PATH": f"{_BIN}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients/python-stubs"))),
        }

    async def run(self, block: Block, expected: Block | None) -> None:
        text = self._adapted(block.text)
        if block.language == "python":
            command = [sys.executable, "-c", text]
        else:
            script = f'set -eu\n. "{self._state}"\n{text}\nexport -p > "{self._state}"\n'
            command = ["bash", "-c", script]
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, cwd=ROOT, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        output_lines = ExpectedOutput(self._adapted(expected.text if expected is not None else ""))
        lines: list[str] = []
        try:
            async with asyncio.timeout(LIMIT_S):
                if "stream" in block.flags:
                    await self._follow(process.stdout, output_lines, lines)
                    return
                lines += (await process.stdout.read()).decode().splitlines()
                assert await process.wait() == 0, "\n".join(lines)
        except TimeoutError:
            pytest.fail(f"{block} does not end; it printed:\n" + "\n".join(lines))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if expected is not None and expected.language == "json":
            assert_same_shape(json.loads(expected.text), json.loads("\n".join(lines)))
        else:
            output_lines.match(lines)
            assert output_lines.is_complete, f"{output_lines.next!r} is missing in:\n" + "\n".join(
                lines
            )

    async def _follow(
        self, output: asyncio.StreamReader, output_lines: "ExpectedOutput", lines: list[str]
    ) -> None:
        """Reads until the expected output is there. The last id becomes `CURSOR`."""
        if output_lines.is_complete:
            output_lines = ExpectedOutput(_FIRST_MESSAGE)
        async for raw in output:
            line = raw.decode().rstrip("\n")
            lines.append(line)
            if line.startswith("id: "):
                self._environment["CURSOR"] = line.removeprefix("id: ")
            output_lines.match([line])
            if output_lines.is_complete:
                return
        pytest.fail("the stream ended early; it printed:\n" + "\n".join(lines))

    def _adapted(self, text: str) -> str:
        return _adapted(text, self._addresses)


def _adapted(text: str, addresses: Mapping[str, str]) -> str:
    for written, real in addresses.items():
        text = text.replace(written, real)
    return text


def _addresses_of(gateway: Gateway) -> dict[str, str]:
    """The addresses that the pages show, and those of this gateway."""
    return {
        "http://127.0.0.1:8080/": gateway.ready["console"],
        "ws://127.0.0.1:8080/": gateway.ready["ws"].removesuffix("graphql"),
        "127.0.0.1:9090": gateway.ready["grpc"],
        "http://127.0.0.1:8081": gateway.ready["sandbox"],
        ".venv/bin/": f"{_BIN}/",
    }


class ExpectedOutput:
    """Lines that must come in this order, others between them."""

    def __init__(self, text: str) -> None:
        self._lines = [line.strip() for line in text.splitlines() if line.strip()]

    @property
    def is_complete(self) -> bool:
        return not self._lines

    @property
    def next(self) -> str:
        return self._lines[0]

    def match(self, lines: list[str]) -> None:
        for line in lines:
            if self._lines and _pattern(self._lines[0]).fullmatch(line.strip()):
                self._lines.pop(0)


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(r"[\w-]*…", line))))


def assert_same_shape(expected: Any, actual: Any, path: str = "") -> None:
    """The same keys at the same places; values may differ."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        assert expected.keys() == actual.keys(), path
        for key, value in expected.items():
            assert_same_shape(value, actual[key], f"{path}.{key}")
    elif isinstance(expected, list) and expected:
        assert isinstance(actual, list), path
        assert actual, f"{path} is empty"
        assert_same_shape(expected[0], actual[0], f"{path}[0]")


def _with_outputs(page: Page) -> Iterator[tuple[Block, Block | None]]:
    """Blocks to run, each with the output block that follows it."""
    for block, after in zip_longest(page.blocks, page.blocks[1:]):
        if block.language in ("sh", "python") and "no-test" not in block.flags:
            is_output = after is not None and "output" in after.flags
            yield block, after if is_output else None


@pytest.mark.parametrize("page", [page for page in PAGES if any(_with_outputs(page))], ids=str)
async def test_commands_run_as_written(page: Page, dev: Gateway, tmp_path: Path) -> None:
    runner = PageRunner(dev, tmp_path)
    for block, expected in _with_outputs(page):
        print(f"{block}:\n{block.text}")
        await runner.run(block, expected)


@pytest.mark.parametrize(
    "block", [block for block in blocks("text") if "banner" in block.flags], ids=str
)
def test_dev_prints_what_the_page_shows(block: Block, dev: Gateway) -> None:
    output_lines = ExpectedOutput(_adapted(block.text, _addresses_of(dev)))
    output_lines.match(Path(dev.ready["printed"]).read_text().splitlines())
    assert output_lines.is_complete, f"{output_lines.next!r} is missing"


@pytest.mark.parametrize("block", blocks("graphql"), ids=str)
def test_graphql_documents_fit_the_schema(block: Block) -> None:
    assert not validate(_SCHEMA, parse(block.text))


@pytest.mark.parametrize("block", blocks("js"), ids=str)
async def test_javascript_modules_can_be_parsed(block: Block, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        if "node" in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
            pytest.fail("needs Node")
        pytest.skip("needs Node")
    module = tmp_path / "example.mjs"
    module.write_text(block.text)
    process = await asyncio.create_subprocess_exec(
        node, "--check", module, stderr=asyncio.subprocess.PIPE
    )
    _, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()


@pytest.mark.parametrize(
    "block", [block for block in blocks("js") if "run" in block.flags], ids=str
)
async def test_javascript_programs_run(block: Block, dev: Gateway, tmp_path: Path) -> None:
    node, packages = shutil.which("node"), ROOT / "tests/conformance/node_modules"
    if node is None or not packages.is_dir():
        missing = "needs Node, and `npm ci` in tests/conformance"
        if "node" in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
            pytest.fail(missing)
        pytest.skip(missing)
    (tmp_path / "node_modules").symlink_to(packages)
    module = tmp_path / "example.mjs"
    module.write_text(block.text.replace("ws://127.0.0.1:8080/graphql", dev.ready["ws"]))
    process = await asyncio.create_subprocess_exec(
        node, module, env=os.environ | {"API_KEY": dev.ready["api_key"]},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    assert output.decode().startswith("StreamStarted\n")


@pytest.mark.parametrize(
    "block", [block for block in blocks("js") if "token-server" in block.flags], ids=str
)
async def test_token_server_gives_two_callers_tokens_for_one_room(
    block: Block, dev: Gateway, tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None:
        if "node" in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
            pytest.fail("needs Node")
        pytest.skip("needs Node")
    port = free_port()
    module = tmp_path / "server.mjs"
    module.write_text(block.text.replace("http://127.0.0.1:8080/graphql", dev.ready["graphql"]))
    environment = os.environ | {"API_KEY": dev.ready["api_key"], "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(node, module, env=environment)
    name = new_name()
    try:
        async with asyncio.timeout(LIMIT_S):
            answers = await asyncio.gather(
                *(ask(dev, port, f"room={name}&identity={who}") for who in ("ada", "bela"))
            )
            refused, problems = await ask(dev, port, f"room={name}&identity=")
    finally:
        process.kill()
        await process.wait()
    for status, answer in answers:
        assert status == 200, answer
        assert answer["token"].count(".") == 2
    assert (refused, len(problems["problems"])) == (400, 1)
    document = "mutation($name: String!) { ensureRoom(input: {uniqueName: $name}) { created } }"
    assert await dev.execute(document, name=name) == {"ensureRoom": {"created": False}}


async def ask(dev: Gateway, port: int, query: str) -> tuple[int, Any]:
    """Asks the token server, as soon as it listens."""
    while True:
        try:
            async with dev.http.get(f"http://127.0.0.1:{port}/?{query}") as reply:
                return reply.status, await reply.json(content_type=None)
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.01)


class EndingStreams(RoomServiceServicer):
    """Ends each stream with the next of these errors, after one message."""

    def __init__(self, errors: list[GatewayError]) -> None:
        self._errors = errors
        self.after: list[str] = []

    async def WatchRoomEvents(  # noqa: N802
        self, request: pb.WatchRoomEventsRequest, context: Any
    ) -> AsyncIterator[pb.WatchRoomEventsResponse]:
        self.after.append(request.after)
        yield pb.WatchRoomEventsResponse(cursor=f"cursor {len(self.after)}")
        status = rpc_status.to_status(error_to_pb(self._errors.pop(0)))
        await context.abort(status.code, status.details, status.trailing_metadata)


@pytest.mark.parametrize(
    "block", [block for block in blocks("python") if "resume" in block.flags], ids=str
)
async def test_resume_example_waits_as_told_and_ends_where_a_retry_does_not_help(
    block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "rgk_example")
    monkeypatch.syspath_prepend(ROOT / "clients/python-stubs")
    example: dict[str, Any] = {}
    exec(block.text.removesuffix("asyncio.run(main())\n"), example)
    service = EndingStreams(
        [
            UpstreamUnavailable("the gateway is stopping", retry_after_ms=1),
            Throttled("too many streams", retry_after_ms=2),
            PermissionDenied("credential has expired"),
        ]
    )
    server = grpc.aio.server()
    add_RoomServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        events = example["room_events"](example["RoomServiceStub"](channel))
        messages = [(await anext(events)).cursor for _ in range(3)]
        with pytest.raises(grpc.aio.AioRpcError, match="PERMISSION_DENIED"):
            await anext(events)
    await server.stop(0)

    assert messages == ["cursor 1", "cursor 2", "cursor 3"]
    assert service.after == ["", "cursor 1", "cursor 2"]


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_parsed(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_accounts_files_are_accepted(block: Block, tmp_path: Path) -> None:
    tomllib.loads(block.text)
    if "accounts" in block.flags:
        file = tmp_path / "accounts.toml"
        file.write_text(block.text)
        assert read_accounts(file)


def test_every_block_with_a_command_names_its_language() -> None:
    """A block without a language is not run, so it must hold nothing to paste."""
    command = re.compile(r"^\s*(curl|make|python|rooms-gateway|git) ", re.MULTILINE)
    untested = [
        str(block)
        for page in PAGES
        for block in page.blocks
        if block.language == "" and command.search(block.text)
    ]
    assert untested == []
