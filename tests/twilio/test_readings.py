"""Which signed callbacks are accepted although they look like others, and which are
refused because they could be others."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.events import RoomEventType
from gateway.twilio.callbacks import FIELDS, Ambiguous, Callback, parse
from gateway.twilio.readings import IDENTIFYING, Reading, has_other_reading
from gateway.twilio.signature import Fields, signed_text
from tests.twilio.test_callbacks import ACCOUNT, COMMON, OTHER_ROOM, ROOM, TRACK, full

NOW = datetime(2026, 1, 2, 3, 4, 10, tzinfo=UTC)
# A value of each identifying field's form, other than that of the callback.
OTHERS = {
    "AccountSid": "AC" + "f" * 32,
    "RoomSid": OTHER_ROOM,
    "StatusCallbackEvent": "room-ended",
    "Timestamp": "2026-01-02T03:04:09Z",
    "ParticipantSid": "PA" + "f" * 32,
    "TrackSid": "MT" + "f" * 32,
    "RecordingSid": "RT" + "f" * 32,
}
# They sort before, between and behind the names of Twilio's fields.
PREFIXES = ("A", "Sub", "Source", "Parent", "Old", "Original", "Participant", "Room", "X", "Z", "T")
KEY = f"key={'0' * 32}"
EMBEDDED_FIELDS = [(name, OTHERS[name]) for name in ("RoomSid", "StatusCallbackEvent", "Timestamp")]
EMBEDDED = signed_text(EMBEDDED_FIELDS)


def is_accepted(fields: Fields, query: str = "", *, is_form: bool = True) -> bool:
    try:
        return isinstance(parse(fields, NOW, query, is_form=is_form), Callback)
    except Ambiguous:
        return False


def changed(event: RoomEventType, **fields: str) -> list[tuple[str, str]]:
    return list((dict(full(event)) | fields).items())


@pytest.mark.parametrize("event", FIELDS)
@pytest.mark.parametrize("name", IDENTIFYING)
def test_a_field_that_is_named_like_ours_is_ignored(name: str, event: RoomEventType) -> None:
    """Twilio adds fields without notice."""
    # Twilio documents no TrackName for track events, and a name can hold any text.
    is_track = event.startswith("track-")
    fields = {part: value for part, value in full(event) if not is_track or part != "TrackName"}
    honest = parse(list(fields.items()), NOW)
    for more in (*(prefix + name for prefix in PREFIXES), f"{name}2", f"{name}Alias", f"{name}s"):
        for value in (OTHERS[name], ""):
            form = [*fields.items(), (more, value)]
            assert parse(form, NOW, KEY if value else "") == honest, (more, value)


@pytest.mark.parametrize("event", [event for event in FIELDS if event.startswith(("par", "tra"))])
@pytest.mark.parametrize(
    "text",
    [
        *(name + value for name, value in OTHERS.items()),
        *(f"x{name}{value}U" for name, value in OTHERS.items()),
        *IDENTIFYING,
        EMBEDDED,
        f"x{EMBEDDED}U",
        f"x{EMBEDDED}z",
        f"AccountSid{ACCOUNT}RoomSid{OTHER_ROOM}StatusCallbackEventroom-ended",
        "RoomStatuscompletedRoomTypegoSequenceNumber1",
    ],
)
def test_participants_choose_any_identity_and_names_of_tracks(
    text: str, event: RoomEventType
) -> None:
    """Otherwise they could stay out of the log."""
    fields = changed(event, ParticipantIdentity=text, TrackName=text.replace("xTrackSid", ""))
    for query in ("", KEY):
        assert is_accepted(fields, query)


def test_a_room_or_a_track_whose_name_hides_another_event_is_refused() -> None:
    """Only names can do that. Its room is then checked by Twilio's REST API."""
    for event, name, value in (
        (RoomEventType.ROOM_ENDED, "RoomName", f"xRoomSid{OTHER_ROOM}RoomSp"),
        (RoomEventType.TRACK_ADDED, "TrackName", f"xTrackSid{OTHERS['TrackSid']}U"),
    ):
        fields = changed(event, **{name: value})
        with pytest.raises(Ambiguous) as refused:
            parse(fields, NOW, KEY)
        assert refused.value.room_sid == ROOM


@given(
    st.lists(
        st.sampled_from(
            [*(name + value for name, value in OTHERS.items()), *COMMON, "x", "U", "z"]
        ),
        max_size=8,
    ).map(lambda pieces: "".join(pieces)[:128])
)
@settings(max_examples=300)
def test_an_identity_of_128_characters_is_never_ambiguous(identity: str) -> None:
    fields = changed(RoomEventType.PARTICIPANT_CONNECTED, ParticipantIdentity=identity)
    assert is_accepted(fields)
    assert is_accepted(fields, KEY)


@pytest.mark.parametrize("query", [KEY, "token=a"])
def test_text_of_the_form_that_moves_into_the_query_is_refused(query: str) -> None:
    """A room that was made with an idempotency key has a query in its address."""
    name = f"AccountSid{ACCOUNT}{EMBEDDED}"
    fields = changed(RoomEventType.TRACK_ADDED, ParticipantIdentity="ada", TrackName=name)
    signed = query + signed_text(fields)
    longer = signed[: signed.index(name)]
    forged = [("AccountSid", ACCOUNT), *EMBEDDED_FIELDS, ("TrackSid", TRACK)]

    assert longer + signed_text(forged) == signed
    assert is_accepted(fields, query)
    assert not is_accepted(forged, longer)


@pytest.mark.parametrize("query", [KEY, "token=a"])
def test_a_form_that_becomes_the_query_of_a_get_is_refused(query: str) -> None:
    forged = [("AccountSid", ACCOUNT), *EMBEDDED_FIELDS]
    name = "".join(f"&{part}={value}" for part, value in forged) + "&"
    fields = changed(RoomEventType.TRACK_ADDED, ParticipantIdentity="ada", TrackName=name)
    signed = query + signed_text(fields)

    assert set(forged) <= set(parse_qsl(signed))
    assert not is_accepted(parse_qsl(signed), signed, is_form=False)


def test_the_query_of_a_get_that_becomes_a_form_is_refused() -> None:
    get = [*COMMON.items(), ("ParticipantIdentity", f"AccountSid{ACCOUNT}{EMBEDDED}U")]
    signed = "&".join(f"{name}={value}" for name, value in get)
    forged = [("AccountSid", ACCOUNT), *EMBEDDED_FIELDS, ("U", "")]
    form = signed_text(forged)

    assert signed.endswith(form)
    assert is_accepted(get, signed, is_form=False)
    assert not is_accepted(forged, signed.removesuffix(form))


def test_text_with_very_many_fields_is_refused() -> None:
    text = f"RoomSid{ROOM}" * 1000
    assert has_other_reading(
        "", text, Reading({"RoomSid": ROOM, "StatusCallbackEvent": "room-ended"}, ["RoomSid"]), ()
    )
