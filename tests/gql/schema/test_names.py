from gateway.gql.schema.names import graphql_name


def test_a_name_is_cores_in_camel_case_unless_graphql_has_another_one() -> None:
    assert graphql_name("max_participants") == "maxParticipants"
    assert graphql_name("sid") == "sid"
    assert (graphql_name("page_size"), graphql_name("page_token")) == ("first", "after")
