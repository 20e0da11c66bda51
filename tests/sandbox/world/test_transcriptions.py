from collections.abc import Callable

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rooms, transcriptions
from gateway.sandbox.world.model import Room, RoomSettings, Transcription, TranscriptionStatus
from tests.sandbox.conftest import moment

STARTED, STOPPED, FAILED = TranscriptionStatus


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), moment()).room  # type: ignore[arg-type]


def of(room: Room) -> Transcription:
    assert room.transcription
    return room.transcription


def code_of(act: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        act()
    return caught.value.code


def test_it_is_started_when_it_is_created_and_there_is_one_a_room() -> None:
    room = transcriptions.create(new_room(), {"languageCode": "en-US"}, moment(1)).room
    made = of(room)

    assert (made.status, made.started_at, made.ended_at, made.updated_at) == (
        STARTED,
        moment(1).wall,
        None,
        None,
    )
    assert (made.ttid.startswith("video_extension_"), made.source_sid[:2]) == (True, "CA")
    assert code_of(lambda: transcriptions.create(room, {}, moment(2))) == 20001


def test_it_stops_and_starts_again() -> None:
    room = transcriptions.create(new_room(), {}, moment()).room
    stopped = transcriptions.update(room, STOPPED, None, moment(10)).room
    again = transcriptions.update(stopped, STARTED, None, moment(60)).room

    assert (of(stopped).status, of(stopped).duration_s, of(stopped).updated_at) == (
        STOPPED,
        10,
        moment(10).wall,
    )
    assert (of(again).status, of(again).duration_s, of(again).started_at) == (
        STARTED,
        None,
        moment(60).wall,
    )
    assert of(again).ttid == of(room).ttid


def test_the_status_that_it_has_changes_nothing() -> None:
    room = transcriptions.create(new_room(), {}, moment()).room
    stopped = transcriptions.update(room, STOPPED, None, moment(10)).room

    assert transcriptions.update(room, STARTED, None, moment(5)).room == room
    assert transcriptions.update(stopped, STOPPED, None, moment(20)).room == stopped
    assert transcriptions.update(room, None, None, moment(5)).room == room


def test_a_configuration_changes_what_it_names() -> None:
    room = transcriptions.create(
        new_room(), {"languageCode": "en-US", "partialResults": "true"}, moment()
    ).room
    changed = transcriptions.update(room, None, {"languageCode": "de-DE"}, moment(3)).room

    assert of(changed).configuration == {"languageCode": "de-DE", "partialResults": "true"}
    assert (of(changed).status, of(changed).updated_at) == (STARTED, moment(3).wall)


def test_a_failed_one_cannot_be_started_again() -> None:
    room = transcriptions.fail(transcriptions.create(new_room(), {}, moment()).room, moment(4)).room

    assert (of(room).status, of(room).duration_s) == (FAILED, 4)
    assert code_of(lambda: transcriptions.update(room, STARTED, None, moment(5))) == 20001
    assert code_of(lambda: transcriptions.update(room, STOPPED, None, moment(5))) == 20001
    assert transcriptions.fail(room, moment(6)).room == room
    assert transcriptions.fail(new_room(), moment(6)).events == []


def test_it_ends_with_its_room() -> None:
    room = transcriptions.create(new_room(), {}, moment()).room
    ended = rooms.complete(room, moment(9)).room

    assert (of(ended).status, of(ended).duration_s) == (STOPPED, 9)
    assert code_of(lambda: transcriptions.update(ended, STARTED, None, moment(10))) == 53118
    assert (
        code_of(
            lambda: transcriptions.create(rooms.complete(new_room(), moment()).room, {}, moment())
        )
        == 53118
    )


@pytest.mark.parametrize(("may_transcribe", "status"), [(True, STARTED), (False, FAILED)])
def test_it_begins_with_the_first_participant_where_the_room_asks_for_it(
    may_transcribe: bool, status: TranscriptionStatus
) -> None:
    room = new_room(is_transcribed_on_connect=True, transcription={"languageCode": "fr-FR"})
    first = rooms.join(room, "Ada", (), moment(1), may_transcribe=may_transcribe).room
    second = rooms.join(first, "Ivo", (), moment(2)).room

    assert room.transcription is None
    assert (of(first).status, of(first).configuration) == (status, {"languageCode": "fr-FR"})
    assert second.transcription == first.transcription
    assert rooms.join(new_room(), "Ada", (), moment()).room.transcription is None


def test_a_stranger_to_transcriptions_has_none_to_update() -> None:
    with pytest.raises(LookupError):
        transcriptions.update(new_room(), STOPPED, None, moment())
