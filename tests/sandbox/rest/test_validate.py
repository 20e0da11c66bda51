import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form
from gateway.sandbox.rest import validate
from gateway.sandbox.world.model import RoomSettings, RoomType, Rule, TrackKind


def settings(**params: str | list[str]) -> RoomSettings:
    values = {name: value if isinstance(value, list) else [value] for name, value in params.items()}
    return validate.room_settings(Form(values))


def code_of(**params: str | list[str]) -> int:
    with pytest.raises(TwilioError) as caught:
        settings(**params)
    return caught.value.code


def test_default_room_is_a_group_room_of_50() -> None:
    assert settings() == RoomSettings()


def test_every_parameter_is_parsed() -> None:
    assert settings(
        UniqueName="DailyStandup",
        Type="group",
        StatusCallback="https://gw.example.com/callbacks/twilio#rc=5&rp=all",
        StatusCallbackMethod="GET",
        MaxParticipants="12",
        MaxParticipantDuration="600",
        EmptyRoomTimeout="60",
        UnusedRoomTimeout="1",
        RecordParticipantsOnConnect="true",
        RecordingRules='[{"type": "include", "kind": "audio"}]',
        VideoCodecs=["H264", "VP8"],
        MediaRegion="de1",
        AudioOnly="true",
        TranscribeParticipantsOnConnect="true",
        TranscriptionsConfiguration='{"languageCode": "en-US"}',
        LargeRoom="true",
        EnableTurn="false",
    ) == RoomSettings(
        "DailyStandup",
        RoomType.GROUP,
        "https://gw.example.com/callbacks/twilio#rc=5&rp=all",
        "GET",
        max_participants=12,
        max_participant_duration_s=600,
        empty_room_timeout_min=60,
        unused_room_timeout_min=1,
        is_recorded_on_connect=True,
        recording_rules=(Rule(True, TrackKind.AUDIO),),
        video_codecs=("H264", "VP8"),
        media_region="de1",
        is_audio_only=True,
        is_large=True,
        is_transcribed_on_connect=True,
        transcription={"languageCode": "en-US"},
    )


def test_unknown_and_misspelled_parameters_are_ignored() -> None:
    assert settings(unique_name="DailyStandup", Colour="red") == RoomSettings()


@pytest.mark.parametrize(
    ("room_type", "maximum"), [("group", 50), ("group-small", 4), ("peer-to-peer", 10), ("go", 2)]
)
def test_each_room_type_has_its_own_maximum_of_participants(room_type: str, maximum: int) -> None:
    assert settings(Type=room_type).max_participants == maximum
    assert settings(Type=room_type, MaxParticipants=str(maximum)).max_participants == maximum
    assert code_of(Type=room_type, MaxParticipants=str(maximum + 1)) == 53107


@pytest.mark.parametrize(
    ("code", "params"),
    [
        (53100, {"UniqueName": ""}),
        (53100, {"UniqueName": "  "}),
        (53101, {"UniqueName": "x" * 129}),
        (53102, {"UniqueName": "\udcff"}),
        (53102, {"UniqueName": "a\nb"}),
        (20001, {"MediaRegion": "\udcff"}),
        (53107, {"MaxParticipants": "0"}),
        (53107, {"MaxParticipants": "51"}),
        (53107, {"MaxParticipants": "many"}),
        (53108, {"Type": "huge"}),
        (53109, {"EmptyRoomTimeout": "0"}),
        (53109, {"EmptyRoomTimeout": "61"}),
        (53109, {"UnusedRoomTimeout": "soon"}),
        (53110, {"StatusCallbackMethod": "PUT"}),
        (53111, {"StatusCallback": "/relative"}),
        (53111, {"StatusCallback": "ftp://example.com/"}),
        (53111, {"StatusCallback": "http://exa mple.com/"}),
        (53111, {"StatusCallback": "http://[::1/"}),
        (53111, {"StatusCallback": "http://example.com:port/"}),
        (53111, {"StatusCallback": "http://example.com/" + "x" * 1005}),
        (53114, {"Type": "go", "RecordParticipantsOnConnect": "true"}),
        (53114, {"Type": "peer-to-peer", "RecordingRules": '[{"type": "include", "all": true}]'}),
        (53114, {"Type": "peer-to-peer", "VideoCodecs": "VP8"}),
        (53115, {"MediaRegion": "mars1"}),
        (53123, {"MaxParticipantDuration": "599"}),
        (53123, {"MaxParticipantDuration": "86401"}),
        (53124, {"Type": "group-small", "AudioOnly": "true"}),
        (20001, {"VideoCodecs": "AV1"}),
        (20001, {"AudioOnly": "maybe"}),
        (20001, {"EnableTurn": "maybe"}),
        (20001, {"TranscribeParticipantsOnConnect": "maybe"}),
        (20001, {"TranscriptionsConfiguration": "[]"}),
        (20001, {"TranscriptionsConfiguration": "{"}),
    ],
)
def test_invalid_parameter_gets_its_code(code: int, params: dict[str, str]) -> None:
    assert code_of(**params) == code


