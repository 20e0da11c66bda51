"""Damage to the keys: no callback is refused or logged twice, and no cursor hides a
loss."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from redis.asyncio import Redis, RedisCluster

from gateway.core.cursors import LogPosition
from gateway.core.events import ResyncReason
from gateway.core.rooms import RoomSid
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog, Head
from gateway.store.keys import Keys, dedupe_hash
from tests.conftest import Figure
from tests.store.samples import ACCOUNT, ROOM, created, ended, events_of, joined, sid

KEYS: Final = Keys(ACCOUNT)
OTHER_ROOM: Final = sid(2)
REPEATED: Final = "callback 4"
SEEN: Final = KEYS.dedupe(dedupe_hash(REPEATED))
FUTURE: Final = int((time.time() + 3600) * 1_000_000)
VALID: Final = None
EPOCH, TRIMMED, ROLLED_BACK = ResyncReason.EPOCH, ResyncReason.TRIMMED, ResyncReason.ROLLED_BACK

Dumps = dict[bytes, bytes]


@dataclass
class Scene:
    """Five callbacks and the end of a room. `yesterday` is a dump after the first
    two."""

    redis: Redis | RedisCluster
    yesterday: Dumps
    positions: list[LogPosition]

    async def restore(self, *keys: str) -> None:
        for key in keys:
            await self.redis.restore(key, 0, self.yesterday[key.encode()], replace=True)

    async def restore_all(self) -> None:
        await self.redis.flushall()
        await self.restore(*(key.decode() for key in self.yesterday))


async def dump_all(redis: Redis | RedisCluster) -> Dumps:
    dumps: dict[bytes, Any] = {key: await redis.dump(key) async for key in redis.scan_iter()}
    return dumps


@pytest.fixture
async def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


@pytest.fixture
async def scene(log: EventLog, connections: Connections) -> Scene:
    beginning = (await log.open()).position
    positions = [beginning]
    yesterday: Dumps = {}
    for number, event in enumerate(
        [created(), joined(1), joined(2, OTHER_ROOM), joined(3), joined(4), ended(OTHER_ROOM)]
    ):
        if number == 2:
            yesterday = await dump_all(connections.commands)
        positions.append((await log.append(event, f"callback {number}")).position)
    return Scene(connections.commands, yesterday, positions)


Damage = Callable[[Scene], Awaitable[object]]


def deleted(*keys: str) -> Damage:
    return lambda scene: scene.redis.delete(*keys)


def of_wrong_type(key: str) -> Damage:
    async def damage(scene: Scene) -> None:
        await scene.redis.delete(key)
        await (scene.redis.lpush(key, "junk") if key == SEEN else scene.redis.set(key, "junk"))

    return damage


def added_by_hand(key: str, entry_id: str) -> Damage:
    return lambda scene: scene.redis.xadd(key, {"x": "y"}, id=entry_id)


def meta_with(**fields: str) -> Damage:
    return lambda scene: scene.redis.hset(KEYS.meta, mapping=dict[Any, Any](fields))


def meta_moved(by: int) -> Damage:
    return lambda scene: scene.redis.hincrby(KEYS.meta, "n", by)


async def removed(scene: Scene, index: int) -> None:
    await scene.redis.xdel(KEYS.log, f"{scene.positions[index].n}-0")


# The damage, then the check of the position after the second callback, then that of the
# last position.
DAMAGES: Final[dict[str, tuple[Damage, ResyncReason | None, ResyncReason | None]]] = {
    "nothing": (deleted("none"), VALID, VALID),
    "log deleted": (deleted(KEYS.log), EPOCH, EPOCH),
    "meta deleted": (deleted(KEYS.meta), EPOCH, EPOCH),
    "log and meta deleted, but not the rooms' streams": (
        deleted(KEYS.log, KEYS.meta),
        EPOCH,
        EPOCH,
    ),
    "a room's stream deleted": (deleted(KEYS.room_log(ROOM)), VALID, VALID),
    "versions deleted": (deleted(KEYS.versions(ROOM)), VALID, VALID),
    "end deleted": (deleted(KEYS.end(OTHER_ROOM)), VALID, VALID),
    "seen deleted": (deleted(SEEN), VALID, VALID),
    "seen and the room's stream deleted": (deleted(SEEN, KEYS.room_log(ROOM)), VALID, VALID),
    "seen, meta and the room's stream deleted": (
        deleted(SEEN, KEYS.meta, KEYS.room_log(ROOM)),
        EPOCH,
        EPOCH,
    ),
    "seen, log and meta deleted": (deleted(SEEN, KEYS.log, KEYS.meta), EPOCH, EPOCH),
    "name deleted": (deleted(KEYS.name("standup")), VALID, VALID),
    "all deleted": (lambda scene: scene.redis.flushall(), EPOCH, EPOCH),
    "scripts flushed": (lambda scene: scene.redis.script_flush(), VALID, VALID),
    "meta of yesterday": (lambda scene: scene.restore(KEYS.meta), EPOCH, EPOCH),
    "log of yesterday": (lambda scene: scene.restore(KEYS.log), EPOCH, EPOCH),
    "log and meta of yesterday": (
        lambda scene: scene.restore(KEYS.log, KEYS.meta),
        VALID,
        ROLLED_BACK,
    ),
    "everything of yesterday": (Scene.restore_all, VALID, ROLLED_BACK),
    "a room's stream of yesterday": (
        lambda scene: scene.restore(KEYS.room_log(ROOM)),
        VALID,
        VALID,
    ),
    "log a string": (of_wrong_type(KEYS.log), EPOCH, EPOCH),
    "meta a string": (of_wrong_type(KEYS.meta), EPOCH, EPOCH),
    "a room's stream a string": (of_wrong_type(KEYS.room_log(ROOM)), VALID, VALID),
    "versions a string": (of_wrong_type(KEYS.versions(ROOM)), VALID, VALID),
    "end a string": (of_wrong_type(KEYS.end(ROOM)), VALID, VALID),
    "seen a list": (of_wrong_type(SEEN), VALID, VALID),
    "seen invalid": (lambda scene: scene.redis.set(SEEN, "junk"), VALID, VALID),
    "name a list": (lambda scene: scene.redis.lpush(KEYS.name("other"), "junk"), VALID, VALID),
    "meta with another epoch": (meta_with(epoch="0" * 16), EPOCH, EPOCH),
    "meta with an invalid epoch": (meta_with(epoch="junk"), EPOCH, EPOCH),
    "meta with an invalid n": (meta_with(n="junk"), EPOCH, EPOCH),
    "meta with a huge n": (meta_with(n="9" * 30), EPOCH, EPOCH),
    "meta with a float n": (meta_with(n="1.5e300"), EPOCH, EPOCH),
    "meta with a base beyond n": (meta_with(base=str(FUTURE)), EPOCH, EPOCH),
    "meta without n": (lambda scene: scene.redis.hdel(KEYS.meta, "n"), EPOCH, EPOCH),
    "meta behind the log": (meta_moved(-1), EPOCH, EPOCH),
    "meta ahead of the log": (meta_moved(1), EPOCH, EPOCH),
    "log trimmed": (
        lambda scene: scene.redis.xtrim(KEYS.log, maxlen=1, approximate=False),
        TRIMMED,
        VALID,
    ),
    "log emptied": (
        lambda scene: scene.redis.xtrim(KEYS.log, maxlen=0, approximate=False),
        TRIMMED,
        VALID,
    ),
    "an entry deleted": (lambda scene: removed(scene, 4), TRIMMED, VALID),
    "an entry from the future, as after a clock that went back": (
        added_by_hand(KEYS.log, f"{FUTURE}-0"),
        EPOCH,
        EPOCH,
    ),
    "an entry with the last possible id": (
        added_by_hand(KEYS.log, f"{2**64 - 1}-{2**64 - 1}"),
        EPOCH,
        EPOCH,
    ),
    "an entry added after the last": (added_by_hand(KEYS.log, "*"), VALID, VALID),
    "a room's entry added after the last": (added_by_hand(KEYS.room_log(ROOM), "*"), VALID, VALID),
    "a consumer group": (lambda scene: scene.redis.xgroup_create(KEYS.log, "group"), VALID, VALID),
    "a last id from the future": (
        lambda scene: scene.redis.execute_command("XSETID", KEYS.log, f"{FUTURE}-0"),
        EPOCH,
        EPOCH,
    ),
}
# A room's stream is checked when an event of the room is appended. Positions are valid
# until then.
NOTICED_LATER: Final[dict[str, Damage]] = {
    "a room's entry from the future": added_by_hand(KEYS.room_log(ROOM), f"{FUTURE}-0"),
    "log and meta of yesterday": lambda scene: scene.restore(KEYS.log, KEYS.meta),
}


def reason_of(answer: Head | ResyncReason) -> ResyncReason | None:
    return None if isinstance(answer, Head) else answer


@pytest.mark.parametrize("name", DAMAGES)
async def test_i6_a_position_from_before_the_damage_is_valid_or_refused_with_the_reason(
    log: EventLog, scene: Scene, name: str
) -> None:
    damage, early, last = DAMAGES[name]

    await damage(scene)

    assert reason_of(await log.check(scene.positions[2])) is early
    assert reason_of(await log.check(scene.positions[-1])) is last


@pytest.mark.parametrize("repeated_first", [True, False], ids=["repeated first", "new first"])
@pytest.mark.parametrize(
    "name",
    [*DAMAGES, "a room's entry from the future", "a room's entry with the last possible id"],
)
async def test_i2_after_any_damage_callbacks_are_logged_once(
    log: EventLog, scene: Scene, name: str, repeated_first: bool
) -> None:
    by_hand = {
        "a room's entry from the future": added_by_hand(KEYS.room_log(ROOM), f"{FUTURE}-0"),
        "a room's entry with the last possible id": added_by_hand(
            KEYS.room_log(ROOM), f"{2**64 - 1}-{2**64 - 1}"
        ),
    }
    damage = DAMAGES[name][0] if name in DAMAGES else by_hand[name]
    await damage(scene)

    new_event, new = joined(5), []
    if repeated_first:
        await log.append(joined(4), REPEATED)
    new.append(await log.append(new_event, "callback new"))
    if not repeated_first:
        await log.append(joined(4), REPEATED)
    new.append(await log.append(joined(6, OTHER_ROOM), "callback new too"))
    again = await log.append(new_event, "callback new")

    assert [appended.is_new for appended in (*new, again)] == [True, True, False]
    assert again.position == new[0].position
    logged = await log.read(0, 100)
    numbers = [
        event.sequence_number for event in events_of(logged) if event.sequence_number is not None
    ]
    assert len(numbers) == len(set(numbers))
    assert numbers[-1] == 6
    assert [entry.position.n for entry in logged] == sorted({entry.position.n for entry in logged})
    assert {appended.position for appended in new} <= {entry.position for entry in logged}
    # The damage is repaired: the second event follows in the epoch of the first.
    assert new[0].position.epoch == new[1].position.epoch
    if name != "everything of yesterday":
        assert new[0].position.n > scene.positions[-1].n
    assert isinstance(await log.check(new[0].position), Head)


@pytest.mark.parametrize("name", NOTICED_LATER)
async def test_an_append_to_a_room_whose_stream_is_ahead_begins_a_new_epoch(
    log: EventLog, scene: Scene, name: str
) -> None:
    await NOTICED_LATER[name](scene)

    await log.append(joined(5), "callback new")

    for position in scene.positions:
        assert await log.check(position) is EPOCH


async def test_i6_after_a_rollback_positions_with_reassigned_numbers_are_refused(
    log: EventLog, scene: Scene
) -> None:
    await scene.restore_all()
    for number in range(10, 16):
        await log.append(joined(number), f"other {number}")

    for position in scene.positions[3:]:
        assert await log.check(position) is ResyncReason.DIVERGED
    for position in scene.positions[:3]:
        assert isinstance(await log.check(position), Head)


@pytest.mark.parametrize("seed", range(3))
async def test_i6_random_damage_never_loses_or_repeats_a_callback_silently(
    log: EventLog, connections: Connections, seed: int
) -> None:
    await Run(log, connections.commands, random.Random(seed)).go(steps=120)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 104))
async def test_i6_long_random_damage_never_loses_or_repeats_a_callback_silently(
    log: EventLog, connections: Connections, figure: Figure, seed: int
) -> None:
    run, steps = Run(log, connections.commands, random.Random(seed)), 3_000
    try:
        await run.go(steps)
    finally:
        figure(
            f"I-2, I-6: {steps:,} callbacks, repeats and damages, each followed by a check",
            f"{run.count:,} callbacks logged, {len(run.void):,} positions rolled back",
            seed,
        )


@dataclass
class Model:
    """The model of the log.

    `history` has each callback's number and position, in the order of the log. A
    callback that is in both `no_record` (its dedupe record is lost) and `no_room` (its
    entry in the room's stream is lost) may be logged again.
    """

    history: list[tuple[int, LogPosition]] = field(default_factory=list)
    no_record: set[int] = field(default_factory=set)
    no_room: set[int] = field(default_factory=set)

    def copy(self) -> "Model":
        return Model(list(self.history), set(self.no_record), set(self.no_room))


@dataclass
class Run:
    """Random callbacks, repeats and damages. Each step is checked against the model."""

    log: EventLog
    redis: Redis | RedisCluster
    random: random.Random
    model: Model = field(default_factory=Model)
    snapshots: list[tuple[Dumps, Model]] = field(default_factory=list)
    void: list[LogPosition] = field(default_factory=list)
    count: int = 0

    async def go(self, steps: int) -> None:
        damages = [
            self.lose_keys, self.lose_keys, self.lose_everything, self.break_meta,
            self.restore_one, self.restore_all, self.add_by_hand,
            self.trim, self.delete_entry, self.forget_scripts,
        ]  # fmt: skip
        for _ in range(steps):
            choice = self.random.random()
            if choice < 0.55:
                await self.append_new()
            elif choice < 0.75:
                await self.repeat()
            elif choice < 0.8:
                self.snapshots = [
                    *self.snapshots[-2:],
                    (await dump_all(self.redis), self.model.copy()),
                ]
            else:
                await self.random.choice(damages)()
            # As the tail does twice a second: a log that is inconsistent starts a new
            # epoch before the next damage.
            await self.log.open()
            await self.check()

    @staticmethod
    def room_of(number: int) -> RoomSid:
        return sid(number % 4)

    async def append_new(self) -> None:
        self.count += 1
        appended = await self.log.append(
            joined(self.count, self.room_of(self.count)), f"callback {self.count}"
        )
        assert appended.is_new
        self.model.history.append((self.count, appended.position))

    async def repeat(self) -> None:
        recent = self.model.history[-12:]
        if not recent:
            return
        number, _ = self.random.choice(recent)
        appended = await self.log.append(joined(number, self.room_of(number)), f"callback {number}")
        if appended.is_new:
            assert number in self.model.no_record
            assert number in self.model.no_room
            self.model.no_record.discard(number)
            self.model.no_room.discard(number)
            self.model.history.append((number, appended.position))
        else:
            assert appended.position in {
                position for logged, position in self.model.history if logged == number
            }

    async def check(self) -> None:
        """A valid position is followed by exactly the events after it in the model. A
        position that was rolled back is never valid again."""
        history = self.model.history
        for index in (
            {0, len(history) - 1, *(self.random.randrange(len(history)) for _ in range(3))}
            if history
            else ()
        ):
            position = history[index][1]
            if isinstance(await self.log.check(position), Head):
                after = [
                    event.sequence_number
                    for event in events_of(await self.log.read(position.n, 10_000))
                ]
                assert after == [number for number, _ in history[index + 1 :]]
        for position in self.void[-3:]:
            if position not in {position for _, position in history}:
                assert not isinstance(await self.log.check(position), Head)

    def forget(self, key: str) -> None:
        for number, _ in self.model.history:
            if key == KEYS.dedupe(dedupe_hash(f"callback {number}")):
                self.model.no_record.add(number)
            if key == KEYS.room_log(self.room_of(number)):
                self.model.no_room.add(number)

    async def lose_keys(self) -> None:
        keys = [key.decode() async for key in self.redis.scan_iter()]
        for key in self.random.sample(sorted(keys), min(len(keys), self.random.randint(1, 3))):
            await self.redis.delete(key)
            if self.random.random() < 0.5:
                await self.redis.setbit(key, 9, 1)
            self.forget(key)

    async def lose_everything(self) -> None:
        await self.redis.flushall()
        for number, _ in self.model.history:
            self.model.no_record.add(number)
            self.model.no_room.add(number)

    async def break_meta(self) -> None:
        name = self.random.choice(["epoch", "n", "base", "at"])
        await self.redis.hset(
            KEYS.meta,
            name,
            self.random.choice(["", "junk", "-1", "0", "1e17", "7" * 25, str(FUTURE)]),
        )

    async def restore_one(self) -> None:
        """Restores an earlier log or meta. Not the streams of rooms: the model does not
        cover them."""
        if self.snapshots:
            dumps, _ = self.random.choice(self.snapshots)
            key = self.random.choice([KEYS.log, KEYS.meta]).encode()
            if key in dumps:
                await self.redis.restore(key, 0, dumps[key], replace=True)

    async def restore_all(self) -> None:
        """Restores all keys, as a failover to a lagging replica does: acknowledged
        callbacks are lost, and their numbers will be assigned again."""
        if self.snapshots:
            dumps, model = self.random.choice(self.snapshots)
            await self.redis.flushall()
            for key, dump in dumps.items():
                await self.redis.restore(key, 0, dump, replace=True)
            self.void += [
                position
                for _, position in self.model.history
                if position not in {kept for _, kept in model.history}
            ]
            self.model = model.copy()

    async def add_by_hand(self) -> None:
        key = self.random.choice([KEYS.log, *(KEYS.room_log(sid(number)) for number in range(4))])
        if (await self.redis.type(key)) == b"stream":
            last = (await self.redis.xinfo_stream(key))["last-generated-id"].split(b"-")[0].decode()
            ahead = self.random.choice([f"{last}-*", f"{int(last) + 3}-0"])
            await self.redis.xadd(key, {"x": "y"}, id=ahead)

    async def trim(self) -> None:
        if (await self.redis.type(KEYS.log)) == b"stream":
            await self.redis.xtrim(KEYS.log, maxlen=self.random.randint(0, 20), approximate=False)

    async def delete_entry(self) -> None:
        if self.model.history and (await self.redis.type(KEYS.log)) == b"stream":
            await self.redis.xdel(KEYS.log, f"{self.random.choice(self.model.history)[1].n}-0")

    async def forget_scripts(self) -> None:
        await self.redis.script_flush()
