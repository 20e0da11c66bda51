"""The event of a mutation, with the resource that Twilio returned."""

from gateway.core import events
from gateway.core.caching import FreshnessSource
from gateway.gql.schema.events import message_view
from gateway.gql.schema.room_changed import RoomChanged
from tests.gql.fakes import ADA, AT, delivered, event, participant, room


def test_room_changed_shows_the_returned_room_as_fresh_as_the_event() -> None:
    view = message_view(
        delivered(4, event(events.RoomEventType.ROOM_CHANGED, room=room(name="standup")))
    )
    assert isinstance(view, RoomChanged)
    assert view.room is not None
    assert view.room.freshness is not None
    assert (view.room.unique_name, view.room.as_of) == ("standup", view.cursor)
    assert (view.room.freshness.fetch_time, view.room.freshness.source) == (
        AT,
        FreshnessSource.CALLBACKS,
    )
    assert view.participant is None


def test_room_changed_shows_the_returned_participant() -> None:
    view = message_view(
        delivered(4, event(events.RoomEventType.ROOM_CHANGED, participant=participant()))
    )
    assert isinstance(view, RoomChanged)
    assert view.room is None
    assert view.participant is not None
    assert (str(view.participant.sid), view.participant.as_of) == (ADA, view.cursor)
