from gateway.app.server import bind
from tests.cli.conftest import run


def test_a_port_in_use_is_an_error() -> None:
    with bind("127.0.0.1", 0) as taken:
        code, _, err = run("sandbox", "--sandbox-port", str(taken.getsockname()[1]))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err
