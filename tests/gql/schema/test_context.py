"""The context of an operation."""

from typing import Any

from gateway.core.callers import Caller, Scope
from gateway.gql.schema.context import Context
from gateway.service.callers.charge import Charge
from gateway.service.callers.points import CallerLimiter
from tests.gql.fakes import ACCOUNT, Account


def test_each_context_has_its_own_loaders() -> None:
    caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))
    account: Any = Account(ACCOUNT)
    one, other = (
        Context(caller, account, "trace", Charge(CallerLimiter(), caller)) for _ in range(2)
    )
    assert one.loaders is not other.loaders
