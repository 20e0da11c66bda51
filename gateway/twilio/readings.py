"""Finds out whether a signed text could be another callback of Twilio's. Does no I/O.

Twilio signs the URL and then every field's name and value, sorted by name and without
separators. A text that one callback is signed as can therefore be split into other
forms, with the same signature. `has_other_reading` looks for the splits that Twilio
could have sent, and that report another event.

What Twilio sends limits the splits:

- Its names are sorted, and none occurs twice.
- A name is a word such as `RoomSid`. Text that begins with the name of a field that we
  know is that field, or one with a longer name.
- SIDs, times, numbers and words have a fixed form, so each of them ends in one place.
- Every event names its account, its room and its time. Every event has the room's type,
  and events other than those of recordings have its status and a sequence number, if
  Twilio sends them at all. All events of one type have the same fields.

Only the names of rooms and tracks, identities and fields that we do not know can hold
any text.

https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/video/api/status-callbacks
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from gateway.core.events import REQUIRED_SIDS

IDENTIFYING: Final[Mapping[str, re.Pattern[str]]] = {
    "AccountSid": re.compile(r"AC[0-9a-fA-F]{32}"),
    "RoomSid": re.compile(r"RM[0-9a-fA-F]{32}"),
    "StatusCallbackEvent": re.compile(r"[a-z]+(?:-[a-z]+)*(?![a-z0-9-])"),
    "Timestamp": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
    ),
    "ParticipantSid": re.compile(r"PA[0-9a-fA-F]{32}"),
    "TrackSid": re.compile(r"MT[0-9a-fA-F]{32}"),
    "RecordingSid": re.compile(r"RT[0-9a-fA-F]{32}"),
}
"""The fields that identify an event, with the form of their values."""

MARK: Final = re.compile(r"\?key=[0-9a-f]{32}")
"""The query of the callback address of a room that the gateway created."""

_ALWAYS: Final = frozenset({"AccountSid", "RoomSid", "StatusCallbackEvent", "Timestamp"})
_RECORDING: Final = frozenset({"RoomType"})
_COMMON: Final = frozenset({"RoomStatus", "RoomType", "SequenceNumber"})
_SID_FIELDS: Final = {
    "participant_sid": "ParticipantSid",
    "track_sid": "TrackSid",
    "recording_sid": "RecordingSid",
}
_REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    kind.value: frozenset(_SID_FIELDS[sid] for sid in sids) for kind, sids in REQUIRED_SIDS.items()
}

# A longer name may follow a word without a border: `TrackKinds` is not `TrackKind`.
_WORD: Final = re.compile(r"[a-z]+(?:[-_][a-z]+)*(?![a-z0-9_-])")
_NUMBER: Final = re.compile(r"[0-9]+")
_WORDS: Final = frozenset({"RoomStatus", "RoomType", "ParticipantStatus", "TrackKind", "Type"})
_NUMBERS: Final = (
    "SequenceNumber",
    "RoomDuration",
    "ParticipantDuration",
    "OffsetFromTwilioVideoEpoch",
    "Duration",
    "Size",
)
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    **IDENTIFYING,
    "SourceSid": re.compile(r"MT[0-9a-fA-F]{32}"),
    **dict.fromkeys(_WORDS, _WORD),
    **dict.fromkeys(_NUMBERS, _NUMBER),
}
_FREE: Final = (
    "RoomName",
    "ParticipantIdentity",
    "TrackName",
    "RecordingUri",
    "Container",
    "Codec",
    "MediaUri",
    "MediaExternalLocation",
    "FailedOperation",
)
_NAMED: Final = re.compile("|".join(sorted((*_FORMS, *_FREE), key=len, reverse=True)))
# The beginning of a SID, a time or an event behind its name: no longer name goes on so.
_BEGUN: Final = re.compile(
    r"AccountSidAC[0-9a-f]|RoomSidRM[0-9a-f]|ParticipantSidPA[0-9a-f]|TrackSidMT[0-9a-f]"
    r"|RecordingSidRT[0-9a-f]|SourceSidMT[0-9a-f]|Timestamp[0-9]{4}-|StatusCallbackEvent[a-z]"
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_QUERY: Final = re.compile(r"\?[!-~]*")

# Twilio's callbacks have up to 17 such fields. Names and identities have 128 characters
# at most, so they cannot bring many more.
_TARGETS_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """What a callback reports, by the names of Twilio's fields.

    `event` has the identifying fields that its type has. `names` are all the names of
    its type's fields that the callback has.
    """

    event: Mapping[str, str]
    names: Collection[str]


class _Field(NamedTuple):
    name: str
    value: str
    end: int


class _State(NamedTuple):
    """A field begins at `position`, behind the known field `last`.

    `names` are the fields of a fixed form so far, `event` is the value of
    StatusCallbackEvent, and `differs` says whether the event is another one.
    """

    position: int
    last: str
    names: frozenset[str]
    event: str
    differs: bool


def has_other_reading(query: str, form: str, reading: Reading, optional: Collection[str]) -> bool:
    """Whether Twilio can have signed the same text for an event other than `reading`.

    `query` is that of the URL. `form` is the signed text of the form, which a GET does
    not have. `optional` are the identifying fields that events of this type have
    besides those that every event has.
    """
    signed = f"?{query}{form}" if query else form
    if (mark := MARK.match(signed)) is not None:
        # A room of the gateway's own. Its address has this query and no other.
        if form != signed[mark.end() :]:
            return True
        signed = form
    compared = _ALWAYS | frozenset(optional)
    if _differs_as_query(signed, reading, compared):
        return True
    targets = [match.start() for match in _NAMED.finditer(signed)]
    fields = [(at, field) for at in targets if (field := _field_at(signed, at)) is not None]
    if len(fields) > _TARGETS_LIMIT:
        return True
    pending, seen = [_State(0, "", frozenset(), "", False)], set[_State]()
    while pending:
        state = pending.pop()
        if state in seen:
            continue
        seen.add(state)
        if state.differs and state.position == len(signed) and _is_whole(state, reading, optional):
            return True
        pending += _following(signed, state, fields, reading, compared)
    return False


def _differs_as_query(signed: str, reading: Reading, compared: Collection[str]) -> bool:
    """Whether the text is the query of a GET with another event."""
    if _QUERY.fullmatch(signed) is None:
        return False
    values = dict(parse_qsl(signed[1:], keep_blank_values=True))
    return all(
        name in values and IDENTIFYING[name].fullmatch(values[name]) for name in _ALWAYS
    ) and any(values.get(name) != reading.event.get(name) for name in compared)


def _following(
    signed: str,
    state: _State,
    fields: list[tuple[int, _Field]],
    reading: Reading,
    compared: Collection[str],
) -> Iterator[_State]:
    """Yields where the next field can begin, behind a field at this position."""

    def behind(field: _Field) -> _State:
        names, event, differs = state.names, state.event, state.differs
        names |= {field.name}
        if field.name == "StatusCallbackEvent":
            event = field.value
        if field.name in compared:
            differs = differs or reading.event.get(field.name) != field.value
        return _State(field.end, field.name, names, event, differs)

    at = state.position
    is_query = at == 0 and signed.startswith("?")
    found = None if is_query else _field_at(signed, at)
    if found is not None:
        if found.name > state.last:
            yield behind(found)
        if found.name not in _WORDS:
            return
    if not is_query and _BEGUN.match(signed, at):
        return
    shortest = 1
    if not is_query and (named := _NAMED.match(signed, at)) is not None:
        shortest = len(named[0]) + (found is not None)
    # The query, or a field that can hold any text, goes on until one of these begins.
    for start, field in fields:
        if start <= at or field.name <= state.last:
            continue
        if is_query:
            if _QUERY.fullmatch(signed, 0, start):
                yield behind(field)
        elif _fits(signed, at, shortest, state.last, field.name):
            yield behind(field)
    if not is_query and at < len(signed) and _fits(signed, at, shortest, state.last, None):
        yield state._replace(position=len(signed))


def _field_at(signed: str, at: int) -> _Field | None:
    """Returns the field of a fixed form that begins here, if one does."""
    named = _NAMED.match(signed, at)
    if named is None or (form := _FORMS.get(named[0])) is None:
        return None
    value = form.match(signed, named.end())
    if value is None or not (value.end() == len(signed) or _NAME.match(signed, value.end())):
        return None
    return _Field(named[0], value[0], value.end())


def _fits(signed: str, at: int, shortest: int, after: str, before: str | None) -> bool:
    """Whether a name of at least this length begins here and sorts between the two."""
    word = _NAME.match(signed, at)
    if word is None:
        return False
    for length in range(shortest, min(len(word[0]), max(shortest, len(after) + 1)) + 1):
        name = word[0][:length]
        if name > after:
            return before is None or name < before
    return False


def _is_whole(state: _State, reading: Reading, optional: Collection[str]) -> bool:
    """Whether the fields are those of a callback that Twilio can have sent.

    `reading` and `optional` are about the callback that was received.
    """
    common: Collection[str] = _RECORDING if state.event.startswith("recording-") else _COMMON
    if state.event == reading.event["StatusCallbackEvent"]:
        # Only of recordings, not every event has a participant.
        common = _FORMS.keys() - ({"ParticipantSid"} if "RecordingSid" in optional else set())
    required = _ALWAYS | frozenset(reading.names).intersection(common)
    return required | _REQUIRED.get(state.event, frozenset()) <= state.names
