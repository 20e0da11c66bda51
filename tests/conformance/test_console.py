"""The console in a real browser."""

import os
from pathlib import Path

import pytest

from tests.conformance.conftest import Node

HAS_BROWSER = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists()


def require_browser() -> None:
    if not HAS_BROWSER and "browser" not in os.environ.get("GATEWAY_TEST_REQUIRES", ""):
        pytest.skip("needs Chromium: apt install chromium, or set CHROMIUM to its path")


@pytest.mark.node
async def test_console_creates_watches_and_completes_a_room(node: Node) -> None:
    require_browser()
    output = await node("console.mjs", "console")
    assert output["events"] >= 4
