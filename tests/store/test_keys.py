from gateway.core.rooms import AccountSid
from gateway.store.keys import Keys, dedupe_hash
from tests.store.samples import ACCOUNT, ROOM


def test_all_keys_of_an_account_share_one_hash_tag() -> None:
    keys = Keys(ACCOUNT)

    for key in (
        keys.log,
        keys.meta,
        keys.room_log(ROOM),
        keys.versions(ROOM),
        keys.end(ROOM),
        keys.dedupe("00"),
        keys.room(ROOM),
        keys.name("{x}"),
        keys.rate("read"),
        keys.pause("write"),
        keys.in_flight,
        keys.concurrency_limit,
        keys.lease("reconcile"),
        keys.idempotency("00"),
        keys.recheck_queue,
    ):
        assert key.startswith(f"rg:{{{ACCOUNT}}}:")


def test_all_keys_differ() -> None:
    keys, other = Keys(ACCOUNT), Keys(AccountSid("AC" + "1" * 32))
    all_keys = [
        keys.log,
        keys.meta,
        keys.room_log(ROOM),
        keys.versions(ROOM),
        keys.end(ROOM),
        keys.room(ROOM),
    ]
    all_keys += [
        keys.rate("read"),
        keys.rate("write"),
        keys.pause("read"),
        keys.pause("write"),
        keys.rate("reconcile"),
        keys.in_flight,
        keys.concurrency_limit,
        keys.lease("reconcile"),
        keys.recheck_queue,
        keys.name(ROOM),
        keys.idempotency(ROOM),
        other.log,
    ]

    assert len(set(all_keys)) == len(all_keys)


def test_dedupe_hash_depends_on_every_byte() -> None:
    assert dedupe_hash("a\nb") != dedupe_hash("ab\n")
    assert len(dedupe_hash("a")) == 32
