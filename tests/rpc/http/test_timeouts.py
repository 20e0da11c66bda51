from collections.abc import Callable

import pytest

from gateway.core.errors import InvalidArgument
from gateway.rpc.http.timeouts import parse_connect_timeout, parse_grpc_timeout


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("1500", 1.5), ("0", 0.0), ("9999999999", 9_999_999.999)]
)
def test_connect_has_milliseconds(header: str | None, seconds: float | None) -> None:
    assert parse_connect_timeout(header) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("2H", 7200.0),
        ("2M", 120.0),
        ("2S", 2.0),
        ("2m", 0.002),
        ("2u", 2e-6),
        ("2n", 2e-9),
        ("99999999S", 99_999_999.0),
    ],
)
def test_grpc_has_a_number_and_a_unit(header: str | None, seconds: float | None) -> None:
    assert parse_grpc_timeout(header) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("parse", "header"),
    [
        *(
            (parse_connect_timeout, header)
            for header in ("", "-1", "1.5", "1s", "10000000000", "١")
        ),
        *((parse_grpc_timeout, text) for text in ("", "-1S", "5", "S", "5s", "1" * 9 + "S")),
    ],
)
def test_another_text_is_an_invalid_argument(
    parse: Callable[[str], float | None], header: str
) -> None:
    with pytest.raises(InvalidArgument, match="is not a timeout: send"):
        parse(header)
