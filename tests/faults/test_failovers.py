"""P6: failovers behind Sentinels and in a cluster.

The masters die, hang, or lose acknowledged writes.
"""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from gateway.core.rooms import AccountSid
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from gateway.store.keys import Keys
from tests.conftest import Figure
from tests.faults.nemesis import new_api_key
from tests.running import Gateway, new_sid, running, take
from tests.topologies import (
    SERVICE,
    Server,
    eventually,
    sentinel_group,
    valkey_cluster,
    wait_for_same_offset,
)

PUBLIC_URL = "https://rooms.example"
SERVE = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
WATCH = """subscription($room: ID!, $after: String) { roomEvents(room: {sid: $room}, after:
    $after) {
    __typename cursor prev
    ... on StreamStarted { mode }
    ... on ResyncRequired { reason }
    ... on ParticipantConnected { participant { sid } }
} }"""
LOSS_REASONS = {"ROLLED_BACK", "DIVERGED", "EPOCH"}


@dataclass
class Store:
    """The Redis of the gateways.

    `master` has the keys of the account, and `replica` takes over when it fails.
    """

    url: str
    master: Server
    replica: Server
    wait_for_promotion: Callable[[], Awaitable[Any]]
    sentinels: Sequence[Server] = ()

    async def wait_for_replication(self) -> None:
        await wait_for_same_offset(self.master, self.replica)

    async def wait_for_demotion(self) -> None:
        """Waits until the old master knows that it is a replica.

        From then on it acknowledges no writes.
        """

        async def is_replica() -> bool:
            return bool((await self.master.replication())["role"] == "slave")

        await eventually(is_replica)

    async def stop_replication(self) -> None:
        """Disconnects the replica: it receives no later write of the master."""
        await self.wait_for_replication()
        await self.master.client.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
        await self.master.client.execute_command("CLIENT", "KILL", "TYPE", "replica")

        async def has_no_replicas() -> bool:
            return bool((await self.master.replication())["connected_slaves"] == 0)

        await eventually(has_no_replicas)


@asynccontextmanager
async def behind_sentinels(folder: Path, log_key: str) -> AsyncIterator[Store]:
    async with sentinel_group(folder, sentinels=3) as group:
        yield Store(
            group.url, group.master, group.replica, group.wait_for_promotion, group.sentinels
        )


@asynccontextmanager
async def in_a_cluster(folder: Path, log_key: str) -> AsyncIterator[Store]:
    async with valkey_cluster(folder, has_replicas=True) as cluster:
        master = await cluster.master_of(log_key)
        replica = await cluster.replica_of(master)
        yield Store(cluster.url, master, replica, lambda: cluster.wait_for_promotion(replica))


Kind = Callable[[Path, str], Any]
STORE_KINDS = pytest.mark.parametrize("kind", [behind_sentinels, in_a_cluster])


@dataclass
class FailoverSite:
    """One simulated Twilio, and gateways that share a store."""

    folder: Path
    sandbox: Gateway
    store: Store
    environment: dict[str, str]
    auth: dict[str, str]
    stack: AsyncExitStack

    async def gateway(self) -> Gateway:
        gateway = await self.stack.enter_async_context(
            running(self.folder, SERVE, self.environment)
        )
        gateway.auth, gateway.metadata = self.auth, (("authorization", self.auth["Authorization"]),)
        gateway.account_sid, gateway.auth_token = self.sandbox.account_sid, self.sandbox.auth_token
        return gateway

    async def join(self, gateway: Gateway, room: str, participant: str | None = None) -> str:
        """Delivers a join, with retries as Twilio does.

        Returns the participant's SID.
        """
        participant = participant or new_sid("PA")
        fields = gateway.callback_fields("participant-connected", room, ParticipantSid=participant)
        sign = RequestValidator(self.sandbox.auth_token).compute_signature
        headers = {
            "X-Twilio-Signature": sign(f"{PUBLIC_URL}/callbacks/twilio", fields),
            "Content-Type": "application/x-www-form-urlencoded",
        }

        async def is_acknowledged() -> bool:
            async with gateway.http.post(
                gateway.ready["callbacks"], data=urlencode(fields), headers=headers
            ) as reply:
                assert reply.status in (204, 503)
                return reply.status == 204

        await eventually(is_acknowledged)
        return participant


