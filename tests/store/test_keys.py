from gateway.core.rooms import AccountSid
from gateway.store.keys import Keys, dedupe_hash
from tests.store.samples import ACCOUNT, ROOM


def test_all_keys_of_an_account_share_one_hash_tag_whatever_a_room_is_called() -> None:
    keys = Keys(ACCOUNT)

    for key in (
        keys.log,
        keys.meta,
        keys.room_log(ROOM),
        keys.versions(ROOM),
        keys.end(ROOM),
        keys.seen("00"),
        keys.room(ROOM),
        keys.name("{x}"),
        keys.rate("read"),
        keys.pause("write"),
        keys.in_flight,
        keys.ceiling,
        keys.lease("reconcile"),
        keys.recheck_queue,
    ):
        assert key.startswith(f"rg:{{{ACCOUNT}}}:")


def test_no_two_things_share_a_key() -> None:
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
        keys.ceiling,
        keys.lease("reconcile"),
        keys.recheck_queue,
        keys.name(ROOM),
        other.log,
    ]

    assert len(set(all_keys)) == len(all_keys)


def test_a_callback_is_told_from_another_by_every_byte() -> None:
    assert dedupe_hash("a\nb") != dedupe_hash("ab\n")
    assert len(dedupe_hash("a")) == 32
