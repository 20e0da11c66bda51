"""Rules of recording and of subscribing, which replace all before them. Does no I/O.

https://www.twilio.com/docs/video/api/recording-rules
https://www.twilio.com/docs/video/api/track-subscriptions
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from gateway.core.participants import NewSubscribeRules, SubscribeRule, SubscribeRules
from gateway.core.recordings import NewRecordingRules, RecordingRule, RecordingRules
from gateway.core.sids import ParticipantSid, RoomSid, checked_sid
from gateway.twilio.wire.exchange import WireRequest, json_text, without_none
from gateway.twilio.wire.resource import TwilioResource, room_path

_RECORDING_RULES: Final = TwilioResource(RecordingRules)
_SUBSCRIBE_RULES: Final = TwilioResource(SubscribeRules)


def fetch_recording_rules(room: RoomSid) -> WireRequest[RecordingRules]:
    return _RECORDING_RULES.fetch(room_path(room, "RecordingRules"))


def update_recording_rules(room: RoomSid, new: NewRecordingRules) -> WireRequest[RecordingRules]:
    return _RECORDING_RULES.post(
        room_path(room, "RecordingRules"), (("Rules", rules_json(new.rules)),)
    )


def fetch_subscribe_rules(
    room: RoomSid, participant: ParticipantSid
) -> WireRequest[SubscribeRules]:
    return _SUBSCRIBE_RULES.fetch(_subscribe_rules(room, participant))


def update_subscribe_rules(
    room: RoomSid, participant: ParticipantSid, new: NewSubscribeRules
) -> WireRequest[SubscribeRules]:
    return _SUBSCRIBE_RULES.post(
        _subscribe_rules(room, participant), (("Rules", rules_json(new.rules)),)
    )


def rules_json(rules: Sequence[RecordingRule | SubscribeRule]) -> str:
    return json_text([without_none(asdict(rule)) for rule in rules])


def _subscribe_rules(room: RoomSid, participant: ParticipantSid) -> str:
    sid = checked_sid(ParticipantSid, participant, "the participant")
    return room_path(room, "Participants", sid, "SubscribeRules")
