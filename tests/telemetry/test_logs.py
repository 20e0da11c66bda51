import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import logs as telemetry


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "", "standard output is for what was asked for"
    return list(err.splitlines())


def test_machines_get_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure(is_json=True)
    structlog.get_logger().warning("tail.lost", reason="Redis gave no answer\nat all")
    [line] = written(capsys)
    said = json.loads(line)
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "event": "tail.lost",
        "level": "warning",
        "reason": "Redis gave no answer\nat all",
    }


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure(is_json=False)
    structlog.get_logger().warning("tail.lost", reason="silence")
    [line] = written(capsys)
    assert "tail.lost" in line
    assert "\x1b" not in line, "no colours where there is no terminal"


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure(is_json=True, level=logging.WARNING)
    structlog.get_logger().info("quiet")
    assert written(capsys) == []


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure(is_json=True)
    try:
        raise ValueError("off")
    except ValueError:
        structlog.get_logger().exception("bug")
    [line] = written(capsys)
    assert "ValueError: off" in json.loads(line)["exception"]
