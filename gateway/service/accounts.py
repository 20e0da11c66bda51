"""One Twilio account's use cases, kept together and apart from every other account's."""

from dataclasses import dataclass

from gateway.core.rooms import AccountSid
from gateway.service.feed import Feed
from gateway.service.ingest import Ingest
from gateway.service.rooms import Rooms
from gateway.service.tail import Tail


@dataclass(frozen=True, slots=True)
class Account:
    sid: AccountSid
    rooms: Rooms
    feed: Feed
    ingest: Ingest
    tail: Tail
