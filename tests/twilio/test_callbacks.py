import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import InvalidArgument
from gateway.core.events import (
    NUMBER_LIMITS,
    RoomEventSource,
    RoomEventType,
    TrackKind,
    creation_key,
)
from gateway.core.rooms import RoomStatus, RoomType
from gateway.twilio.callbacks import FIELDS, Age, Callback, Ignored, age_of, callback_url, parse
from gateway.twilio.signature import signed_text

NOW = datetime(2026, 1, 2, 3, 4, 10, tzinfo=UTC)
AT = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
ROOM = "RM00112233445566778899aabbccddeeff"
OTHER_ROOM = "RMffffffffffffffffffffffffffffffff"
PARTICIPANT = "PAffeeddccbbaa99887766554433221100"
TRACK = "MTffeeddccbbaa99887766554433221100"
RECORDING = "RTffeeddccbbaa99887766554433221100"

COMMON = {
    "AccountSid": ACCOUNT,
    "RoomName": "DailyStandup",
    "RoomSid": ROOM,
    "RoomStatus": "in-progress",
    "RoomType": "group",
    "StatusCallbackEvent": "room-created",
    "Timestamp": "2026-01-02T03:04:05.006Z",
    "SequenceNumber": "3",
}
PERSON = {
    "ParticipantSid": PARTICIPANT,
    "ParticipantIdentity": "Zoë & co",
    "ParticipantStatus": "connected",
}
RECORDED = {
    "RecordingSid": RECORDING,
    "SourceSid": TRACK,
    "RecordingUri": f"/v1/Recordings/{RECORDING}",
    "TrackName": "mic",
    "Type": "audio",
    "Container": "mka",
    "Codec": "OPUS",
    "OffsetFromTwilioVideoEpoch": "12345",
}
DONE = {
    "MediaUri": f"/v1/Recordings/{RECORDING}/Media",
    "Duration": "61",
    "Size": "5000000000",
    "MediaExternalLocation": "https://bucket.example.com/x",
}

NUMBERS = {
    "SequenceNumber": "sequence_number",
    "RoomDuration": "room_duration",
    "ParticipantDuration": "participant_duration",
    "OffsetFromTwilioVideoEpoch": "offset_ms",
    "Duration": "recording_duration",
    "Size": "recording_size",
}


def form(event: str = "room-created", **fields: str) -> list[tuple[str, str]]:
    return list((COMMON | {"StatusCallbackEvent": event} | fields).items())


