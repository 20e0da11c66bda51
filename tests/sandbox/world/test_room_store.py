from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import Room, RoomSettings
from gateway.sandbox.world.room_store import MAX_LAG_S, RoomStore
from tests.sandbox.conftest import moment


def made(store: RoomStore, name: str | None = None, at: float = 0) -> Room:
    room = rooms.create("AC1", store.next_ordinal(), RoomSettings(name), moment(at)).room
    store.put(room, moment(at).clock_s)
    return room


def ended(store: RoomStore, room: Room, at: float = 0) -> Room:
    room = rooms.complete(room, moment(at)).room
    store.put(room, moment(at).clock_s)
    return room


def test_a_name_finds_a_room_only_while_it_is_in_progress() -> None:
    store = RoomStore(10)
    first = made(store, "standup")

    assert store.by_name("standup") == first
    first = ended(store, first)
    assert (store.by_name("standup"), store.by_sid(first.sid)) == (None, first)


def test_a_name_may_be_taken_again() -> None:
    store = RoomStore(10)
    first = ended(store, made(store, "standup"))
    second = made(store, "standup")

    assert store.by_name("standup") == second
    assert (list(store.newest_first(True)), list(store.newest_first(False))) == ([second], [first])
    assert list(store.all_rooms()) == [second, first]


def test_lists_are_newest_first_whatever_ended_first() -> None:
    store = RoomStore(10)
    a, b = made(store), made(store)
    b = ended(store, b)
    a = ended(store, a)

    assert list(store.newest_first(False)) == [b, a]


def test_the_past_shows_what_was_true_then() -> None:
    store = RoomStore(10)
    room = made(store, "standup", at=0)
    done = ended(store, room, at=2)
    store.put(done, moment(2).clock_s)

    assert store.by_sid(room.sid, moment(-0.1).clock_s) is None
    assert store.by_sid(room.sid, moment(1.9).clock_s) == room
    assert store.by_sid(room.sid, moment(2).clock_s) == done
    assert store.by_name("standup", moment(1).clock_s) == room
    assert store.by_name("standup", moment(3).clock_s) is None
    assert list(store.newest_first(True, moment(1).clock_s)) == [room]
    assert list(store.newest_first(False, moment(1).clock_s)) == []


def test_the_past_is_forgotten_but_the_state_at_its_beginning_is_known() -> None:
    store = RoomStore(10)
    room = made(store)
    for second in range(1, 200):
        store.put(room, moment(second).clock_s)

    assert store.by_sid(room.sid, moment(199 - MAX_LAG_S).clock_s) == room
    assert store.by_sid(room.sid, moment(199 - MAX_LAG_S - 1).clock_s) is None


def test_the_past_of_an_ended_room_is_forgotten_as_others_change() -> None:
    store = RoomStore(10)
    room = made(store, at=0)
    done = ended(store, room, at=1)
    made(store, at=1 + MAX_LAG_S)

    assert store.by_sid(room.sid, moment(0.5).clock_s) is None
    assert store.by_sid(room.sid, moment(1).clock_s) == done


def test_of_ended_rooms_only_the_last_are_kept() -> None:
    store = RoomStore(2)
    done = [ended(store, made(store)) for _ in range(4)]

    assert [store.by_sid(room.sid) for room in done] == [None, None, done[2], done[3]]
    assert store.live_count == 0