@asynccontextmanager
async def create_site(folder: Path, kind: Kind) -> AsyncIterator[FailoverSite]:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            running(folder, ("sandbox", "--sandbox-port", "0"))
        )
        store = await stack.enter_async_context(
            kind(folder, Keys(AccountSid(sandbox.account_sid)).log)
        )
        key = await new_api_key()
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": PUBLIC_URL,
            "GATEWAY_API_KEYS": json.dumps([key["row"]]),
            "GATEWAY_REDIS_URL": store.url,
        }
        yield FailoverSite(
            folder,
            sandbox,
            store,
            environment,
            {"Authorization": f"Bearer {key['api_key']}"},
            stack,
        )


def participant_of(message: dict[str, Any]) -> str:
    sid: str = message["participant"]["sid"]
    return sid


def are_chained(before: dict[str, Any], after: list[dict[str, Any]]) -> bool:
    """Whether the `prev` of each event is the cursor of the message before it."""
    pairs = zip([before, *after], after, strict=False)
    return all(is_loss(then) or then["prev"] == now["cursor"] for now, then in pairs)


def reason_of(message: dict[str, Any]) -> str:
    """Returns the reason of a resync, or the type of any other message."""
    return str(message.get("reason", message["__typename"]))


def is_loss(message: dict[str, Any]) -> bool:
    """Whether the message announces a loss."""
    return bool(message["__typename"] == "ResyncRequired")


def words_of(value: Callable[..., Any]) -> str:
    return value.__name__.replace("_", " ")


async def resume(gateway: Gateway, room: str, after: str, count: int) -> list[dict[str, Any]]:
    async with gateway.subscribe_ws(WATCH, room=room, after=after) as messages:
        return await take(messages, count)


@pytest.mark.long
@STORE_KINDS
@pytest.mark.parametrize("fault", ["dies", "hangs"])
async def test_failover_without_loss_continues_streams_without_a_gap(
    tmp_path: Path, figure: Figure, kind: Kind, fault: str
) -> None:
    """On every transport and on both replicas; reads and writes work as well."""
    async with create_site(tmp_path, kind) as site:
        first, second = [await site.gateway() for _ in range(2)]
        room = new_sid()
        async with (
            first.subscribe_ws(WATCH, room=room) as by_websocket,
            second.subscribe_sse(WATCH, room=room) as by_sse,
            second.channel() as channel,
        ):
            request = pb.WatchRoomEventsRequest(room=room)
            by_grpc = stubs.RoomServiceStub(channel).WatchRoomEvents(
                request, metadata=second.metadata
            )
            await by_grpc.read()
            await take(by_websocket, 1)
            await take(by_sse, 1)
            participants = [await site.join(first, room) for _ in range(5)]
            await site.store.wait_for_replication()
            failed_at = time.monotonic()
            if fault == "dies":
                await site.store.master.kill()
            else:
                site.store.master.suspend()
            participants.append(await site.join(first, room))
            acknowledged_after_s = time.monotonic() - failed_at
            participants += [await site.join(second, room) for _ in range(5)]
            received = await take(by_websocket, len(participants))
            received_after_s = time.monotonic() - failed_at
            missing = set(participants) - {
                participant_of(message) for message in received if not is_loss(message)
            }
            figure(
                f"I-4: the master {words_of(kind)} {fault}, without loss",
                f"callbacks acknowledged again after {acknowledged_after_s:.2f} s, delivered after "
                f"{received_after_s:.2f} s; {len(missing)} of {len(participants)} missed",
                None,
            )
            assert [participant_of(message) for message in received] == participants
            assert are_chained(received[0], received[1:])
            assert [
                participant_of(message) for _, message in await take(by_sse, len(participants))
            ] == participants
            cursors = [(await by_grpc.read()).cursor for _ in participants]
            assert cursors == [message["cursor"] for message in received]
        created = await second.create_room()
        assert (
            await first.execute(
                "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }", ref=created["sid"]
            )
        )["room"] is not None
        if fault == "hangs":
            # The old master resumes as a master, and must become a replica.
            site.store.master.resume()
            await eventually(site.store.master.is_connected_replica)
        resumed_messages = await resume(first, room, received[0]["cursor"], len(participants))
        assert resumed_messages[0]["mode"] == "RESUMED"
        assert [participant_of(message) for message in resumed_messages[1:]] == participants[1:]


