from gateway.rpc.names import name_of


def test_a_name_is_cores_own_unless_the_protos_have_another_one() -> None:
    assert name_of("max_participants") == "max_participants"
    assert name_of("idempotency_key") == "request_id"
    assert name_of("ttl_s") == "ttl"


def test_a_value_of_an_enum_has_the_name_of_the_protos() -> None:
    assert name_of("RoomStatus.IN_PROGRESS") == "ROOM_STATUS_IN_PROGRESS"
    assert name_of("RecordedKind.AUDIO") == "TRACK_KIND_AUDIO"
    assert name_of("RuleType.INCLUDE") == "TRACK_RULE_EFFECT_INCLUDE"