def without(fields: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [field for field in fields if field[0] != name]


def full(event: RoomEventType) -> list[tuple[str, str]]:
    everything = (
        COMMON
        | PERSON
        | RECORDED
        | DONE
        | {"TrackSid": TRACK, "TrackKind": "video", "RoomDuration": "300"}
    )
    everything |= {
        "ParticipantDuration": "61",
        "FailedOperation": "RecordingUpload",
        "StatusCallbackEvent": event,
    }
    return [(name, value) for name, value in everything.items() if name in FIELDS[event]]


def parsed(fields: list[tuple[str, str]], now: datetime = NOW) -> Callback:
    callback = parse(fields, now)
    assert isinstance(callback, Callback)
    return callback


def test_all_events_of_twilio_are_supported() -> None:
    assert set(FIELDS) == set(RoomEventType) - {RoomEventType.ROOM_CHANGED}


@pytest.mark.parametrize("event", FIELDS)
def test_event_with_all_its_fields_is_parsed(event: RoomEventType) -> None:
    callback = parsed(full(event))

    assert (callback.event.type, callback.event.account_sid, callback.event.room_sid) == (
        event,
        ACCOUNT,
        ROOM,
    )
    assert (callback.event.event_time, callback.event.source, callback.event.late) == (
        AT,
        RoomEventSource.CALLBACK,
        False,
    )
    assert callback.age is Age.ON_TIME


def test_room_ended_has_duration_and_status() -> None:
    event = parsed(form("room-ended", RoomStatus="completed", RoomDuration="300")).event

    assert (event.room_status, event.room_duration) == (RoomStatus.COMPLETED, 300)
    assert (event.room_name, event.room_type, event.sequence_number) == (
        "DailyStandup",
        RoomType.GROUP,
        3,
    )


def test_participant_disconnected_has_identity_and_duration() -> None:
    event = parsed(form("participant-disconnected", **PERSON, ParticipantDuration="61")).event

    assert (event.participant_sid, event.participant_identity) == (PARTICIPANT, "Zoë & co")
    assert (event.participant_status, event.participant_duration) == ("connected", 61)


@pytest.mark.parametrize(
    "word", ["track-added", "track-removed", "track-enabled", "track-disabled"]
)
def test_track_event_has_kind_and_name(word: str) -> None:
    event = parsed(form(word, **PERSON, TrackSid=TRACK, TrackKind="video", TrackName="cam")).event

    assert (event.track_sid, event.track_kind, event.track_name) == (TRACK, TrackKind.VIDEO, "cam")


def test_recording_completed_has_all_its_fields() -> None:
    event = parsed(full(RoomEventType.RECORDING_COMPLETED)).event

    assert (event.recording_sid, event.source_sid, event.recording_uri) == (
        RECORDING,
        TRACK,
        RECORDED["RecordingUri"],
    )
    assert (event.container, event.codec, event.offset_ms) == ("mka", "OPUS", 12345)
    assert (event.track_kind, event.track_name) == (TrackKind.AUDIO, "mic")
    assert (event.media_uri, event.media_external_location) == (
        DONE["MediaUri"],
        DONE["MediaExternalLocation"],
    )
    assert (event.recording_duration, event.recording_size) == (61, 5_000_000_000)


def test_recording_failed_has_the_operation() -> None:
    assert parsed(full(RoomEventType.RECORDING_FAILED)).event.failed_operation == "RecordingUpload"


@pytest.mark.parametrize("blank", [[], [("ParticipantSid", "")]])
def test_recording_event_needs_no_participant(blank: list[tuple[str, str]]) -> None:
    fields = without(full(RoomEventType.RECORDING_STARTED), "ParticipantSid")

    assert parsed([*fields, *blank]).event.participant_sid is None


def test_fields_of_other_events_are_ignored() -> None:
    event = parsed(form("room-created", **PERSON, TrackSid=TRACK, RoomDuration="5")).event

    assert (
        event.participant_sid,
        event.participant_identity,
        event.track_sid,
        event.room_duration,
    ) == (None,) * 4


@pytest.mark.parametrize(
    "word",
    [
        "composition-started",
        "composition-available",
        "room-changed",
        "room-paused",
        "",
        "Room v2",
        "unknown",
    ],
)
def test_unknown_event_is_ignored(word: str) -> None:
    assert parse(form(word), NOW) == Ignored()


def test_ignored_event_needs_no_room() -> None:
    assert (
        parse([("AccountSid", ACCOUNT), ("StatusCallbackEvent", "composition-hook-failed")], NOW)
        == Ignored()
    )


def test_unknown_field_is_ignored_however_often_it_occurs() -> None:
    assert parsed([*form(), ("Future", "x"), ("Future", "x"), ("Future", "y")]) == parsed(form())


def test_unknown_words_and_malformed_numbers_do_not_lose_the_event() -> None:
    event = parsed(form(RoomStatus="paused", RoomType="huge", SequenceNumber="-1")).event

    assert (event.room_status, event.room_type, event.sequence_number) == (
        RoomStatus.UNKNOWN,
        RoomType.UNKNOWN,
        None,
    )


@pytest.mark.parametrize("event", FIELDS)
def test_number_is_none_if_no_face_could_show_it(event: RoomEventType) -> None:
    """In the log, it would end every stream that delivers the event."""
    names = NUMBERS.keys() & FIELDS[event]
    for name in names:
        most = NUMBER_LIMITS[NUMBERS[name]]
        for value in (0, most, most + 1, 2**64, 10**400):
            fields = dict(full(event)) | {name: str(value)}
            found = getattr(parsed(list(fields.items())).event, NUMBERS[name])
            assert found == (value if value <= most else None)


def test_every_number_of_a_callback_has_a_limit() -> None:
    assert set(NUMBERS.values()) == NUMBER_LIMITS.keys()


@pytest.mark.parametrize("number", ["", "1e3", "٣", "1.5", "9" * 5000, "0x10"])
def test_malformed_number_is_none(number: str) -> None:
    assert parsed(form(SequenceNumber=number)).event.sequence_number is None


def test_empty_text_is_none() -> None:
    assert parsed(form(RoomName="")).event.room_name is None


@pytest.mark.parametrize("name", ["AccountSid", "RoomSid", "StatusCallbackEvent", "Timestamp"])
def test_missing_identifying_field_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        parse(without(form(), name), NOW)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("participant-connected", "ParticipantSid"),
        ("participant-disconnected", "ParticipantSid"),
        ("track-added", "ParticipantSid"),
        ("track-added", "TrackSid"),
        ("recording-started", "RecordingSid"),
    ],
)
def test_missing_sid_of_the_event_is_refused(event: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        parse(without(full(RoomEventType(event)), name), NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AccountSid", "AC123"),
        ("AccountSid", f"{ACCOUNT}\n"),
        ("AccountSid", f"{ACCOUNT}0"),
        ("AccountSid", ROOM),
        ("RoomSid", ""),
        ("RoomSid", "DailyStandup"),
        ("RoomSid", f" {ROOM}"),
        ("Timestamp", ""),
        ("Timestamp", "yesterday"),
        ("Timestamp", "1767323045"),
        ("Timestamp", "2026-01-02T03:04:05"),
        ("Timestamp", "2026-01-02T03:04:05+02:00"),
        ("Timestamp", "2026-02-30T03:04:05Z"),
        ("Timestamp", "0000-01-01T00:00:00Z"),
        ("Timestamp", "2026-01-02T03:04:05Z\n"),
    ],
)
def test_malformed_identifying_field_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument, match=f"the callback's {name}"):
        parse(form(**{name: value}), NOW)


