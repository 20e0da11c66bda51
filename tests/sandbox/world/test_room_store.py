from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import Room, RoomSettings
from gateway.sandbox.world.room_store import MAX_LAG_S, RoomStore
from tests.sandbox.conftest import instant


def create(store: RoomStore, name: str | None = None, at: float = 0) -> Room:
    room = rooms.create("AC1", store.next_ordinal(), RoomSettings(name), instant(at)).room
    store.put(room, instant(at).clock_s)
    return room


def complete(store: RoomStore, room: Room, at: float = 0) -> Room:
    room = rooms.complete(room, instant(at)).room
    store.put(room, instant(at).clock_s)
    return room


def test_name_finds_a_room_only_while_in_progress() -> None:
    store = RoomStore(10)
    first = create(store, "standup")

    assert store.by_name("standup") == first
    first = complete(store, first)
    assert (store.by_name("standup"), store.by_sid(first.sid)) == (None, first)


def test_name_can_be_used_again_after_its_room_ends() -> None:
    store = RoomStore(10)
    first = complete(store, create(store, "standup"))
    second = create(store, "standup")

    assert store.by_name("standup") == second
    assert (list(store.newest_first(True)), list(store.newest_first(False))) == ([second], [first])
    assert list(store.all_rooms()) == [second, first]


def test_lists_are_ordered_by_creation_not_by_end() -> None:
    store = RoomStore(10)
    a, b = create(store), create(store)
    b = complete(store, b)
    a = complete(store, a)

    assert list(store.newest_first(False)) == [b, a]


def test_past_states_can_be_read() -> None:
    store = RoomStore(10)
    room = create(store, "standup", at=0)
    completed = complete(store, room, at=2)
    store.put(completed, instant(2).clock_s)

    assert store.by_sid(room.sid, instant(-0.1).clock_s) is None
    assert store.by_sid(room.sid, instant(1.9).clock_s) == room
    assert store.by_sid(room.sid, instant(2).clock_s) == completed
    assert store.by_name("standup", instant(1).clock_s) == room
    assert store.by_name("standup", instant(3).clock_s) is None
    assert list(store.newest_first(True, instant(1).clock_s)) == [room]
    assert list(store.newest_first(False, instant(1).clock_s)) == []


def test_history_is_bounded_but_keeps_the_state_at_its_start() -> None:
    store = RoomStore(10)
    room = create(store)
    for second in range(1, 200):
        store.put(room, instant(second).clock_s)

    assert store.by_sid(room.sid, instant(199 - MAX_LAG_S).clock_s) == room
    assert store.by_sid(room.sid, instant(199 - MAX_LAG_S - 1).clock_s) is None


def test_history_of_an_ended_room_expires_as_other_rooms_change() -> None:
    store = RoomStore(10)
    room = create(store, at=0)
    completed = complete(store, room, at=1)
    create(store, at=1 + MAX_LAG_S)

    assert store.by_sid(room.sid, instant(0.5).clock_s) is None
    assert store.by_sid(room.sid, instant(1).clock_s) == completed


def test_only_the_last_ended_rooms_are_kept() -> None:
    store = RoomStore(2)
    completed = [complete(store, create(store)) for _ in range(4)]

    assert [store.by_sid(room.sid) for room in completed] == [
        None,
        None,
        completed[2],
        completed[3],
    ]
    assert store.live_count == 0
