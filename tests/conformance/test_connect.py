"""The clients of Connect and gRPC-Web, in Node and in a browser."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import Node
from tests.conformance.test_console import require_browser

pytestmark = pytest.mark.node

NOT_FOUND = 5
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
async def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The descriptors of the protos, which clients need instead of generated code."""
    path = tmp_path_factory.mktemp("protos") / "descriptors.binpb"
    buf = Path(sys.executable).with_name("buf")
    process = await asyncio.create_subprocess_exec(buf, "build", ROOT / "protos", "-o", path)
    assert await process.wait() == 0
    return path


def check(output: dict[str, Any]) -> None:
    sid = output["sid"]
    assert output["read"]["sid"] == sid
    assert output["cost"].startswith("requested=")

    started, event = output["watched"]
    assert (started["kind"], event["kind"]) == ("started", "event")
    assert event["prev"] == started["cursor"]
    assert [message["kind"] for message in output["resumed"]] == ["started", "event"]
    assert output["resumed"][1]["prev"] == started["cursor"]

    missing = output["missing"]
    assert (missing["code"], missing["details"][0]["type"]) == ("NotFound", "google.rpc.ErrorInfo")
    assert "rooms-gateway" in missing["details"][0]["text"]
    assert output["invalid"]["code"] == "InvalidArgument"
    assert output["unauthenticated"]["code"] == "Unauthenticated"
    assert output["late"]["code"] == "DeadlineExceeded"
    assert output["aborted"]["code"] == "Canceled"


async def test_every_client_in_node_calls_and_follows_streams(
    node: Node, descriptors: Path
) -> None:
    output = await node("connect.mjs", "console", DESCRIPTORS=str(descriptors))

    assert len(output) == 7
    for calls in output.values():
        check(calls)


async def test_a_page_of_another_origin_calls_and_follows_streams(
    node: Node, descriptors: Path
) -> None:
    require_browser()
    output = await node("connect_browser.mjs", "console", DESCRIPTORS=str(descriptors))

    official = output.pop("official")
    assert len(output) == 2
    for calls in output.values():
        check(calls)
    for calls in official.values():
        assert calls["read"]["sid"] == calls["sid"]
        assert calls["missing"]["code"] == NOT_FOUND
    started, event = official["text"]["watched"]
    assert (started["kind"], event["kind"]) == ("started", "event")
    assert event["prev"] == started["cursor"]
