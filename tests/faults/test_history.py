from pathlib import Path

from tests.faults.history import Fault, Read, dumps, load, loads, moment, save
from tests.faults.model import clean


def test_history_round_trips_through_a_file(tmp_path: Path) -> None:
    story = [*clean(3), Fault("kill", 1.0)]
    save(story, tmp_path / "history.jsonl")
    assert load(tmp_path / "history.jsonl") == story


def test_each_record_is_one_line_with_its_type() -> None:
    read = Read("reader", "a", "RM1", "name", 1.0, 2.0, None)
    assert dumps([read]).startswith(b'{"is":"read","client":"reader"')
    assert dumps([read]).count(b"\n") == 1
    assert loads(dumps([read])) == [read]


def test_record_with_a_duration_is_ordered_by_its_start() -> None:
    assert moment(Read("reader", "a", "RM1", "sid", 1.0, 2.0, None)) == 1.0
    assert moment(Fault("kill", 3.0)) == 3.0
