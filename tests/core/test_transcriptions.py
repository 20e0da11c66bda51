import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.transcriptions import TranscriptionsConfiguration


def test_everything_may_be_left_to_the_engine() -> None:
    assert TranscriptionsConfiguration().hints is None


def test_500_hints_of_100_characters_are_taken() -> None:
    hints = ("é" * 100,) * 500

    assert TranscriptionsConfiguration(hints=hints).hints == hints


@pytest.mark.parametrize(
    ("hints", "complaint"), [(("x",) * 501, "501 phrases; give up to 500"), (("ok", "x" * 101), "longer than 100")]
)
def test_more_or_longer_hints_are_refused_with_advice(hints: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        TranscriptionsConfiguration(hints=hints)
