import json
from dataclasses import fields
from typing import Any

import pytest

from gateway.core.sids import RoomSid
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)
from gateway.twilio.wire.transcriptions import (
    configuration_json,
    create_transcription,
    fetch_transcription,
    update_transcription,
)
from tests.twilio.wire.documents import OPERATIONS, answer

ROOM, TTID = RoomSid("RM" + "0" * 32), Ttid("video_extension_1")
FULL = TranscriptionsConfiguration(
    transcription_engine="google",
    speech_model="telephony",
    language_code="en-US",
    partial_results=True,
    profanity_filter=False,
    hints=("one", "two, three"),
    enable_automatic_punctuation=True,
)


def configuration(said: object) -> TranscriptionsConfiguration | None:
    resource = OPERATIONS["FetchRoomTranscriptions"].resource() | {"configuration": said}
    return fetch_transcription(ROOM, TTID).read(answer(resource)).configuration


def test_all_seven_keys_are_sent_and_come_back() -> None:
    sent = json.loads(configuration_json(FULL))

    assert len(sent) == len(fields(FULL)) == 7
    assert configuration(sent) == FULL


def test_values_come_back_as_text_too() -> None:
    sent = json.loads(configuration_json(FULL))
    as_text = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in sent.items()
    }

    assert as_text["partialResults"] == "true"
    assert configuration(as_text) == FULL


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"hints": "one, two"}, {"hints": ("one", "two")}),
        ({"hints": ""}, {"hints": ()}),
        ({"partialResults": "maybe"}, {}),
        ({"partialResults": "TRUE"}, {"partial_results": True}),
        ({"brandNew": 1}, {}),
        ({"languageCode": None}, {}),
    ],
)
def test_odd_values_are_borne(said: dict[str, Any], expected: dict[str, Any]) -> None:
    assert configuration(said) == TranscriptionsConfiguration(**expected)


def test_a_transcription_may_begin_with_the_engines_defaults() -> None:
    assert create_transcription(ROOM).form == ()
    assert create_transcription(ROOM, TranscriptionsConfiguration(language_code="de-DE")).form == (
        ("Configuration", '{"languageCode":"de-DE"}'),
    )


def test_a_change_sends_what_is_to_change() -> None:
    assert update_transcription(
        ROOM, TTID, TranscriptionUpdate(status=TranscriptionStatus.STARTED)
    ).form == (("Status", "started"),)
