"""The comparison by examples, and against a model: whatever callbacks are lost, the log comes to tell what is true."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import Changed, EventSource, RoomEvent, RoomEventType
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack, TrackKind
from gateway.core.room_state.reconcile import (
    HOLE_LIMIT,
    REST_LAG,
    RoomView,
    Shown,
    compare,
    fact_of,
    room_told,
    told,
)
from gateway.core.rooms import Room, RoomStatus, RoomType
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid, TrackSid

ACCOUNT, ROOM = AccountSid("AC" + "0" * 32), RoomSid("RM" + "0" * 32)
ADA, MIC = ParticipantSid("PA" + "1" * 32), TrackSid("MT" + "1" * 32)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=1)
BLANK = RoomView(ROOM, ACCOUNT)
Types = RoomEventType


def event(type_: RoomEventType, at: datetime = NOON, **values: Any) -> RoomEvent:
    return RoomEvent(
        type=type_, account_sid=ACCOUNT, room_sid=ROOM, **{"at": at, "room_name": "daily"} | values
    )


def of_ada(type_: RoomEventType, at: datetime = NOON, **values: Any) -> RoomEvent:
    return event(type_, at, participant_sid=ADA, participant_identity="Ada", **values)


def view(*events: RoomEvent) -> RoomView:
    seen = BLANK
    for n, each in enumerate(events, 1):
        seen = told(seen, each, n)
    return seen


def room(status: RoomStatus = RoomStatus.IN_PROGRESS, **values: Any) -> Room:
    settings = {
        "unique_name": "daily",
        "date_created": NOON,
        "max_participants": 50,
        "max_participant_duration": 14_400,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
    }
    return Room(
        sid=ROOM, account_sid=ACCOUNT, status=status, type=RoomType.GROUP, **settings | values
    )


def ada(status: ParticipantStatus = ParticipantStatus.CONNECTED, **values: Any) -> Participant:
    return Participant(
        sid=ADA,
        room_sid=ROOM,
        account_sid=ACCOUNT,
        status=status,
        identity="Ada",
        **{"start_time": NOON} | values,
    )


def mic(*, enabled: bool = True, **values: Any) -> PublishedTrack:
    dates = {"date_created": NOON, "date_updated": NOON}
    return PublishedTrack(
        sid=MIC,
        participant_sid=ADA,
        room_sid=ROOM,
        kind=TrackKind.AUDIO,
        enabled=enabled,
        **dates | values,
    )


def shown(at: datetime = NOW, as_of_n: int = 100, **values: Any) -> Shown:
    return Shown(at=at, as_of_n=as_of_n, **values)


CREATED = event(Types.ROOM_CREATED)
JOINED = of_ada(Types.PARTICIPANT_CONNECTED)
LEFT = of_ada(Types.PARTICIPANT_DISCONNECTED)
ADDED = of_ada(Types.TRACK_ADDED, track_sid=MIC)
REMOVED = of_ada(Types.TRACK_REMOVED, track_sid=MIC)
DISABLED = of_ada(Types.TRACK_DISABLED, track_sid=MIC)
ENDED = event(Types.ROOM_ENDED, room_status=RoomStatus.COMPLETED)
OVER = room(RoomStatus.COMPLETED, end_time=NOON, duration=60)
COMPLETED_BY_US = event(
    Types.ROOM_CHANGED, source=EventSource.MUTATION, changed=Changed.ROOM, room=OVER
)


@pytest.mark.parametrize(
    ("log", "rest", "misses"),
    [
        ([], {"room": room()}, ["room-created"]),
        ([CREATED], {"room": room()}, []),
        ([CREATED], {"room": OVER}, ["room-ended"]),
        ([], {"room": OVER}, []),
        ([JOINED], {"room": OVER}, ["room-created", "room-ended"]),
        ([CREATED, ENDED], {"room": OVER}, []),
        ([CREATED, ENDED], {"room": room()}, []),
        ([CREATED, COMPLETED_BY_US], {"room": OVER}, ["room-ended"]),
        ([CREATED], {"people": (ada(),)}, ["participant-connected"]),
        ([JOINED], {"people": (ada(),)}, []),
        ([JOINED], {"people": (ada(ParticipantStatus.RECONNECTING),)}, []),
        (
            [JOINED],
            {"people": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            ["participant-disconnected"],
        ),
        (
            [],
            {"people": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            ["participant-connected", "participant-disconnected"],
        ),
        ([JOINED, LEFT], {"people": (ada(),)}, []),
        ([JOINED], {"tracks": {ADA: (mic(),)}}, ["track-added"]),
        ([JOINED], {"tracks": {ADA: (mic(enabled=False),)}}, ["track-added", "track-disabled"]),
        ([JOINED, ADDED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, ADDED], {"tracks": {ADA: (mic(enabled=False),)}}, ["track-disabled"]),
        ([JOINED, ADDED, DISABLED], {"tracks": {ADA: (mic(),)}}, ["track-enabled"]),
        ([JOINED, ADDED, REMOVED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, REMOVED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, ADDED, LEFT], {"tracks": {ADA: ()}, "missed": {MIC: NOON}}, []),
        ([JOINED, ADDED], {"tracks": {ADA: ()}, "missed": {MIC: NOON}}, ["track-removed"]),
    ],
)
def test_the_log_is_told_what_it_misses(
    log: list[RoomEvent], rest: dict[str, Any], misses: list[str]
) -> None:
    found = compare(view(*log), shown(**rest))
    assert [each.type.value for each in found.events] == misses
    assert {each.source for each in found.events} <= {EventSource.RECONCILED}
    assert not found.is_early


def test_events_say_what_the_callbacks_would_have_said() -> None:
    [ended] = compare(view(CREATED), shown(room=OVER)).events
    assert (ended.at, ended.room_status, ended.room_duration, ended.room_name) == (
        OVER.end_time,
        RoomStatus.COMPLETED,
        60,
        "daily",
    )
    gone = ada(ParticipantStatus.DISCONNECTED, end_time=NOON + timedelta(minutes=2), duration=120)
    [left] = compare(view(CREATED, JOINED), shown(people=(gone,))).events
    assert (left.participant_sid, left.participant_identity) == (ADA, "Ada")
    assert (left.at, left.participant_status, left.participant_duration) == (
        gone.end_time,
        "disconnected",
        120,
    )
    [added] = compare(view(CREATED, JOINED), shown(tracks={ADA: (mic(name="microphone"),)})).events
    assert (added.track_sid, added.track_kind, added.track_name) == (
        MIC,
        TrackKind.AUDIO,
        "microphone",
    )


def test_what_happened_a_moment_ago_is_left_to_its_own_callback() -> None:
    for rest in ({"room": room()}, {"people": (ada(),)}, {"tracks": {ADA: (mic(),)}}):
        log = view(JOINED) if "tracks" in rest else BLANK
        found = compare(log, shown(at=NOON + REST_LAG - timedelta(seconds=1), **rest))
        assert (found.events, found.is_early) == ((), True)
        assert len(compare(log, shown(at=NOON + REST_LAG, **rest)).events) == 1


def test_what_rest_may_not_show_yet_is_not_taken_for_gone() -> None:
    log = view(CREATED, JOINED, ADDED)
    found = compare(log, shown(as_of_n=1, has_all_here=True, tracks={ADA: ()}, missed={}))
    assert (found.events, found.missing) == ((), ())
    found = compare(log, shown(as_of_n=3, has_all_here=True, tracks={ADA: ()}))
    assert (found.events, found.missing) == ((), (ADA, MIC))


def test_a_switch_that_rest_may_not_show_yet_is_not_taken_back() -> None:
    log, answer = view(CREATED, JOINED, ADDED, DISABLED), {"tracks": {ADA: (mic(enabled=True),)}}
    assert compare(log, shown(as_of_n=3, **answer)).events == ()
    assert len(compare(log, shown(as_of_n=4, **answer)).events) == 1


def test_a_switch_is_later_than_what_it_replaces_though_rest_counts_whole_seconds() -> None:
    disabled = replace(DISABLED, at=NOON + timedelta(seconds=30.7))
    log = view(CREATED, JOINED, ADDED, disabled)
    answer = shown(tracks={ADA: (mic(enabled=True, date_updated=NOON + timedelta(seconds=30)),)})
    [enabled] = compare(log, answer).events
    assert enabled.at == disabled.at
    assert compare(told(log, enabled, 9), answer).events == ()


def test_a_late_event_changes_nothing_but_an_end_does() -> None:
    assert not view(replace(JOINED, late=True)).people
    assert view(replace(ENDED, late=True)).is_end_told


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([], set()),
        ([0, 1, 2], set()),
        ([0, 3], {1, 2}),
        ([3, 0], {1, 2}),
        ([0, 3, 1], {2}),
        ([0, 3, 2, 1], set()),
        ([5, 5, 7, 5], {6}),
    ],
)
def test_a_hole_is_what_no_event_has_had(numbers: list[int], missing: set[int]) -> None:
    assert (
        view(*(event(Types.ROOM_CREATED, sequence_number=number) for number in numbers)).missing
        == missing
    )


def test_a_wild_number_costs_no_memory() -> None:
    seen = view(*(event(Types.ROOM_CREATED, sequence_number=number) for number in (0, 10**12, 5)))
    assert len(seen.missing) <= HOLE_LIMIT


def test_a_fact_has_one_name_and_every_switch_its_own() -> None:
    assert fact_of(JOINED) == fact_of(replace(JOINED, at=NOW))
    assert fact_of(JOINED) != fact_of(LEFT)
    assert fact_of(DISABLED) != fact_of(replace(DISABLED, at=NOW))


def test_a_room_is_told_by_its_callbacks_and_best_by_twilio_s_own_answer() -> None:
    assert room_told([JOINED], "https://here") is None
    by_callback = room_told([replace(CREATED, room_type=RoomType.GO)], "https://here")
    assert by_callback is not None
    assert (by_callback.status, by_callback.max_participants, by_callback.date_created) == (
        RoomStatus.IN_PROGRESS,
        2,
        NOON,
    )
    assert by_callback.status_callback == "https://here"
    ours = replace(COMPLETED_BY_US, room=room(max_participants=7))
    assert room_told([replace(CREATED, room_type=RoomType.GO), ours], "") == room(
        max_participants=7
    )
    ended = room_told([ours, ENDED], "")
    assert ended is not None
    assert ended.status is RoomStatus.COMPLETED


@dataclass
class World:
    """What is true at Twilio: events as callbacks would tell them, ten seconds apart, and what REST shows."""

    history: list[RoomEvent] = field(default_factory=list)
    people: dict[str, Participant] = field(default_factory=dict)
    tracks: dict[str, dict[str, PublishedTrack]] = field(default_factory=dict)
    end: datetime | None = None

    def act(self, choice: int) -> None:
        random = Random(choice)
        at = NOON + timedelta(seconds=10 * len(self.history) + random.random())
        date = at.replace(microsecond=0)
        here = [
            sid for sid, each in self.people.items() if each.status is ParticipantStatus.CONNECTED
        ]
        word = random.choice(
            ["join", "join", "leave", "add", "add", "remove", "switch", "switch", "end"]
        )
        if not self.history:
            self._tell(Types.ROOM_CREATED, at)
        elif self.end is not None or (word != "join" and word != "end" and not here):
            return
        elif word == "join":
            sid = ParticipantSid(f"PA{len(self.people):032x}")
            self.people[sid] = replace(ada(start_time=date), sid=sid)
            self.tracks[sid] = {}
            self._tell(Types.PARTICIPANT_CONNECTED, at, sid)
        elif word == "end":
            for sid in here:
                self._leave(sid, at, date)
            self.end = date
            self._tell(Types.ROOM_ENDED, at)
        elif word == "leave":
            self._leave(random.choice(here), at, date)
        else:
            self._publish(word, random, random.choice(here), at, date)

    def _leave(self, sid: str, at: datetime, date: datetime) -> None:
        self.people[sid] = replace(
            self.people[sid], status=ParticipantStatus.DISCONNECTED, end_time=date, duration=1
        )
        self.tracks[sid] = {}
        self._tell(Types.PARTICIPANT_DISCONNECTED, at, sid)

    def _publish(self, word: str, random: Random, sid: str, at: datetime, date: datetime) -> None:
        tracks = self.tracks[sid]
        if word == "add":
            track = TrackSid(f"MT{len(self.history):032x}")
            tracks[track] = replace(mic(date_created=date, date_updated=date), sid=track)
            self._tell(Types.TRACK_ADDED, at, sid, track)
        elif tracks:
            track = TrackSid(random.choice(list(tracks)))
            if word == "remove":
                del tracks[track]
                self._tell(Types.TRACK_REMOVED, at, sid, track)
            else:
                is_enabled = not tracks[track].enabled
                tracks[track] = replace(tracks[track], enabled=is_enabled, date_updated=date)
                self._tell(
                    Types.TRACK_ENABLED if is_enabled else Types.TRACK_DISABLED, at, sid, track
                )

    def _tell(
        self,
        type_: RoomEventType,
        at: datetime,
        person: str | None = None,
        track: str | None = None,
    ) -> None:
        self.history.append(
            event(
                type_,
                at,
                participant_sid=person,
                track_sid=track,
                sequence_number=len(self.history),
            )
        )

    def rest(self, as_of_n: int, **values: Any) -> Shown:
        over = RoomStatus.IN_PROGRESS if self.end is None else RoomStatus.COMPLETED
        return shown(
            as_of_n=as_of_n,
            room=room(over, end_time=self.end),
            people=tuple(self.people.values()),
            has_all_here=True,
            tracks={
                sid: tuple(self.tracks[sid].values())
                for sid, person in self.people.items()
                if person.status is ParticipantStatus.CONNECTED
            },
            **values,
        )


def world(choices: Sequence[int]) -> World:
    made = World()
    for choice in choices:
        made.act(choice)
    return made


def repaired(log: RoomView, rest: Shown) -> tuple[RoomView, list[RoomEvent]]:
    """As the service does: what is missing is looked at a second time."""
    events: list[RoomEvent] = []
    for answer in (
        rest,
        replace(
            rest, missed=dict.fromkeys(compare(log, rest).missing, NOON + timedelta(minutes=50))
        ),
    ):
        for each in compare(log, answer).events:
            log = told(log, each, log.n + 1)
            events.append(each)
    return log, events


CHOICES = st.lists(st.integers(0, 10_000), min_size=1, max_size=40)


@given(CHOICES, st.randoms(use_true_random=False), st.floats(0, 1))
def test_p7_whatever_callbacks_are_lost_the_log_comes_to_tell_what_is_true(
    choices: list[int], random: Any, drop: float
) -> None:
    truth = world(choices)
    kept = [each for each in truth.history if random.random() >= drop]
    random.shuffle(kept)
    rest = truth.rest(10_000)
    log, events = repaired(view(*kept), rest)
    again = compare(log, rest)
    assert (again.events, again.missing) == ((), ())
    assert log.is_end_told is (truth.end is not None and log.n > 0)
    assert set(log.here) == {
        sid for sid, each in truth.people.items() if each.status is ParticipantStatus.CONNECTED
    }
    for sid in log.here:
        published = {
            track: seen for track, seen in log.people[sid].tracks.items() if not seen.is_removed
        }
        assert published.keys() == truth.tracks[sid].keys()
        assert {track: seen.is_enabled is not False for track, seen in published.items()} == {
            track: each.enabled for track, each in truth.tracks[sid].items()
        }
    # Nothing is told that the log had, and no fact twice.
    facts = [fact_of(each) for each in events]
    assert len(set(facts)) == len(facts)
    assert not set(facts) & {fact_of(each) for each in kept}


@given(CHOICES, st.integers(0, 40))
def test_what_the_log_tells_is_never_contradicted_by_a_rest_that_lags(
    choices: list[int], lag: int
) -> None:
    before, now = world(choices[: max(1, len(choices) - lag)]), world(choices)
    log = view(*now.history)
    found = compare(log, before.rest(len(before.history)))
    assert found.events == ()
    missing_for_sure = set(found.missing) - {
        sid for sid, person in log.people.items() if person.is_gone
    }
    assert missing_for_sure == set()


@given(CHOICES, st.randoms(use_true_random=False))
def test_the_order_in_which_a_view_is_told_does_not_matter(choices: list[int], random: Any) -> None:
    entries = list(enumerate(world(choices).history, 1))
    seen = view(*(each for _, each in entries))
    random.shuffle(entries)
    shuffled = BLANK
    for n, each in [*entries, *entries[:3]]:
        shuffled = told(shuffled, each, n)
    assert shuffled == seen
