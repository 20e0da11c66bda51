import json

import pytest

from gateway.core.errors import Code, GatewayError, NotFound, QuotaExceeded
from gateway.web.errors import HTTP_STATUS, response


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_status(code: Code) -> None:
    assert 400 <= HTTP_STATUS[code] < 600


@pytest.mark.parametrize("error", GatewayError.__subclasses__())
def test_an_error_is_its_code_and_its_sentence(error: type[GatewayError]) -> None:
    reply = response(error("a sentence"))
    assert isinstance(reply.body, bytes)
    assert reply.status == HTTP_STATUS[error.code]
    assert json.loads(reply.body) == {"code": error.code, "message": "a sentence"}


@pytest.mark.parametrize(("ms", "seconds"), [(1, "1"), (1000, "1"), (1001, "2"), (0, "0")])
def test_a_wait_is_told_in_whole_seconds_never_too_short(ms: int, seconds: str) -> None:
    assert response(QuotaExceeded("later", retry_after_ms=ms)).headers["Retry-After"] == seconds


def test_without_a_wait_there_is_no_header() -> None:
    assert "Retry-After" not in response(NotFound("no such room")).headers
