import json

import pytest

from gateway.core.errors import Code, GatewayError, NotFound, QuotaExceeded
from gateway.gql.execution.errors import HTTP_STATUS
from gateway.web.errors import error_response


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_status(code: Code) -> None:
    assert 400 <= HTTP_STATUS[code] < 600


@pytest.mark.parametrize("error", GatewayError.__subclasses__())
def test_body_has_code_and_message(error: type[GatewayError]) -> None:
    reply = error_response(error("a message"))
    assert isinstance(reply.body, bytes)
    assert reply.status == HTTP_STATUS[error.code]
    assert json.loads(reply.body) == {"code": error.code, "message": "a message"}


@pytest.mark.parametrize(("ms", "seconds"), [(1, "1"), (1000, "1"), (1001, "2"), (0, "0")])
def test_retry_after_is_rounded_up_to_seconds(ms: int, seconds: str) -> None:
    assert (
        error_response(QuotaExceeded("retry later", retry_after_ms=ms)).headers["Retry-After"]
        == seconds
    )


def test_no_retry_after_header_without_a_time() -> None:
    assert "Retry-After" not in error_response(NotFound("no such room")).headers
