from collections.abc import Callable

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rooms, transcriptions
from gateway.sandbox.world.model import Room, RoomSettings, Transcription, TranscriptionStatus
from tests.sandbox.conftest import instant

STARTED, STOPPED, FAILED = TranscriptionStatus


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), instant()).room  # type: ignore[arg-type]


def of(room: Room) -> Transcription:
    assert room.transcription
    return room.transcription


def code_of(action: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        action()
    return caught.value.code


def test_new_transcription_is_started_and_the_only_one_of_its_room() -> None:
    room = transcriptions.create(new_room(), {"languageCode": "en-US"}, instant(1)).room
    created = of(room)

    assert (created.status, created.started_at, created.ended_at, created.updated_at) == (
        STARTED,
        instant(1).wall,
        None,
        None,
    )
    assert (created.ttid.startswith("video_extension_"), created.source_sid[:2]) == (True, "CA")
    assert code_of(lambda: transcriptions.create(room, {}, instant(2))) == 20001


def test_transcription_stops_and_starts_again_with_the_same_ttid() -> None:
    room = transcriptions.create(new_room(), {}, instant()).room
    stopped = transcriptions.update(room, STOPPED, None, instant(10)).room
    restarted = transcriptions.update(stopped, STARTED, None, instant(60)).room

    assert (of(stopped).status, of(stopped).duration_s, of(stopped).updated_at) == (
        STOPPED,
        10,
        instant(10).wall,
    )
    assert (of(restarted).status, of(restarted).duration_s, of(restarted).started_at) == (
        STARTED,
        None,
        instant(60).wall,
    )
    assert of(restarted).ttid == of(room).ttid


def test_setting_the_present_status_changes_nothing() -> None:
    room = transcriptions.create(new_room(), {}, instant()).room
    stopped = transcriptions.update(room, STOPPED, None, instant(10)).room

    assert transcriptions.update(room, STARTED, None, instant(5)).room == room
    assert transcriptions.update(stopped, STOPPED, None, instant(20)).room == stopped
    assert transcriptions.update(room, None, None, instant(5)).room == room


def test_configuration_update_changes_only_named_properties() -> None:
    room = transcriptions.create(
        new_room(), {"languageCode": "en-US", "partialResults": "true"}, instant()
    ).room
    changed = transcriptions.update(room, None, {"languageCode": "de-DE"}, instant(3)).room

    assert of(changed).configuration == {"languageCode": "de-DE", "partialResults": "true"}
    assert (of(changed).status, of(changed).updated_at) == (STARTED, instant(3).wall)


def test_failed_transcription_refuses_a_new_status() -> None:
    room = transcriptions.fail(
        transcriptions.create(new_room(), {}, instant()).room, instant(4)
    ).room

    assert (of(room).status, of(room).duration_s) == (FAILED, 4)
    assert code_of(lambda: transcriptions.update(room, STARTED, None, instant(5))) == 20001
    assert code_of(lambda: transcriptions.update(room, STOPPED, None, instant(5))) == 20001
    assert transcriptions.fail(room, instant(6)).room == room
    assert transcriptions.fail(new_room(), instant(6)).events == []


def test_transcription_stops_when_its_room_ends() -> None:
    room = transcriptions.create(new_room(), {}, instant()).room
    ended = rooms.complete(room, instant(9)).room

    assert (of(ended).status, of(ended).duration_s) == (STOPPED, 9)
    assert code_of(lambda: transcriptions.update(ended, STARTED, None, instant(10))) == 53118
    assert (
        code_of(
            lambda: transcriptions.create(rooms.complete(new_room(), instant()).room, {}, instant())
        )
        == 53118
    )


@pytest.mark.parametrize(("may_transcribe", "status"), [(True, STARTED), (False, FAILED)])
def test_transcribe_on_connect_starts_or_fails_with_the_first_participant(
    may_transcribe: bool, status: TranscriptionStatus
) -> None:
    room = new_room(is_transcribed_on_connect=True, transcription={"languageCode": "fr-FR"})
    first = rooms.join(room, "Ada", (), instant(1), may_transcribe=may_transcribe).room
    second = rooms.join(first, "Ivo", (), instant(2)).room

    assert room.transcription is None
    assert (of(first).status, of(first).configuration) == (status, {"languageCode": "fr-FR"})
    assert second.transcription == first.transcription
    assert rooms.join(new_room(), "Ada", (), instant()).room.transcription is None


def test_update_without_a_transcription_raises_lookup_error() -> None:
    with pytest.raises(LookupError):
        transcriptions.update(new_room(), STOPPED, None, instant())
