from gateway.rpc.names import name_of


def test_a_name_is_cores_own_unless_the_protos_have_another_one() -> None:
    assert name_of("max_participants") == "max_participants"
    assert name_of("idempotency_key") == "request_id"
    assert name_of("ttl_s") == "ttl"
