from gateway.core.participants import NewSubscribeRules, SubscribeRule
from gateway.core.recordings import NewRecordingRules, RecordedKind, RecordingRule
from gateway.core.rules import RuleType, TrackKind, TrackPriority, TrackRule, TrackRuleEffect
from gateway.core.sids import ParticipantSid, RoomSid
from gateway.twilio.wire.rules import (
    fetch_subscribe_rules,
    update_recording_rules,
    update_subscribe_rules,
)
from tests.twilio.wire.documents import response

ROOM, PARTICIPANT = RoomSid("RM" + "0" * 32), ParticipantSid("PA" + "0" * 32)


def test_rules_are_sent_as_json_without_unset_filters() -> None:
    recording = NewRecordingRules(
        (
            RecordingRule(type=RuleType.INCLUDE, all=True),
            RecordingRule(type=RuleType.EXCLUDE, kind=RecordedKind.VIDEO, publisher='Zoë "Z"'),
        )
    )
    subscribe = NewSubscribeRules(
        (
            SubscribeRule(
                type=RuleType.INCLUDE, kind=TrackKind.DATA, track="a/b", priority=TrackPriority.HIGH
            ),
        )
    )

    recording_rules = (
        '[{"type":"include","all":true},'
        '{"type":"exclude","kind":"video","publisher":"Zoë \\"Z\\""}]'
    )
    assert update_recording_rules(ROOM, recording).form == (("Rules", recording_rules),)
    assert update_subscribe_rules(ROOM, PARTICIPANT, subscribe).form == (
        ("Rules", '[{"type":"include","kind":"data","track":"a/b","priority":"high"}]'),
    )


def test_rule_that_could_not_be_set_is_read() -> None:
    document = {
        "participant_sid": PARTICIPANT,
        "room_sid": ROOM,
        "rules": [
            {
                "type": "exclude",
                "all": False,
                "publisher": "x" * 999,
                "kind": None,
                "priority": "low",
            }
        ],
    }

    assert fetch_subscribe_rules(ROOM, PARTICIPANT).read(response(document)).rules == (
        TrackRule(
            type=TrackRuleEffect.EXCLUDE, all=False, publisher="x" * 999, priority=TrackPriority.LOW
        ),
    )
