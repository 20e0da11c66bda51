import asyncio
import gc
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core.callers import Caller, Signed
from gateway.core.errors import PermissionDenied
from gateway.service.callers import revalidation as standing
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.revalidation import revalidated
from tests.service.conftest import ANYBODY, LIMIT_S


class Revocable(Authenticator):
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
    authenticator = Revocable([True, True])
    with pytest.raises(PermissionDenied, match="come again with another one"):
        async with asyncio.timeout(LIMIT_S), revalidated(authenticator, ANYBODY):
            await asyncio.Event().wait()
    assert authenticator.answers == []


async def test_what_runs_is_ended_at_the_moment_at_which_its_token_is() -> None:
    ends_at = time.time() + 0.05
    token = replace(ANYBODY, signed=Signed("issuer", "audience", b"", ends_at))
    with pytest.raises(PermissionDenied, match="come again with another one"):
        async with asyncio.timeout(LIMIT_S), revalidated(Revocable([]), token):
            await asyncio.Event().wait()
    assert time.time() >= ends_at


async def test_what_ends_by_itself_is_not_looked_at_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.0)
    authenticator = Revocable([True])
    async with revalidated(authenticator, ANYBODY):
        pass
    await asyncio.sleep(0)
    assert authenticator.answers == [True]


async def test_a_time_limit_of_what_runs_is_its_own() -> None:
    with pytest.raises(TimeoutError):
        async with revalidated(Revocable([]), ANYBODY):
            raise TimeoutError


async def test_nothing_is_left_of_a_stream_that_ended() -> None:
    authenticator = Revocable([True])
    is_freed = weakref.finalize(authenticator, lambda: None)
    gc.collect()
    gc.disable()
    try:
        async with revalidated(authenticator, ANYBODY):
            pass
        del authenticator
        assert not is_freed.alive
    finally:
        gc.enable()
