"""Recording rules of rooms and subscribe rules of participants. Does no I/O.

https://www.twilio.com/docs/video/api/recording-rules
https://www.twilio.com/docs/video/api/track-subscriptions

An update replaces all rules, so it may be repeated. Every function raises
InvalidArgument for a text that is not a SID of its kind, and its `read` raises
NotFound.
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
    """Returns the request for the rules that say which tracks the room records."""
    return _RECORDING_RULES.fetch(room_path(room, "RecordingRules"))


def update_recording_rules(room: RoomSid, new: NewRecordingRules) -> WireRequest[RecordingRules]:
    """Returns the request that replaces the room's recording rules.

    `read` returns the new rules. It raises InvalidArgument for rules that Twilio
    refuses (error 53120); the old rules then stay.
    """
    path = room_path(room, "RecordingRules")
    return _RECORDING_RULES.post(path, (("Rules", rules_json(new.rules)),))


def fetch_subscribe_rules(
    room: RoomSid, participant: ParticipantSid
) -> WireRequest[SubscribeRules]:
    """Returns the request for the rules by which the participant receives tracks."""
    return _SUBSCRIBE_RULES.fetch(_subscribe_rules_path(room, participant))


def update_subscribe_rules(
    room: RoomSid, participant: ParticipantSid, new: NewSubscribeRules
) -> WireRequest[SubscribeRules]:
    """Returns the request that replaces the participant's subscribe rules.

    `read` returns the new rules. It raises InvalidArgument for rules that Twilio
    refuses (error 53215); the old rules then stay.
    """
    path = _subscribe_rules_path(room, participant)
    return _SUBSCRIBE_RULES.post(path, (("Rules", rules_json(new.rules)),))


def rules_json(rules: Sequence[RecordingRule | SubscribeRule]) -> str:
    """Returns the rules as a JSON array without unset filters, for a form parameter.

    Raises InvalidArgument for text with a lone surrogate.
    """
    return json_text([without_none(asdict(rule)) for rule in rules])


def _subscribe_rules_path(room: RoomSid, participant: ParticipantSid) -> str:
    sid = checked_sid(ParticipantSid, participant, "participant")
    return room_path(room, "Participants", sid, "SubscribeRules")
