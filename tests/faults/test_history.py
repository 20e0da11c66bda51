from pathlib import Path

from tests.faults.history import Fault, Read, dumps, load, loads, save, time_of
from tests.faults.model import clean_history


def test_history_round_trips_through_a_file(tmp_path: Path) -> None:
    history = [*clean_history(3), Fault("kill", 1.0)]
    save(history, tmp_path / "history.jsonl")
    assert load(tmp_path / "history.jsonl") == history


def test_each_record_is_one_line_with_its_type() -> None:
    read = Read("reader", "a", "RM1", "name", 1.0, 2.0, None)
    assert dumps([read]).startswith(b'{"is":"read","client":"reader"')
    assert dumps([read]).count(b"\n") == 1
    assert loads(dumps([read])) == [read]


def test_record_with_a_duration_is_ordered_by_its_start() -> None:
    assert time_of(Read("reader", "a", "RM1", "sid", 1.0, 2.0, None)) == 1.0
    assert time_of(Fault("kill", 3.0)) == 3.0
