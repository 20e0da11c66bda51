import asyncio
from typing import Any

from gateway.core.cursors import CursorCodec
from gateway.core.participants import ParticipantRef, ParticipantStatus
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from tests.service.conftest import ACCOUNT, ADMIN, Site, event, ref, sid, wait_until


async def test_an_account_is_built_for_its_sid(site: Site) -> None:
    account = await site.replica()
    assert account.sid == ACCOUNT
    assert await account.rooms.room(ADMIN, ref(sid(1))) is None


async def test_i12_accounts_share_one_redis_and_see_nothing_of_each_other(
    site: Site, connections: Connections
) -> None:
    other = AccountSid("AC" + "0" * 32)
    here, there = await site.replica(), await site.replica(twilio_account_sid=other)
    before = there.tail.position
    site.accounts.remove(there)
    await site.append(event())
    assert there.tail.position == before
    keys: Any = await connections.commands.keys(f"*{ACCOUNT}*")
    assert {key.split(b"}")[0] for key in keys} == {f"rg:{{{ACCOUNT}".encode()}
    token = (site.sandbox.auth_token,)
    assert CursorCodec(token, ACCOUNT).log_cursor(here.tail.position) != CursorCodec(
        token, other
    ).log_cursor(here.tail.position)
    site.accounts.append(there)


async def test_closing_cancels_reads_and_lets_mutations_finish(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada")
    site.gate.close()
    reads = [
        site.tasks.create_task(
            account.participants.subscribe_rules(ADMIN, ref(room), ParticipantRef.of(ada.sid))
        ),
        site.tasks.create_task(account.rooms.room(ADMIN, ref(room))),
    ]
    change = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(ada.sid))
    )
    await wait_until(lambda: site.gate.waiting == 3)
    stop = site.tasks.create_task(account.aclose())
    await wait_until(lambda: site.gate.left == 2)
    assert not change.done()
    site.gate.open()
    await stop
    assert (await change).status is ParticipantStatus.DISCONNECTED
    await asyncio.wait(reads)
    assert all(read.cancelled() for read in reads)