@pytest.mark.long
@STORE_KINDS
async def test_p6_failover_that_loses_acknowledged_callbacks_is_announced(
    tmp_path: Path, figure: Figure, kind: Kind
) -> None:
    """On both replicas, to open streams and to streams that resume.

    A stream that did not match the lost events is informed too.
    """
    async with create_site(tmp_path, kind) as site:
        first, second = [await site.gateway() for _ in range(2)]
        room, other_room = new_sid(), new_sid()
        async with (
            first.subscribe_ws(WATCH, room=room) as by_websocket,
            second.subscribe_sse(WATCH, room=room) as by_sse,
            second.subscribe_ws(WATCH, room=other_room) as by_other_room,
        ):
            for stream in (by_websocket, by_sse, by_other_room):
                await take(stream, 1)
            known = await site.join(first, room)
            await site.store.stop_replication()
            lost = [await site.join(first, room) for _ in range(5)]
            received = await take(by_websocket, 6)
            assert [participant_of(message) for message in received] == [known, *lost]
            await take(by_sse, 6)
            await site.store.master.kill()
            await site.store.wait_for_promotion()
            failed_at = time.monotonic()

            async def reason_and_delay(messages: AsyncIterator[Any]) -> tuple[str, float]:
                [message] = await take(messages, 1)
                message = message[1] if isinstance(message, tuple) else message
                return reason_of(message), time.monotonic() - failed_at

            losses = await asyncio.gather(
                *(reason_and_delay(stream) for stream in (by_websocket, by_sse, by_other_room))
            )
            figure(
                f"P6: the master {words_of(kind)} dies with {len(lost)} acknowledged callbacks",
                "announced after the promotion: "
                + ", ".join(f"{reason} {wait_s * 1000:.0f} ms" for reason, wait_s in losses),
                None,
            )
            assert {reason for reason, _ in losses} <= LOSS_REASONS
            # Both replicas deliver the next event.
            after = await site.join(second, room)
            assert (
                participant_of((await take(by_websocket, 1))[0])
                == participant_of((await take(by_sse, 1))[0][1])
                == after
            )
        for gateway in (first, second):
            for message in (received[0], received[-1]):
                [started, message] = await resume(gateway, room, message["cursor"], 2)
                assert (started["mode"], message["reason"]) == ("RESYNC", "EPOCH")
    assert max(wait_s for _, wait_s in losses) <= 1.0


@pytest.mark.long
@STORE_KINDS
async def test_p6_gateway_started_after_the_loss_detects_lost_cursors(
    tmp_path: Path, figure: Figure, kind: Kind
) -> None:
    """No process that knew the lost entries is left.

    New entries get the same numbers in the same epoch.
    """
    async with create_site(tmp_path, kind) as site:
        before = await site.gateway()
        room = new_sid()
        async with before.subscribe_ws(WATCH, room=room) as messages:
            await take(messages, 1)
            await site.join(before, room)
            await site.store.stop_replication()
            for _ in range(3):
                await site.join(before, room)
            known, *lost = await take(messages, 4)
        before.process.kill()
        await before.process.wait()
        await site.store.master.kill()
        await site.store.wait_for_promotion()

        after = await site.gateway()

        async def reason_and_delay() -> list[tuple[str, str]]:
            streams = [await resume(after, room, message["cursor"], 2) for message in lost]
            return [(started["mode"], reason_of(message)) for started, message in streams]

        before_reuse = await reason_and_delay()
        participants = [await site.join(after, room) for _ in range(5)]
        after_reuse = await reason_and_delay()
        figure(
            f"P6: the master {words_of(kind)} dies with {len(lost)} acknowledged callbacks, and so "
            "does the gateway that delivered them",
            f"resuming after them gives {dict(Counter(reason for _, reason in before_reuse))}, and "
            f"{dict(Counter(reason for _, reason in after_reuse))} after their numbers are reused",
            None,
        )
        assert before_reuse == [("RESYNC", "ROLLED_BACK")] * 3
        assert after_reuse == [("RESYNC", "DIVERGED")] * 3
        [started, *rest] = await resume(after, room, known["cursor"], 6)
        assert started["mode"] == "RESUMED"
        assert [participant_of(message) for message in rest] == participants
        assert are_chained(known, rest)


