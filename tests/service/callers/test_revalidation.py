import asyncio
import gc
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core.errors import PermissionDenied
from gateway.service.callers import revalidation as standing
from gateway.service.callers.authenticator import Access
from gateway.service.callers.caller import Caller, Signed
from gateway.service.callers.revalidation import while_it_holds
from tests.service.conftest import ANYBODY, LIMIT_S


class Revocable(Access):
    """`answers`: whether the credential holds, one look after the other; after the last one it does not."""

    def __init__(self, answers: Sequence[bool]) -> None:
        super().__init__([])
        self.answers = list(answers)

    def still_holds(self, caller: Caller) -> bool:
        return bool(self.answers) and self.answers.pop(0)


def test_a_credential_is_looked_at_every_minute() -> None:
    assert standing.CHECK_S == 60


async def test_what_runs_is_ended_when_the_credential_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.001)
    access = Revocable([True, True])
    with pytest.raises(PermissionDenied, match="come again with another one"):
        async with asyncio.timeout(LIMIT_S), while_it_holds(access, ANYBODY):
            await asyncio.Event().wait()
    assert access.answers == []


async def test_what_runs_is_ended_at_the_moment_at_which_its_token_is() -> None:
    ends_at = time.time() + 0.05
    token = replace(ANYBODY, signed=Signed("issuer", "audience", b"", ends_at))
    with pytest.raises(PermissionDenied, match="come again with another one"):
        async with asyncio.timeout(LIMIT_S), while_it_holds(Revocable([]), token):
            await asyncio.Event().wait()
    assert time.time() >= ends_at


async def test_what_ends_by_itself_is_not_looked_at_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.0)
    access = Revocable([True])
    async with while_it_holds(access, ANYBODY):
        pass
    await asyncio.sleep(0)
    assert access.answers == [True]


async def test_a_time_limit_of_what_runs_is_its_own() -> None:
    with pytest.raises(TimeoutError):
        async with while_it_holds(Revocable([]), ANYBODY):
            raise TimeoutError


async def test_nothing_is_left_of_a_stream_that_ended() -> None:
    access = Revocable([True])
    is_freed = weakref.finalize(access, lambda: None)
    gc.collect()
    gc.disable()
    try:
        async with while_it_holds(access, ANYBODY):
            pass
        del access
        assert not is_freed.alive
    finally:
        gc.enable()
