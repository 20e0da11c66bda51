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
from tests.sandbox.conftest import instant

RULES = Rules(RECORD_NOTHING)
ADA = Participant("PA1", 0, "Ada", instant(), instant().wall)


def room(*participants: Participant) -> Room:
    return Room(
        "RM1",
        "AC1",
        1,
        RoomSettings(),
        instant(),
        instant().wall,
        None,
        RULES,
        participants=participants,
    )


def test_sid_has_twilios_form_and_never_repeats() -> None:
    sids = {new_sid("RM") for _ in range(100)}

    assert len(sids) == 100
    assert all(re.fullmatch(r"RM[0-9a-f]{32}", sid) for sid in sids)


def test_name_of_an_unnamed_room_is_its_sid() -> None:
    assert room().name == "RM1"


def test_identity_finds_only_connected_participants_and_sid_finds_all() -> None:
    left = replace(ADA, left_at=instant(5).wall)

    assert room(ADA).participant("Ada") == ADA
    assert room(left).participant("Ada") is None
    assert room(left).participant("PA1") == left


def test_duration_is_known_only_after_the_end() -> None:
    left = replace(ADA, left_at=instant(61.9).wall)

    assert (ADA.status, ADA.duration_s) == (ParticipantStatus.CONNECTED, None)
    assert (left.status, left.duration_s) == (ParticipantStatus.DISCONNECTED, 61)
    assert replace(room(), ended=instant(300)).duration_s == 300


def test_ordinals_increase() -> None:
    assert new_ordinal() < new_ordinal() < new_ordinal()


def test_reconnecting_participant_is_still_connected_to_the_room() -> None:
    reconnecting = replace(ADA, is_reconnecting=True)

    assert reconnecting.status is ParticipantStatus.RECONNECTING
    assert room(reconnecting).participant("Ada") == reconnecting
    assert list(room(reconnecting).connected()) == [reconnecting]


@pytest.mark.parametrize(("seconds", "duration"), [(0.2, 1), (1.4, 1), (1.6, 2), (90, 90)])
def test_recording_duration_is_rounded_and_at_least_one_second(
    seconds: float, duration: int
) -> None:
    running = Recording("RT1", 1, "PA1", "MT1", "cam", TrackKind.VIDEO, "VP8", instant().wall)
    stopped = replace(running, stopped=instant(seconds))
    completed = replace(stopped, status=RecordingStatus.COMPLETED)

    assert [recording.duration_s for recording in (running, stopped, completed)] == [0, 0, duration]
    assert (completed.size, completed.container, running.has_media, completed.has_media) == (
        90_000 * duration,
        "mkv",
        False,
        True,
    )
    assert replace(completed, status=RecordingStatus.DELETED).duration_s == duration


def test_transcription_has_a_duration_after_it_stops() -> None:
    started = Transcription(
        "t", 1, "CA1", TranscriptionStatus.STARTED, {}, instant().wall, instant().wall
    )

    assert (started.duration_s, replace(started, ended_at=instant(7).wall).duration_s) == (None, 7)