def summarize_loss(received: list[dict[str, Any]], acknowledged: set[str]) -> str:
    losses = ", ".join(reason_of(message) for message in received if is_loss(message))
    lost = acknowledged - {participant_of(message) for message in received if not is_loss(message)}
    return f"{len(lost)} (announced: {losses or 'none'})"


async def commanded_in_a_cluster(store: Store) -> None:
    await store.replica.client.execute_command("CLUSTER", "FAILOVER")


async def coordinated_by_a_sentinel(store: Store) -> None:
    await store.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", SERVICE, "COORDINATED")


async def forced_by_a_sentinel(store: Store) -> None:
    """The old master acknowledges writes until it becomes a replica."""
    await store.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", SERVICE)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "fail_over", "may_lose"),
    [
        (in_a_cluster, commanded_in_a_cluster, False),
        (behind_sentinels, coordinated_by_a_sentinel, False),
        (behind_sentinels, forced_by_a_sentinel, True),
    ],
)
async def test_failover_under_load_loses_nothing_unannounced(
    tmp_path: Path,
    figure: Figure,
    kind: Kind,
    fail_over: Callable[[Store], Awaitable[None]],
    may_lose: bool,
) -> None:
    """Two replicas deliver each callback once, in order, or announce a loss."""
    async with create_site(tmp_path, kind) as site:
        first, second = [await site.gateway() for _ in range(2)]
        room, acknowledged, is_over = new_sid(), set[str](), asyncio.Event()

        async def wait_for_traffic() -> None:
            count = len(acknowledged) + 100

            async def is_reached() -> bool:
                return len(acknowledged) >= count

            await eventually(is_reached)

        async def send(gateway: Gateway) -> None:
            while not is_over.is_set():
                acknowledged.add(await site.join(gateway, room))

        async def follow(gateway: Gateway) -> list[dict[str, Any]]:
            received = list[dict[str, Any]]()
            async with gateway.subscribe_ws(WATCH, room=room) as messages:
                await take(messages, 1)
                started.release()
                async for message in messages:
                    if message["__typename"] == "Bookmark":
                        continue
                    received.append(message)
                    if not is_loss(message) and participant_of(message) == last:
                        return received
            raise AssertionError("the stream ended first")

        last, started = new_sid("PA"), asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(follow(gateway)) for gateway in (first, second)]
            for _ in followers:
                await started.acquire()
            async with asyncio.TaskGroup() as traffic:
                for gateway in (first, second) * 4:
                    traffic.create_task(send(gateway))
                await wait_for_traffic()
                await fail_over(site.store)
                await site.store.wait_for_promotion()
                await site.store.wait_for_demotion()
                await wait_for_traffic()
                is_over.set()

            async def has_ended() -> bool:
                # A forced failover may lose this callback too, so it is sent until it
                # is seen.
                await site.join(first, room, last)
                return all(task.done() for task in followers)

            await eventually(has_ended)
        streams = [task.result() for task in followers]
    figure(
        f"P6: a failover {words_of(fail_over)}, under load, {len(acknowledged):,} callbacks "
        "acknowledged",
        "missed by subscribers of two replicas: "
        + ", ".join(summarize_loss(received, acknowledged) for received in streams),
        None,
    )
    for received in streams:
        losses = [message for message in received if is_loss(message)]
        participants = [participant_of(message) for message in received if not is_loss(message)]
        assert len(participants) == len(set(participants))
        assert are_chained(received[0], received[1:])
        assert losses or acknowledged <= set(participants)
        assert may_lose or not losses
