import re
from dataclasses import replace

import pytest

from gateway.sandbox.world.model import (
    RECORD_NOTHING,
    Participant,
    ParticipantStatus,
    Recording,
    RecordingStatus,
    Room,
    RoomSettings,
    Rules,
    TrackKind,
    Transcription,
    TranscriptionStatus,
    new_ordinal,
    new_sid,
)
from tests.sandbox.conftest import moment

RULES = Rules(RECORD_NOTHING)
ADA = Participant("PA1", 0, "Ada", moment(), moment().wall)


def room(*participants: Participant) -> Room:
    return Room(
        "RM1",
        "AC1",
        1,
        RoomSettings(),
        moment(),
        moment().wall,
        None,
        RULES,
        participants=participants,
    )


def test_a_sid_has_twilios_form_and_never_repeats() -> None:
    sids = {new_sid("RM") for _ in range(100)}

    assert len(sids) == 100
    assert all(re.fullmatch(r"RM[0-9a-f]{32}", sid) for sid in sids)


def test_a_room_without_a_name_is_called_by_its_sid() -> None:
    assert room().name == "RM1"


def test_an_identity_finds_only_who_is_connected_and_a_sid_finds_everybody() -> None:
    gone = replace(ADA, left_at=moment(5).wall)

    assert room(ADA).participant("Ada") == ADA
    assert room(gone).participant("Ada") is None
    assert room(gone).participant("PA1") == gone


def test_a_duration_is_known_only_after_the_end() -> None:
    gone = replace(ADA, left_at=moment(61.9).wall)

    assert (ADA.status, ADA.duration_s) == (ParticipantStatus.CONNECTED, None)
    assert (gone.status, gone.duration_s) == (ParticipantStatus.DISCONNECTED, 61)
    assert replace(room(), ended=moment(300)).duration_s == 300


def test_ordinals_grow() -> None:
    assert new_ordinal() < new_ordinal() < new_ordinal()


def test_who_is_reconnecting_is_still_there() -> None:
    lost = replace(ADA, is_reconnecting=True)

    assert lost.status is ParticipantStatus.RECONNECTING
    assert room(lost).participant("Ada") == lost
    assert list(room(lost).connected()) == [lost]


@pytest.mark.parametrize(("seconds", "duration"), [(0.2, 1), (1.4, 1), (1.6, 2), (90, 90)])
def test_a_recording_is_measured_to_the_nearest_second_and_never_shorter_than_one(
    seconds: float, duration: int
) -> None:
    running = Recording("RT1", 1, "PA1", "MT1", "cam", TrackKind.VIDEO, "VP8", moment().wall)
    stopped = replace(running, stopped=moment(seconds))
    done = replace(stopped, status=RecordingStatus.COMPLETED)

    assert [each.duration_s for each in (running, stopped, done)] == [0, 0, duration]
    assert (done.size, done.container, running.has_media, done.has_media) == (
        90_000 * duration,
        "mkv",
        False,
        True,
    )
    assert replace(done, status=RecordingStatus.DELETED).duration_s == duration


def test_a_transcription_has_a_duration_once_it_has_stopped() -> None:
    started = Transcription(
        "t", 1, "CA1", TranscriptionStatus.STARTED, {}, moment().wall, moment().wall
    )

    assert (started.duration_s, replace(started, ended_at=moment(7).wall).duration_s) == (None, 7)
