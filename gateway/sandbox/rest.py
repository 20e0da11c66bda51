"""The Rooms and Participants of Video v1: from a parsed request to an answer. Does no I/O.

https://www.twilio.com/docs/video/api/rooms-resource and https://www.twilio.com/docs/video/api/participants
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from gateway.sandbox import paging, rooms, validate
from gateway.sandbox.accounts import Account
from gateway.sandbox.engine import Engine
from gateway.sandbox.errors import TwilioError, not_found
from gateway.sandbox.forms import Form, is_unicode
from gateway.sandbox.model import Participant, ParticipantStatus, Room, RoomStatus
from gateway.sandbox.views import participant_json, room_json

# A name with one of these is not reachable by path, not even percent-encoded (twilio/twilio-python#503).
# https://www.rfc-editor.org/rfc/rfc3986#section-2.2
RESERVED = frozenset(":/?#[]@!$&'()*+,;=")

W = TypeVar("W", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `segments` is the path below `/v1`, decoded; `base` the scheme and host that the caller used.

    `lag_s`: a read sees the state of so long ago.
    """

    account: Account
    method: str
    segments: tuple[str, ...]
    query: Form
    form: Form
    base: str
    lag_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


class Rest:
    """Answers calls; raises `TwilioError` for what Twilio refuses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, call: Call) -> Answer:
        match call.segments:
            case ("Rooms",):
                return self._choose(call, lambda: self._list_rooms(call), lambda: self._create_room(call))
            case ("Rooms", ref):
                return self._choose(call, lambda: self._fetch_room(call, ref), lambda: self._update_room(call, ref))
            case ("Rooms", ref, "Participants"):
                return self._choose(call, lambda: self._list_participants(call, ref), None)
            case ("Rooms", ref, "Participants", who):
                return self._choose(
                    call,
                    lambda: self._fetch_participant(call, ref, who),
                    lambda: self._update_participant(call, ref, who),
                )
        raise not_found(*call.segments)

    @staticmethod
    def _choose(call: Call, get: Callable[[], Answer], post: Callable[[], Answer] | None) -> Answer:
        if call.method == "GET":
            return get()
        if call.method == "POST" and post:
            return post()
        raise TwilioError(20004)

    def _create_room(self, call: Call) -> Answer:
        settings = validate.room_settings(call.form, call.account.has_legacy_types)
        return Answer(201, room_json(self._engine.create_room(call.account.sid, settings), call.base))

    def _fetch_room(self, call: Call, ref: str) -> Answer:
        return Answer(200, room_json(self._room(call, ref), call.base))

    def _update_room(self, call: Call, ref: str) -> Answer:
        room = self._room(call, ref)
        if _required_status(call.form) != RoomStatus.COMPLETED:
            raise TwilioError(53112, "Status is invalid: a Room can only be set to completed")
        return Answer(202, room_json(self._engine.complete(room), call.base))

    def _list_rooms(self, call: Call) -> Answer:
        status = _word(call.query, "Status", RoomStatus) or RoomStatus.IN_PROGRESS
        name = call.query.first("UniqueName")
        is_wanted_date = _dates(call.query)
        store = self._engine.store(call.account.sid)
        found = (
            room
            for room in store.newest_first(status is RoomStatus.IN_PROGRESS, self._as_of_s(call))
            if room.status is status and (name is None or room.name == name) and is_wanted_date(room.created.wall)
        )
        filters = _filters(call.query, "UniqueName", "DateCreatedAfter", "DateCreatedBefore")
        return self._page(call, "rooms", [("Status", status), *filters], found, lambda room: room_json(room, call.base))

    def _list_participants(self, call: Call, ref: str) -> Answer:
        room = self._room(call, ref)
        status = _word(call.query, "Status", ParticipantStatus)
        identity = call.query.first("Identity")
        is_wanted_date = _dates(call.query)
        found: Iterator[Participant] = (
            each
            for each in reversed(room.participants)
            if rooms.has_status(each, status, room)
            and (identity is None or each.identity == identity)
            and is_wanted_date(each.joined.wall)
        )
        filters = _filters(call.query, "Status", "Identity", "DateCreatedAfter", "DateCreatedBefore")
        return self._page(
            call, "participants", filters, found, lambda each: participant_json(each, room, call.base), room.sid
        )

    def _fetch_participant(self, call: Call, ref: str, who: str) -> Answer:
        room, participant = self._participant(call, ref, who)
        return Answer(200, participant_json(participant, room, call.base))

    def _update_participant(self, call: Call, ref: str, who: str) -> Answer:
        room, participant = self._participant(call, ref, who)
        if _required_status(call.form) != ParticipantStatus.DISCONNECTED:
            raise TwilioError(53209, "Participant Status is invalid: it can only be set to disconnected")
        return Answer(202, participant_json(self._engine.leave(room, participant), room, call.base))

    def _room(self, call: Call, ref: str) -> Room:
        store = self._engine.store(call.account.sid)
        as_of_s = self._as_of_s(call)
        room = store.by_sid(ref, as_of_s)
        if room is None and _is_path_name(ref):
            room = store.by_name(ref, as_of_s)
        if room is None:
            raise not_found(*call.segments)
        return room

    def _participant(self, call: Call, ref: str, who: str) -> tuple[Room, Participant]:
        room = self._room(call, ref)
        participant = room.participant(who) if _is_path_name(who) else None
        if participant is None:
            raise not_found(*call.segments)
        return room, participant

    def _as_of_s(self, call: Call) -> float | None:
        """Only reads look back: a write is decided by the truth."""
        return self._engine.now_s() - call.lag_s if call.lag_s and call.method == "GET" else None

    @staticmethod
    def _page(
        call: Call,
        key: str,
        filters: list[tuple[str, str]],
        items: Iterable[paging.T],
        view: Callable[[paging.T], dict[str, Any]],
        scope: str = "",
    ) -> Answer:
        secret = f"{call.account.auth_token}:{key}:{scope}".encode()
        want = paging.wanted(call.query, secret)
        shown, before, after = paging.page(items, want)
        url = f"{call.base}/v1/{'/'.join(call.segments)}"
        meta = paging.meta(url, key, filters, want, (before, after), secret)
        return Answer(200, {key: [view(item) for item in shown], "meta": meta})


def _is_path_name(name: str) -> bool:
    """A dot segment never arrives: clients and proxies resolve it away."""
    return RESERVED.isdisjoint(name) and name not in (".", "..")


def _required_status(form: Form) -> str:
    status = form.first("Status")
    if status is None:
        raise TwilioError(20001, "Missing required parameter Status in the post body")
    return status


def _word(query: Form, name: str, words: type[W]) -> W | None:
    word = query.first(name)
    if not word:
        return None
    try:
        return words(word)
    except ValueError as exc:
        raise TwilioError(20001, f"{name} must be one of {', '.join(words)}") from exc


def _dates(query: Form) -> Callable[[datetime], bool]:
    """On or after the one, before the other."""
    after, before = query.moment("DateCreatedAfter"), query.moment("DateCreatedBefore")
    return lambda made: (after is None or made >= after) and (before is None or made < before)


def _filters(query: Form, *names: str) -> list[tuple[str, str]]:
    """What the URLs of a list repeat."""
    given = [(name, query.first(name)) for name in names]
    kept = [(name, value) for name, value in given if value is not None]
    for name, value in kept:
        if not is_unicode(value):
            raise TwilioError(20001, f"{name} is not valid UTF-8")
    return kept
