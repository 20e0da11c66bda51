import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    checked_ttid,
    is_ttid,
)


def test_every_setting_is_optional() -> None:
    assert TranscriptionsConfiguration().hints is None


def test_500_hints_of_100_characters_are_accepted() -> None:
    hints = ("é" * 100,) * 500

    assert TranscriptionsConfiguration(hints=hints).hints == hints


@pytest.mark.parametrize(
    ("hints", "complaint"),
    [
        (("x",) * 501, "501 phrases; give up to 500"),
        (("ok", "x" * 101), r"hints\[1\] has 101"),
    ],
)
def test_more_or_longer_hints_are_refused_with_advice(
    hints: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        TranscriptionsConfiguration(hints=hints)


@pytest.mark.parametrize("part", ["transcription_engine", "speech_model", "language_code"])
@pytest.mark.parametrize("text", ["", "en\n", "x" * 129])
def test_an_invalid_setting_is_refused_with_advice(part: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"leave it out|remove it|give one with up to"):
        TranscriptionsConfiguration(**{part: text})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ttid", ["video_extension_2c70be23-4788-423d-9351-df6705efa035", "x", "A" * 128]
)
def test_a_ttid_is_opaque(ttid: str) -> None:
    assert checked_ttid(ttid) == ttid


@pytest.mark.parametrize("ttid", ["", "..", "a/b", "a.b", "a b", "a%2fb", "x\n", "é", "x" * 129])
def test_a_ttid_that_does_not_fit_into_a_path_is_refused(ttid: str) -> None:
    assert not is_ttid(ttid)
    with pytest.raises(InvalidArgument, match="ttid"):
        checked_ttid(ttid)


def test_a_status_that_twilio_adds_later_is_unknown() -> None:
    assert TranscriptionStatus("created") is TranscriptionStatus.UNKNOWN


@pytest.mark.parametrize("status", [TranscriptionStatus.STARTED, TranscriptionStatus.STOPPED])
def test_a_transcription_is_started_and_stopped(status: TranscriptionStatus) -> None:
    assert TranscriptionUpdate(status=status).configuration is None


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (None, "the update is empty"),
        (TranscriptionStatus.FAILED, "status cannot be set to FAILED; give STARTED or STOPPED"),
        (TranscriptionStatus.UNKNOWN, "status cannot be set to UNKNOWN"),
    ],
)
def test_an_invalid_update_is_refused_with_advice(
    status: TranscriptionStatus | None, complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        TranscriptionUpdate(status=status)