def test_longest_name_and_callback_url_are_accepted() -> None:
    url = "http://example.com/" + "x" * 1004
    accepted = settings(UniqueName="x" * 128, StatusCallback=url)

    assert (accepted.unique_name, accepted.status_callback) == ("x" * 128, url)


@pytest.mark.parametrize(
    "rules",
    [
        "no JSON",
        "[" * 100_000,
        "{}",
        "[]",
        json.dumps([{"type": "include", "all": True}] * 21),
        '["include"]',
        '[{"all": true}]',
        '[{"type": "maybe", "all": true}]',
        '[{"type": "include"}]',
        '[{"type": "include", "all": false}]',
        '[{"type": "include", "all": true, "kind": "audio"}]',
        '[{"type": "include", "kind": "data"}]',
        '[{"type": "include", "publisher": 5}]',
        '[{"type": "include", "colour": "red"}]',
    ],
)
def test_invalid_recording_rules_are_53120(rules: str) -> None:
    assert code_of(RecordingRules=rules) == 53120


def test_account_without_legacy_types_has_group_rooms_only() -> None:
    with pytest.raises(TwilioError) as caught:
        validate.room_settings(Form({"Type": ["go"]}), has_legacy_types=False)

    assert caught.value.code == 53126


@pytest.mark.parametrize(
    ("identity", "code"),
    [("", 53200), ("x" * 129, 53201), ("日" * 65, 53201), ("a\x00", 53202), ("\udcff", 53202)],
)
def test_invalid_identity_gets_its_code(identity: str, code: int) -> None:
    with pytest.raises(TwilioError) as caught:
        validate.check_identity(identity)

    assert caught.value.code == code


def test_double_byte_character_counts_twice() -> None:
    validate.check_identity("日" * 64)
    validate.check_identity("Zoë O'Neill + friends & co")


def configured(value: object) -> dict[str, str] | None:
    return validate.transcription(Form({"C": [json.dumps(value)]}), "C")


def test_configuration_values_become_strings() -> None:
    assert validate.transcription(Form(), "C") is None
    assert configured(
        {"partialResults": True, "profanityFilter": "false", "languageCode": "en-US", "n": 2.5}
    ) == {
        "partialResults": "true",
        "profanityFilter": "false",
        "languageCode": "en-US",
        "n": "2.5",
    }
    assert configured({"hints": ["a", " b "]}) == configured({"hints": "a, b"}) == {"hints": "a,b"}


def test_at_most_500_hints_of_100_characters_are_accepted() -> None:
    assert configured({"hints": ["x" * 100] * 500})
    invalid: list[object] = [["x"] * 501, ["x" * 101], "x," * 500 + "x", 5, [5], {}]
    for hints in invalid:
        with pytest.raises(TwilioError) as caught:
            configured({"hints": hints})
        assert caught.value.code == 20001


@pytest.mark.parametrize(
    "value",
    [
        [],
        "text",
        None,
        {"partialResults": "maybe"},
        {"profanityFilter": 1},
        {"transcriptionEngine": "abacus"},
        {"languageCode": None},
        {"languageCode": []},
        {"languageCode": "\ud800"},
        {"\ud800": "x"},
    ],
    ids=repr,
)
def test_invalid_configuration_is_20001(value: object) -> None:
    with pytest.raises(TwilioError) as caught:
        configured(value)
    assert caught.value.code == 20001


PARAMETERS = [
    "UniqueName", "Type", "StatusCallback", "StatusCallbackMethod", "MaxParticipants",
    "MaxParticipantDuration", "EmptyRoomTimeout", "UnusedRoomTimeout",
    "RecordParticipantsOnConnect", "RecordingRules", "VideoCodecs", "MediaRegion", "AudioOnly",
    "TranscribeParticipantsOnConnect", "TranscriptionsConfiguration", "LargeRoom", "EnableTurn",
    "Other",
]  # fmt: skip
ANY_TEXT = (
    st.text()
    | st.integers().map(str)
    | st.sampled_from(["true", "go", "[]", "{}", "\udc80", "http://[", "http://a:b"])
)


@given(
    st.dictionaries(
        st.sampled_from(PARAMETERS), st.lists(ANY_TEXT, min_size=1, max_size=2), max_size=4
    )
)
@hypothesis_settings(max_examples=50, deadline=None)
def test_any_form_gives_settings_or_an_error_code(values: dict[str, list[str]]) -> None:
    def status() -> int:
        try:
            validate.room_settings(Form(values))
        except TwilioError as exc:
            return exc.status
        return 201

    assert status() in (201, 400)
