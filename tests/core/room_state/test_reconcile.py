"""The comparison by examples, and against a model of Twilio from which callbacks are
lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import RoomEvent, RoomEventSource
from gateway.core.participants import ParticipantStatus, TrackKind
from gateway.core.room_state import reconcile
from gateway.core.room_state.history import RoomHistory
from gateway.core.room_state.reconcile import REST_LAG, Difference, Observation, fact_id
from gateway.core.rooms import RoomStatus
from tests.core.room_state.samples import (
    ADA,
    ADDED,
    CHOICES,
    COMPLETED_BY_US,
    CREATED,
    DISABLED,
    EMPTY,
    ENDED,
    JOINED,
    LEFT,
    MIC,
    NOON,
    NOW,
    OVER,
    REMOVED,
    ada,
    history_of,
    mic,
    observed,
    room,
    world,
)


def compare(history: RoomHistory, observation: Observation) -> Difference:
    return reconcile.compare(history, observation, REST_LAG)


@pytest.mark.parametrize(
    ("log", "rest", "lacking"),
    [
        ([], {"room": room()}, ["room-created"]),
        ([CREATED], {"room": room()}, []),
        ([CREATED], {"room": OVER}, ["room-ended"]),
        ([], {"room": OVER}, []),
        ([JOINED], {"room": OVER}, ["room-created", "room-ended"]),
        ([CREATED, ENDED], {"room": OVER}, []),
        ([CREATED, ENDED], {"room": room()}, []),
        ([CREATED, COMPLETED_BY_US], {"room": OVER}, ["room-ended"]),
        ([CREATED], {"participants": (ada(),)}, ["participant-connected"]),
        ([JOINED], {"participants": (ada(),)}, []),
        ([JOINED], {"participants": (ada(ParticipantStatus.RECONNECTING),)}, []),
        (
            [JOINED],
            {"participants": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            ["participant-disconnected"],
        ),
        (
            [],
            {"participants": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            ["participant-connected", "participant-disconnected"],
        ),
        ([JOINED, LEFT], {"participants": (ada(),)}, []),
        (
            [CREATED, LEFT],
            {"participants": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            ["participant-connected"],
        ),
        # The log may have dropped the join, as it has dropped the room's beginning.
        (
            [LEFT],
            {"participants": (ada(ParticipantStatus.DISCONNECTED, end_time=NOON),)},
            [],
        ),
        ([JOINED], {"tracks": {ADA: (mic(),)}}, ["track-added"]),
        ([JOINED], {"tracks": {ADA: (mic(muted=True),)}}, ["track-added", "track-disabled"]),
        ([JOINED, ADDED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, ADDED], {"tracks": {ADA: (mic(muted=True),)}}, ["track-disabled"]),
        ([JOINED, ADDED, DISABLED], {"tracks": {ADA: (mic(),)}}, ["track-enabled"]),
        ([JOINED, ADDED, REMOVED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, REMOVED], {"tracks": {ADA: (mic(),)}}, []),
        ([JOINED, ADDED, LEFT], {"tracks": {ADA: ()}, "absent_since": {MIC: NOON}}, []),
        ([JOINED, ADDED], {"tracks": {ADA: ()}, "absent_since": {MIC: NOON}}, ["track-removed"]),
    ],
)
def test_compare_returns_the_events_that_the_log_lacks(
    log: list[RoomEvent], rest: dict[str, Any], lacking: list[str]
) -> None:
    difference = compare(history_of(*log), observed(**rest))
    assert [event.type.value for event in difference.events] == lacking
    assert {event.source for event in difference.events} <= {RoomEventSource.RECONCILED}
    assert not difference.has_recent


def test_reconciled_events_have_what_their_callbacks_would_have() -> None:
    [ended] = compare(history_of(CREATED), observed(room=OVER)).events
    assert (ended.event_time, ended.room_status, ended.room_duration, ended.room_name) == (
        OVER.end_time,
        RoomStatus.COMPLETED,
        60,
        "daily",
    )
    gone = ada(ParticipantStatus.DISCONNECTED, end_time=NOON + timedelta(minutes=2), duration=120)
    [left] = compare(history_of(CREATED, JOINED), observed(participants=(gone,))).events
    assert (left.participant_sid, left.participant_identity) == (ADA, "Ada")
    assert (left.event_time, left.participant_status, left.participant_duration) == (
        gone.end_time,
        "disconnected",
        120,
    )
    [added] = compare(
        history_of(CREATED, JOINED), observed(tracks={ADA: (mic(name="microphone"),)})
    ).events
    assert (added.track_sid, added.track_kind, added.track_name) == (
        MIC,
        TrackKind.AUDIO,
        "microphone",
    )
    log = history_of(CREATED, JOINED, replace(ADDED, track_kind=TrackKind.AUDIO, track_name="mic"))
    [removed] = compare(log, observed(tracks={ADA: ()}, absent_since={MIC: NOON})).events
    assert (removed.track_sid, removed.track_kind, removed.track_name) == (
        MIC,
        TrackKind.AUDIO,
        "mic",
    )


def test_recent_change_is_left_to_its_callback() -> None:
    for rest in ({"room": room()}, {"participants": (ada(),)}, {"tracks": {ADA: (mic(),)}}):
        log = history_of(JOINED) if "tracks" in rest else EMPTY
        difference = compare(log, observed(at=NOON + REST_LAG - timedelta(seconds=1), **rest))
        assert (difference.events, difference.has_recent) == ((), True)
        assert len(compare(log, observed(at=NOON + REST_LAG, **rest)).events) == 1


def test_fact_newer_than_the_observation_is_not_missing() -> None:
    log = history_of(CREATED, JOINED, ADDED)
    difference = compare(
        log, observed(as_of_n=1, has_all_present=True, tracks={ADA: ()}, absent_since={})
    )
    assert (difference.events, difference.missing) == ((), ())
    difference = compare(log, observed(as_of_n=3, has_all_present=True, tracks={ADA: ()}))
    assert (difference.events, difference.missing) == ((), (ADA, MIC))


def test_switch_newer_than_the_observation_stands() -> None:
    log, tracks = history_of(CREATED, JOINED, ADDED, DISABLED), {ADA: (mic(muted=False),)}
    assert compare(log, observed(as_of_n=3, tracks=tracks)).events == ()
    assert len(compare(log, observed(as_of_n=4, tracks=tracks)).events) == 1


def test_reconciled_switch_is_not_older_than_the_logged_one() -> None:
    disabled = replace(DISABLED, event_time=NOON + timedelta(seconds=30.7))
    log = history_of(CREATED, JOINED, ADDED, disabled)
    answer = observed(tracks={ADA: (mic(muted=False, update_time=NOON + timedelta(seconds=30)),)})
    [enabled] = compare(log, answer).events
    assert enabled.event_time == disabled.event_time
    assert compare(log.after(enabled, 9), answer).events == ()


def test_fact_id_is_the_same_for_one_fact_and_differs_for_each_switch() -> None:
    assert fact_id(JOINED) == fact_id(replace(JOINED, event_time=NOW))
    assert fact_id(JOINED) != fact_id(LEFT)
    assert fact_id(DISABLED) != fact_id(replace(DISABLED, event_time=NOW))


def repaired(log: RoomHistory, rest: Observation) -> tuple[RoomHistory, list[RoomEvent]]:
    """Returns the repaired history and the events. As in the service, missing tracks
    are requested a second time."""
    events: list[RoomEvent] = []
    absent_since = dict.fromkeys(compare(log, rest).missing, NOON + timedelta(minutes=50))
    for observation in (rest, replace(rest, absent_since=absent_since)):
        for event in compare(log, observation).events:
            log = log.after(event, log.last_n + 1)
            events.append(event)
    return log, events


@given(CHOICES, st.randoms(use_true_random=False), st.floats(0, 1))
def test_p7_compare_repairs_any_loss_of_callbacks(
    choices: list[int], random: Any, drop: float
) -> None:
    truth = world(choices)
    delivered = [event for event in truth.history if random.random() >= drop]
    random.shuffle(delivered)
    rest = truth.rest(10_000)
    log, events = repaired(history_of(*delivered), rest)
    again = compare(log, rest)
    assert (again.events, again.missing) == ((), ())
    assert log.is_end_logged is (truth.end is not None and log.last_n > 0)
    assert set(log.present) == {
        sid
        for sid, participant in truth.participants.items()
        if participant.status is ParticipantStatus.CONNECTED
    }
    for sid in log.present:
        published = {
            track_sid: track
            for track_sid, track in log.stays[sid].tracks.items()
            if not track.is_removed
        }
        assert published.keys() == truth.tracks[sid].keys()
        assert {
            track_sid: track.is_enabled is not False for track_sid, track in published.items()
        } == {track_sid: not track.muted for track_sid, track in truth.tracks[sid].items()}
    # No event repeats one that the log had, and no fact is logged twice.
    facts = [fact_id(event) for event in events]
    assert len(set(facts)) == len(facts)
    assert not set(facts) & {fact_id(event) for event in delivered}


@given(CHOICES, st.integers(0, 40))
def test_lagging_observation_does_not_contradict_the_log(choices: list[int], lag: int) -> None:
    before, now = world(choices[: max(1, len(choices) - lag)]), world(choices)
    log = history_of(*now.history)
    difference = compare(log, before.rest(len(before.history)))
    assert difference.events == ()
    assert set(difference.missing) <= {sid for sid, stay in log.stays.items() if stay.has_left}
