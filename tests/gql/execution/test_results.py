import json

import pytest
from graphql import ExecutionResult, GraphQLError

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Code, InvalidArgument, NotFound
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.results import error_result, execution_result, format_cost
from gateway.service.callers.charge import Charge
from gateway.service.callers.points import CallerLimiter
from tests.gql.fakes import ACCOUNT

CALLER = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InvalidArgument("first is 0; give 1 to 100"), Code.INVALID_ARGUMENT, 400),
        (NotFound("no such room"), Code.NOT_FOUND, 404),
    ],
)
def test_an_error_result_has_errors_only(error: Exception, code: Code, status: int) -> None:
    result = error_result(RequestError.wrap(error), "trace")
    assert (result.error_code, result.status, result.data) == (code, status, None)
    assert json.loads(result.encoded) == {"errors": list(result.errors)}


def test_an_execution_result_has_its_data_separately() -> None:
    result = execution_result(
        ExecutionResult({"room": None}), "trace", cursor="c1", cost={"actual": 1}
    )
    assert json.loads(result.encoded) == {
        "data": {"room": None},
        "extensions": {"cost": {"actual": 1}},
    }
    assert (result.data, result.cursor, result.status) == (b'{"room":null}', "c1", 200)


def test_data_with_errors_are_not_offered_for_caching() -> None:
    result = execution_result(ExecutionResult({"room": None}, [GraphQLError("off")]), "trace")
    assert result.data is None
    assert "errors" in json.loads(result.encoded)


async def test_cost_is_unknown_until_points_are_held() -> None:
    charge = Charge(CallerLimiter(), CALLER)
    assert format_cost(charge) is None
    await charge.hold(10)
    cost = format_cost(charge)
    assert cost is not None
    assert cost["requested"] == 10
