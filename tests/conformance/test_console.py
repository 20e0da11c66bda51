"""The console, as a person uses it, in a real browser."""

import os
from pathlib import Path

import pytest

from tests.conformance.conftest import Node

HAS_BROWSER = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists()


@pytest.mark.node
async def test_a_room_is_made_watched_and_ended_in_the_browser(node: Node) -> None:
    if not HAS_BROWSER and "browser" not in os.environ.get("GATEWAY_TEST_INSISTS", ""):
        pytest.skip("needs Chromium: apt install chromium, or name it in CHROMIUM")
    seen = await node("console.mjs", "console")
    assert seen["events"] >= 4
