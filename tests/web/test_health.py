import pytest

from gateway.service import tail as tail_module
from tests.web.conftest import Served


async def answer(served: Served, path: str) -> tuple[int, object]:
    async with served.http.get(served.base + path) as reply:
        return reply.status, await reply.json()


async def test_it_is_well_and_ready_while_the_log_is_heard(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        assert await answer(served, path) == (200, {"status": "ok"})


async def test_i17_a_process_that_alone_has_lost_the_log_is_not_ready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "LOST_S", -1.0)
    assert await answer(served, "/readyz") == (503, {"status": "unready", "lost": ["log"]})
    assert await answer(served, "/healthz") == (200, {"status": "ok"})


async def test_i17_without_redis_it_stays_ready_and_says_what_is_missing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every replica would fail at once, and nobody be left to answer from memory."""
    monkeypatch.setattr(tail_module, "LOST_S", -1.0)
    served.account.tail.is_redis_away = True
    assert await answer(served, "/readyz") == (200, {"status": "ok", "degraded": ["log"]})
