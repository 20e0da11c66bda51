import pytest

from gateway.app.server import bind
from tests.cli.conftest import run


@pytest.mark.parametrize("option", ["--http-port", "--sandbox-port"])
def test_a_port_in_use_is_an_error(option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        code, _, err = run("dev", option, str(taken.getsockname()[1]))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err


def test_api_keys_of_the_environment_are_ignored_with_a_warning() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        _, out, err = run("dev", "--http-port", port, GATEWAY_API_KEYS="[]")
    assert "GATEWAY_API_KEYS is ignored" in out + err


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("GATEWAY_READ_QUOTA", "lots", "GATEWAY_READ_QUOTA: "),
        ("GATEWAY_ALLOWED_ORIGINS", "[lots", "GATEWAY_ALLOWED_ORIGINS: "),
        ("GATEWAY_ALLOWED_ORIGINS", "lots", "GATEWAY_ALLOWED_ORIGINS[0]: "),
    ],
)
def test_an_invalid_variable_is_named(variable: str, value: str, named: str) -> None:
    code, _, err = run("dev", "--http-port", "0", "--sandbox-port", "0", **{variable: value})
    assert code == 2
    assert named in err
    assert "Traceback" not in err