@pytest.mark.parametrize("name", ["RoomSid", "RoomName", "Timestamp", "StatusCallbackEvent"])
def test_repeated_known_field_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} more than once"):
        parse([*form(), (name, COMMON[name])], NOW)


@pytest.mark.parametrize(
    "timestamp",
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.123456789Z"],
)
def test_timestamp_may_have_a_fraction(timestamp: str) -> None:
    assert parsed(form(Timestamp=timestamp)).event.event_time.replace(microsecond=0) == AT.replace(
        microsecond=0
    )


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), Age.ON_TIME),
        (timedelta(minutes=15), Age.ON_TIME),
        (timedelta(minutes=15, microseconds=1), Age.LATE),
        (timedelta(minutes=60), Age.LATE),
        (timedelta(minutes=60, microseconds=1), Age.EXPIRED),
        (timedelta(days=3000), Age.EXPIRED),
        (timedelta(minutes=-10), Age.LATE),
        (timedelta(minutes=-10, microseconds=-1), Age.EXPIRED),
        (timedelta(minutes=-2), Age.ON_TIME),
        (timedelta(minutes=-2, microseconds=-1), Age.LATE),
        (timedelta(days=-3000), Age.EXPIRED),
    ],
)
def test_event_is_late_after_15_minutes_and_expired_after_60(age: timedelta, expected: Age) -> None:
    assert age_of(AT, AT + age) is expected


@pytest.mark.parametrize("event", ["room-created", "room-ended"])
def test_late_event_is_marked(event: str) -> None:
    callback = parsed(form(event), AT + timedelta(minutes=20))

    assert (callback.age, callback.event.late) == (Age.LATE, True)


def test_dedupe_ignores_order_and_unknown_fields() -> None:
    fields = full(RoomEventType.TRACK_ADDED)
    shuffled = random.Random(7).sample(fields, len(fields))

    assert parsed([*shuffled, ("Future", "x")]).dedupe == parsed(fields).dedupe


def test_dedupe_ignores_the_time_of_arrival() -> None:
    fields = full(RoomEventType.ROOM_ENDED)
    assert parsed(fields, AT + timedelta(minutes=50)).dedupe == parsed(fields).dedupe


def test_room_created_is_the_creation_of_its_room_unless_it_is_late() -> None:
    """A late one changes no state. It may repeat the creation, and does not stand for
    it."""
    on_time, again = parsed(form()), parsed(form(Timestamp="2026-01-02T03:04:06.000Z"))
    assert on_time.dedupe == again.dedupe == creation_key(on_time.event.room_sid)
    late = parsed(form(), AT + timedelta(minutes=50))
    assert late.may_repeat == on_time.dedupe != late.dedupe
    assert late.dedupe == parsed(form(), AT + timedelta(minutes=51)).dedupe


def test_dedupe_differs_for_other_events() -> None:
    events = [full(event) for event in FIELDS]
    other = "0" * 32
    track, recording = full(RoomEventType.TRACK_ADDED), full(RoomEventType.RECORDING_STARTED)
    for fields, name, value in (
        (track, "AccountSid", f"AC{other}"),
        (track, "RoomSid", f"RM{other}"),
        (track, "Timestamp", "2026-01-02T03:04:05.007Z"),
        (track, "ParticipantSid", f"PA{other}"),
        (track, "TrackSid", f"MT{other}"),
        (recording, "RecordingSid", f"RT{other}"),
    ):
        events.append([*without(fields, name), (name, value)])

    assert len({parsed(fields).dedupe for fields in events}) == len(events)


def test_room_name_cannot_forge_the_end_of_another_room() -> None:
    name = f"xRoomSid{OTHER_ROOM}RoomSp"
    honest = form("room-ended", RoomName=name)
    forged = without(without(honest, "RoomName"), "RoomSid")
    forged += [("RoomName", "x"), ("RoomSid", OTHER_ROOM), ("RoomSpRoomSid", ROOM)]

    assert signed_text(forged) == signed_text(honest)
    for fields in (honest, forged):
        with pytest.raises(InvalidArgument, match="ambiguous"):
            parse(fields, NOW)


