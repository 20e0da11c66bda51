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
from tests.twilio.wire.documents import OPERATIONS, response

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


def configuration(document: object) -> TranscriptionsConfiguration | None:
    resource = OPERATIONS["FetchRoomTranscriptions"].resource() | {"configuration": document}
    return fetch_transcription(ROOM, TTID).read(response(resource)).configuration


def test_configuration_is_sent_and_read_back() -> None:
    sent = json.loads(configuration_json(FULL))

    assert len(sent) == len(fields(FULL)) == 7
    assert configuration(sent) == FULL


def test_configuration_values_may_be_text() -> None:
    sent = json.loads(configuration_json(FULL))
    as_text = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in sent.items()
    }

    assert as_text["partialResults"] == "true"
    assert configuration(as_text) == FULL


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"hints": "one, two"}, {"hints": ("one", "two")}),
        ({"hints": ""}, {"hints": ()}),
        ({"partialResults": "maybe"}, {}),
        ({"partialResults": "TRUE"}, {"partial_results": True}),
        ({"brandNew": 1}, {}),
        ({"languageCode": None}, {}),
    ],
)
def test_unexpected_configuration_values_are_tolerated(
    document: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert configuration(document) == TranscriptionsConfiguration(**expected)


def test_create_transcription_with_and_without_configuration() -> None:
    assert create_transcription(ROOM).form == ()
    assert create_transcription(ROOM, TranscriptionsConfiguration(language_code="de-DE")).form == (
        ("Configuration", '{"languageCode":"de-DE"}'),
    )


def test_update_transcription_sends_the_status() -> None:
    assert update_transcription(
        ROOM, TTID, TranscriptionUpdate(status=TranscriptionStatus.STARTED)
    ).form == (("Status", "started"),)
