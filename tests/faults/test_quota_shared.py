"""Three gateways, one quota: the sandbox counts every call it gets, refused ones included, and is the judge."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, Outcome, at_a_pace, fleet
from tests.running import new_sid

pytestmark = pytest.mark.long

# Many in one request: who asks must not be what is short of time.
AT_ONCE = 10
NAMES = "abcdefghij"
ROOMS = f"""query({", ".join(f"${name}: ID!" for name in NAMES)}) {{
    {" ".join(f"{name}: room(ref: ${name}) {{ sid }}" for name in NAMES)} }}"""
LISTS = f"""query({", ".join(f"${name}: DateTime!" for name in NAMES)}) {{
    {" ".join(f"{name}: rooms(createdAfter: ${name}, first: 1) {{ nodes {{ sid }} }}" for name in NAMES)} }}"""
READS, WRITES = 80, 20
SECONDS = 20
# Nobody is asked at Twilio while queues fill up and others run dry.
EDGE_S = 2.0


def rooms() -> dict[str, str]:
    """Rooms that no cache knows."""
    return {name: new_sid() for name in NAMES}


def lists(number: int) -> dict[str, str]:
    """Others for each number."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return {name: (began + timedelta(seconds=number * AT_ONCE + each)).isoformat() for each, name in enumerate(NAMES)}


async def goodput(there: Fleet, begun: float, ended: float) -> float:
    """Reads a second that Twilio took, in the midst of the time."""
    calls = await there.calls(begun + EDGE_S, ended - EDGE_S)
    taken = [call for call in calls if call["method"] == "GET" and call["status"] not in (None, 0, 429)]
    return len(taken) / (ended - begun - 2 * EDGE_S)


def told(outcomes: list[Outcome]) -> str:
    waits = sorted(outcome.took_s for outcome in outcomes)
    middle, slow = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
    words = Counter(word for outcome in outcomes for word in outcome.words)
    return f"{dict(words)}, answers p50 {middle:.0f} ms, p99 {slow:.0f} ms"


async def test_p13_five_times_the_load_on_three_replicas(tmp_path: Path) -> None:
    async with fleet(tmp_path, 3, ["ada"], GATEWAY_RECONCILE="0") as there:
        begun = time.time()
        await at_a_pace(5 * READS / AT_ONCE, SECONDS, lambda number: there.ask(number, "ada", ROOMS, **rooms()))
        good = await goodput(there, begun, begun + SECONDS)
        peak = await there.peak()
        refused = [call for call in await there.calls(begun) if call["status"] == 429]
    print(f"\nP13: asked {5 * READS}/s for {SECONDS} s of 3 replicas: {told(there.outcomes)}")
    print(
        f"at the sandbox: {good:.1f} reads/s taken ({good / READS:.0%} of the quota), at most {peak['read']} in any second"
    )
    assert {word for outcome in there.outcomes for word in outcome.words} == {"OK", "QUOTA_EXCEEDED"}
    assert peak["read"] <= READS
    assert refused == []
    assert good >= 0.85 * READS
