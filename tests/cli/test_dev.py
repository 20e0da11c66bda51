import pytest

from gateway.app.server import bind
from tests.cli.conftest import run


@pytest.mark.parametrize("option", ["--http-port", "--sandbox-port"])
def test_a_port_in_use_is_an_error(option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        code, _, err = run("dev", option, str(taken.getsockname()[1]))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err


@pytest.mark.parametrize("variable", ["GATEWAY_READ_QUOTA", "GATEWAY_ALLOWED_ORIGINS"])
def test_an_invalid_variable_is_named(variable: str) -> None:
    code, _, err = run("dev", "--http-port", "0", "--sandbox-port", "0", **{variable: "lots"})
    assert code == 2
    assert f"{variable}: " in err
    assert "Traceback" not in err