def test_identity_cannot_forge_another_event() -> None:
    identity = f"xRoomSid{OTHER_ROOM}StatusCallbackEventroom-endedTimestamp2026-01-02T03:04:05ZU"
    honest = form("participant-connected", ParticipantSid=PARTICIPANT, ParticipantIdentity=identity)
    text = signed_text(honest)
    cut = text.index(identity) + len(identity)
    forged = [("AccountSid", ACCOUNT), ("ParticipantIdentity", "x"), ("RoomSid", OTHER_ROOM)]
    forged += [
        ("StatusCallbackEvent", "room-ended"),
        ("Timestamp", "2026-01-02T03:04:05Z"),
        ("U", text[cut:]),
    ]

    assert signed_text(forged) == text
    with pytest.raises(InvalidArgument, match="ambiguous"):
        parse(forged, NOW)


PIECES = st.lists(
    st.sampled_from(
        [
            "x",
            "U",
            f"AccountSid{ACCOUNT}",
            "RoomSid",
            f"RoomSid{OTHER_ROOM}",
            "RoomName",
            "RoomStatuscompleted",
            "RoomTypego",
            "SequenceNumber1",
            "StatusCallbackEventroom-ended",
            "Timestamp",
            "Timestamp2030-01-01T00:00:00Z",
            "Type",
            "Sp",
        ]
    ),
    max_size=6,
).map("".join)


@given(st.data())
@settings(max_examples=400)
@pytest.mark.parametrize("query", ["", "?token=a", f"?key={'0' * 32}"])
def test_signed_text_has_at_most_one_event_however_it_is_split(
    query: str, data: st.DataObject
) -> None:
    values = {"ParticipantIdentity": data.draw(PIECES), "TrackName": data.draw(PIECES)}
    honest = form(
        "track-added",
        **PERSON | values,
        RoomName=data.draw(PIECES),
        TrackSid=TRACK,
        TrackKind="data",
    )
    text = query + signed_text(honest)
    # The text can be split at the names of known fields.
    names = (*COMMON, *PERSON, "TrackSid", "TrackKind", "TrackName")
    starts = sorted(
        {at for field in names for at in range(len(text)) if text.startswith(field, at)}
    )
    cuts = data.draw(st.lists(st.sampled_from(starts), unique=True, min_size=1).map(sorted))
    begin = cuts[0] if query else 0
    chosen = sorted({begin, *cuts, len(text)})
    forged = [named(text[start:end]) for start, end in pairwise(chosen)]

    assert text[:begin] + "".join(name + value for name, value in forged) == text
    outcomes = {parse_or_none(honest, query[1:]), parse_or_none(forged, text[1:begin])} - {None}
    if text[begin:] == signed_text(forged):
        assert len(outcomes) <= 1
    if query and text.isascii():
        # The same text as the query of a GET.
        read = parse_qsl(text[1:], keep_blank_values=True)
        outcomes = {parse_or_none(honest, query[1:]), parse_or_none(read, text[1:], is_form=False)}
        assert len(outcomes - {None}) <= 1


def named(field: str) -> tuple[str, str]:
    names = (*COMMON, *PERSON, "TrackSid", "TrackKind", "TrackName")
    for name in sorted(names, key=len, reverse=True):
        if field.startswith(name):
            return name, field[len(name) :]
    return field, ""


def parse_or_none(
    fields: list[tuple[str, str]], query: str = "", *, is_form: bool = True
) -> str | None:
    try:
        callback = parse(fields, NOW, query, is_form=is_form)
    except InvalidArgument:
        return None
    return callback.dedupe if isinstance(callback, Callback) else None


@given(
    st.lists(
        st.tuples(st.sampled_from([*COMMON, *PERSON, "Other"]), st.text(max_size=40)), max_size=12
    )
)
@settings(max_examples=100)
def test_any_form_is_parsed_or_refused(fields: list[tuple[str, str]]) -> None:
    parse_or_none(fields)


def test_signed_vectors_of_video_are_parsed() -> None:
    path = Path(__file__).parents[1] / "samples" / "signature_vectors.json"
    forms = [
        [(name, value) for name, value in vector["method_params"]]
        for vector in json.loads(path.read_text())["vectors"]
        if "StatusCallbackEvent" in dict(vector["method_params"])
    ]

    assert len(forms) > 10
    assert all(isinstance(parse(fields, NOW), Callback) for fields in forms)


@pytest.mark.parametrize("public_url", ["https://gw.example.com", "https://gw.example.com/"])
def test_callback_url_asks_for_six_attempts_within_15_seconds(public_url: str) -> None:
    assert callback_url(public_url, "/callbacks/twilio") == (
        "https://gw.example.com/callbacks/twilio#rc=5&rp=all&ct=1000&rt=2500"
    )


def test_callback_url_keeps_the_path_of_the_public_url() -> None:
    assert callback_url("https://example.com/gw/", "/cb").startswith("https://example.com/gw/cb#")
