import json
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import logs


@pytest.fixture(autouse=True)
def _restore_logs() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "", "standard output is for the results of a command"
    return list(err.splitlines())


def test_json_logs_have_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(is_json=True)
    structlog.get_logger().warning("tail.lost", reason="Redis gave no answer\nat all")
    [line] = written(capsys)
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "tail.lost",
        "level": "warning",
        "reason": "Redis gave no answer\nat all",
    }


def test_text_logs_have_no_colours_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(is_json=False)
    structlog.get_logger().warning("tail.lost", reason="silence")
    [line] = written(capsys)
    assert "tail.lost" in line
    assert "\x1b" not in line


def test_debug_messages_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(is_json=True)
    structlog.get_logger().debug("quiet")
    assert written(capsys) == []


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(is_json=True)
    try:
        raise ValueError("off")
    except ValueError:
        structlog.get_logger().exception("bug")
    [line] = written(capsys)
    assert "ValueError: off" in json.loads(line)["exception"]
