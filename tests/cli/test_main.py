import gc

import pytest

from gateway.app.process_memory import COLLECTION_THRESHOLDS
from gateway.cli.main import main
from tests.cli.conftest import run


def test_without_a_command_the_commands_are_listed() -> None:
    _, out, err = run()
    for command in ("dev", "serve", "sandbox", "schema", "keys"):
        assert command in out + err


def test_main_shortens_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    monkeypatch.setattr("sys.argv", ["rooms-gateway", "schema"])
    try:
        with pytest.raises(SystemExit) as exit_:
            main()
        assert exit_.value.code == 0
        assert gc.get_threshold() == COLLECTION_THRESHOLDS
    finally:
        gc.set_threshold(*before)
